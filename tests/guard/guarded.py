"""What the guard's tests do to a guarded homeserver: push facts, make people, act as them by raw requests."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver, HomeserverSpec
from preau.demo.processes import free_ports
from preau.model.fact_codec import encode
from preau.model.facts import Fact, FactKey, Party, PersonFacts, key_of
from preau.model.ids import DivisionCode, PersonId, ServerName, Uai, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKey, RoomKind
from preau.model.wanted import Seat, WantedRoom
from preau.policy.powers import room_state
from tests.builders import NORTH
from tests.live.homeservers import PASSWORD, new_localpart, register

GUARD = "/_synapse/client/preau/v1"


def guarded_spec(
    folder: Path, authority: Authority, *peers: ServerName, ports: tuple[int, ...] = (), **more: Any
) -> HomeserverSpec:
    """A homeserver, with the guard as every one has it, federated with these peers; on free ports unless told."""
    client_port, federation_port = ports or free_ports(2)
    return HomeserverSpec(
        folder=folder,
        client_port=client_port,
        federation_port=federation_port,
        authority=authority,
        peers=peers,
        **more,
    )


class Opened(Homeserver):
    """A homeserver on which somebody set Synapse's own options wide open, after Préau's own."""

    OPTIONS: Final[Mapping[str, Any]] = {
        "enable_registration": True,
        "enable_registration_without_verification": True,
        "allow_guest_access": True,
        "allow_per_room_profiles": True,
        "enable_3pid_lookup": True,
    }

    def configuration_files(self) -> tuple[Path, ...]:
        """One file more, which wins."""
        more = self.spec.folder / "opened.yaml"
        more.write_text(json.dumps(self.OPTIONS), encoding="utf-8")
        return (*super().configuration_files(), more)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the homeserver answered."""

    status: int
    body: Any

    @property
    def rule(self) -> str:
        """The guard's rule that refused; empty if it did not."""
        return str(self.body.get("fr.preau.rule", "")) if isinstance(self.body, Mapping) else ""


@dataclass
class Guarded:
    """A guarded homeserver and the position of what was pushed to it."""

    homeserver: Homeserver
    stream: str = field(default_factory=lambda: secrets.token_hex(8))
    version: int = 0
    tokens: dict[UserId, str] = field(default_factory=dict)

    async def call(
        self,
        method: str,
        path: str,
        user: UserId | str,
        body: Any = None,
        *,
        query: str = "",
        raw: bytes | None = None,
        at: str = "",
    ) -> Reply:
        """One request as that user: with their own token if they logged in, else by the provision token.

        ``at`` is the address of another of the homeserver's processes than main.
        """
        token = self.tokens.get(UserId(user), "")
        suffix = query if token else f"{query}{'&' if query else ''}user_id={quote(user)}"
        headers = {"Authorization": f"Bearer {token or self.homeserver.as_token}"}
        url = f"{at or self.homeserver.client_url}{path}" + (f"?{suffix}" if suffix else "")
        given = {"data": io.BytesIO(raw)} if raw is not None else {"json": body if body is not None else {}}
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
            session.request(method, url, headers=headers, **({} if method == "GET" else given)) as response,
        ):
            return Reply(response.status, await response.json(content_type=None))

    async def push(self, *facts: Fact, gone: Iterable[FactKey] = (), at: str = "") -> None:
        """These facts, as the service pushes them."""
        groups: dict[str, dict[str, Any]] = {}
        for fact in facts:
            kind, key = key_of(fact)
            groups.setdefault(kind, {})[key] = encode(fact)
        for kind, key in gone:
            groups.setdefault(kind, {})[key] = None
        after = self.version or None
        if after is None:  # as the service does: who takes over begins above all that the guard ever held
            self.version = (await self.status())["version"]
        body = {"stream": self.stream, "after": after, "version": self.version + 1, "facts": groups}
        reply = await self.call("PUT", f"{GUARD}/facts", self.homeserver.bot, body, at=at)
        assert reply.status == 200, reply
        self.version += 1

    async def status(self) -> Mapping[str, Any]:
        """What the guard says of itself."""
        reply = await self.call("GET", f"{GUARD}/status", self.homeserver.bot)
        assert reply.status == 200, reply
        body: Mapping[str, Any] = reply.body
        return body

    async def person(
        self,
        *functions: Function,
        school: Uai = NORTH,
        divisions: Iterable[str] = (),
        children: Iterable[UserId] = (),
        opted_in: bool = False,
        name: str = "Camille ESSAI · parent",
        logged_in: bool = True,
    ) -> UserId:
        """A new account with these functions in one school, known to the guard, logged in on its first device."""
        user = await register(self.homeserver, new_localpart(), name)
        party = Party(
            PersonId(user[1:].split(":", 1)[0]),
            school,
            frozenset(functions),
            frozenset(map(DivisionCode, divisions)),
            frozenset(PersonId(child[1:].split(":", 1)[0]) for child in children),
            opted_in,
        )
        await self.push(PersonFacts(user, name, (party,) if functions else ()))
        if logged_in:
            await self.log_in(user)
        return user

    async def log_in(self, user: UserId, device: str = "FIRST") -> str:
        """Their access token from now on, of that device."""
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user},
            "password": PASSWORD,
            "device_id": device,
        }
        reply = await self.call("POST", "/_matrix/client/v3/login", self.homeserver.bot, body)
        assert reply.status == 200, reply
        self.tokens[user] = reply.body["access_token"]
        return self.tokens[user]

    async def talk(self, user: UserId, other: UserId | str, *, at: str = "", **more: Any) -> Reply:
        """A client's request for a direct conversation."""
        body = {"preset": "trusted_private_chat", "is_direct": True, "invite": [other], **more}
        return await self.call("POST", "/_matrix/client/v3/createRoom", user, body, at=at)

    async def managed(
        self,
        kind: RoomKind,
        scope: str = "",
        *,
        school: Uai = NORTH,
        version: str = "",
        levels: Mapping[UserId, int] | None = None,
    ) -> str:
        """A room that the bot made, as the service makes it, with these people's power; nobody is in it yet."""
        bot, version = self.homeserver.bot, version or self.homeserver.spec.room_version
        seats = {user: Seat(level, "test") for user, level in (levels or {}).items()}
        key = RoomKey(kind, school, scope)
        state = room_state(WantedRoom(key, "Salon", "", None, seats), bot=bot, version=version)
        body = {
            "preset": "private_chat",
            "room_version": version,
            # Rooms of one kind may be made more than once here, unlike the service's: the nonce keeps their ids apart.
            "creation_content": {"fr.preau.room": str(key), "nonce": secrets.token_hex(8)},
            "initial_state": [
                {"type": each.type, "state_key": each.key, "content": content} for each, content in state.items()
            ],
        }
        made = await self.call("POST", "/_matrix/client/v3/createRoom", bot, body)
        assert made.status == 200, made
        return str(made.body["room_id"])

    async def invite(self, room: str, user: UserId | str, by: UserId | str = "") -> Reply:
        """An invitation, by the bot unless somebody is named."""
        path = f"/_matrix/client/v3/rooms/{quote(room)}/invite"
        return await self.call("POST", path, by or self.homeserver.bot, {"user_id": user})

    async def join(self, room: str, user: UserId | str, **more: Any) -> Reply:
        """A join, as that person."""
        return await self.call("POST", f"/_matrix/client/v3/rooms/{quote(room)}/join", user, more)

    async def bring_in(self, room: str, *users: UserId) -> None:
        """These people in a managed room, as the service brings them in."""
        for user in users:
            assert (await self.invite(room, user)).status == 200
            assert (await self.join(room, user)).status == 200

    async def state(self, room: str, event_type: str, state_key: str = "") -> Any:
        """A piece of a room's state, as the bot or, in a conversation, the administrator sees it; None if not set."""
        reply = await self.call("GET", f"/_synapse/admin/v1/rooms/{quote(room)}/state", self.homeserver.bot)
        found = {(event["type"], event["state_key"]): event["content"] for event in reply.body["state"]}
        return found.get((event_type, state_key))

    async def put_state(
        self, room: str, user: UserId | str, event_type: str, content: Any, state_key: str = ""
    ) -> Reply:
        """State set as that user."""
        path = f"/_matrix/client/v3/rooms/{quote(room)}/state/{quote(event_type)}/{quote(state_key)}"
        return await self.call("PUT", path, user, content)

    async def say(self, room: str, user: UserId | str, text: str = "Bonjour", *, at: str = "") -> Reply:
        """A message."""
        path = f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/{secrets.token_hex(8)}"
        return await self.call("PUT", path, user, {"msgtype": "m.text", "body": text}, at=at)
