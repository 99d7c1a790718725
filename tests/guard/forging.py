"""A homeserver that was broken into: whatever its key signs is sent to ours, past its own Synapse.

::

    any content ─► an event in its place of the room's history ─► hashes, signature ─► PUT …/federation/v1/send ─► ours
"""

from __future__ import annotations

import json
import secrets
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from signedjson.key import read_signing_keys
from signedjson.sign import sign_json
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS, RoomVersion
from synapse.crypto.event_signing import add_hashes_and_signatures
from synapse.events import make_event_from_dict
from synapse.events.utils import prune_event
from yarl import URL

from tests.guard.batching import Tables
from tests.guard.guarded import Reply
from tests.guard.neighbours import Neighbours

FEDERATION: Final = "/_matrix/federation"


@dataclass(frozen=True, slots=True)
class Forger:
    """Has the neighbour's key and our database: it knows where in a room the next event belongs."""

    both: Neighbours

    def event(
        self, room: str, sender: str, event_type: str, content: Any, state_key: str | None = None, **more: Any
    ) -> dict[str, Any]:
        """A signed event that follows the last ones of a room of ours; ``more`` is added, or replaces."""
        tables = Tables(self.both.ours.homeserver)
        version = room_version(tables, room)
        query = "SELECT type, state_key, event_id FROM current_state_events WHERE room_id = ?"
        state = {(kind, key): event_id for kind, key, event_id in tables.rows(query, room)}
        needed = [("m.room.power_levels", ""), ("m.room.member", sender)]
        if event_type == "m.room.member":
            needed += [("m.room.join_rules", ""), ("m.room.member", str(state_key))]
        if not version.msc4291_room_ids_as_hashes:
            needed.append(("m.room.create", ""))
        [(depth,)] = tables.rows("SELECT MAX(depth) FROM events WHERE room_id = ?", room)
        fields = {
            "auth_events": sorted({state[each] for each in needed if each in state}),
            "prev_events": tables.extremities(room),
            "depth": depth + 1,
            **({} if state_key is None else {"state_key": state_key}),
        }
        return self.signed(version, room_id=room, sender=sender, type=event_type, content=content, **{**fields, **more})

    def signed(self, version: RoomVersion, **fields: Any) -> dict[str, Any]:
        """An event of these fields, with its hash and the neighbour's signature."""
        event = {"origin_server_ts": int(time.time() * 1000), **fields}
        theirs = self.both.theirs.homeserver
        with (theirs.spec.folder / "config" / "signing.key").open(encoding="ascii") as file:
            (key,) = read_signing_keys(file)
        add_hashes_and_signatures(version, event, theirs.server_name, key)
        return event

    async def send(self, events: Sequence[Mapping[str, Any]], edus: Sequence[Mapping[str, Any]] = ()) -> Reply:
        """All of that in one transaction."""
        now = int(time.time() * 1000)
        body = {
            "origin": self.both.theirs.homeserver.server_name,
            "origin_server_ts": now,
            "pdus": [*events],
            "edus": [*edus],
        }
        return await self.call("PUT", f"{FEDERATION}/v1/send/{secrets.token_hex(8)}", body)

    async def call(self, method: str, path: str, body: Any = None) -> Reply:
        """A request as the neighbour's homeserver; the path is quoted already."""
        ours, theirs = self.both.ours.homeserver, self.both.theirs.homeserver
        request = {"method": method, "uri": path, "origin": theirs.server_name, "destination": ours.server_name}
        with (theirs.spec.folder / "config" / "signing.key").open(encoding="ascii") as file:
            (key,) = read_signing_keys(file)
        signed = sign_json({**request, **({} if body is None else {"content": body})}, theirs.server_name, key)
        ((key_id, signature),) = signed["signatures"][theirs.server_name].items()
        says = f'origin="{theirs.server_name}",destination="{ours.server_name}",key="{key_id}",sig="{signature}"'
        headers = {"Authorization": f"X-Matrix {says}", "Content-Type": "application/json"}
        trusts = ssl.create_default_context(cafile=str(ours.spec.authority.certificate))
        url = URL(f"https://{ours.server_name}{path}", encoded=True)
        data = None if body is None else json.dumps(body)
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
            session.request(method, url, data=data, headers=headers, ssl=trusts) as response,
        ):
            return Reply(response.status, await response.json(content_type=None))


def room_version(tables: Tables, room: str) -> RoomVersion:
    """Of a room that the homeserver has."""
    [(name,)] = tables.rows("SELECT room_version FROM rooms WHERE room_id = ?", room)
    return KNOWN_ROOM_VERSIONS[name]


def id_of(version: RoomVersion, event: Mapping[str, Any]) -> str:
    """The event's id: everybody works it out for themselves."""
    return str(make_event_from_dict({**event}, version).event_id)


def emptied(version: RoomVersion, event: Mapping[str, Any]) -> Any:
    """What is left of an event's content once it is emptied."""
    return prune_event(make_event_from_dict({**event}, version)).get_dict()["content"]


def path_of(*parts: str) -> str:
    """A path of these parts, whatever is in them; none is empty."""
    return "/".join([FEDERATION, *(quote(part, safe="") or "x" for part in parts)])
