"""What people decide beside the rosters; none of it is lost when a roster is read again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from preau.model.ids import DivisionCode, PersonId, Uai, UserId
from preau.model.people import Function, PersonName
from preau.model.rooms import RoomKey


class ConsentTopic(StrEnum):
    """What a guardian may agree to (accord)."""

    PARENT_ROOMS = "parent_rooms"
    """Being in the parents' own rooms of the children's divisions and of the school."""

    DIRECT_MESSAGES = "direct_messages"
    """Being written to by other guardians who agreed as well."""


@dataclass(frozen=True, slots=True)
class Consent:
    """An agreement in force: who, to what, in which school, since when, told where."""

    person: PersonId
    school: Uai
    topic: ConsentTopic
    granted_at: datetime
    source: str


@dataclass(frozen=True, slots=True)
class OptOut:
    """A person left a room they were free to leave; they are not put back."""

    person: PersonId
    room: RoomKey
    at: datetime


class Mandate(StrEnum):
    """What an appointment (mandat) makes of a person beyond their functions."""

    PARENT_DELEGATE = "parent_delegate"
    ASSOCIATION_MODERATOR = "association_moderator"
    ASSOCIATION_MEMBER = "association_member"
    VISITOR = "visitor"
    """A person invited into one room shared between académies; the only mandate a foreign user may hold."""


@dataclass(frozen=True, slots=True)
class Appointment:
    """A function or a mandate given by hand: who, what, where, by whom, until when.

    ``holder`` is a person of this académie or a user of another one. ``role`` is a `Function` for staff whom no
    register names (AED, AESH, administration, substitutes), else a `Mandate`. ``division`` narrows it to one class,
    ``scope`` names the association (``fcpe``) or the shared room. It is in force from ``since`` until ``until``.
    ``name`` is given where no roster names the holder.
    """

    id: int
    holder: PersonId | UserId
    role: Function | Mandate
    school: Uai
    division: DivisionCode | None
    scope: str
    appointed_by: str
    since: datetime
    until: datetime | None
    name: PersonName | None = None


class Restriction(StrEnum):
    """How far a court decision keeps a guardian away from a child's school life (``school-data.md`` 12.3)."""

    NO_ACCESS = "no_access"
    READ_ONLY = "read_only"


@dataclass(frozen=True, slots=True)
class Override:
    """A court decision entered by direction: it stands above every roster until it ends or is lifted."""

    guardian: PersonId
    pupil: PersonId
    school: Uai
    restriction: Restriction
    reference: str
    set_by: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Decisions:
    """All decisions in force for one school at one moment."""

    consents: tuple[Consent, ...] = ()
    opt_outs: tuple[OptOut, ...] = ()
    appointments: tuple[Appointment, ...] = ()
    overrides: tuple[Override, ...] = ()
