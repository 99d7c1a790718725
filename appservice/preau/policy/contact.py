"""Who may write to whom (DESIGN 4): row = writer's function, column = reader's function, cell = condition.

The user directory, invitations, direct rooms and third-person additions all answer from this one table. A school may
tighten it; loosening a cell that protects pupils is refused. Defaults follow what French products do
(``school-data.md`` 11.2). Contacts and people without a function are in no row and no column: nobody writes to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from preau.model.facts import Cell, ContactTable, Party
from preau.model.people import STAFF, Function

_VISITING: Final = frozenset({Function.INSPECTOR, Function.ACADEMY_ADMIN})


def _default(writer: Function, reader: Function) -> Cell:
    staff = STAFF | _VISITING
    pair = {writer, reader}
    if Function.PUPIL in pair:
        return _with_pupil(pair - {Function.PUPIL})
    if writer in staff and reader in staff:
        return Cell.YES
    if pair == {Function.GUARDIAN}:
        return Cell.BOTH_OPTED_IN
    return Cell.NO if pair & _VISITING else Cell.YES


def _with_pupil(others: set[Function]) -> Cell:
    if others == {Function.GUARDIAN}:
        return Cell.OWN_CHILD
    return Cell.YES if others and others <= STAFF else Cell.NO


DEFAULT: Final[ContactTable] = {
    (writer, reader): _default(writer, reader) for writer in Function for reader in Function
}
"""Staff ↔ staff yes; guardian ↔ staff of the child's school yes; guardian ↔ guardian both opted in; pupil ↔ pupil no;
adult ↔ pupil only staff of their school, or own child; visiting inspectors and rectorat ↔ staff only."""


def may_write(writer: Party, reader: Party, table: ContactTable = DEFAULT) -> bool:
    """May the writer address the reader directly? Any pair of their functions that allows it is enough.

    Two people of different schools never may: what crosses schools happens in rooms.
    """
    if writer.school != reader.school or writer.person == reader.person:
        return False
    return any(
        _holds(table.get((mine, theirs), Cell.NO), writer, reader)
        for mine in writer.functions
        for theirs in reader.functions
    )


def _holds(cell: Cell, writer: Party, reader: Party) -> bool:
    match cell:
        case Cell.YES:
            return True
        case Cell.SAME_DIVISION:
            return bool(writer.divisions & reader.divisions)
        case Cell.OWN_CHILD:
            return reader.person in writer.children or writer.person in reader.children
        case Cell.BOTH_OPTED_IN:
            return writer.opted_in and reader.opted_in
        case Cell.NO:
            return False


class LoosensProtection(ValueError):
    """A change would let somebody write to, or be written by, a pupil who may not today."""


def tighten(changes: Mapping[tuple[Function, Function], Cell], table: ContactTable = DEFAULT) -> ContactTable:
    """The table with a school's own changes.

    Args:
        changes: cells to replace.
        table: what they replace them in.

    Raises:
        LoosensProtection: a changed cell has a pupil on either side and is not stricter than before.
    """
    for pair, cell in changes.items():
        before = table.get(pair, Cell.NO)
        if Function.PUPIL in pair and not _stricter(cell, before):
            writer, reader = pair
            raise LoosensProtection(
                f"{writer} → {reader}: {before.value!r} cannot become {cell.value!r}: pupils are only protected more"
            )
    return {**table, **changes}


def _stricter(after: Cell, before: Cell) -> bool:
    """Whether everything allowed after was allowed before, whoever asks."""
    return after in {before, Cell.NO} or before is Cell.YES
