"""What the guard costs: CPU of a message, memory of a process, and how long a fact takes to count::

with the guard ─┐  the same rooms, people and senders; the million facts are known to the first
without it ─────┴─► in turns, some messages each ─► CPU of each process over all its turns
                                                    and of the guard's own code, by the clock of its thread
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from preau.model.fact_codec import decode
from preau.model.facts import FactKind
from preau.model.ids import UserId
from tests.bench.guarded import (
    GUARD,
    PEOPLE,
    ROOMS,
    Asked,
    copied,
    database_of,
    guarded_spec,
    load_facts,
    running,
)
from tests.bench.measure import Row, in_fresh_process, insist, resident
from tests.postgresql_server import PostgresqlMissing, PostgresqlServer, running_postgresql

_SIZES: Final = (30, 2_000)
_TURNS: Final = {30: (14, 25), 2_000: (11, 10)}
"""Pairs of turns, and the messages of each."""

_SPANS: Final = 5
_REST: Final = 20.0
"""Seconds for which nothing is asked, to see what happens all the same."""

_SENDERS: Final = 5
_WARM_UP: Final = 40
_SETTLED: Final = 0.2
_KNOWN: Final = f"facts of {PEOPLE:,} people and {ROOMS:,} rooms loaded by SQL"
_KEPT: Final = 50_000
"""Facts that a process keeps at most (`preau.guard.facts`)."""

_FLIPS: Final = 20


@dataclass
class _Side:
    """One of the two homeservers, and the CPU that it used in each of its turns."""

    asked: Asked
    turns: list[float] = field(default_factory=list)


def run(folder: Path) -> Iterable[Row]:
    """The rows; PostgreSQL alone, as in production."""
    return in_fresh_process(_work, folder)


def _work(folder: Path) -> list[Row]:
    try:
        with running_postgresql() as server:
            return asyncio.run(_measure(folder / "guard", server))
    except PostgresqlMissing as reason:
        return [Row("cost of the guard", "", "not measured", str(reason))]


async def _measure(folder: Path, server: PostgresqlServer) -> list[Row]:
    name = server.make_database()
    spec = guarded_spec(folder, database_of(server, name))
    async with running(spec) as asked:
        await asyncio.to_thread(load_facts, server, name, spec.server_name)
        rooms = await _rooms(asked)
        tokens = [await asked.logged_in(asked.user(number)) for number in range(1, _SENDERS + 1)]
    plain = await asyncio.to_thread(copied, spec, server)
    async with AsyncExitStack() as stack:
        with_it, without = [_Side(await stack.enter_async_context(running(each))) for each in (spec, plain)]
        await _insist_on_the_difference(with_it.asked, without.asked)
        rows = [row for size in _SIZES for row in await _sends(size, rooms[size], tokens, with_it, without)]
        rows += [await _rest(with_it.asked, without.asked), _memory(with_it.asked, without.asked)]
        return [*rows, await _effect(with_it.asked)]


async def _insist_on_the_difference(with_it: Asked, without: Asked) -> None:
    status = f"{GUARD}/status"
    known = (await with_it.call("GET", status))["facts"]
    insist(known == {"person": PEOPLE, "room": ROOMS}, f"the guard knows {known}")
    insist((await without.ask("GET", status))[0] == 404, "the guard is where it should not be")


async def _rooms(asked: Asked) -> dict[int, str]:
    """A room of each size."""
    largest = max(_SIZES)
    await asked.accounts(range(1, largest + 1))
    return {size: await asked.room([asked.user(n) for n in range(1, size + 1)], f"bench {size}") for size in _SIZES}


async def _sends(size: int, room: str, tokens: Sequence[str], with_it: _Side, without: _Side) -> list[Row]:
    numbers, sides, (pairs, messages) = itertools.count(), (with_it, without), _TURNS[size]
    for side in sides:
        await _turn(side, room, tokens, numbers, _WARM_UP)
        side.turns = []
    before = await with_it.asked.judged()
    for turn in range(pairs):
        for side in sides if turn % 2 else sides[::-1]:
            await _turn(side, room, tokens, numbers, messages)
    nanoseconds, judged = (after - first for first, after in zip(before, await with_it.asked.judged(), strict=True))
    insist(judged == pairs * messages, f"the guard was asked about {judged} of {pairs * messages} messages")
    more = [100 * (mine / other - 1) for mine, other in zip(with_it.turns, without.turns, strict=True)]
    low, middle, high = quantiles(more, n=4)
    return [
        Row(
            f"a message in a room of {size:,}: the guard's part",
            "≤ 3 %",
            f"{middle:+.1f} % (half of the pairs between {low:+.1f} and {high:+.1f} %); "
            f"{_ms(with_it, messages)} with, {_ms(without, messages)} without",
            f"CPU of Synapse's process: medians of {pairs} pairs of turns of {messages} messages by {_SENDERS} "
            f"members; {_KNOWN}; PostgreSQL",
        ),
        Row(
            f"a message in a room of {size:,}: the guard's own code",
            "≤ 3 %",
            f"{nanoseconds / 1e7 / sum(with_it.turns):.1f} %: {nanoseconds / judged / 1e6:.2f} ms",
            f"CPU of the thread from where the guard is asked to its answer, of that of the process, over the same "
            f"{judged} messages",
        ),
    ]


async def _say_all(asked: Asked, room: str, tokens: Sequence[str], numbers: Iterable[int], count: int) -> None:
    """Messages, and a moment for what they wake."""
    for number in itertools.islice(numbers, count):
        await asked.say(room, tokens[number % len(tokens)], number)
    await asyncio.sleep(_SETTLED)


async def _turn(side: _Side, room: str, tokens: Sequence[str], numbers: Iterable[int], count: int) -> None:
    before = side.asked.cpu()
    await _say_all(side.asked, room, tokens, numbers, count)
    side.turns.append(side.asked.cpu() - before)


def _ms(side: _Side, messages: int) -> str:
    return f"{1000 * median(side.turns) / messages:.1f} ms"


async def _rest(with_it: Asked, without: Asked) -> Row:
    """What the processes do while nobody asks anything: the guard looks once a second whether something changed.

    Of several spans the one in the middle: what Synapse has yet to do for the messages before falls into the first.
    """
    spans = sorted([await _span(with_it, without) for _ in range(_SPANS)], key=lambda span: span[0] - span[1])
    mine, other = spans[_SPANS // 2]
    return Row(
        "a process at rest: the guard's part",
        "",
        f"{mine - other:+.1f} ms a second; {mine:.1f} ms with, {other:.1f} ms without",
        f"CPU of Synapse's process, both at once, the middle of {_SPANS} spans of {_REST:.0f} s; {_KNOWN}; PostgreSQL",
    )


async def _span(with_it: Asked, without: Asked) -> tuple[float, float]:
    """Milliseconds of CPU a second that each used."""
    before = with_it.cpu(), without.cpu()
    await asyncio.sleep(_REST)
    mine, other = with_it.cpu() - before[0], without.cpu() - before[1]
    return 1000 * mine / _REST, 1000 * other / _REST


def _memory(with_it: Asked, without: Asked) -> Row:
    """The two processes now; and how much the facts weigh that one process keeps at most, decoded in another one."""
    mine, other = with_it.megabytes(), without.megabytes()
    full = in_fresh_process(_weight_of_facts, _KEPT)
    return Row(
        "memory of a process: the guard's part",
        "≤ 150 MB",
        f"{mine - other:+.0f} MB; {mine - other + full:+.0f} MB with its cache full",
        f"resident, {mine:.0f} with and {other:.0f} MB without, after the same messages; {_KNOWN}; a full cache: "
        f"{_KEPT:,} people decoded and kept in a process of their own, {full:.0f} MB",
    )


def _weight_of_facts(count: int) -> float:
    """Megabytes that so many guardians of one child each weigh, as a process of the homeserver keeps them."""
    before = resident(os.getpid())
    kept = {}
    for number in range(count):
        user, school = f"@p{number}:nord.example", {"functions": ["guardian"], "children": [f"c{number}"]}
        body = json.dumps({"name": f"Camille ESSAI {number} · parent", "schools": {str(number % 1000): school}})
        kept[FactKind.PERSON, user] = decode(FactKind.PERSON, user, json.loads(body))
    insist(len(kept) == count, "facts were lost")
    return resident(os.getpid()) - before


async def _effect(asked: Asked) -> Row:
    """How long after a push began the first request is decided by it."""
    guardian = asked.user(max(_SIZES))  # nobody who writes in what is measured after
    spans = []
    for flip in range(_FLIPS):
        fact = None if flip % 2 == 0 else {"name": "x", "schools": {"0990001N": {"functions": ["pupil"]}}}
        rule = "unknown" if fact is None else "contact"
        began = time.perf_counter()
        push = {"stream": "bench", "after": flip + 1, "version": flip + 2, "facts": {"person": {guardian: fact}}}
        await asked.call("PUT", f"{GUARD}/facts", push)
        while await _rule(asked, guardian) != rule:
            insist(time.perf_counter() - began < 10, "a fact never counted")
        spans.append(time.perf_counter() - began)
    return Row(
        "a fact: pushed → decided by, one process",
        "≤ 1 s",
        f"median {1000 * median(spans):.0f} ms, longest {1000 * max(spans):.0f} ms of {_FLIPS}",
        f"PUT of the fact, then the refusal of a conversation by the rule that it brings; {_KNOWN}; PostgreSQL",
    )


async def _rule(asked: Asked, user: UserId) -> str:
    wish = {"is_direct": True, "invite": [asked.user(PEOPLE)]}
    _, answer = await asked.ask("POST", "/_matrix/client/v3/createRoom", wish, acting=user)
    return str(answer.get("fr.preau.rule", ""))
