"""A homeserver in memory, asked by the adapter's own requests: what `apply` relies on, and nothing else.

It is held to a real Synapse with the guard by ``tests/live/test_batched_apply.py``, which runs the same cases on both.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from preau.errors import HomeserverError, HomeserverUnreachable
from preau.matrix.calls import Answer, Call, Caller, Endpoint
from preau.matrix.client import Homeserver
from preau.matrix.patience import Patience
from preau.model.ids import RoomId, UserId, split_user_id
from preau.model.wanted import Content, Json, Membership, StateKey
from preau.sync.context import Academy

MEMBER = "m.room.member"


@dataclass
class ModelAccount:
    name: str = ""
    locked: bool = False


@dataclass
class ModelSynapse(Caller):
    """What is there, and what shall go wrong.

    Args:
        academy: server, bot, room version.
        guarded: whether the guard is there, and does batches.
        broken: the guard answers every batch with an error of its own.
        state_refused: the event type that no room takes.
        refused: people whom no room lets in.
        cut_off: after so many calls nothing answers any more; the last of them is done, but its answer is lost.
        after_join: told of each room that somebody has just entered.
    """

    academy: Academy
    guarded: bool = True
    broken: bool = False
    state_refused: str = ""
    refused: set[UserId] = field(default_factory=set)
    cut_off: int | None = None
    after_join: Callable[[RoomId], None] = lambda _: None
    accounts: dict[UserId, ModelAccount] = field(default_factory=dict)
    rooms: dict[RoomId, dict[StateKey, Content]] = field(default_factory=dict)
    aliases: dict[str, RoomId] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        endpoint = Endpoint("http://model.invalid", "none", self.academy.bot, self.academy.server)
        super().__init__(endpoint, patience=Patience(), at_once=8)

    def adapter(self) -> Homeserver:
        """The service's own adapter, which asks this instead of the network."""
        homeserver = Homeserver(self.endpoint)
        homeserver._caller = self
        return homeserver

    def make_people(self, users: Iterable[UserId]) -> None:
        for user in users:
            self.accounts.setdefault(user, ModelAccount())

    def membership(self, room: RoomId, user: UserId) -> str:
        return str(self.rooms[room].get(StateKey(MEMBER, user), {}).get("membership", "leave"))

    def members(self, room: RoomId) -> dict[UserId, Membership]:
        """As the service would note them: the bot left out, and whoever left."""
        found = {UserId(key.key): Membership(self.membership(room, UserId(key.key))) for key in self.rooms[room]
                 if key.type == MEMBER and key.key != self.academy.bot}  # fmt: skip
        return {user: how for user, how in found.items() if how is not Membership.LEAVE}

    async def perform(self, call: Call) -> Answer:
        await asyncio.sleep(0)  # others' calls come between
        if self.cut_off == 0:
            raise HomeserverUnreachable(f"{call.about}: nothing answers")
        self.calls.append(call)
        self.cut_off = None if self.cut_off is None else self.cut_off - 1
        answer = self._answer(call)
        if self.cut_off == 0:
            raise HomeserverUnreachable(f"{call.about}: the answer is lost")
        return Answer(call.about, 200, answer)

    def _answer(self, call: Call) -> Json:  # noqa: PLR0911 -- one line per request that the service makes
        body: Any = json.loads(call.body) if call.body else {}
        match call.method, *[unquote(part) for part in call.path.split("/")[1:]]:
            case _, "_synapse", "client", "preau", "v1", what:
                return self._guard(what, body)
            case method, "_synapse", "admin", "v2", "users", user:
                return self._account(method, UserId(user), body)
            case method, "_matrix", "client", _, "rooms", room, "state", *rest:
                return self._state(method, RoomId(room), rest, body)
            case "POST", "_matrix", "client", _, "rooms", room, deed:
                return {"invite": self._invite, "kick": self._kick}[deed](RoomId(room), UserId(body["user_id"]))
            case "POST", "_matrix", "client", _, "join", room:
                return self._join(RoomId(room), UserId(call.acting or self.academy.bot))
            case "POST", "_matrix", "client", _, "createRoom":
                return self._create(body)
        return self._resolve(unquote(call.path.rsplit("/", 1)[1]))

    def _guard(self, what: str, body: Json) -> Json:
        if not self.guarded or what not in {"rooms", "memberships"}:  # of facts it knows nothing
            raise refusal(404, "M_UNRECOGNIZED")
        if self.broken:
            raise refusal(500, "M_UNKNOWN")
        return self._fill(body) if what == "rooms" else self._move(body)

    # The public API

    def _resolve(self, alias: str) -> Json:
        if alias not in self.aliases:
            raise refusal(404, "M_NOT_FOUND")
        return {"room_id": self.aliases[alias]}

    def _create(self, body: Any) -> Json:
        alias = f"#{body['room_alias_name']}:{self.academy.server}"
        if alias in self.aliases:
            raise refusal(400, "M_ROOM_IN_USE")
        room = RoomId(f"!{len(self.rooms)}")
        created = {"room_version": body["room_version"], **body["creation_content"]}
        given = {StateKey(each["type"], each["state_key"]): each["content"] for each in body.get("initial_state", [])}
        bot = StateKey(MEMBER, self.academy.bot)
        self.rooms[room] = {StateKey("m.room.create"): created, bot: {"membership": "join"}, **given}
        self.aliases[alias] = room
        return {"room_id": room}

    def _invite(self, room: RoomId, user: UserId) -> Json:
        if self.membership(room, user) in {"join", "ban"}:
            raise refusal(403, "M_FORBIDDEN")
        return self._set(room, user, "invite")

    def _join(self, room: RoomId, user: UserId) -> Json:
        if (reason := self._why_out(room, user)) is not None:
            raise reason
        if self.membership(room, user) not in {"join", "invite"}:
            raise refusal(403, "M_FORBIDDEN")
        return self._set(room, user, "join")

    def _kick(self, room: RoomId, user: UserId) -> Json:
        if self.membership(room, user) in {"leave", "ban"}:
            raise refusal(403, "M_FORBIDDEN")
        return self._set(room, user, "leave")

    def _state(self, method: str, room: RoomId, key: list[str], body: Json) -> Json:
        state = self.rooms[room]
        if not key:
            return [{"type": each.type, "state_key": each.key, "content": state[each]} for each in state]
        place = StateKey(key[0], key[1] if len(key) > 1 else "")
        if method == "GET":
            if place not in state:
                raise refusal(404, "M_NOT_FOUND")
            return state[place]
        if place.type == self.state_refused:
            raise refusal(403, "M_FORBIDDEN")
        assert isinstance(body, dict)
        state[place] = body
        return {"event_id": "$set"}

    def _account(self, method: str, user: UserId, body: Any) -> Json:
        if method == "GET" and user not in self.accounts:
            raise refusal(404, "M_NOT_FOUND")
        known = self.accounts.setdefault(user, ModelAccount())
        known.name = body.get("displayname", known.name)
        known.locked = body.get("locked", known.locked)
        flags: dict[str, Json] = {"locked": known.locked, "deactivated": False, "admin": False}
        return {"name": user, "displayname": known.name, **flags}

    # The guard

    def _fill(self, body: Any) -> Json:
        alias = f"#{body['alias']}:{self.academy.server}"
        new = alias not in self.aliases
        if new:
            asked = {"room_alias_name": body["alias"], "room_version": body["version"], "initial_state": body["state"]}
            self._create(asked | {"creation_content": body["creation_content"]})
        room = self.aliases[alias]
        return {"room_id": room, "new": new, **self._moved(room, body["members"], [])}

    def _move(self, body: Any) -> Json:
        return self._moved(RoomId(body["room_id"]), body["join"], body["leave"])

    def _moved(self, room: RoomId, join: list[UserId], leave: list[UserId]) -> dict[str, Json]:
        joined: list[Json] = []
        refused: dict[str, Json] = {}
        for user in join:
            open_to_us = StateKey("m.room.join_rules") in self.rooms[room]
            reason = self._why_out(room, user) if open_to_us else refusal(403, "M_FORBIDDEN")
            if reason is None:
                joined.append(user)
                self._set(room, user, "join")
            else:
                refused[user] = {"errcode": reason.errcode, "error": reason.happened}
        for user in leave:
            if self.membership(room, user) != "ban":
                self._set(room, user, "leave")
        return {"joined": joined, "left": [*leave], "refused": refused}

    def _why_out(self, room: RoomId, user: UserId) -> HomeserverError | None:
        local = split_user_id(user)[1] == self.academy.server
        if user in self.refused or not local or user not in self.accounts or self.membership(room, user) == "ban":
            return refusal(403, "M_FORBIDDEN")
        return None

    def _set(self, room: RoomId, user: UserId, membership: str) -> Json:
        before = self.membership(room, user)
        self.rooms[room][StateKey(MEMBER, user)] = {"membership": membership}
        if membership == "join" != before:
            self.after_join(room)
        return {"room_id": room}


def refusal(status: int, errcode: str) -> HomeserverError:
    return HomeserverError(f"refused with {status} {errcode}", errcode=errcode, status=status)
