"""The paths of `preau.guard.web` and `device_web`: facts are pushed, devices confirmed; the guard says how it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from preau.errors import HomeserverError
from preau.matrix import answers
from preau.matrix.calls import Answer, Call, Caller, call
from preau.model.ids import UserId
from preau.model.wanted import Json

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

GUARD: Final = ("_synapse", "client", "preau", "v1")
"""The guard's path."""


@dataclass(frozen=True, slots=True)
class Held:
    """Whose facts the guard holds, and up to which version."""

    stream: str
    version: int


@dataclass(frozen=True, slots=True)
class GuardProcess:
    """One process of the homeserver: the version it decides by, and how long ago it said so."""

    name: str
    version: int
    seen_seconds_ago: float


@dataclass(frozen=True, slots=True)
class GuardStatus:
    """How the guard stands.

    ``facts`` counts what it holds by kind; ``missing`` names the inner parts of Synapse that it does without, ``doors``
    what nobody judges for want of them; ``peers`` are the bots that it takes for those of other académies.
    """

    held: Held
    facts: Mapping[str, int]
    missing: tuple[str, ...]
    processes: tuple[GuardProcess, ...]
    peers: Mapping[str, str] = field(default_factory=dict)
    doors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """A device on which somebody logged in; until it is ``confirmed``, a function of wide reach is limited on it."""

    id: str
    name: str
    confirmed: bool


class GuardCalls:
    """The calls to the guard; every one of them may be repeated. A homeserver without it is told of once."""

    _caller: Caller
    _absence_told: bool = False

    async def guard_status(self) -> GuardStatus | None:
        """How the guard stands; None if the homeserver has none."""
        answer = await self._ask(call("GET", (*GUARD, "status"), "status of the guard"))
        return None if answer is None else _status(answer)

    async def push_facts(self, body: str) -> Held | None:
        """Sends one push, as JSON; what the guard holds afterwards, whether or not it took it. None without a guard.

        Raises:
            HomeserverError: the guard refused it: it is not understood, or we are not its service.
        """
        path = "/" + "/".join((*GUARD, "facts"))
        try:
            answer = await self._ask(Call("PUT", path, "facts for the guard", body=body))
        except HomeserverError as refused:
            if refused.status != 409:
                raise
            status = await self.guard_status()
            return None if status is None else status.held
        return None if answer is None else _held(answer)

    async def devices(self, user: UserId) -> tuple[Device, ...]:
        """The devices of one of our accounts; none without a guard."""
        path, query = (*GUARD, "devices"), (("user", user),)
        answer = await self._ask(call("GET", path, f"devices of {user}", query=query))
        if answer is None:
            return ()
        raw = answers.obj(answer).get("devices")
        if not isinstance(raw, list):
            raise answers.unexpected(answer, "a list 'devices'")
        return tuple(_device(answer, each) for each in raw)

    async def confirm_device(self, user: UserId, device: str, by: str) -> None:
        """Takes the limits of a new device away.

        Raises:
            HomeserverError: ``M_NOT_FOUND`` when the account has no such device.
        """
        body: Json = {"user": user, "device": device, "by": by}
        await self._ask(call("POST", (*GUARD, "devices", "confirm"), f"confirm a device of {user}", body=body))

    async def _ask(self, what: Call) -> Answer | None:
        """The answer; None if nobody serves that path."""
        try:
            return await self._caller.perform(what)
        except HomeserverError as refused:
            if (refused.status, refused.errcode) != (404, "M_UNRECOGNIZED"):
                raise
        if not self._absence_told:
            log.warning("no_guard", homeserver=self._caller.endpoint.url, meaning="nothing is refused beforehand")
            self._absence_told = True
        return None


def _held(answer: Answer) -> Held:
    return Held(answers.text(answer, "stream"), _number(answer, answers.obj(answer), "version"))


def _status(answer: Answer) -> GuardStatus:
    raw = answers.obj(answer)
    facts = raw.get("facts")
    if not isinstance(facts, dict):
        raise answers.unexpected(answer, "an object 'facts'")
    processes = raw.get("processes")
    if not isinstance(processes, list):
        raise answers.unexpected(answer, "a list 'processes'")
    return GuardStatus(
        held=_held(answer),
        facts={kind: _number(answer, facts, kind) for kind in facts},
        missing=answers.texts(answer, "missing_inner_parts"),
        processes=tuple(_process(answer, each) for each in processes),
        peers=_peers(answer, raw),
        doors=answers.texts(answer, "open_doors") if "open_doors" in raw else (),  # a guard of before has none
    )


def _peers(answer: Answer, raw: Mapping[str, Json]) -> dict[str, str]:
    found = raw.get("peers")
    if not isinstance(found, dict):
        raise answers.unexpected(answer, "an object 'peers'")
    return {peer: str(bot) for peer, bot in found.items()}


def _process(answer: Answer, raw: Json) -> GuardProcess:
    if not isinstance(raw, dict) or not isinstance(name := raw.get("name"), str):
        raise answers.unexpected(answer, f"a name for each process, not {json.dumps(raw)[:80]}")
    return GuardProcess(name, _number(answer, raw, "version"), _number(answer, raw, "seen_ms_ago") / 1000)


def _device(answer: Answer, raw: Json) -> Device:
    match raw:
        case {"id": str() as known, "name": str() | None as name, "confirmed": bool() as confirmed}:
            return Device(known, name or "", confirmed)
        case _:
            raise answers.unexpected(answer, "id, name and confirmed for each device")


def _number(answer: Answer, raw: Mapping[str, Json], key: str) -> int:
    value = raw.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise answers.unexpected(answer, f"a whole number {key!r}")
    return value
