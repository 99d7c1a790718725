"""Records by key, whatever their order in the file."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

from preau.roster.findings import Code, Notes


class Record(Protocol):
    """Anything read from a line of a file; records compare equal without their lines."""

    @property
    def line(self) -> int:
        """Where the record starts."""
        ...


K = TypeVar("K", bound=Hashable)
R = TypeVar("R", bound=Record)


class Unique(Generic[K, R]):
    """Collects records by key. Twins that say the same are one; twins that differ are all left out.

    Which of two different records is right is never decided by their order in the file.

    Args:
        notes: where twins are noted.
        conflict: the code noted for twins that differ.
    """

    def __init__(self, notes: Notes, conflict: Code = Code.DUPLICATE_KEY) -> None:
        self._notes = notes
        self._conflict = conflict
        self._records: dict[K, R] = {}
        self._left_out: set[K] = set()

    def add(self, key: K, record: R, what: str) -> None:
        """Take a record; ``what`` names it in findings, by key."""
        known = self._records.setdefault(key, record)
        if known is record:
            return
        if known == record:
            self._notes.add(
                Code.REPEATED_RECORD, record.line, f"{what} stands here and on line {known.line}. It is read once."
            )
            return
        self._left_out.add(key)
        message = f"{what} differs here and on line {known.line}; both are left out. Correct it in the register."
        self._notes.add(self._conflict, record.line, message)

    def left_out(self) -> frozenset[K]:
        """The keys whose records contradict each other."""
        return frozenset(self._left_out)

    def settled(self) -> dict[K, R]:
        """One record for each key that is not left out."""
        for key in self._left_out:
            self._records.pop(key, None)
        return self._records
