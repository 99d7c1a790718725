"""The guard's own HTTP paths, below ``/_synapse/client/preau/v1/``: the service pushes facts and asks how it stands.

Only the bot may, with the token of the registration *provision*: whoever holds that token can act as anybody already,
so that a second secret would protect nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from synapse.module_api import (
    DirectServeJsonResource,
    JsonDict,
    ModuleApi,
    SynapseRequest,
    parse_json_object_from_request,
)
from synapse.module_api.errors import Codes, SynapseError

from preau.guard import tables
from preau.guard.facts import Facts
from preau.guard.inner import Inner
from preau.guard.inner.people import open_doors
from preau.guard.settings import Settings
from preau.guard.tables import Push
from preau.model.fact_codec import BrokenFact, decode
from preau.model.facts import Fact, FactKey, FactKind

PATH: Final = "/_synapse/client/preau/v1"
_AT_MOST: Final = 10_000
"""Facts in one push: more would hold Synapse's reactor for more than a fraction of a second."""


class BotOnly:
    """Tells whether a request comes from the service."""

    def __init__(self, api: ModuleApi, settings: Settings) -> None:
        self._api = api
        self._settings = settings

    async def check(self, request: SynapseRequest) -> None:
        """Passes for the bot, acting with an application service's token.

        Raises:
            SynapseError: for everybody else.
        """
        requester = await self._api.get_user_by_req(request)
        if requester.user.to_string() != self._settings.bot or requester.app_service_id is None:
            raise SynapseError(403, "Only the Préau service may use this.", Codes.FORBIDDEN)


class FactsResource(DirectServeJsonResource):
    """``PUT facts``: a push; answers the position held afterwards, 409 if it is not the push's."""

    def __init__(self, bot_only: BotOnly, facts: Facts) -> None:
        super().__init__()
        self._bot_only = bot_only
        self._facts = facts

    async def _async_render_PUT(self, request: SynapseRequest) -> tuple[int, Any]:  # noqa: N802 -- Synapse's name
        await self._bot_only.check(request)
        push = parse_push(read_object(request))
        held = await self._facts.take(push)
        taken = held.stream == push.stream and held.version >= push.version
        return 200 if taken else 409, {"stream": held.stream, "version": held.version}


class StatusResource(DirectServeJsonResource):
    """``GET status``: what is held, and every process with the version it decides by."""

    def __init__(self, api: ModuleApi, settings: Settings, bot_only: BotOnly, inner: Inner) -> None:
        super().__init__()
        self._api = api
        self._settings = settings
        self._bot_only = bot_only
        self._inner = inner

    async def _async_render_GET(self, request: SynapseRequest) -> tuple[int, Any]:  # noqa: N802 -- Synapse's name
        await self._bot_only.check(request)
        held, processes, counts = await self._api.run_db_interaction("preau_guard_status", _status)
        now = self._api.get_current_time_msec()
        return 200, {
            "stream": held.stream,
            "version": held.version,
            "facts": counts,
            "missing_inner_parts": self._inner.missing,
            "open_doors": open_doors(self._inner.missing),
            "peers": dict(self._settings.peers),
            "processes": [
                {"name": name, "version": version, "seen_ms_ago": now - seen, "started_ms_ago": now - started}
                for name, version, seen, started in processes
            ],
        }


def read_object(request: SynapseRequest) -> JsonDict:
    """The object that a request of the service brings.

    Raises:
        SynapseError: it brings none, or one with a NUL somewhere, which PostgreSQL cannot hold.
    """
    body: JsonDict = parse_json_object_from_request(request)
    sent: Any = request.content
    sent.seek(0)
    if b"\\u0000" in sent.read():
        raise SynapseError(400, "The request holds a NUL character (\\u0000); nothing was done.", Codes.BAD_JSON)
    return body


def parse_push(body: Mapping[str, Any]) -> Push:
    """A push as it came over the wire.

    Raises:
        SynapseError: it is none; the message says where.
    """
    stream: Any = body.get("stream")
    after: Any = body.get("after")
    version: Any = body.get("version")
    forget: Any = body.get("forget_before", 0)
    if not isinstance(stream, str) or not stream:
        raise _bad("stream: a text is expected")
    if not _is_version(version) or not _is_version(forget) or not (after is None or _is_version(after)):
        raise _bad("after, version and forget_before: whole numbers are expected")
    if after is not None and version <= after:
        raise _bad("version: it must be higher than after")
    return Push(stream, after, version, _parse_facts(body.get("facts", {})), forget)


def _parse_facts(raw: Any) -> dict[FactKey, Fact | None]:
    if not isinstance(raw, Mapping) or not all(isinstance(group, Mapping) for group in raw.values()):
        raise _bad("facts: objects by kind are expected")
    if sum(map(len, raw.values())) > _AT_MOST:
        raise _bad(f"facts: at most {_AT_MOST} in one push")
    if unknown := raw.keys() - set(FactKind):
        raise _bad(f"facts: unknown kinds {', '.join(sorted(unknown))}")
    found: dict[FactKey, Fact | None] = {}
    for kind in map(FactKind, raw):
        for key, fact in raw[kind].items():
            try:
                found[kind, key] = None if fact is None else decode(kind, key, fact)
            except BrokenFact as error:
                raise _bad(str(error)) from None
    return found


def _is_version(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _bad(what: str) -> SynapseError:
    return SynapseError(400, f"The facts are not understood, nothing was stored: {what}.", Codes.BAD_JSON)


def _status(txn: Any) -> tuple[tables.Position, list[tuple[str, int, int, int]], dict[str, int]]:
    return tables.position(txn), tables.processes(txn), tables.counts(txn)
