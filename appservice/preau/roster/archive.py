"""Opens what people give: an ``.xml`` or the ministry's ``.zip``, told by the first bytes, never by the name.

Nothing is ever written to disk: members are streamed, so a name such as ``../x`` could not hurt; it is refused all the
same, since no ministry export holds one. Sizes are checked three times: the directory of the zip before it is loaded,
the sizes it announces, and (in `preau.roster.xml_safe`) the bytes that really come out.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from preau.roster.findings import Code, Notes, Refusal
from preau.roster.xml_safe import ByteStream

_EMPTY_ZIP: Final = b"PK\x05\x06"
_ZIP: Final = (b"PK\x03\x04", _EMPTY_ZIP)
_END_RECORD: Final = 22
_ZIP64_LOCATOR: Final = b"PK\x06\x07"
_ENCRYPTED: Final = 0x1
_EXPORT_AGAIN: Final = "Give the zip as SIECLE or STS-web made it, or the .xml that is in it."


@dataclass(frozen=True, slots=True)
class ZipBudget:
    """How much a zip may hold. The ministry's hold one or two members; roster XML shrinks 15 to 50 times."""

    members: int = 100
    directory_bytes: int = 100_000
    ratio: int = 300
    total_bytes: int = 4_000_000_000
    small_bytes: int = 1_000_000
    """Members below this size may shrink as much as they like."""


@dataclass(frozen=True, slots=True)
class RosterFile:
    """One XML stream: its name for findings (``export.zip!Eleves.xml``) and its bytes, open while it is yielded."""

    name: str
    stream: ByteStream


def xml_files(path: Path, notes: Notes, budget: ZipBudget = ZipBudget()) -> Iterator[RosterFile]:
    """Every XML file at that path, one after the other; members of a zip that are no XML are noted.

    Raises:
        Refusal: the path cannot be read, or is a zip that is damaged, encrypted, unsafe or beyond the budget.
    """
    with _opened(path) as file:
        magic = file.read(4)
        file.seek(0)
        if magic in _ZIP:
            yield from _members(file, str(path), notes, budget)
        else:
            yield RosterFile(str(path), file)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        if not path.is_file():
            raise Refusal(Code.UNREADABLE_FILE, 0, "There is no file of that name.", advice="Check the path.")
        file = path.open("rb")
    except OSError as error:
        happened = f"The file cannot be opened: {error.strerror}."
        raise Refusal(Code.UNREADABLE_FILE, 0, happened, advice="Check the path and its permissions.") from None
    with file:
        yield file


def _members(file: BinaryIO, name: str, notes: Notes, budget: ZipBudget) -> Iterator[RosterFile]:
    _check_directory(file, budget)
    with _zip_errors(), zipfile.ZipFile(file) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        _check_members(members, budget)
        for member in members:
            if not member.filename.lower().endswith(".xml"):
                notes.add(
                    Code.IGNORED_MEMBER, 0, f"The member '{_printable(member.filename)}' is no XML and is not read."
                )
                continue
            with archive.open(member) as stream:
                yield RosterFile(f"{name}!{_printable(member.filename)}", _Member(stream))


class _Member:
    """A member's bytes, with a damaged member told as a refusal."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        with _zip_errors():
            return self._stream.read(size)


@contextmanager
def _zip_errors() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError, RuntimeError) as error:
        raise Refusal(
            Code.UNREADABLE_ZIP, 0, f"The zip cannot be read: {_printable(str(error))}.", advice=_EXPORT_AGAIN
        ) from None


def _check_directory(file: BinaryIO, budget: ZipBudget) -> None:
    """Refuse a directory of millions of members before `zipfile` loads it whole."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 65_536 - _END_RECORD - 20))
    tail = file.read()
    file.seek(0)
    end = tail.rfind(_EMPTY_ZIP)
    if end < 0 or len(tail) < end + _END_RECORD:
        raise Refusal(Code.UNREADABLE_ZIP, 0, "The zip is cut short.", advice="Copy or download it again.")
    directory = int.from_bytes(tail[end + 12 : end + 16], "little")
    if directory > budget.directory_bytes or _ZIP64_LOCATOR in tail[max(0, end - 20) : end]:
        raise _too_large("has a directory")


def _check_members(members: list[zipfile.ZipInfo], budget: ZipBudget) -> None:
    if len(members) > budget.members or sum(member.file_size for member in members) > budget.total_bytes:
        raise _too_large("holds more")
    for member in members:
        _check_safe(member)
        if member.file_size > max(budget.small_bytes, budget.ratio * member.compress_size):
            raise _too_large(f"unpacks '{_printable(member.filename)}' to a size")


def _check_safe(member: zipfile.ZipInfo) -> None:
    name = member.filename
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or not name.isprintable():
        raise _unsafe(f"a name that leaves its folder ('{_printable(name)}')")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _unsafe(f"a link ('{_printable(name)}')")
    if path.suffix.lower() == ".zip":
        raise _unsafe(f"another zip ('{_printable(name)}')")
    if member.flag_bits & _ENCRYPTED:
        raise Refusal(Code.UNREADABLE_ZIP, 0, "The zip is encrypted.", advice="Unpack it and give the .xml in it.")


def _unsafe(what: str) -> Refusal:
    return Refusal(Code.UNSAFE_ZIP, 0, f"The zip holds {what}, which no ministry export does.", advice=_EXPORT_AGAIN)


def _too_large(what: str) -> Refusal:
    return Refusal(Code.TOO_LARGE, 0, f"The zip {what} beyond what any school exports.", advice=_EXPORT_AGAIN)


def _printable(text: str) -> str:
    """A text from a hostile file, fit for a terminal."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text[:100])
