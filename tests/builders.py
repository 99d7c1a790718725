"""Schools, people and decisions in one line each. Every person is invented; a person's id is all there is to say."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Final, TypeAlias

from preau.model.choices import SchoolChoices
from preau.model.decisions import (
    Appointment,
    Consent,
    ConsentTopic,
    Decisions,
    Mandate,
    OptOut,
    Override,
    Restriction,
)
from preau.model.ids import AcademyName, DivisionCode, PersonId, RoomId, ServerName, Uai, UserId, user_id
from preau.model.people import Function, GuardianLevel, PersonName
from preau.model.rooms import RoomKey, RoomKind
from preau.model.roster import Division
from preau.model.snapshot import Enrolment, Guardianship, Post, Snapshot
from preau.model.wanted import ActualAccount, ActualRoom, Content, Membership, StateKey, Wanted
from preau.policy.rooms import RULES
from preau.policy.wanted import wanted
from preau.sync.context import Academy

NORTH: Final = Uai("0990001N")
SOUTH: Final = Uai("0990002P")
SERVER: Final = ServerName("nord.example")
BOT: Final = UserId("@preau:nord.example")
NOON: Final = datetime(2025, 9, 15, 12, 0, tzinfo=UTC)
YEAR: Final = 2025

Placed: TypeAlias = Enrolment | Guardianship | Post
"""One line of a school's rosters."""

Decided: TypeAlias = Consent | OptOut | Appointment | Override


def academy(version: str = "12") -> Academy:
    return Academy(AcademyName("nord"), SERVER, BOT, version, YEAR)


def user(person: str) -> UserId:
    return user_id(PersonId(person), SERVER)


def key(kind: RoomKind, scope: str = "", school: Uai = NORTH) -> RoomKey:
    return RoomKey(kind, school, scope)


# The rosters


def pupil(person: str, division: str | None = "5 A") -> Enrolment:
    code = None if division is None else DivisionCode(division)
    return Enrolment(PersonId(person), date(2013, 4, 2), code, frozenset())


def guardian(person: str, of: str, level: GuardianLevel = GuardianLevel.LEGAL) -> Guardianship:
    return Guardianship(PersonId(person), PersonId(of), level)


def staff(person: str, function: Function | None, *, teaches: Iterable[str] = (), heads: Iterable[str] = ()) -> Post:
    return Post(PersonId(person), function, _codes(teaches), _codes(heads))


def school(
    *placed: Placed, uai: Uai = NORTH, name: str = "Collège Imaginaire", year: int = YEAR, divisions: Iterable[str] = ()
) -> Snapshot:
    """A school with these people, and with every division that one of them or ``divisions`` names."""
    enrolments = [line for line in placed if isinstance(line, Enrolment)]
    links = [line for line in placed if isinstance(line, Guardianship)]
    posts = [line for line in placed if isinstance(line, Post)]
    people = {line.pupil for line in enrolments} | {line.guardian for line in links} | {post.person for post in posts}
    codes = {line.division for line in enrolments if line.division is not None} | _codes(divisions)
    codes = codes.union(*(post.teaches | post.heads for post in posts))
    return Snapshot(
        school=uai,
        school_name=name,
        year=year,
        sources=(),
        names={person: PersonName(person.upper(), "Camille") for person in sorted(people)},
        divisions=tuple(Division(code, code) for code in sorted(codes)),
        groups=(),
        enrolments=tuple(sorted(enrolments, key=lambda line: line.pupil)),
        guardianships=tuple(sorted(links, key=lambda line: (line.guardian, line.pupil))),
        posts=tuple(sorted(posts, key=lambda post: post.person)),
        shares_address=frozenset(),
    )


def _codes(texts: Iterable[str]) -> frozenset[DivisionCode]:
    return frozenset(map(DivisionCode, texts))


# The decisions


def agrees(person: str, topic: ConsentTopic = ConsentTopic.PARENT_ROOMS) -> Consent:
    return Consent(PersonId(person), NORTH, topic, NOON, "portal")


def went(person: str, kind: RoomKind, scope: str = "") -> OptOut:
    return OptOut(PersonId(person), key(kind, scope), NOON)


def court(person: str, of: str, restriction: Restriction) -> Override:
    return Override(PersonId(person), PersonId(of), NORTH, restriction, "JAF 25/1", "@dir:nord.example", NOON, None)


def appoint(
    holder: str, role: Function | Mandate, *, division: str | None = None, scope: str = "", name: str = ""
) -> Appointment:
    return Appointment(
        id=1,
        holder=UserId(holder) if holder.startswith("@") else PersonId(holder),
        role=role,
        school=NORTH,
        division=None if division is None else DivisionCode(division),
        scope=scope,
        appointed_by="@dir:nord.example",
        since=NOON,
        until=None,
        name=PersonName(name.upper(), "Dominique") if name else None,
    )


def decisions(*decided: Decided) -> Decisions:
    return Decisions(
        consents=tuple(each for each in decided if isinstance(each, Consent)),
        opt_outs=tuple(each for each in decided if isinstance(each, OptOut)),
        appointments=tuple(each for each in decided if isinstance(each, Appointment)),
        overrides=tuple(each for each in decided if isinstance(each, Override)),
    )


# What follows from them

STRICT: Final = SchoolChoices()
ACCOUNTS: Final = SchoolChoices(pupil_accounts=True)
ROOMS: Final = SchoolChoices(pupil_accounts=True, pupil_rooms=True)


def want(snapshot: Snapshot, *decided: Decided, choices: SchoolChoices = STRICT) -> Wanted:
    return wanted(snapshot, decisions(*decided), choices, SERVER)


def places(found: Wanted, person: str) -> dict[str, int]:
    """The rooms, but for spaces, that a person or a foreign user is wanted in: power by room, as tables write them."""
    who = UserId(person) if person.startswith("@") else user(person)
    return {
        f"{each.kind} {each.scope}".strip(): room.members[who].level
        for each, room in found.rooms.items()
        if who in room.members and not RULES[each.kind].is_space
    }


# What the homeserver has


def account(person: str, name: str = "", *, active: bool = True) -> ActualAccount:
    return ActualAccount(user(person), PersonId(person), name, active, NOON)


def room(
    which: RoomKey,
    members: dict[UserId, Membership] | None = None,
    state: dict[StateKey, Content] | None = None,
    version: str = "12",
) -> ActualRoom:
    return ActualRoom(which, RoomId(f"!{which}"), version, state or {}, members or {})
