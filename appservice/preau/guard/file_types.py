"""What a file is by its own first bytes: the kinds that people may send, and nothing else.

::

    first bytes ─┬─ a signature of the table ─────────────────► image, video, sound, PDF
                 ├─ a zip that is an office document inside ──► document (no macros, nothing executable)
                 ├─ readable text that is no markup ──────────► text (also CSV and calendars)
                 └─ anything else ────────────────────────────► None

Name and declared type are the sender's words and are not asked. An encrypted file is noise, hence none of these.
"""

from __future__ import annotations

import codecs
import os
import re
import struct
import zipfile
import zlib
from enum import StrEnum
from typing import IO, Final

_START: Final = 64 * 1024
"""How much of a file is looked at, but for the table of contents of a document."""


class Kind(StrEnum):
    """What people may send."""

    IMAGE = "image"
    VIDEO = "video"
    SOUND = "sound"
    PDF = "pdf"
    DOCUMENT = "document"
    TEXT = "text"


_SIGNATURES: Final = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), Kind.IMAGE),
    (re.compile(rb"\xff\xd8\xff"), Kind.IMAGE),
    (re.compile(rb"GIF8[79]a"), Kind.IMAGE),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), Kind.IMAGE),
    (re.compile(rb"....ftyp(heic|heix|heim|heis|hevc|hevx|mif1|msf1)", re.DOTALL), Kind.IMAGE),
    (re.compile(rb"....ftyp(isom|iso[2-9]|mp4[12]|avc1|dash|M4V |MSNV|3gp[4-7]|3g2a|qt  )", re.DOTALL), Kind.VIDEO),
    (re.compile(rb"\x1a\x45\xdf\xa3.{0,40}\x42\x82[\x80-\x90]webm", re.DOTALL), Kind.VIDEO),
    (re.compile(rb"....ftyp(M4A |M4B )", re.DOTALL), Kind.SOUND),
    (re.compile(rb"OggS\x00"), Kind.SOUND),
    (re.compile(rb"RIFF....WAVE", re.DOTALL), Kind.SOUND),
    (re.compile(rb"ID3[\x02-\x04]\x00"), Kind.SOUND),
    # MPEG layer III: sync, a bit rate and a sampling rate that exist.
    (re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x00-\xef]"), Kind.SOUND),
    # AAC in ADTS frames.
    (re.compile(rb"\xff[\xf0\xf1\xf8\xf9][\x40-\x73]"), Kind.SOUND),
    (re.compile(rb"%PDF-\d"), Kind.PDF),
)


def kind_of(file: IO[bytes]) -> Kind | None:
    """The kind of a file; None if it is none that people may send. The file is a seekable one, read from its start."""
    start = file.read(_START)
    for signature, kind in _SIGNATURES:
        if signature.match(start):
            return kind
    if start.startswith(b"PK\x03\x04"):
        return Kind.DOCUMENT if _is_document(file) else None
    return Kind.TEXT if _is_text(start) else None


# Text

_MARKUP: Final = re.compile(r"<(script|html|head|body|iframe|object|embed|svg|!doctype|\?xml|\?php)", re.IGNORECASE)
_NO_PLAIN_TEXT: Final = re.compile(r"\s*(<|#!|%!PS|\{\\rtf|@echo\b|\[InternetShortcut\]|\[autorun\])", re.IGNORECASE)
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_FOREIGN_SHARE: Final = 0.3
"""French has some letters in a hundred outside ASCII, noise has half of its bytes there."""


def _is_text(start: bytes) -> bool:
    text = _decoded(start)
    if text is None or _CONTROL.search(text):
        return False
    return _MARKUP.search(text) is None and _NO_PLAIN_TEXT.match(text) is None


def _decoded(start: bytes) -> str | None:
    """The text of UTF-8, of UTF-16 that says so, or of the one byte per letter that French spreadsheets write."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _decode(start, "utf-16")
    text = _decode(start, "utf-8-sig")
    if text is None and sum(byte > 0x7F for byte in start) <= _FOREIGN_SHARE * len(start):
        return _decode(start, "cp1252")
    return text


def _decode(start: bytes, encoding: str) -> str | None:
    """The text; a letter that the end of what was read cuts in two is left out."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(start, final=len(start) < _START)
    except UnicodeDecodeError:
        return None


# Office documents: zip archives that say what they are

_END: Final = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR: Final = 20
_MOST_CONTENTS: Final = 2**20
"""Bytes of a zip's table of contents, and of each part read here: a large school report has some hundred parts."""

_OPEN_DOCUMENT: Final = {
    b"application/vnd.oasis.opendocument." + kind for kind in (b"text", b"spreadsheet", b"presentation", b"graphics")
}
_OFFICE_MAIN: Final = re.compile(
    rb"application/vnd\.openxmlformats-officedocument\."
    rb"(wordprocessingml\.document|spreadsheetml\.sheet|presentationml\.(presentation|slideshow))\.main\+xml"
)
_OFFICE_NEVER: Final = re.compile(rb"macro|vbaproject|vbadata|activex|[&]|<!", re.IGNORECASE)
"""Macros, controls, and spellings that would hide them from this very expression."""

_EXECUTABLE: Final = (
    *(".exe", ".dll", ".com", ".scr", ".msi", ".bat", ".cmd", ".ps1", ".vbs", ".js", ".jse", ".wsf", ".hta", ".lnk"),
    *(".jar", ".class", ".dex", ".apk", ".so", ".sh", ".py", ".html", ".htm", ".svg", "vbaproject.bin"),
)


def _is_document(file: IO[bytes]) -> bool:
    try:
        if not _has_small_contents(file):
            return False
        with zipfile.ZipFile(file) as archive:
            return _holds_document(archive)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError, KeyError):
        return False  # broken, encrypted, or packed in a way that no office program uses


def _has_small_contents(file: IO[bytes]) -> bool:
    """Whether the archive ends as office programs end it, with a table of contents that is read in no time.

    Anything after the end, or the longer form for archives of gigabytes, would let it be read in two ways.
    """
    size = file.seek(0, os.SEEK_END)
    if size < _END.size + _ZIP64_LOCATOR:
        return False
    file.seek(-_END.size - _ZIP64_LOCATOR, os.SEEK_END)
    before, end = file.read(_ZIP64_LOCATOR), file.read(_END.size)
    mark, _, _, _, _, contents, _, comment = _END.unpack(end)
    whole = mark == b"PK\x05\x06" and comment == 0 and not before.startswith(b"PK\x06\x07")
    return bool(whole and contents <= _MOST_CONTENTS)


def _holds_document(archive: zipfile.ZipFile) -> bool:
    parts = archive.infolist()
    names = [part.filename.lower() for part in parts]
    if len(set(names)) < len(names) or any(part.flag_bits & 1 for part in parts):
        return False  # twice the same name would be read in two ways; encrypted parts cannot be looked at
    if any(name.endswith(_EXECUTABLE) for name in names):
        return False
    if names and names[0] == "mimetype":
        return _is_open_document(archive, names)
    types = _part(archive, "[Content_Types].xml")
    return _OFFICE_MAIN.search(types) is not None and _OFFICE_NEVER.search(types) is None


def _is_open_document(archive: zipfile.ZipFile, names: list[str]) -> bool:
    if any(name.startswith(("basic/", "scripts/")) for name in names):
        return False
    encrypted = b"encryption-data" in _part(archive, "META-INF/manifest.xml")
    return not encrypted and _part(archive, "mimetype") in _OPEN_DOCUMENT


def _part(archive: zipfile.ZipFile, name: str) -> bytes:
    """One part of the archive, never more of it than the bound; empty if it is larger."""
    with archive.open(name) as part:
        found = part.read(_MOST_CONTENTS + 1)
    return found if len(found) <= _MOST_CONTENTS else b""
