"""Who stands where in a school: the sets of people that the room table speaks of.

Court overrides, consents and appointments are applied here, once, so that no rule further up can forget them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from preau.model.choices import SchoolChoices
from preau.model.decisions import Appointment, ConsentTopic, Decisions, Mandate, Restriction
from preau.model.ids import DivisionCode, PersonId, UserId
from preau.model.people import STAFF, Function, GuardianLevel
from preau.model.snapshot import Guardianship, Snapshot
from preau.policy.rooms import Circle

Holder: TypeAlias = PersonId | UserId
"""A person of this académie, or a user of another one."""

_BY_FUNCTION = {
    Function.DIRECTION: Circle.DIRECTION,
    Function.DIRECTION_DELEGATE: Circle.DELEGATES,
    Function.ADMINISTRATION: Circle.ADMINISTRATION,
    Function.SCHOOL_LIFE: Circle.SCHOOL_LIFE,
}

_GIVEN_BY_HAND: Final = STAFF | {Function.INSPECTOR, Function.ACADEMY_ADMIN}
"""What an appointment may make of a person: guardians and pupils are told by the rosters alone."""

_TEACHING: Final = frozenset({Function.TEACHER, Function.HEAD_TEACHER})


@dataclass(frozen=True, slots=True)
class Circles:
    """The people of one school by circle and scope.

    ``functions`` says what each person with a place in the school is; ``legal`` who is a legal guardian of somebody;
    ``mandated`` who of this académie holds a mandate; ``kept_away`` the guardians whom a court keeps from taking part
    in a division, and who have no other child there.
    """

    functions: Mapping[PersonId, frozenset[Function]]
    legal: frozenset[PersonId]
    mandated: frozenset[PersonId]
    kept_away: Mapping[DivisionCode, frozenset[PersonId]]
    _members: Mapping[tuple[Circle, str], frozenset[Holder]]

    def of(self, circle: Circle, scope: str = "") -> frozenset[Holder]:
        """The people of a circle, of the whole school or of one division, association or named room."""
        return self._members.get((circle, scope), frozenset())

    def scopes(self, circle: Circle) -> frozenset[str]:
        """The scopes, other than the whole school, in which a circle has anybody."""
        return frozenset(scope for found, scope in self._members if found is circle and scope)


class _Builder:
    def __init__(self, choices: SchoolChoices) -> None:
        self.choices = choices
        self.members: defaultdict[tuple[Circle, str], set[Holder]] = defaultdict(set)
        self.functions: defaultdict[PersonId, set[Function]] = defaultdict(set)
        self.legal: set[PersonId] = set()
        self.mandated: set[PersonId] = set()
        self.restricted: defaultdict[DivisionCode, set[PersonId]] = defaultdict(set)

    def put(self, circle: Circle, holder: Holder, scope: str = "") -> None:
        self.members[circle, scope].add(holder)

    def give(self, person: PersonId, function: Function) -> None:
        self.functions[person].add(function)
        if function in STAFF:
            self.put(Circle.STAFF, person)
        if function in _BY_FUNCTION:
            self.put(_BY_FUNCTION[function], person)

    def teach(self, person: PersonId, divisions: Iterable[DivisionCode], *, head: bool = False) -> None:
        for division in divisions:
            self.put(Circle.TEACHERS, person, division)
            if head:
                self.put(Circle.HEAD_TEACHERS, person, division)

    def kept_away(self, division: DivisionCode) -> set[PersonId]:
        return self.restricted[division] - self.members[Circle.GUARDIANS, division]

    def done(self) -> Circles:
        return Circles(
            functions={person: frozenset(functions) for person, functions in self.functions.items()},
            legal=frozenset(self.legal),
            mandated=frozenset(self.mandated),
            kept_away={division: frozenset(self.kept_away(division)) for division in self.restricted},
            _members={key: frozenset(people) for key, people in self.members.items()},
        )


def circles(snapshot: Snapshot, decisions: Decisions, choices: SchoolChoices) -> Circles:
    """Everybody's place in the school as the rosters, the decisions in force and the school's choices say.

    Args:
        snapshot: the school as read.
        decisions: those in force at the moment asked for.
        choices: the school's own.
    """
    builder = _Builder(choices)
    given = [appointment for appointment in decisions.appointments if appointment.role in _GIVEN_BY_HAND]
    _put_staff(builder, snapshot, {appointment.holder for appointment in given if appointment.role in STAFF})
    _put_pupils(builder, snapshot)
    _put_guardians(builder, snapshot, decisions)
    for appointment in given:
        _put_function(builder, appointment)
    pupils = {enrolment.pupil for enrolment in snapshot.enrolments}
    for appointment in decisions.appointments:
        if _may_hold(builder, appointment, snapshot, pupils):
            _put_mandate(builder, appointment)
    return builder.done()


def restrictions(decisions: Decisions) -> dict[tuple[PersonId, PersonId], Restriction]:
    """The court decisions in force by guardian and pupil; of two for one pair the stricter holds."""
    found: dict[tuple[PersonId, PersonId], Restriction] = {}
    for override in decisions.overrides:
        pair = (override.guardian, override.pupil)
        if found.get(pair) is not Restriction.NO_ACCESS:
            found[pair] = override.restriction
    return found


def _put_staff(builder: _Builder, snapshot: Snapshot, given: Collection[Holder]) -> None:
    """The registers' staff; whose function no register knows counts once direction has given one."""
    for post in snapshot.posts:
        if post.function is not None:
            builder.give(post.person, post.function)
        elif post.person not in given:
            continue
        builder.teach(post.person, post.teaches)
        if post.heads:
            builder.give(post.person, Function.HEAD_TEACHER)
            builder.teach(post.person, post.heads, head=True)


def _put_pupils(builder: _Builder, snapshot: Snapshot) -> None:
    if not builder.choices.pupil_accounts:
        return
    for enrolment in snapshot.enrolments:
        builder.give(enrolment.pupil, Function.PUPIL)
        builder.put(Circle.PUPILS, enrolment.pupil)
        if enrolment.division is not None:
            builder.put(Circle.PUPILS, enrolment.pupil, enrolment.division)


def _put_guardians(builder: _Builder, snapshot: Snapshot, decisions: Decisions) -> None:
    division_of = {enrolment.pupil: enrolment.division for enrolment in snapshot.enrolments}
    restricted = restrictions(decisions)
    agreed = {consent.person for consent in decisions.consents if consent.topic is ConsentTopic.PARENT_ROOMS}
    for link in snapshot.guardianships:
        restriction = restricted.get((link.guardian, link.pupil))
        division = division_of.get(link.pupil)
        if restriction is not None and division is not None:
            builder.restricted[division].add(link.guardian)
        if link.level is GuardianLevel.CONTACT or restriction is Restriction.NO_ACCESS:
            continue
        _put_guardian(builder, link, division, part=restriction is None, agreed=link.guardian in agreed)


def _put_guardian(
    builder: _Builder, link: Guardianship, division: DivisionCode | None, *, part: bool, agreed: bool
) -> None:
    """One guardianship's circles. An adult pupil reads what guardians read, and is no parent among parents."""
    itself = link.level is GuardianLevel.ONESELF
    builder.give(link.guardian, Function.PUPIL if itself else Function.GUARDIAN)
    if link.level is GuardianLevel.LEGAL:
        builder.legal.add(link.guardian)
    found = [Circle.INFORMED]
    if part and not itself:
        found.append(Circle.GUARDIANS)
    if part and agreed and not itself:
        found.append(Circle.AGREED)
    for circle in found:
        builder.put(circle, link.guardian)
        if division is not None:
            builder.put(circle, link.guardian, division)


def _is_foreign(holder: Holder) -> bool:
    return holder.startswith("@")


def _put_function(builder: _Builder, appointment: Appointment) -> None:
    """A function given by hand. The division is one taught; for other functions it says only where the person works."""
    function = appointment.role
    if not isinstance(function, Function) or _is_foreign(appointment.holder):
        return
    person = PersonId(appointment.holder)
    builder.give(person, function)
    if appointment.division is not None and function in _TEACHING:
        builder.teach(person, [appointment.division], head=function is Function.HEAD_TEACHER)


def _may_hold(builder: _Builder, appointment: Appointment, snapshot: Snapshot, pupils: Collection[Holder]) -> bool:
    """Whether a mandate counts: users of other académies may only visit, and no mandate leads round a court's decision.

    Whoever is in the school's rosters and has no function there (kept away from every child, a pupil without account)
    has no place among its parents. Whoever is not in them was entered by hand, or belongs to another school. Nor does a
    mandate lead a pupil among adults who are not their teachers.
    """
    holder = appointment.holder
    if holder in pupils and _is_only_pupil(builder, holder):
        return False
    if appointment.role is Mandate.VISITOR:
        return True
    if _is_foreign(holder):
        return False
    return PersonId(holder) in builder.functions or PersonId(holder) not in snapshot.names


def _is_only_pupil(builder: _Builder, holder: Holder) -> bool:
    """Whether the rosters and direction know of nothing that the person is beside a pupil."""
    return builder.functions.get(PersonId(holder), set()) <= {Function.PUPIL}


def _put_mandate(builder: _Builder, appointment: Appointment) -> None:
    holder = appointment.holder
    match appointment.role:
        case Mandate.VISITOR:
            builder.put(Circle.VISITORS, holder, appointment.scope)
        case Mandate.PARENT_DELEGATE if appointment.division is not None:
            if holder not in builder.kept_away(appointment.division):
                builder.put(Circle.PARENT_DELEGATES, holder, appointment.division)
        case Mandate.ASSOCIATION_MODERATOR:
            builder.put(Circle.ASSOCIATION_MODERATORS, holder)
            builder.put(Circle.ASSOCIATION_MODERATORS, holder, appointment.scope)
            builder.put(Circle.ASSOCIATION_MEMBERS, holder, appointment.scope)
        case Mandate.ASSOCIATION_MEMBER:
            builder.put(Circle.ASSOCIATION_MEMBERS, holder, appointment.scope)
        case _:
            return
    if not _is_foreign(holder):
        builder.mandated.add(PersonId(holder))
