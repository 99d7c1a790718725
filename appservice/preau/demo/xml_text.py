"""XML as text, one element to a line, so that the line of a finding points somewhere."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

ENCODING = "iso-8859-15"
"""What the ministry's files are written in, and what their first line declares (``school-data.md`` 1.1)."""


def prolog() -> str:
    """The first line of every export."""
    return '<?xml version="1.0" encoding="ISO-8859-15"?>\n'


def opening(tag: str, **attributes: object) -> str:
    """A start tag; attributes that are None are left out."""
    written = "".join(f" {name}={quoteattr(str(value))}" for name, value in attributes.items() if value is not None)
    return f"<{tag}{written}>\n"


def close(tag: str) -> str:
    """An end tag."""
    return f"</{tag}>\n"


def element(tag: str, value: object) -> str:
    """An element with text; an empty text stays an empty element, as in the ministry's files."""
    return f"<{tag}>{escape(str(value))}</{tag}>\n"


def elements(*fields: tuple[str, object]) -> str:
    """Elements in order; those whose value is None are absent, as null fields are."""
    return "".join(element(tag, value) for tag, value in fields if value is not None)
