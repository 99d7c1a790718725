"""The names that the search looks through, in Synapse's own database.

::

    preau_guard_name      a person's place in one school: folded display name, and what tells cheaply who may be found

Every name holds the word « parent », « élève » or the like, so that a search must not read everybody whose name fits
to learn that nearly nobody is for the asker: what the contact table rules out for good is ruled out by the statement.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from synapse.module_api import LoggingTransaction

from preau.model.facts import Party, PersonFacts
from preau.policy.finding import Reach

_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS preau_guard_name (
        school TEXT NOT NULL, user_id TEXT NOT NULL, person TEXT NOT NULL, folded TEXT NOT NULL,
        functions TEXT NOT NULL, children TEXT NOT NULL, opted_in INTEGER NOT NULL, PRIMARY KEY (school, user_id))""",
    "CREATE INDEX IF NOT EXISTS preau_guard_name_user ON preau_guard_name (user_id)",
)


@dataclass(frozen=True, slots=True)
class Named:
    """One line of the search: a user, and their folded display name."""

    folded: str
    user: str


def create(txn: LoggingTransaction) -> None:
    """Makes the table if it is missing."""
    for statement in _SCHEMA:
        txn.execute(statement)


def store(txn: LoggingTransaction, users: Iterable[str], persons: Iterable[PersonFacts]) -> None:
    """Replaces the lines of these users by those of these persons."""
    txn.execute_batch("DELETE FROM preau_guard_name WHERE user_id = ?", [(user,) for user in users])
    txn.execute_batch(
        "INSERT INTO preau_guard_name (school, user_id, person, folded, functions, children, opted_in) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [_line(person, party) for person in persons for party in person.parties],
    )


def named(  # noqa: PLR0913, PLR0917 -- what is looked for, for whom, and the page
    txn: LoggingTransaction,
    words: Sequence[str],
    asker: Party,
    reach: Reach,
    limit: int,
    after: Named | None = None,
) -> list[Named]:
    """People of the asker's school in whose display name every word begins one of the words, in order.

    Among them is everybody whom the asker may find, and as few others as the statement can tell. At most ``limit``,
    behind the one after which the last call ended.
    """
    kinds, values = _within(asker, reach)
    if not kinds:
        return []
    where = ["school = ?", f"({' OR '.join(kinds)})", *["folded LIKE ? ESCAPE '!'"] * len(words)]
    values = [asker.school, *values, *(f"% {_escaped(word)}%" for word in words)]
    if after is not None:
        where.append("(folded, user_id) > (?, ?)")
        values += [after.folded, after.user]
    txn.execute(
        f"SELECT folded, user_id FROM preau_guard_name WHERE {' AND '.join(where)} ORDER BY folded, user_id LIMIT ?",  # noqa: S608 -- only placeholders are put in
        (*values, limit),
    )
    return [Named(folded, user) for folded, user in txn]


def fold(name: str) -> str:
    """A display name as it is searched: words in small letters without accents, a space before each.

    Folded twice, since one step may make work for the other: 𝕬 is decomposed into a capital letter.
    """
    plain = name
    for _ in range(2):
        plain = unicodedata.normalize("NFKD", plain).casefold()
    kept = "".join(letter if letter.isalnum() else " " for letter in plain if not unicodedata.combining(letter))
    return "".join(f" {word}" for word in kept.split())


def _line(person: PersonFacts, party: Party) -> tuple[str | int, ...]:
    functions, children = _listed(party.functions), _listed(party.children)
    who = (party.school, person.user, party.person, fold(person.name))
    return (*who, functions, children, int(party.opted_in))


def _within(asker: Party, reach: Reach) -> tuple[list[str], list[str]]:
    """The conditions of which one must hold, and their values."""
    kinds = ["functions LIKE ? ESCAPE '!'"] * len(reach.open)
    kinds += ["(opted_in = 1 AND functions LIKE ? ESCAPE '!')"] * len(reach.opted_in)
    values = [_among(each) for each in (*sorted(reach.open), *sorted(reach.opted_in))]
    if reach.family:
        kinds.append("children LIKE ? ESCAPE '!'")
        values.append(_among(asker.person))
        kinds += ["person = ?"] * len(asker.children)
        values += sorted(asker.children)
    return kinds, values


def _listed(words: Iterable[str]) -> str:
    return "".join(f" {word}" for word in sorted(words)) + " "


def _among(word: str) -> str:
    return f"% {_escaped(word)} %"


def _escaped(word: str) -> str:
    return word.replace("!", "!!").replace("%", "!%").replace("_", "!_")
