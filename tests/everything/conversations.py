"""Conversations: who begins one with whom, who is found, and what can be done inside one.

::

    every part × every part ─► begin, on the routes in turn ─► rooms of those who may
                                                                  ├─► the other enters, and writes back
                                                                  ├─► every state, by both
                                                                  └─► third people are asked in, come in, are thrown out
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from preau.model.ids import UserId
from preau.policy.conversations import may_converse
from preau.policy.fan_out import conversations, rooms
from preau.policy.finding import may_be_found
from preau.policy.refusals import Rule
from preau.policy.upkeep import why_not_set_direct
from tests.everything.cast import PARTS, SCHOOLS, Actor, Part, actors
from tests.everything.routes import Route
from tests.everything.trial import OPEN, SHUT, WHOLE, Answered, Try, in_turn
from tests.everything.world import World, transaction

VERSIONS: Final = ("12", "11")
"""Room versions, taken in turn."""

STATES: Final[dict[str, Any]] = {
    "m.room.power_levels": {"users": {}, "users_default": 100},
    "m.room.join_rules": {"join_rule": "public"},
    "m.room.history_visibility": {"history_visibility": "world_readable"},
    "m.room.guest_access": {"guest_access": "can_join"},
    "m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
    "m.room.name": {"name": "La direction"},
    "m.room.topic": {"topic": "Sujet"},
    "m.room.avatar": {"url": "mxc://example.org/a"},
    "m.room.canonical_alias": {},
    "m.room.pinned_events": {"pinned": []},
    "m.room.server_acl": {"allow": ["*"]},
    "m.room.tombstone": {"body": "Fermé", "replacement_room": "!ailleurs"},
    "m.room.third_party_invite": {"display_name": "x", "key_validity_url": "https://example.org", "public_key": "eA"},
    "m.room.create": {"room_version": "12"},
    "m.room.policy": {"via": "example.org"},
    "m.space.child": {"via": ["example.org"]},
    "m.space.parent": {"via": ["example.org"]},
    "m.widget": {"url": "https://example.org"},
    "im.vector.modular.widgets": {"url": "https://example.org"},
    "org.matrix.msc3401.call.member": {},
    "org.example.own": {"text": "x"},
}
"""State that a member might like to set."""

_AT_FIRST: Final = frozenset(
    f"m.room.{name}" for name in ("power_levels", "join_rules", "history_visibility", "guest_access")
)
"""State that a conversation has from its beginning."""


def why_not_begin(writer: Actor, reader: Actor) -> str:
    """What policy says: `OPEN` or the rule's code."""
    if writer.facts is None or not writer.facts.parties:
        return Rule.UNKNOWN
    allowed = reader.facts is not None and may_converse(writer.facts, reader.facts, SCHOOLS)
    return OPEN if allowed else Rule.CONTACT


def accounts_needed() -> dict[Part, int]:
    """How many accounts each part takes, so that nobody reaches the conversations of a day or the rooms of an hour."""
    if not WHOLE:
        return dict.fromkeys(PARTS, 1)
    imagined = actors({part: [UserId(f"@imagined{number}:nord.example")] for number, part in enumerate(PARTS)})
    first = {part: players[0] for part, players in imagined.items()}
    needed = {}
    for part, writer in first.items():
        begun = sum(why_not_begin(writer, reader) is OPEN for reader in first.values())
        needed[part] = 1 + max(
            begun // conversations(part.functions).things, 2 * len(PARTS) // rooms(part.functions).things
        )
    return needed


def beginnings(world: World) -> Iterable[Try]:
    """Everybody wants to begin a conversation with everybody; an account that has begun enough is not asked again."""
    routes = world.routes_of("POST createRoom", "PUT createRoom/{txn_id}")
    begun: Counter[str] = Counter()
    for number, part in enumerate(PARTS):
        for other in PARTS:
            reader = world.players[other][number % len(world.players[other])]
            group, most = world.players[part], conversations(part.functions).things
            writer = next((each for each in group if begun[each.user] < most), group[0])
            expected = why_not_begin(writer, reader)
            begun[writer.user] += expected is OPEN
            for route in in_turn(routes, part.function, other.function, part.name[-1], other.name[-1]):
                yield begin(route, writer, reader, expected)


def begin(route: Route, writer: Actor, reader: Actor, expected: str) -> Try:
    """A client's request for a conversation, with more wishes than it is granted."""
    version = VERSIONS[zlib.crc32(f"{writer}|{reader}".encode()) % len(VERSIONS)]
    wish = {"preset": "trusted_private_chat", "is_direct": True, "invite": [reader.user], "name": "Direction"}
    body = {**wish, "room_version": version}
    return Try("begin", route, str(writer), str(reader), writer.user, route.at(txn_id=transaction()), expected, body)


def other_rooms(world: World) -> Iterable[Try]:
    """Rooms that nobody may make, asked for by one of each function, on every route."""
    teacher = next(world.first(part).user for part in PARTS if part.name == "teacher A")
    wishes: dict[str, Any] = {
        "a public room": {"preset": "public_chat"},
        "a group": {"preset": "private_chat", "is_direct": True, "invite": [teacher, world.bot]},
        "alone": {},
        "a space": {"creation_content": {"type": "m.space"}, "is_direct": True},
        "by e-mail": {
            "is_direct": True,
            "invite": [teacher],
            "invite_3pid": [{"id_server": "example.org", "medium": "email", "address": "a@example.org"}],
        },
        "posing as the service": {"creation_content": {"fr.preau.room": "staff/0990001N"}},
    }
    for part in PARTS:
        who = world.first(part)
        for what, body in wishes.items():
            for route in in_turn(world.routes_of("POST createRoom", "PUT createRoom/{txn_id}"), str(who), what):
                path = route.at(txn_id=transaction())
                yield Try("begin", route, str(who), what, who.user, path, Rule.ROOM_CREATION, body)


def searches(world: World) -> Iterable[tuple[Try, frozenset[str]]]:
    """Everybody looks for everybody: with the people that must be found, no more and no fewer."""
    everybody = [world.first(part) for part in PARTS]
    for part in PARTS:
        asker = world.first(part)
        for route in world.routes_of("POST /_synapse/client/preau/v1/search"):
            me = asker.facts
            found = {each.user for each in everybody if me and each.facts and may_be_found(me, each.facts, SCHOOLS)}
            body = {"search_term": "premier", "limit": 50}
            yield Try("search", route, str(asker), "everybody", asker.user, route.at(), OPEN, body), frozenset(found)


def inside(world: World, made: Sequence[tuple[Actor, Actor, str]]) -> Iterable[Try]:
    """What who began, and a third, want to do in conversations that exist: writer, reader (not in yet) and room."""
    for writer, reader, room in made:
        yield from _settings(world, writer, {writer.user, reader.user}, room)
        yield from _third_people(world, writer, reader, room)


def entering(world: World, made: Sequence[tuple[Actor, Actor, str]]) -> Iterable[Try]:
    """The other of the two enters: whoever may be written to may be there."""
    routes = world.routes_of(
        "POST rooms/{room_id}/join",
        "PUT rooms/{room_id}/join/{txn_id}",
        "POST join/{room_identifier}",
        "PUT join/{room_identifier}/{txn_id}",
    )
    for writer, reader, room in made:
        for route in in_turn(routes, str(writer), str(reader)):
            path = route.at(room_id=room, room_identifier=room, txn_id=transaction())
            yield Try("join", route, str(reader), f"asked by {writer}", reader.user, path, OPEN)


def resetting(world: World, made: Sequence[tuple[Actor, Actor, str]]) -> Iterable[Try]:
    """The other of the two, in by now, sets every state."""
    for writer, reader, room in made:
        yield from _settings(world, reader, {writer.user, reader.user}, room)


def writing_back(world: World, made: Sequence[tuple[Actor, Actor, str]]) -> Iterable[Try]:
    """Both write, as the table says of each direction; an account that has written widely enough is not asked again."""
    written: Counter[str] = Counter()
    routes = world.routes_of("POST rooms/{room_id}/send/{event_type}", "PUT rooms/{room_id}/send/{event_type}/{txn_id}")
    for writer, reader, room in made:
        for one, other in ((reader, writer), (writer, reader)):
            written[one.user] += 1
            if written[one.user] > rooms(one.part.functions).things:
                continue
            for route in in_turn(routes, str(one), str(other)):
                path = route.at(room_id=room, event_type="m.room.message", txn_id=transaction())
                body = {"msgtype": "m.text", "body": "Bonjour"}
                expected = why_not_begin(one, other)
                yield Try("send", route, str(one), str(other), one.user, path, expected, body)


def _settings(world: World, who: Actor, both: set[UserId], room: str) -> Iterable[Try]:
    routes = world.routes_of(
        "PUT rooms/{room_id}/state/{event_type}", "PUT rooms/{room_id}/state/{event_type}/{state_key}"
    )
    for event_type, content in STATES.items():
        for route in in_turn(routes, str(who), event_type, room):
            key = "ailleurs" if "state_key" in route.path and event_type != "m.room.create" else ""
            path = route.at(room_id=room, event_type=event_type, state_key=key)
            new = bool(key) or event_type not in _AT_FIRST
            broken = why_not_set_direct(event_type, key, content, both, new=new)
            whom = f"{event_type} in a conversation"
            yield Try("state", route, str(who), whom, who.user, path, broken or SHUT, content)


def _third_people(world: World, writer: Actor, reader: Actor, room: str) -> Iterable[Try]:
    for part in PARTS:
        third = world.first(part)
        if third.user in {writer.user, reader.user}:
            continue
        for route in in_turn(world.routes_of(*_BOTH["invite"]), room, str(third)):
            path, body = route.at(room_id=room, txn_id=transaction()), {"user_id": third.user}
            yield Try("invite", route, str(writer), f"{third}, a third", writer.user, path, Rule.DIRECT_ROOM, body)
        for route in in_turn(world.routes_of("PUT rooms/{room_id}/state/{event_type}/{state_key}"), room, str(third)):
            path = route.at(room_id=room, event_type="m.room.member", state_key=third.user)
            body = {"membership": "invite"}
            yield Try("invite", route, str(writer), f"{third}, as state", writer.user, path, Rule.DIRECT_ROOM, body)
        for route in in_turn(world.routes_of(*_BOTH["join"]), room, str(third)):
            path = route.at(room_id=room, room_identifier=room, txn_id=transaction())
            yield Try("join", route, str(third), "others' conversation", third.user, path, Rule.DIRECT_ROOM)
        for route in in_turn(world.routes_of("POST knock/{room_identifier}"), room, str(third)):
            yield Try(
                "knock", route, str(third), "others' conversation", third.user, route.at(room_identifier=room), SHUT
            )
    for action in ("kick", "ban", "unban"):
        for route in in_turn(world.routes_of(*_BOTH[action]), room, action):
            path, body = route.at(room_id=room, txn_id=transaction()), {"user_id": reader.user}
            yield Try(action, route, str(writer), str(reader), writer.user, path, SHUT, body)


_BOTH: Final = {
    action: (f"POST rooms/{{room_id}}/{action}", f"PUT rooms/{{room_id}}/{action}/{{txn_id}}")
    for action in ("invite", "join", "kick", "ban", "unban")
}


def begun_by(answers: Iterable[Answered], world: World) -> list[tuple[Actor, Actor, str]]:
    """The conversations that came into being: who began, with whom, and the room."""
    by_user = {player.user: player for group in world.players.values() for player in group}
    return [
        (by_user[each.tried.user], by_user[each.tried.body["invite"][0]], each.reply.body["room_id"])
        for each in answers
        if each.reply.status == 200
    ]
