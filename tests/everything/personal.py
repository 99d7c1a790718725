"""What people do beside rooms: names, profiles, files, messages to devices, whom they ignore, and accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

from preau.model.ids import UserId
from preau.policy.finding import why_no_device_message, why_not_hide
from preau.policy.refusals import Rule
from preau.policy.uploads import allowance, why_no_upload
from tests.everything.cast import PARTS, SCHOOLS, Actor
from tests.everything.trial import OPEN, SHUT, Try, in_turn
from tests.everything.world import World, transaction

_MIB: Final = 2**20
_PICTURE: Final = b"\x89PNG\r\n\x1a\n"
_PAGE: Final = b"<html><script>alert(1)</script></html>"
_FIELD: Final = "org.example.classe"
_SIZES: Final = (1_000, 5 * _MIB + 1, 10 * _MIB + 1)


def names(world: World) -> Iterable[Try]:
    """One's own name, picture and other fields, and another's."""
    deeds = [
        f"{method} profile/{{user_id}}/{field}"
        for method in ("PUT", "DELETE")
        for field in ("displayname", "avatar_url", "{field_name}")
    ]
    for actor in _everybody(world):
        for whom in (actor.user, world.first(PARTS[0]).user):
            for deed in deeds:
                for route in in_turn(world.routes_of(deed), str(actor), whom, deed):
                    path = route.at(user_id=whom, field_name="org.example.motto")
                    body = {"displayname": "La principale", "avatar_url": "mxc://a/b", "org.example.motto": "x"}
                    who = "oneself" if whom == actor.user else "another"
                    yield Try("name", route, str(actor), who, actor.user, path, SHUT, body)


async def give_fields(world: World) -> None:
    """The service writes a field of its own beside everybody's name, so that there is one to read."""
    paths = (f"/_matrix/client/v3/profile/{quote(each.user)}/{_FIELD}" for each in _members(world))
    await asyncio.gather(*(world.as_bot("PUT", path, {_FIELD: "5 A"}) for path in paths))


def profiles(world: World, shared: Mapping[UserId, set[str]]) -> Iterable[Try]:
    """Everybody reads everybody's profile: those who share a room may."""
    places = ("", "/displayname", "/avatar_url", "/{field_name}")
    routes = world.routes_of(*(f"GET profile/{{user_id}}{place}" for place in places))
    for actor in _members(world):
        for whom in _members(world):
            together = whom is actor or bool(shared.get(actor.user, set()) & shared.get(whom.user, set()))
            for route in in_turn(routes, str(actor), str(whom)):
                path = route.at(user_id=whom.user, field_name=_FIELD)
                yield Try("read profile", route, str(actor), str(whom), actor.user, path, OPEN if together else SHUT)


def uploads(world: World) -> Iterable[Try]:
    """Files of several sizes, and one that is no file to send."""
    routes = world.routes_of("POST media/upload")
    for actor in _everybody(world):
        allowed = allowance(actor.facts, SCHOOLS)
        sent = 0
        for size in _SIZES:
            expected = why_no_upload(allowed, size, sent) or OPEN
            if size > _SIZES[0] and expected is OPEN:
                continue  # megabytes that nobody refuses show nothing
            sent += size if expected is OPEN else 0
            for route in in_turn(routes, str(actor), str(size)):
                body = _PICTURE.ljust(size, b"\0")
                yield Try("upload", route, str(actor), f"{size} bytes", actor.user, route.at(), expected, raw=body)
        for route in routes:
            expected = why_no_upload(allowed, len(_PAGE), sent) or Rule.MEDIA_TYPE
            yield Try("upload", route, str(actor), "a web page", actor.user, route.at(), expected, raw=_PAGE)


async def later_uploads(world: World) -> list[Try]:
    """Files for which a place was asked before."""
    tries = []
    for actor in _everybody(world)[::4]:
        allowed = allowance(actor.facts, SCHOOLS)
        for route in world.routes_of("PUT media/upload/{server_name}/{media_id}"):
            for what, raw, rule in (("a web page", _PAGE, Rule.MEDIA_TYPE), ("a picture", _PICTURE, OPEN)):
                place = await world.ask("POST", "/_matrix/media/v1/create", actor.user)
                server, media = str(place.body["content_uri"]).removeprefix("mxc://").split("/")
                path = route.at(server_name=server, media_id=media)
                expected = why_no_upload(allowed, len(raw), 0) or rule
                tries.append(Try("upload later", route, str(actor), what, actor.user, path, expected, raw=raw))
    return tries


def device_messages(world: World) -> Iterable[Try]:
    """Messages past the rooms, to oneself and to others."""
    for actor in _everybody(world):
        for whom in _everybody(world):
            for route in in_turn(world.routes_of("PUT sendToDevice/{message_type}/{txn_id}"), str(actor), str(whom)):
                path = route.at(message_type="m.room_key_request", txn_id=transaction())
                body = {"messages": {whom.user: {"*": {"text": "psst"}}}}
                expected = why_no_device_message(actor.user, [whom.user]) or OPEN
                yield Try("to device", route, str(actor), str(whom), actor.user, path, expected, body)


def ignored(world: World) -> Iterable[Try]:
    """Everybody would rather not hear of everybody, nor of the service."""
    routes = world.routes_of("PUT user/{user_id}/account_data/{account_data_type}")
    everybody = _everybody(world)
    hidden = [(str(whom), whom.user, whom.facts) for whom in everybody]
    for name, user, facts in [*hidden, ("the service", world.bot, None)]:
        for actor in everybody:  # one list of one person, written at once by many requests, fails on PostgreSQL
            if actor.user == user:
                continue
            for route in in_turn(routes, str(actor), name):
                path = route.at(user_id=actor.user, account_data_type="m.ignored_user_list")
                expected = why_not_hide(actor.facts, world.bot, {user: facts}) or OPEN
                body = {"ignored_users": {user: {}}}
                yield Try("ignore", route, str(actor), name, actor.user, path, expected, body)


def accounts(world: World) -> Iterable[Try]:
    """A new account, a guest, and the end of one's own."""
    for actor in _everybody(world):
        for route in world.routes_of("POST register"):
            body = {"username": transaction(), "password": "Préau-d’essai-2026", "auth": {"type": "m.login.dummy"}}
            yield Try("register", route, str(actor), "somebody new", actor.user, route.at(), SHUT, body)
            yield Try("register", route, str(actor), "a guest", actor.user, f"{route.at()}?kind=guest", SHUT, {})
        for route in world.routes_of("POST account/deactivate"):
            yield Try("deactivate", route, str(actor), "oneself", actor.user, route.at(), SHUT, {"erase": True})


def addresses(world: World) -> Iterable[Try]:
    """An address of mail, for one's own account or on an identity server; and taken from there again."""
    fields = {"client_secret": "abc123", "sid": "1", "id_server": "example.org", "id_access_token": "x"}
    body = {**fields, "threePidCreds": fields, "medium": "email", "address": "camille@example.org"}
    expected = {"": SHUT, "/add": SHUT, "/delete": SHUT, "/bind": Rule.IDENTITY, "/unbind": Rule.IDENTITY}
    for actor in _everybody(world):
        for what, rule in expected.items():
            for route in in_turn(world.routes_of(f"POST account/3pid{what}"), str(actor), what):
                yield Try("address", route, str(actor), what or "new", actor.user, route.at(), rule, body)


def stock_searches(world: World) -> Iterable[Try]:
    """Synapse's own directory, which is to be empty for everybody."""
    for actor in _everybody(world):
        for route in in_turn(world.routes_of("POST user_directory/search"), str(actor)):
            body = {"search_term": "premier", "limit": 50}
            yield Try("stock search", route, str(actor), "everybody", actor.user, route.at(), OPEN, body)


def _members(world: World) -> list[Actor]:
    return [world.members[part][0] for part in PARTS]


def _everybody(world: World) -> list[Actor]:
    return [world.first(part) for part in PARTS]
