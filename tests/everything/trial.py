"""Tries: one request of one person, what policy says of it, what the homeserver answered; those that differ."""

from __future__ import annotations

import asyncio
import os
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from preau.model.ids import UserId
from preau.policy.refusals import Rule
from tests.everything.classified import WRITTEN_BY_MAIN
from tests.everything.routes import Route
from tests.everything.world import World
from tests.guard.guarded import Reply
from tests.workers.harness import MAIN

Thing = TypeVar("Thing")

OPEN: Final = ""
SHUT: Final = "refused"
"""Refused, by whichever part of Synapse or the guard comes first."""

WHOLE: Final = os.environ.get("PREAU_MATRIX") == "whole"
"""Whether everything is tried, or the sample that `make test` takes."""

_SAMPLE: Final = 2
"""Tries of each action on each route in the sample."""


@dataclass(frozen=True, slots=True)
class Try:
    """One request, and the verdict of policy: `OPEN`, the code of a rule, or `SHUT`."""

    action: str
    route: Route
    who: str
    whom: str
    user: UserId
    path: str
    expected: str
    body: Any = None
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A try, the process that was asked, and its answer."""

    tried: Try
    at: str
    reply: Reply

    @property
    def got(self) -> str:
        """The verdict of the homeserver."""
        if 200 <= self.reply.status < 300:
            return OPEN
        refused = 400 <= self.reply.status < 500 and self.reply.status != 429
        return (self.reply.rule or SHUT) if refused else f"{self.reply.status} {self.reply.body}"

    @property
    def as_expected(self) -> bool:
        """Whether both are the same."""
        if self.tried.expected == SHUT:
            return self.got == SHUT or self.got in set(Rule)
        return self.got == self.tried.expected

    @property
    def line(self) -> str:
        """A line of the table of failures."""
        tried = self.tried
        said = self.reply.body.get("errcode", "") if isinstance(self.reply.body, dict) else ""
        return (
            f"{tried.action:12} {self.at:10} {tried.route!s:70} {tried.who:28} → {tried.whom:28} "
            f"expected {tried.expected or 'allowed':18} got {self.got or 'allowed'} {self.reply.status} {said}"
        )


@dataclass
class Record:
    """Everything that was tried."""

    tried: Counter[tuple[str, Route, str]] = field(default_factory=Counter)
    wrong: list[Answered] = field(default_factory=list)

    async def run(self, world: World, tries: Iterable[Try]) -> list[Answered]:
        """Tries them, many at a time, and returns the answers when every process knows of what was done."""
        answers = await asyncio.gather(*(self._one(world, each) for each in tries))
        self.wrong += [answered for answered in answers if not answered.as_expected]
        await world.settle()
        return answers

    async def _one(self, world: World, tried: Try) -> Answered:
        self.tried[tried.action, tried.route, tried.expected] += 1
        only_main = tried.expected == OPEN and tried.route.deed in WRITTEN_BY_MAIN
        at = MAIN if only_main else world.place_of(tried.route, tried.action, tried.who, tried.whom)
        reply = await world.ask(tried.route.method, tried.path, tried.user, tried.body, tried.raw, at)
        return Answered(tried, at, reply)

    def insist(self) -> None:
        """Fails with a table of what differed, if anything did."""
        wrong, self.wrong = self.wrong, []
        shown = "\n".join(answered.line for answered in wrong[:60])
        assert not wrong, f"{len(wrong)} of {self.tried.total()} tries so far differ from policy:\n{shown}"

    def verdicts(self, route: Route) -> set[bool]:
        """Whether some were allowed something on that route, and whether some were not."""
        return {expected == OPEN for _, tried, expected in self.tried if tried == route}

    def __str__(self) -> str:
        sums: Counter[str] = Counter()
        for (action, _, expected), number in self.tried.items():
            sums[f"{action} {expected or 'allowed'}"] += number
        return ", ".join(f"{what}: {number}" for what, number in sorted(sums.items()))


def chosen(tries: Sequence[Try]) -> list[Try]:
    """All, or the sample: of each action on each route some that are refused and some that are not; always the same."""
    if WHOLE:
        return list(tries)
    groups: defaultdict[tuple[str, Route, str], list[Try]] = defaultdict(list)
    for each in tries:
        groups[each.action, each.route, each.expected].append(each)
    return [each for group in groups.values() for each in sorted(group, key=_drawn)[:_SAMPLE]]


def in_turn(things: Sequence[Thing], *which: str) -> list[Thing]:
    """The route, or other thing, that this combination takes: all are taken, by one combination or another."""
    return [things[zlib.crc32("|".join(which).encode()) % len(things)]] if things else []


def _drawn(tried: Try) -> int:
    return zlib.crc32(f"{tried.who}|{tried.whom}".encode())
