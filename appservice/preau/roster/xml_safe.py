"""The only XML parser in the code: streams records out of a file that nobody has vouched for.

How one file flows through::

    stream ─ 64 KiB ─► counted, hashed ─► libxml2 (no entities, no DTD, no network, its own limits on)
                                             │ record complete: handed out
                                             ▼
                                          tree pruned: only the open path stays

What bounds the memory: the tree holds at most what one chunk built and one open record; records and bytes have
budgets; libxml2's own limits (``huge_tree=False``) stop depth beyond 256 and single texts or attributes beyond 10 MB.
Entities: any declaration is refused, so no reference can stand for a text (billion laughs, local files); an external
DTD is never loaded, and a record that still refers to an entity is refused with the file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from lxml import etree

from preau.roster.findings import Code, Refusal

_CHUNK: Final = 65_536


class ByteStream(Protocol):
    """What is read from: an open file or a member of a zip."""

    def read(self, size: int, /) -> bytes:
        """At most that many bytes, none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Budget:
    """How much one file may hold. A school of 100,000 people is about 150 MB and 300,000 records."""

    total_bytes: int = 2_000_000_000
    record_bytes: int = 2_000_000
    prologue_bytes: int = 1_000_000
    records: int = 5_000_000


def line_of(element: etree._Element) -> int:
    """The line an element starts on, counted from 1; exact beyond 65,535 too."""
    line: int | None = element.sourceline  # type: ignore[assignment] # the stubs leave the type open
    return line or 0


class XmlDocument:
    """One XML file, read up to its root element; `records` reads the rest, once.

    Args:
        stream: where the bytes come from; the caller closes it.
        budget: how much the file may hold.

    Raises:
        Refusal: the file is no XML, declares entities, or shows no root element within the budget.
    """

    def __init__(self, stream: ByteStream, budget: Budget = Budget()) -> None:
        self._stream = stream
        self._budget = budget
        self._hash = hashlib.sha256()
        self._read = 0
        self._head = b""
        root = self._find_root()
        self.root = str(root.tag)
        self.version = root.get("VERSION", "")
        self._has_doctype = _checked_doctype(root)

    @property
    def sha256(self) -> str:
        """The hash of the bytes read so far: of the file, once `records` has ended."""
        return self._hash.hexdigest()

    def records(self, parents: Mapping[str, str]) -> Iterator[etree._Element]:
        """Every complete element whose tag is a key of ``parents`` and whose parent is the value of that key.

        An element is valid only until the next one is asked for.

        Raises:
            Refusal: the file is not well-formed, is cut short, or is beyond the budget.
        """
        parser = _parser("end", tuple(parents))
        pruner = _Pruner(frozenset(parents), self._budget.record_bytes)
        number = 0
        for chunk in self._chunks():
            root = None
            for element in _feed(parser, chunk):
                root = element
                parent = element.getparent()
                if parent is None or parent.tag != parents[str(element.tag)]:
                    continue
                number += 1
                if number > self._budget.records:
                    raise _too_large(f"more than {self._budget.records:,} records", line_of(element))
                self._check_entities(element)
                yield element
            pruner.prune(root, len(chunk))
        _feed(parser, None)

    def _find_root(self) -> etree._Element:
        parser = _parser("start", None)
        while len(self._head) < self._budget.prologue_bytes:
            chunk = self._next_chunk()
            self._head += chunk
            for element in _feed(parser, chunk or None):
                return element
            if not chunk:
                break
        raise Refusal(Code.UNREADABLE_XML, 1, "The file shows no XML element.", advice=_EXPORT_AGAIN)

    def _chunks(self) -> Iterator[bytes]:
        yield from (self._head[start : start + _CHUNK] for start in range(0, len(self._head), _CHUNK))
        self._head = b""
        while chunk := self._next_chunk():
            yield chunk

    def _next_chunk(self) -> bytes:
        chunk = self._stream.read(_CHUNK)
        self._hash.update(chunk)
        self._read += len(chunk)
        if self._read > self._budget.total_bytes:
            raise _too_large(f"more than {self._budget.total_bytes:,} bytes", 0)
        return chunk

    def _check_entities(self, element: etree._Element) -> None:
        if self._has_doctype and next(element.iter(etree.Entity), None) is not None:
            raise _forbidden(line_of(element))


class _Pruner:
    """Throws away what has been read: after each chunk only the path to the element still open stays in the tree."""

    def __init__(self, tags: frozenset[str], record_bytes: int) -> None:
        self._tags = tags
        self._record_bytes = record_bytes
        self._root: etree._Element | None = None
        self._open: etree._Element | None = None
        self._open_bytes = 0

    def prune(self, element: etree._Element | None, size: int) -> None:
        """Drop all but the open path; ``element`` is any one of the tree, ``size`` the bytes since the last call."""
        if self._root is None and element is not None:
            self._root = element.getroottree().getroot()
        if self._root is None:
            return
        record = self._descend(self._root)
        self._open_bytes = self._open_bytes + size if record is not None and record is self._open else 0
        self._open = record
        if record is not None and self._open_bytes > self._record_bytes:
            raise _too_large(f"a record of more than {self._record_bytes:,} bytes", line_of(record))

    def _descend(self, node: etree._Element) -> etree._Element | None:
        while len(node):
            last = node[-1]
            del node[:-1]
            if last.tag in self._tags:
                return last
            node = last
        return None


_PLACE: Final = re.compile(r", line \d+, column \d+$")
_LIMITS: Final = re.compile(r"limit exceeded|excessive|too long", re.IGNORECASE)
_EXPORT_AGAIN: Final = "Export it again and do not edit it: it may be cut short or changed by another program."


def _parser(event: Literal["start", "end"], tags: tuple[str, ...] | None) -> etree.XMLPullParser:
    """A parser with every door shut; the defaults of lxml are not relied on."""
    return etree.XMLPullParser(
        events=(event,),
        tag=tags,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )


def _feed(parser: etree.XMLPullParser, chunk: bytes | None) -> Iterator[etree._Element]:
    """The elements that a chunk completes; None ends the document."""
    try:
        if chunk is None:
            parser.close()
        else:
            parser.feed(chunk)
    except etree.XMLSyntaxError as error:
        line = max(error.position[0], 0) if error.position[0] else 0
        raise _malformed(error, line) from None
    events: Iterator[Any] = parser.read_events()  # the stubs allow for namespace events, which are not asked for
    return (element for _event, element in events)


def _malformed(error: etree.XMLSyntaxError, line: int) -> Refusal:
    """libxml2's words without the place, which a finding tells apart, and without its advice to lift the limits."""
    words = _PLACE.sub("", (error.msg or "").split("\n", 1)[0])
    if "amplification" in words:
        return _forbidden(line)
    if _LIMITS.search(words):
        return _too_large("elements nested too deep, or a text or attribute too long", line)
    said = "".join(sign for sign in words if sign.isprintable())[:200]
    return Refusal(Code.UNREADABLE_XML, line, f"The file is no complete XML: {said}.", advice=_EXPORT_AGAIN)


def _checked_doctype(root: etree._Element) -> bool:
    """Whether the file has a DOCTYPE, once it is known to declare no entity."""
    declared: Any = root.getroottree().docinfo.internalDTD  # the stubs know neither None nor iterentities
    if declared is None:
        return False
    if next(iter(declared.iterentities()), None) is not None:
        raise _forbidden(1)
    return True


def _forbidden(line: int) -> Refusal:
    return Refusal(
        Code.FORBIDDEN_XML,
        line,
        "The file uses entities of its own, which no ministry export does.",
        advice="Do not use it; find out who made it, and export again from SIECLE or STS-web.",
    )


def _too_large(what: str, line: int) -> Refusal:
    return Refusal(
        Code.TOO_LARGE, line, f"The file holds {what}, beyond what any school exports.", advice=_EXPORT_AGAIN
    )
