"""Managed rooms of every kind: who may be asked in, and what members and others can do there.

::

    kind × room version ─► the service makes it, with everybody who may enter ─► members and others try everything
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from preau.model.facts import RoomFacts
from preau.model.ids import RoomId, Uai
from preau.model.people import Function
from preau.model.rooms import RoomKey, RoomKind
from preau.model.wanted import Seat, WantedRoom
from preau.policy import entrance
from preau.policy.entrance import why_not_enter
from preau.policy.fan_out import rooms
from preau.policy.powers import MODERATOR, READER, WRITER, power_levels, room_state
from preau.policy.refusals import Rule
from preau.policy.rooms import RULES, Circle, Scope
from preau.policy.takebacks import Author, Place, Takeback, speaks_for_the_school, takebacks, why_not_taken_back
from preau.policy.upkeep import why_not_set_managed
from tests.builders import NORTH
from tests.everything.cast import PARTS, Actor, Part
from tests.everything.conversations import STATES, VERSIONS
from tests.everything.trial import OPEN, SHUT, WHOLE, Answered, Try, in_turn
from tests.everything.world import GUARD, World, transaction

_SCOPES: Final[Mapping[Scope, str]] = {
    Scope.DIVISION: "5 A",
    Scope.ASSOCIATION: "fcpe",
    Scope.NAMED: "voyage",
    Scope.LEVEL: "5",
}

_SEND: Final = ("POST rooms/{room_id}/send/{event_type}", "PUT rooms/{room_id}/send/{event_type}/{txn_id}")
_JOIN: Final = (
    "POST rooms/{room_id}/join",
    "PUT rooms/{room_id}/join/{txn_id}",
    "POST join/{room_identifier}",
    "PUT join/{room_identifier}/{txn_id}",
)
_TAKE_BACK: Final = ("POST rooms/{room_id}/redact/{event_id}", "PUT rooms/{room_id}/redact/{event_id}/{txn_id}")


def _both(action: str) -> tuple[str, str]:
    return f"POST rooms/{{room_id}}/{action}", f"PUT rooms/{{room_id}}/{action}/{{txn_id}}"


@dataclass(frozen=True, slots=True)
class Scene:
    """A managed room: who is in it at which level, who is not, and what the service said there."""

    kind: RoomKind
    version: str
    room: str
    levels: Mapping[str, Any]
    inside: Mapping[Actor, int]
    outside: Sequence[Actor]
    said: str

    def __str__(self) -> str:
        return f"{self.kind} (v{self.version})"


def members_needed() -> dict[Part, int]:
    """How many accounts each part takes, so that nobody reaches the rooms or the takebacks of an hour."""
    many = 2 * len(VERSIONS) * len(RoomKind) if WHOLE else 0
    return {part: 1 + many // min(rooms(part.functions).things, takebacks(part.functions).things) for part in PARTS}


async def make(world: World, kind: RoomKind, version: str, cast: Sequence[Actor] = ()) -> Scene:
    """Such a room with everybody of these in it who may enter; of one of each part unless somebody is named."""
    fits = _facts(kind)
    key = RoomKey(kind, fits.school, fits.scope)
    cast = cast or [_of(world, part, kind, version) for part in PARTS]
    inside = {actor: _level(kind, actor.part) for actor in cast if may_enter(actor, kind)}
    seats = {actor.user: Seat(level, "test") for actor, level in inside.items()}
    wanted = WantedRoom(key, "Salon", "", None, seats)
    order = {
        "version": version,
        "creation_content": {"fr.preau.room": str(key), "nonce": secrets.token_hex(8)},
        "state": [
            {"type": piece.type, "state_key": piece.key, "content": content}
            for piece, content in room_state(wanted, bot=world.bot, version=version).items()
        ],
        "members": [actor.user for actor in inside],
    }
    made = await world.as_bot("POST", f"{GUARD}/rooms", order)
    assert not made["refused"], made
    room = made["room_id"]
    said = await world.as_bot(
        "POST", f"/_matrix/client/v3/rooms/{room}/send/m.room.message", {"msgtype": "m.text", "body": "Réunion"}
    )
    levels = power_levels(kind, seats, bot=world.bot, version=version)
    outside = [actor for actor in cast if actor not in inside]
    return Scene(kind, version, room, levels, inside, outside, said["event_id"])


def may_enter(actor: Actor, kind: RoomKind) -> bool:
    """Whether they may be in the rooms of that kind that are made here."""
    return why_not_enter(actor.facts, _facts(kind)) is None


def may_send(scene: Scene, actor: Actor, event_type: str) -> bool:
    """Whether they are in the room, with the power for that."""
    return scene.inside.get(actor, -1) >= _needed(scene, event_type)


def writing(world: World, scene: Scene) -> Iterable[Try]:
    """Messages, reactions and what is encrypted."""
    for actor in scene.inside:
        for event_type, content in _messages(scene).items():
            allowed = may_send(scene, actor, event_type) and event_type != "m.room.encrypted"
            yield from send(world, scene, actor, event_type, content, OPEN if allowed else SHUT)
    for actor in scene.outside:
        yield from send(world, scene, actor, "m.room.message", {"msgtype": "m.text", "body": "x"}, SHUT)


def settings(world: World, scene: Scene) -> Iterable[Try]:
    """Everything that would change the room, by one member of each function; and a piece of it by others."""
    for actor in _by_function(scene.inside):
        for event_type, content in STATES.items():
            expected = why_not_set_managed(event_type) or SHUT
            yield from _set(world, scene, actor, event_type, content, expected)
        yield from _shape(world, scene, actor, Rule.PUBLIC)
    for actor in _by_function(scene.outside):
        yield from _set(world, scene, actor, "m.room.name", {"name": "x"}, SHUT)
        yield from _shape(world, scene, actor, SHUT)


def entering(world: World, scene: Scene) -> Iterable[Try]:
    """Who may be asked in by the service, who may come by themselves, and whom members bring or throw out."""
    for actor in scene.outside:
        broken = why_not_enter(actor.facts, _facts(scene.kind)) or OPEN
        for route in in_turn(world.routes_of(*_both("invite")), str(scene), str(actor)):
            path, body = route.at(room_id=scene.room, txn_id=transaction()), {"user_id": actor.user}
            yield Try("invite", route, f"the service, {scene}", str(actor), world.bot, path, broken, body)
        for route in in_turn(world.routes_of(*_JOIN), str(scene), str(actor)):
            path = route.at(room_id=scene.room, room_identifier=scene.room, txn_id=transaction())
            yield Try("join", route, str(actor), str(scene), actor.user, path, broken)
        for route in in_turn(world.routes_of("POST knock/{room_identifier}"), str(scene), str(actor)):
            path = route.at(room_identifier=scene.room)
            yield Try("knock", route, str(actor), str(scene), actor.user, path, SHUT)
    yield from _bringing(world, scene)


def _bringing(world: World, scene: Scene) -> Iterable[Try]:
    """Members would bring in, throw out or let back one of each function, of the room or not.

    Whom they would throw out differs between the room's versions: together they are one of each function.
    """
    strangers = _by_function(scene.outside)
    for actor in scene.inside:
        others = [other for other in scene.inside if other is not actor]
        for whom in strangers:
            yield from _bring(world, scene, actor, "invite", whom, Rule.MEMBERSHIP)
        for action, people in (("ban", strangers), ("kick", others), ("unban", others)):
            for whom in _by_function(people)[VERSIONS.index(scene.version) :: len(VERSIONS)]:
                yield from _bring(world, scene, actor, action, whom, SHUT)


def _bring(world: World, scene: Scene, actor: Actor, action: str, whom: Actor, expected: str) -> Iterable[Try]:
    for route in in_turn(world.routes_of(*_both(action)), str(scene), str(actor), str(whom), action):
        path, body = route.at(room_id=scene.room, txn_id=transaction()), {"user_id": whom.user}
        yield Try(action, route, f"{actor}, {scene}", str(whom), actor.user, path, expected, body)


def taking_back(world: World, scene: Scene, sent: Iterable[Answered]) -> Iterable[Try]:
    """One's own reaction, the service's message, and what a member and what direction wrote."""
    actors = {actor.user: actor for actor in scene.inside}
    done = [each for each in sent if each.reply.status == 200]
    written = {actors[each.tried.user]: each.reply.body["event_id"] for each in sorted(done, key=_is_message)}
    own = {actors[each.tried.user]: each.reply.body["event_id"] for each in done if not _is_message(each)}
    others = {_author(actor): actor for actor in reversed(written)}
    for actor, level in scene.inside.items():
        if actor in own:
            yield from take(world, scene, actor, own[actor], Author.ONESELF, level)
        yield from take(world, scene, actor, scene.said, Author.SCHOOL, level)
        for author, other in others.items():
            if other is not actor:
                yield from take(world, scene, actor, written[other], author, level)


def leaving(world: World, scene: Scene) -> Iterable[Try]:
    """Nobody is kept; one of each function."""
    for actor in _by_function(scene.inside):
        for route in in_turn(world.routes_of(*_both("leave")), str(scene), str(actor)):
            path = route.at(room_id=scene.room, txn_id=transaction())
            yield Try("leave", route, str(actor), str(scene), actor.user, path, OPEN)


def coming_back(world: World, scene: Scene, expected: str = SHUT) -> Iterable[Try]:
    """Whoever left comes back by the service alone."""
    for actor in _by_function(scene.inside):
        for route in in_turn(world.routes_of(*_JOIN), str(scene), str(actor), "again", expected):
            path = route.at(room_id=scene.room, room_identifier=scene.room, txn_id=transaction())
            yield Try("join", route, str(actor), f"{scene}, left before", actor.user, path, expected)


def brought_back(world: World, scene: Scene) -> Iterable[Try]:
    """The service asks in whoever left."""
    for actor in _by_function(scene.inside):
        for route in in_turn(world.routes_of(*_both("invite")), str(scene), str(actor), "again"):
            path, body = route.at(room_id=scene.room, txn_id=transaction()), {"user_id": actor.user}
            yield Try("invite", route, f"the service, {scene}", f"{actor}, again", world.bot, path, OPEN, body)


def _messages(scene: Scene) -> dict[str, Any]:
    related = {"m.relates_to": {"rel_type": "m.annotation", "event_id": scene.said, "key": "👍"}}
    return {
        "m.room.message": {"msgtype": "m.text", "body": "Bonjour"},
        "m.reaction": related,
        "m.room.encrypted": {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"},
    }


def _needed(scene: Scene, event_type: str) -> int:
    needed: int = scene.levels["events"].get(event_type, scene.levels["events_default"])
    return needed


def send(world: World, scene: Scene, actor: Actor, event_type: str, content: Any, expected: str) -> Iterable[Try]:
    """One event of that type."""
    for route in in_turn(world.routes_of(*_SEND), str(scene), str(actor), event_type, str(content.get("body"))):
        path = route.at(room_id=scene.room, event_type=event_type, txn_id=transaction())
        whom = f"{event_type}, {scene}"
        yield Try("send", route, str(actor), whom, actor.user, path, expected, content)


def _set(world: World, scene: Scene, actor: Actor, event_type: str, content: Any, expected: str) -> Iterable[Try]:
    routes = world.routes_of(
        "PUT rooms/{room_id}/state/{event_type}", "PUT rooms/{room_id}/state/{event_type}/{state_key}"
    )
    for route in in_turn(routes, str(scene), str(actor), event_type):
        path = route.at(room_id=scene.room, event_type=event_type, state_key="")
        yield Try("state", route, str(actor), f"{event_type}, {scene}", actor.user, path, expected, content)


def _shape(world: World, scene: Scene, actor: Actor, no_alias: str) -> Iterable[Try]:
    alias = f"#salon-{transaction()}:{world.guarded.homeserver.server_name}"
    wishes = (
        ("upgrade", ("POST rooms/{room_id}/upgrade",), SHUT, {"new_version": "11"}),
        ("alias", ("PUT directory/room/{room_alias}",), no_alias, {"room_id": scene.room}),
        ("alias", ("DELETE directory/room/{room_alias}",), SHUT, {}),
        ("publish", ("PUT directory/list/room/{room_id}",), SHUT, {"visibility": "public"}),
    )
    for action, deeds, expected, body in wishes:
        for route in in_turn(world.routes_of(*deeds), str(scene), str(actor), action):
            path = route.at(room_id=scene.room, room_alias=alias)
            yield Try(action, route, str(actor), str(scene), actor.user, path, expected, body)


def take(
    world: World, scene: Scene, actor: Actor, event: str, author: Author, level: int, but: str = OPEN
) -> Iterable[Try]:
    """An event taken back; ``but`` is the limit that stands against it where the tables do not."""
    functions = actor.part.functions if NORTH in actor.part.schools else frozenset()
    takeback = Takeback(author, Place.MANAGED, state=False, moderates=level >= MODERATOR, functions=functions)
    expected = why_not_taken_back(takeback) or (but if level >= _needed(scene, "m.room.redaction") else SHUT)
    for route in in_turn(world.routes_of(*_TAKE_BACK), str(scene), str(actor), event):
        path = route.at(room_id=scene.room, event_id=event, txn_id=transaction())
        yield Try("take back", route, str(actor), f"{author.value}, {scene}", actor.user, path, expected)


def _is_message(answered: Answered) -> bool:
    return answered.tried.whom.startswith("m.room.message")


def _author(actor: Actor) -> Author:
    here = actor.part.functions if NORTH in actor.part.schools else frozenset[Function]()
    return Author.SCHOOL if speaks_for_the_school(here) else Author.MEMBER


def _level(kind: RoomKind, part: Part) -> int:
    """The power that the room table gives to somebody with these functions."""
    rules = RULES[kind]
    if part.functions & _functions(rules.moderators):
        return MODERATOR
    return WRITER if part.functions & _functions(rules.writers) else READER


def _functions(circles: Iterable[Circle]) -> frozenset[Function]:
    mandated = entrance._BY_MANDATE
    return frozenset(each for circle in set(circles) - mandated for each in entrance._FUNCTIONS[circle])


def _of(world: World, part: Part, kind: RoomKind, version: str) -> Actor:
    """One who plays the part, another one in another room, so that nobody writes too widely."""
    group = world.members[part]
    return group[(list(RoomKind).index(kind) * len(VERSIONS) + VERSIONS.index(version)) % len(group)]


def _by_function(people: Iterable[Actor]) -> list[Actor]:
    return list({actor.part.function: actor for actor in people}.values())


def _facts(kind: RoomKind) -> RoomFacts:
    school = Uai("") if kind is RoomKind.SPACE_ACADEMY else NORTH
    return RoomFacts(RoomId("!room"), kind, school, _SCOPES.get(RULES[kind].scope, ""))
