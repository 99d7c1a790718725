"""How much one account may do: up to the number of its function and once more, and from a device nobody confirmed.

::

    a new account of each function ─► conversations of a day, rooms and takebacks of an hour ─► one more: refused
    a new account of each part ─► its second device ─► conversation, announcement, a few rooms and one more,
                                                       its own message taken back, a file
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from preau.model.facts import PersonFacts
from preau.model.rooms import RoomKind
from preau.policy.devices import may_announce, needs_confirmation
from preau.policy.fan_out import FROM_A_NEW_DEVICE, conversations, rooms
from preau.policy.refusals import Rule
from preau.policy.rooms import RULES
from preau.policy.takebacks import Author, takebacks
from preau.policy.uploads import allowance, why_no_upload
from tests.everything import managed
from tests.everything.cast import PARTS, SCHOOLS, Actor
from tests.everything.conversations import begin, why_not_begin
from tests.everything.managed import Scene, may_send, send, take
from tests.everything.trial import OPEN, WHOLE, Answered, Record, Try, in_turn
from tests.everything.world import World

_ROOMS: Final = tuple(kind for kind in RoomKind if RULES[kind].everybody_writes)
_PICTURE: Final = b"\x89PNG\r\n\x1a\n".ljust(1000, b"\0")
_PLACED: Final = tuple(part for part in PARTS if part.known and part.schools)


Limit = Callable[[World, Record, "Crowd"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Crowd:
    """New people: one of each function, and others whose second device this is; and rooms to write in."""

    busy: Sequence[Actor]
    moved: Sequence[Actor]
    scenes: Sequence[Scene]
    announcements: Scene

    def rooms_of(self, who: Actor) -> list[tuple[Scene, int]]:
        """The rooms in which somebody may write, with their power there."""
        return [(scene, scene.inside[who]) for scene in self.scenes if who in scene.inside]


async def gather(world: World) -> Crowd:
    """Makes them, as many rooms as anybody may write in, and one more. In the sample, of those who may do least."""
    functions = list({part.function: part for part in reversed(PARTS) if part.functions}.values())
    least = min(functions, key=lambda part: rooms(part.functions).things)
    busy = await world.newcomers([part for part in functions if len(part.functions) == 1] if WHOLE else [least])
    moved = [who for who in await world.newcomers(_PLACED if WHOLE else _PLACED[::4]) if _open(who)]
    cast = [*busy, *moved]
    most = [*(rooms(who.part.functions).things for who in busy), *(FROM_A_NEW_DEVICE.things for _ in moved)]
    where = [(who, _where(who, cast), things) for who, things in zip(cast, most, strict=True)]
    needed = {kind: max(things for _, other, things in where if other is kind) + 1 for _, kind, _ in where}
    wanted = [
        (kind, [who for who, other, things in where if other is kind and number <= things])
        for kind, rooms_of_it in needed.items()
        for number in range(rooms_of_it)
    ]
    scenes = await asyncio.gather(*(managed.make(world, kind, "12", members) for kind, members in wanted))
    announcements = await managed.make(world, RoomKind.ANNOUNCE_SCHOOL, "12", cast)
    for who in moved:
        await world.log_in(who.user)
    return Crowd(busy, moved, scenes, announcements)


async def conversations_of_a_day(world: World, record: Record, crowd: Crowd) -> None:
    """So many, and one more."""
    for who in crowd.busy:
        reader = _whom(world, who)
        most = conversations(who.part.functions).things
        within = [each for number in range(most) for each in _begin(world, who, reader, OPEN, number)]
        await record.run(world, within)
        await record.run(world, _begin(world, who, reader, Rule.FAN_OUT, most))


async def rooms_of_an_hour(world: World, record: Record, crowd: Crowd) -> None:
    """So many, one more, and again where they wrote before."""
    for who in crowd.busy:
        *places, last = [scene for scene, _ in crowd.rooms_of(who)][: rooms(who.part.functions).things + 1]
        await record.run(world, [each for scene in places for each in _say(world, scene, who, OPEN)])
        await record.run(world, _say(world, last, who, Rule.FAN_OUT))
        await record.run(world, _say(world, places[0], who, OPEN))


async def takebacks_of_an_hour(world: World, record: Record, crowd: Crowd) -> None:
    """So many of their own messages, and one more."""
    for who in crowd.busy:
        scene, level = crowd.rooms_of(who)[0]
        said = range(takebacks(who.part.functions).things + 1)
        answers = await record.run(world, [each for n in said for each in _say(world, scene, who, OPEN, n)])
        *within, last = _events(answers)
        own = [each for event in within for each in take(world, scene, who, event, Author.ONESELF, level)]
        await record.run(world, own)
        await record.run(world, take(world, scene, who, last, Author.ONESELF, level, but=Rule.TAKEBACKS))


async def new_devices(world: World, record: Record, crowd: Crowd) -> None:
    """What each part does from its second device."""
    few: list[Try] = []
    more: list[Try] = []
    for who in crowd.moved:
        held = Rule.NEW_DEVICE if needs_confirmation(_facts(who), SCHOOLS) else OPEN
        *places, last = [scene for scene, _ in crowd.rooms_of(who)][: FROM_A_NEW_DEVICE.things + 1]
        few += [each for scene in places for each in _say(world, scene, who, OPEN)]
        more += [*_say(world, last, who, held), *_upload(world, who, held)]
        if any(why_not_begin(who, world.first(part)) is OPEN for part in PARTS):
            more += _begin(world, who, _whom(world, who), held, 0)
        if may_send(crowd.announcements, who, "m.room.message"):
            assert not may_announce(crowd.announcements.kind)
            more += _say(world, crowd.announcements, who, held)
    own = {each.tried.user: each for each in await record.run(world, few)}
    for who in crowd.moved:
        held = Rule.NEW_DEVICE if needs_confirmation(_facts(who), SCHOOLS) else OPEN
        scene, level = crowd.rooms_of(who)[FROM_A_NEW_DEVICE.things - 1]
        (event,) = _events([own[who.user]])
        more += take(world, scene, who, event, Author.ONESELF, level, but=held)
    await record.run(world, more)


def _begin(world: World, who: Actor, reader: Actor, expected: str, number: int) -> Iterable[Try]:
    routes = world.routes_of("POST createRoom", "PUT createRoom/{txn_id}")
    for route in in_turn(routes, str(who), str(number), expected):
        yield begin(route, who, reader, expected)


def _say(world: World, scene: Scene, who: Actor, expected: str, number: int = 0) -> Iterable[Try]:
    body: dict[str, Any] = {"msgtype": "m.text", "body": f"Bonjour {number}"}
    return send(world, scene, who, "m.room.message", body, expected)


def _upload(world: World, who: Actor, held: str) -> Iterable[Try]:
    expected = why_no_upload(allowance(who.facts, SCHOOLS), len(_PICTURE), 0) or held
    for route in in_turn(world.routes_of("POST media/upload"), str(who), "new device"):
        yield Try("upload", route, str(who), "from a new device", who.user, route.at(), expected, raw=_PICTURE)


def _events(answers: Iterable[Answered]) -> list[str]:
    return [each.reply.body["event_id"] for each in answers]


def _whom(world: World, who: Actor) -> Actor:
    """Somebody to whom they may write."""
    return next(other for part in PARTS if why_not_begin(who, other := world.first(part)) is OPEN)


def _where(who: Actor, cast: Sequence[Actor]) -> RoomKind:
    """The kind of room, of those where everybody writes, that is open to them and to most of the others."""
    return max(_open(who), key=lambda kind: sum(managed.may_enter(other, kind) for other in cast))


def _open(who: Actor) -> list[RoomKind]:
    return [kind for kind in _ROOMS if managed.may_enter(who, kind)]


def _facts(who: Actor) -> PersonFacts:
    assert who.facts is not None
    return who.facts
