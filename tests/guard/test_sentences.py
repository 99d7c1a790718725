"""Where Synapse would refuse with English words of its own, people read the guard's sentence, in their language."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from preau.model.facts import Language, Party, PersonFacts
from preau.model.ids import DivisionCode, PersonId, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.policy.powers import WRITER
from preau.policy.refusals import Rule, sentence
from tests.builders import NORTH
from tests.guard.guarded import Guarded, Reply
from tests.live.homeservers import PASSWORD

pytestmark = pytest.mark.live

CLIENT = "/_matrix/client/v3"
CLASS = ("5 A",)
GUARDIAN = Function.GUARDIAN


def reads(reply: Reply, rule: Rule, language: Language = Language.FRENCH) -> bool:
    """Whether that rule refused, with its sentence."""
    return (reply.status, reply.rule, reply.body["error"]) == (403, rule.value, sentence(rule, language))


async def in_english(guarded: Guarded, user: UserId) -> None:
    party = Party(PersonId("x"), NORTH, frozenset({GUARDIAN}), frozenset(map(DivisionCode, CLASS)))
    await guarded.push(PersonFacts(user, "Camille ESSAI · parent", (party,), Language.ENGLISH))


async def test_whoever_closes_their_account_reads_who_does(guarded: Guarded) -> None:
    guardian = await guarded.person(GUARDIAN)
    identifier = {"type": "m.id.user", "user": guardian}
    body = {"auth": {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}}
    assert reads(await guarded.call("POST", f"{CLIENT}/account/deactivate", guardian, body), Rule.REGISTRATION)
    assert (await guarded.call("GET", f"{CLIENT}/account/whoami", guardian)).status == 200
    admin = await guarded.call("POST", f"/_synapse/admin/v1/deactivate/{quote(guardian)}", guarded.homeserver.bot)
    assert admin.status == 200, "the service still closes accounts"


async def test_whoever_invites_an_address_reads_that_lists_say_who_is_in(guarded: Guarded) -> None:
    guardian = await guarded.person(GUARDIAN, divisions=CLASS)
    room = await guarded.managed(RoomKind.DIVISION_PARENTS_STAFF, *CLASS)
    await guarded.bring_in(room, guardian)
    body = {"id_server": "sud.example", "id_access_token": "x", "medium": "email", "address": "a@example.org"}
    assert reads(await guarded.call("POST", f"{CLIENT}/rooms/{quote(room)}/invite", guardian, body), Rule.MEMBERSHIP)


@pytest.mark.parametrize("version", ["12", "11"])
async def test_a_parent_in_a_room_of_announcements_reads_that_the_school_writes_there(
    guarded: Guarded, version: str
) -> None:
    guardian = await guarded.person(GUARDIAN, divisions=CLASS)
    room = await guarded.managed(RoomKind.ANNOUNCE_DIVISION, *CLASS, version=version)
    await guarded.bring_in(room, guardian)
    assert reads(await guarded.say(room, guardian), Rule.READ_ONLY)
    await in_english(guarded, guardian)
    assert reads(await guarded.say(room, guardian), Rule.READ_ONLY, Language.ENGLISH)


async def test_whom_the_rooms_own_levels_let_write_is_not_held_to_their_function(guarded: Guarded) -> None:
    guardian = await guarded.person(GUARDIAN, divisions=CLASS)
    room = await guarded.managed(RoomKind.ANNOUNCE_DIVISION, *CLASS, levels={guardian: WRITER})
    await guarded.bring_in(room, guardian)
    said = await guarded.say(room, guardian)
    assert said.status == 200
    reaction = {"m.relates_to": {"rel_type": "m.annotation", "event_id": said.body["event_id"], "key": "👍"}}
    other = await guarded.person(GUARDIAN, divisions=CLASS)
    await guarded.bring_in(room, other)
    path = f"{CLIENT}/rooms/{quote(room)}/send/m.reaction/1"
    assert (await guarded.call("PUT", path, other, reaction)).status == 200, "reactions are open to all members"
