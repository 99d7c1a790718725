"""The HTTP paths for rooms, memberships and accounts in batches; for the service's bot alone, as all of ours.

Where Synapse's inner parts are not as expected, rooms and memberships answer 501, and the service takes the public API.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from synapse.module_api import DirectServeJsonResource, ModuleApi, SynapseRequest
from synapse.module_api.errors import Codes, SynapseError

from preau.guard.accounts import Accounts, NewAccount
from preau.guard.batches import Batches, Moved, RoomOrder
from preau.guard.web import PATH, BotOnly, read_object

log = logging.getLogger(__name__)

_AT_MOST: Final = 1_000
"""People in one request: some seconds of work, so that no proxy gives up on it."""

_STATE_AT_MOST: Final = 80
"""Pieces of state of a new room, which are stored all at once, together with the first members."""

_VERSIONS: Final = frozenset({"11", "12"})


def register(api: ModuleApi, bot_only: BotOnly, batches: Batches | None, accounts: Accounts) -> None:
    """Serves the paths; ``batches`` None: this Synapse is not one that they can be done with."""
    api.register_web_resource(f"{PATH}/rooms", RoomsResource(bot_only, batches))
    api.register_web_resource(f"{PATH}/memberships", MembershipsResource(bot_only, batches))
    api.register_web_resource(f"{PATH}/accounts", AccountsResource(bot_only, accounts))


class RoomsResource(DirectServeJsonResource):
    """``POST rooms``: a room with all its state and members, made once per alias."""

    def __init__(self, bot_only: BotOnly, batches: Batches | None) -> None:
        super().__init__()
        self._bot_only = bot_only
        self._batches = batches

    async def _async_render_POST(self, request: SynapseRequest) -> tuple[int, Any]:  # noqa: N802 -- Synapse's name
        await self._bot_only.check(request)
        made = await _able(self._batches).make_room(parse_room(read_object(request)))
        return 200, {"room_id": made.room, "new": made.new, "joined": made.moved.joined, "refused": made.moved.refused}


class MembershipsResource(DirectServeJsonResource):
    """``POST memberships``: people out of a room, and into it."""

    def __init__(self, bot_only: BotOnly, batches: Batches | None) -> None:
        super().__init__()
        self._bot_only = bot_only
        self._batches = batches

    async def _async_render_POST(self, request: SynapseRequest) -> tuple[int, Any]:  # noqa: N802 -- Synapse's name
        await self._bot_only.check(request)
        body = read_object(request)
        join, leave = _users(body, "join"), _users(body, "leave")
        reason = body.get("reason")
        if len(join) + len(leave) > _AT_MOST or set(join) & set(leave):
            raise _bad(f"join and leave: at most {_AT_MOST} people, each in one of the two")
        if reason is not None and not isinstance(reason, str):
            raise _bad("reason: a text is expected")
        moved: Moved = await _able(self._batches).move(_text(body, "room_id"), join=join, leave=leave, reason=reason)
        return 200, {"joined": moved.joined, "left": moved.left, "refused": moved.refused}


class AccountsResource(DirectServeJsonResource):
    """``POST accounts``: accounts with their final display name."""

    def __init__(self, bot_only: BotOnly, accounts: Accounts) -> None:
        super().__init__()
        self._bot_only = bot_only
        self._accounts = accounts

    async def _async_render_POST(self, request: SynapseRequest) -> tuple[int, Any]:  # noqa: N802 -- Synapse's name
        await self._bot_only.check(request)
        wanted = parse_accounts(read_object(request))
        done = await self._accounts.make(wanted)
        return 200, {"made": done.made, "existing": done.existing, "refused": done.refused}


def parse_room(body: Mapping[str, Any]) -> RoomOrder:
    """A room as it is ordered over the wire.

    Raises:
        SynapseError: it is none; the message says where.
    """
    alias, version, content = body.get("alias"), body.get("version"), body.get("creation_content", {})
    if alias is not None and (not isinstance(alias, str) or not alias or {":", "\0"} & set(alias)):
        raise _bad("alias: a localpart, or null, is expected")
    if not isinstance(version, str) or version not in _VERSIONS:
        raise _bad(f"version: one of {', '.join(sorted(_VERSIONS))} is expected")
    if not isinstance(content, Mapping):
        raise _bad("creation_content: an object is expected")
    return RoomOrder(alias, version, content, _state(body.get("state", [])), _users(body, "members"))


def parse_accounts(body: Mapping[str, Any]) -> list[NewAccount]:
    """Accounts as they are ordered over the wire.

    Raises:
        SynapseError: they are none; the message says where.
    """
    raw = body.get("accounts")
    if not isinstance(raw, list) or len(raw) > _AT_MOST or not all(isinstance(each, Mapping) for each in raw):
        raise _bad(f"accounts: at most {_AT_MOST} objects are expected")
    wanted = [NewAccount(_text(each, "localpart"), _text(each, "display_name")) for each in raw]
    return list({account.localpart: account for account in wanted}.values())


def _state(raw: Any) -> list[tuple[str, str, Mapping[str, Any]]]:
    if not isinstance(raw, list) or len(raw) > _STATE_AT_MOST or not all(isinstance(piece, Mapping) for piece in raw):
        raise _bad(f"state: at most {_STATE_AT_MOST} objects are expected")
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for piece in raw:
        content, key = piece.get("content"), piece.get("state_key", "")
        if not isinstance(content, Mapping) or not isinstance(key, str):
            raise _bad("state: type, state_key and content are expected in each piece")
        found[_text(piece, "type"), key] = content
    if own := {"m.room.create", "m.room.member"} & {event_type for event_type, _ in found}:
        raise _bad(f"state: {', '.join(sorted(own))} cannot be given")
    return [(event_type, key, content) for (event_type, key), content in found.items()]


def _users(body: Mapping[str, Any], name: str) -> Sequence[str]:
    """User ids, each once, in their order."""
    raw = body.get(name, [])
    if not isinstance(raw, list) or len(raw) > _AT_MOST or not all(isinstance(user, str) for user in raw):
        raise _bad(f"{name}: at most {_AT_MOST} user ids are expected")
    return list(dict.fromkeys(raw))


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise _bad(f"{name}: a text is expected")
    return value


def _able(batches: Batches | None) -> Batches:
    """What does the work.

    Raises:
        SynapseError: this Synapse is not one that it can be done with.
    """
    if batches is None:
        log.warning("Asked for a batch, which this Synapse's inner parts do not allow: the service does without")
        raise SynapseError(501, "Synapse's inner parts are not as expected: no batches here.", Codes.UNRECOGNIZED)
    return batches


def _bad(what: str) -> SynapseError:
    return SynapseError(400, f"The request is not understood, nothing was done: {what}.", Codes.BAD_JSON)
