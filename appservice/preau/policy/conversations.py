"""Who may talk directly to whom, over all the schools that two people share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from preau.model.facts import ContactTable, Party, PersonFacts, SchoolFacts
from preau.model.ids import Uai
from preau.policy.contact import DEFAULT, may_write


def table_of(school: SchoolFacts | None) -> ContactTable:
    """A school's contact table: the default with its own cells. `preau.policy.contact.tighten` accepted them before."""
    return {**DEFAULT, **school.cells} if school is not None and school.cells else DEFAULT


def may_converse(writer: PersonFacts, reader: PersonFacts, schools: Mapping[Uai, SchoolFacts]) -> bool:
    """May the writer address the reader directly? One school in which the table says so is enough.

    Args:
        writer: somebody of this académie.
        reader: somebody else of it.
        schools: what is known of their schools; a school that is missing has the default table.
    """
    return any(may_write(mine, theirs, table_of(schools.get(mine.school))) for mine, theirs in _shared(writer, reader))


def _shared(writer: PersonFacts, reader: PersonFacts) -> Iterator[tuple[Party, Party]]:
    for mine in writer.parties:
        theirs = reader.in_school(mine.school)
        if theirs is not None:
            yield mine, theirs
