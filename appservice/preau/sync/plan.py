"""Wanted − actual = plan: the pure difference, ordered, printable as a diff, with a fingerprint.

A room is made when its first member has an account, and brings the spaces above it with it. Order of steps: accounts
back in → state → people out → names → rooms, spaces first → people in → accounts locked. People leave before others
enter, so that a plan stopped half-way never shows one family's room to another; names change before people enter more
rooms, since each change enters every room anew; rooms come as late as their people, so that both are made in one go.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from preau.model.ids import RoomId, ServerName, Uai, UserId, split_user_id
from preau.model.people import Function
from preau.model.rooms import RoomKey, RoomKind
from preau.model.wanted import ActualAccount, ActualRoom, Content, Membership, Seat, StateKey, Wanted, WantedRoom
from preau.policy.abroad import may_visit, visiting
from preau.policy.names import foremost
from preau.policy.powers import CHILD, LINKS, child_key, child_link, parent_key, parent_link, room_state
from preau.policy.wanted import ACADEMY
from preau.sync.context import Academy


class Action(StrEnum):
    """What a step does; the codes appear in plans and in the journal."""

    UNLOCK_ACCOUNT = "unlock_account"
    SET_STATE = "set_state"
    REMOVE_MEMBER = "remove_member"
    NAME_ACCOUNT = "name_account"
    CREATE_ROOM = "create_room"
    ADD_MEMBER = "add_member"
    LOCK_ACCOUNT = "lock_account"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do on the homeserver. ``room``, ``user``, ``state`` and ``content`` are set as the action needs."""

    action: Action
    reason: str
    room: RoomKey | None = None
    user: UserId | None = None
    state: StateKey | None = None
    content: Content | None = None

    @property
    def subject(self) -> str:
        """What the step is done to, as plans and the journal write it; ids and room keys, never names."""
        words = [str(part) for part in (self.user, self.room) if part is not None]
        if self.state is not None:
            words.append(" ".join(part for part in self.state if part))
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Actual:
    """What we know of the homeserver, as far as the plan reaches.

    ``vouched`` holds what other académies say of their people who ask to come (`preau.sync.control`).
    """

    accounts: Mapping[UserId, ActualAccount]
    rooms: Mapping[RoomKey, ActualRoom]
    vouched: Mapping[UserId, frozenset[Function]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order in which they may be done, and the rooms as they should become.

    ``accepting`` names the snapshots that are accepted with it, so that a fingerprint is good for these rosters only;
    ``part_of`` is the fingerprint of the larger plan that this one was cut from; ``waiting`` are steps that others must
    make possible first, and that nobody takes until then.
    """

    steps: tuple[Step, ...]
    rooms: Mapping[RoomKey, WantedRoom] = field(default_factory=dict)
    accepting: tuple[str, ...] = ()
    part_of: str = ""
    waiting: tuple[Step, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with any step or snapshot: what `--accept` must repeat."""
        told = hashlib.sha256("\n".join(self.accepting).encode())
        for step in self.steps:  # one by one: a whole académie's plan as one text would take more memory than the plan
            line = [step.action, step.subject, step.content]
            told.update(json.dumps(line, sort_keys=True, ensure_ascii=False).encode() + b"\n")
        return told.hexdigest()[:12]

    def only(self, users: frozenset[UserId]) -> Plan:
        """The part of the plan that brings these users in: their rooms, and the spaces above them."""
        rooms = {step.room for step in self.steps if step.user in users and step.room is not None}
        above = {key for room in rooms for key in _ancestors(room, self.rooms)}
        made = rooms | above
        kept = (
            step
            for step in self.steps
            if step.user in users or (step.action is Action.CREATE_ROOM and step.room in made)
        )
        return Plan(tuple(kept), self.rooms)


def display_names(wanted: Iterable[Wanted]) -> dict[UserId, str]:
    """Everybody's one display name; of somebody with places in several schools, the most senior function's."""
    names: defaultdict[UserId, list[str]] = defaultdict(list)
    for school in wanted:
        for user, name in school.accounts.items():
            names[user].append(name)
    return {user: foremost(found) for user, found in names.items()}


def difference(wanted: Iterable[Wanted], actual: Actual, academy: Academy) -> Plan:
    """What to do so that the homeserver becomes as wanted.

    Args:
        wanted: every school that the plan may touch; together they must hold all schools of the accounts in ``actual``.
        actual: accounts and rooms as recorded; rooms of other schools are left alone.
        academy: server, bot and room version.
    """
    schools = tuple(wanted)
    rooms = {key: room for school in schools for key, room in school.rooms.items()}
    actual = _within(actual, {ACADEMY, *(school.school for school in schools)})
    here = _Here(academy, display_names(schools), actual)
    needed = _needed(rooms, here)
    steps = [*_accounts_back(here)]
    steps += _state_changes(rooms, actual, academy)
    steps += _departures(rooms, here)
    steps += _renamings(here)
    steps += _creations(rooms, needed, actual)
    steps += _arrivals(rooms, needed, here)
    steps += _accounts_out(here)
    return Plan(tuple(steps), rooms, waiting=tuple(_waiting_for_a_word(rooms, needed, here)))


@dataclass(frozen=True, slots=True)
class _Here:
    academy: Academy
    names: Mapping[UserId, str]
    actual: Actual

    def may_enter(self, user: UserId) -> bool:
        """Whether the user can be brought into a room now: with an account here, or from another académie."""
        if user in self.names:  # our own people: only they have names here
            return user in self.actual.accounts
        return split_user_id(user)[1] != self.academy.server

    def waits_for(self, user: UserId, kind: RoomKind) -> ServerName | None:
        """The académie whose word is missing before somebody of its own is asked into a room of that kind."""
        server = split_user_id(user)[1]
        if server == self.academy.server or may_visit(self.actual.vouched.get(user, ()), visiting(kind)):
            return None
        return server


def _within(actual: Actual, schools: Collection[Uai]) -> Actual:
    """What is there of these schools: nobody leaves a room because its school was not asked for."""
    return replace(actual, rooms={key: room for key, room in actual.rooms.items() if key.school in schools})


def _ancestors(key: RoomKey, rooms: Mapping[RoomKey, WantedRoom]) -> Iterator[RoomKey]:
    room = rooms.get(key)
    while room is not None and room.parent is not None:
        yield room.parent
        room = rooms.get(room.parent)


def _needed(rooms: Mapping[RoomKey, WantedRoom], here: _Here) -> frozenset[RoomKey]:
    """The rooms that somebody can enter now, and the spaces above them."""
    needed: set[RoomKey] = set()
    for key, room in rooms.items():
        if key not in needed and any(here.may_enter(user) for user in room.members):
            needed.add(key)
            needed.update(_ancestors(key, rooms))
    return frozenset(needed)


def _accounts_back(here: _Here) -> Iterator[Step]:
    for user, account in sorted(here.actual.accounts.items()):
        if not account.active and user in here.names:
            yield Step(Action.UNLOCK_ACCOUNT, "has a place in a school again", user=user)


def _renamings(here: _Here) -> Iterator[Step]:
    for user, account in sorted(here.actual.accounts.items()):
        name = here.names.get(user, account.display_name)
        if name != account.display_name:
            yield Step(Action.NAME_ACCOUNT, "name or function changed", user=user, content={"displayname": name})


def _accounts_out(here: _Here) -> Iterator[Step]:
    for user, account in sorted(here.actual.accounts.items()):
        if account.active and user not in here.names:
            yield Step(Action.LOCK_ACCOUNT, "has no place in any school any more", user=user)


def _creations(rooms: Mapping[RoomKey, WantedRoom], needed: frozenset[RoomKey], actual: Actual) -> list[Step]:
    missing = [key for key in needed if key not in actual.rooms]
    missing.sort(key=lambda key: (sum(1 for _ in _ancestors(key, rooms)), key))
    return [Step(Action.CREATE_ROOM, "its first member has an account", room=key) for key in missing]


def _state_changes(rooms: Mapping[RoomKey, WantedRoom], actual: Actual, academy: Academy) -> Iterator[Step]:
    links = _links(rooms, actual, academy.server)
    waiting = _waiting(rooms, actual)
    for key in sorted(actual.rooms):
        wanted = links.get(key, {})
        if key in rooms:
            wanted |= room_state(rooms[key], bot=academy.bot, version=actual.rooms[key].version)
        for state in sorted(wanted):
            if actual.rooms[key].state.get(state) != wanted[state]:
                yield Step(Action.SET_STATE, "differs from what is wanted", key, state=state, content=wanted[state])
        for state in _stale_links(key, wanted, actual, waiting):
            yield Step(Action.SET_STATE, "does not hang there any more", key, state=state, content={})


def _waiting(rooms: Mapping[RoomKey, WantedRoom], actual: Actual) -> frozenset[RoomId]:
    """Rooms whose space is not made yet: they stay where they hang, until a later plan knows the new space's id."""
    there = actual.rooms.items()
    return frozenset(room.room for key, room in there if key in rooms and rooms[key].parent not in actual.rooms)


def _stale_links(
    key: RoomKey, wanted: Collection[StateKey], actual: Actual, waiting: Collection[RoomId]
) -> Iterator[StateKey]:
    """The links to be cut; in the académie's own space only to rooms we know, since other schools hang there too."""
    here = actual.rooms[key]
    known = {room.room for room in actual.rooms.values()} if key.school == ACADEMY else None
    for link in sorted(here.state):
        hung = link.key if link.type == CHILD else here.room
        cut = link.type in LINKS and link not in wanted and here.state[link] and hung not in waiting
        if cut and (known is None or link.key in known):
            yield link


def _links(
    rooms: Mapping[RoomKey, WantedRoom], actual: Actual, server: ServerName
) -> dict[RoomKey, dict[StateKey, Content]]:
    """What ties rooms that exist to spaces that exist (Matrix client-server spec, module "Spaces")."""
    links: dict[RoomKey, dict[StateKey, Content]] = {}
    for key, room in rooms.items():
        child, parent = actual.rooms.get(key), actual.rooms.get(room.parent) if room.parent else None
        if child is None or parent is None:
            continue
        links.setdefault(parent.key, {})[child_key(child.room)] = child_link(server)
        links.setdefault(key, {})[parent_key(parent.room)] = parent_link(server)
    return links


def _departures(rooms: Mapping[RoomKey, WantedRoom], here: _Here) -> Iterator[Step]:
    for key, room in sorted(here.actual.rooms.items()):
        wanted = rooms[key].members if key in rooms else {}
        for user in sorted(room.members):
            if room.members[user] is Membership.BAN:
                continue
            if user not in wanted:
                yield Step(Action.REMOVE_MEMBER, "has no place in this room", key, user)
            elif server := here.waits_for(user, key.kind):
                yield Step(Action.REMOVE_MEMBER, f"{server} does not answer for them", key, user)


def _arrivals(rooms: Mapping[RoomKey, WantedRoom], needed: frozenset[RoomKey], here: _Here) -> Iterator[Step]:
    for key, user, seat in _missing(rooms, needed, here):
        if here.waits_for(user, key.kind) is None:
            yield Step(Action.ADD_MEMBER, seat.why, key, user)


def _waiting_for_a_word(rooms: Mapping[RoomKey, WantedRoom], needed: frozenset[RoomKey], here: _Here) -> Iterator[Step]:
    """Visitors whose académie has not vouched for them: they are asked in once it has (DESIGN 7)."""
    for key, user, _ in _missing(rooms, needed, here):
        if server := here.waits_for(user, key.kind):
            yield Step(Action.ADD_MEMBER, f"waits for the word of {server}", key, user)


def _missing(
    rooms: Mapping[RoomKey, WantedRoom], needed: frozenset[RoomKey], here: _Here
) -> Iterator[tuple[RoomKey, UserId, Seat]]:
    """Who should be in a room and is not."""
    for key in sorted(needed):
        present = here.actual.rooms[key].members if key in here.actual.rooms else {}
        for user, seat in sorted(rooms[key].members.items()):
            if here.may_enter(user) and not _is_in(user, present.get(user), here.academy.server):
                yield key, user, seat


def _is_in(user: UserId, membership: Membership | None, server: ServerName) -> bool:
    """Joined, or invited from another académie, whose people accept by themselves; whoever is banned stays out."""
    if membership in {Membership.JOIN, Membership.BAN}:
        return True
    return membership is Membership.INVITE and split_user_id(user)[1] != server
