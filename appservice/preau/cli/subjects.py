"""Who and what a command is about, as people type it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import typer

from preau.errors import UnknownSubject
from preau.model.ids import Uai, parse_uai
from preau.store.engine import Transaction
from preau.sync.schools import all_schools

SchoolOption = Annotated[
    list[str] | None, typer.Option("--school", help="Only this school (its UAI); may be repeated. Else all schools.")
]

OneSchool = Annotated[str, typer.Option("--school", help="The school (its UAI).")]

Person = Annotated[
    str, typer.Argument(help="A person: their id, user id, or a register's key such as siecle.personne/0990001N/7.")
]


async def schools_meant(db: Transaction, said: Collection[str]) -> frozenset[Uai]:
    """The schools with these codes.

    Raises:
        UnknownSubject: one is no UAI, or of no school that was imported.
    """
    known = await all_schools(db)
    return frozenset([one_school(text, known) for text in said])


def one_school(said: str, known: Collection[Uai]) -> Uai:
    """The school with this code, among those known."""
    try:
        school = parse_uai(said)
    except ValueError as wrong:
        raise UnknownSubject(f"{wrong}.") from None
    if school not in known:
        raise UnknownSubject(
            f"No roster of the school {school} was imported.", advice="preau roster import FILE… begins with one."
        )
    return school
