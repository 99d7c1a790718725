"""A second, small reading of the ministry's files with the standard library, which shares no code with the product."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from zipfile import ZipFile


def raw(path: Path) -> bytes:
    """The bytes of an export, taken out of its zip where it is in one."""
    if path.suffix != ".zip":
        return path.read_bytes()
    with ZipFile(path) as archive:
        (member,) = archive.namelist()
        return archive.read(member)


def declared_encoding(document: bytes) -> str:
    """What the first line says."""
    found = re.match(rb'<\?xml version="1.0" encoding="([^"]+)"\?>\n', document)
    assert found
    return found.group(1).decode()


def root(path: Path) -> ET.Element:
    """The document's root."""
    return ET.fromstring(raw(path))


def texts(parent: ET.Element, path: str) -> list[str]:
    """The texts of all elements there."""
    return [element.text or "" for element in parent.iterfind(path)]
