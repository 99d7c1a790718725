"""Whatever another académie's key signs: nothing of ours fails over it, and no door opens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS

from preau.demo.authority import Authority
from preau.model.facts import FactKind, RoomFacts, VouchFacts
from preau.model.ids import RoomId, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.policy.powers import ALWAYS_OPEN
from tests.builders import NORTH
from tests.guard.batching import CLIENT, Tables
from tests.guard.forging import Forger, emptied, id_of, path_of, room_version
from tests.guard.fuzzing import (
    ANY_OF_SYNAPSES,
    EVENT_IDS,
    FIELDS,
    MESSAGE_TYPES,
    PERSON_IDS,
    ROOM_IDS,
    STATE_TYPES,
    canonical,
    little,
    nothing_fails,
    objects,
    texts,
)
from tests.guard.guarded import Guarded
from tests.guard.neighbours import Neighbours, neighbours, soon
from tests.guard.places import DATABASES_AND_VERSIONS, database
from tests.live.homeservers import new_localpart, register

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]

TEACHER: Final = frozenset({Function.TEACHER})
CONTENTS: Final = objects(*FIELDS, leaves=canonical)
ODD_FIELDS: Final = objects("redacts", "origin", "prev_state", "membership", "event_id", "age", leaves=canonical)
ODD_LISTS: Final = st.lists(st.one_of(canonical, CONTENTS), max_size=4)


@dataclass(frozen=True, slots=True)
class Border:
    """A room of ours with two of theirs in it: for one their académie answers, for the other it does so no more."""

    both: Neighbours
    room: str
    host: UserId
    pupil: UserId
    guest: UserId
    silenced: UserId
    outsider: UserId

    @property
    def forger(self) -> Forger:
        return Forger(self.both)

    @property
    def tables(self) -> Tables:
        return Tables(self.both.ours.homeserver)

    @property
    def log(self) -> Path:
        return self.both.ours.homeserver.spec.folder / "synapse.log"

    def doors(self) -> tuple[list[Any], ...]:
        """Who of ours is where, all state but what theirs may say, and what waits for ours.

        They may say of themselves that they are there. And what everybody may send, they may call a state: levels know
        types of events only, and a remote state is never refused (ARCHITECTURE.md, "Ways around us").
        """
        theirs = f"%:{self.both.theirs.homeserver.server_name}"
        return (
            sorted(self.tables.rows("SELECT room_id, user_id, membership FROM local_current_membership")),
            sorted(
                self.tables.rows(
                    "SELECT room_id, type, state_key, event_id FROM current_state_events "
                    "WHERE NOT (type = 'm.room.member' AND state_key LIKE ?)"
                    f" AND type NOT IN ({', '.join('?' * len(ALWAYS_OPEN))})",
                    theirs,
                    *ALWAYS_OPEN,
                )
            ),
            self.tables.rows("SELECT user_id, message_json FROM device_inbox"),
        )

    async def hears_out(self) -> None:
        """Until our homeserver has taken in all that was sent: one word more, which comes last and is emptied."""
        said = self.forger.event(self.room, self.silenced, "m.room.message", {"msgtype": "m.text", "body": "Menaces"})
        event_id = id_of(room_version(self.tables, self.room), said)
        assert (await self.forger.send([said])).body == {"pdus": {event_id: {}}}
        async for _ in soon(60):  # what stops a room's queue stops it for good; a busy machine only slows it
            for (kept,) in self.tables.rows("SELECT json FROM event_json WHERE event_id = ?", event_id):
                assert json.loads(kept)["content"] == {}
                return
        raise AssertionError("the last word did not arrive")

    def unsealed(self) -> list[Any]:
        """What was said by the one for whom nobody answers, and stayed."""
        version = room_version(self.tables, self.room)
        query = (
            "SELECT json FROM event_json JOIN events USING (event_id) "
            "WHERE events.room_id = ? AND sender = ? AND state_key IS NULL AND rejection_reason IS NULL"
        )
        said = [json.loads(kept) for (kept,) in self.tables.rows(query, self.room, self.silenced)]
        return [event for event in said if event["content"] != emptied(version, event)]


@pytest.fixture(scope="module", params=DATABASES_AND_VERSIONS)
async def border(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, guard_authority: Authority
) -> AsyncIterator[Border]:
    engine, version = request.param
    more = {"database": database(request, engine), "room_version": version}
    async with neighbours(tmp_path_factory.mktemp("fuzzed-border"), guard_authority, **more) as both:
        host, pupil = [await both.ours.person(function) for function in (Function.TEACHER, Function.PUPIL)]
        theirs = [await register(both.theirs.homeserver, new_localpart(), "Camille SUD") for _ in range(3)]
        room = await both.ours.managed(RoomKind.INTER_ACADEMY, new_localpart(), version=version)
        admits = {both.theirs.homeserver.server_name: TEACHER}
        await both.ours.push(RoomFacts(RoomId(room), RoomKind.INTER_ACADEMY, NORTH, "Maths", admits))
        await both.ours.bring_in(room, host)
        for guest in theirs[:2]:
            await _visits(both, guest, room)
        await both.ours.push(gone=[(FactKind.VOUCH, theirs[1])])
        yield Border(both, room, host, pupil, *theirs)


async def _visits(both: Neighbours, guest: UserId, room: str) -> None:
    await both.ours.push(VouchFacts(guest, TEACHER))
    assert (await both.ours.invite(room, guest)).status == 200
    joined = await _through(both.theirs, both.ours, guest, room)
    assert joined == 200


async def _through(theirs: Guarded, ours: Guarded, guest: UserId, room: str) -> int:
    query = f"via={ours.homeserver.server_name}"
    return (await theirs.call("POST", f"{CLIENT}/join/{room}", guest, {}, query=query)).status


def messages(border: Border) -> st.SearchStrategy[dict[str, Any]]:
    """Odd messages and redactions."""
    return st.fixed_dictionaries(
        {
            "sender": st.sampled_from([border.silenced, border.guest, border.outsider, border.host]),
            "event_type": MESSAGE_TYPES,
            "content": CONTENTS,
        }
    ).flatmap(lambda event: ODD_FIELDS.map(lambda more: {**_not_ours(more), **event}))


def states(border: Border) -> st.SearchStrategy[dict[str, Any]]:
    """Odd state; nobody goes, since nobody is kept anywhere."""
    theirs = [border.silenced, border.guest, border.outsider]
    people = [*theirs, border.host, border.pupil, border.both.ours.homeserver.bot]
    return st.fixed_dictionaries(
        {
            "sender": st.sampled_from(theirs),
            "event_type": STATE_TYPES,
            "content": CONTENTS.map(lambda content: {**content, "membership": _stays(content.get("membership"))}),
            "state_key": st.one_of(st.sampled_from(people), texts),
        }
    )


def own_memberships(border: Border) -> st.SearchStrategy[dict[str, Any]]:
    """Somebody of theirs says oddly that they are still there."""
    return st.tuples(st.sampled_from([border.guest, border.silenced]), CONTENTS).map(
        lambda drawn: {
            "sender": drawn[0],
            "event_type": "m.room.member",
            "content": {**drawn[1], "membership": "join"},
            "state_key": drawn[0],
        }
    )


def _stays(membership: Any) -> Any:
    return "join" if membership in ("leave", "ban") else membership


def _not_ours(more: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in more.items() if name.isidentifier()}


EDUS: Final = st.fixed_dictionaries(
    {
        "edu_type": st.one_of(st.sampled_from(["m.direct_to_device", "m.typing", "m.receipt", "m.presence"]), texts),
        "content": objects("sender", "type", "message_id", "messages", "push", "room_id", "user_id", leaves=canonical),
    }
)


@little
@given(data=st.data())
async def test_no_event_that_their_key_signs_fails_or_opens_a_door(border: Border, data: st.DataObject) -> None:
    before = border.doors()
    drawn = data.draw(
        st.lists(st.one_of(messages(border), states(border), own_memberships(border)), min_size=4, max_size=8)
    )
    with nothing_fails(border.log, ANY_OF_SYNAPSES) as replies:
        events = [border.forger.event(border.room, **each) for each in drawn]
        assert (await border.forger.send(events)).status == 200
        replies.append(await border.forger.send([], data.draw(st.lists(EDUS, max_size=3))))
        await border.hears_out()
    assert border.doors() == before
    assert border.unsealed() == []


@little
@given(data=st.data())
async def test_no_invitation_that_their_key_signs_fails_or_is_taken(border: Border, data: st.DataObject) -> None:
    before, theirs = border.doors(), border.both.theirs.homeserver
    inviters = st.one_of(st.sampled_from([theirs.bot, border.guest, border.host]), PERSON_IDS)
    invited = st.one_of(st.sampled_from([border.host, border.pupil]), PERSON_IDS, texts)
    with nothing_fails(border.log, ANY_OF_SYNAPSES) as replies:
        for _ in range(4):
            room = data.draw(st.one_of(st.just(border.room), st.just("!aBcDeF:sud.example"), ROOM_IDS))
            version = data.draw(st.sampled_from(["11", "12"]))
            event = border.forger.signed(
                KNOWN_ROOM_VERSIONS[version],
                room_id=room,
                sender=data.draw(inviters),
                type="m.room.member",
                state_key=data.draw(invited),
                content={**data.draw(CONTENTS), "membership": "invite"},
                auth_events=[],
                prev_events=[],
                depth=data.draw(st.integers(0, 2**53 - 1)),
            )
            body = {"room_version": version, "event": event, "invite_room_state": data.draw(ODD_LISTS)}
            path = path_of("v2", "invite", room, id_of(KNOWN_ROOM_VERSIONS[version], event))
            replies.append(await border.forger.call("PUT", path, body))
    assert not [reply for reply in replies if reply.status == 200]
    assert border.doors() == before


async def test_an_invitation_for_an_id_that_no_database_can_hold_is_refused(border: Border) -> None:
    ours, version = border.both.ours.homeserver, KNOWN_ROOM_VERSIONS["11"]
    for inviter, invited in (
        (border.guest, f"@\0:{ours.server_name}"),
        ("@\0:x", "@a:"),
        (f"@\0:{border.both.theirs.homeserver.server_name}", border.pupil),
    ):
        event = border.forger.signed(
            version,
            room_id=border.room,
            sender=inviter,
            type="m.room.member",
            state_key=invited,
            content={"membership": "invite"},
            auth_events=[],
            prev_events=[],
            depth=1,
        )
        body = {"room_version": "11", "event": event, "invite_room_state": []}
        with nothing_fails(border.log, ANY_OF_SYNAPSES):
            reply = await border.forger.call("PUT", path_of("v2", "invite", border.room, id_of(version, event)), body)
        assert reply.status in {400, 403}


@little
@given(data=st.data())
async def test_no_odd_wish_of_their_homeserver_fails_or_opens_a_door(border: Border, data: st.DataObject) -> None:
    before = border.doors()
    rooms = st.one_of(st.just(border.room), ROOM_IDS, texts)
    people = st.one_of(st.sampled_from([border.outsider, border.silenced, border.pupil]), PERSON_IDS, texts)
    with nothing_fails(border.log, ANY_OF_SYNAPSES) as replies:
        for wish in ("make_join", "make_knock", "make_leave"):
            path = path_of("v1", wish, data.draw(rooms), data.draw(people))
            replies.append(await border.forger.call("GET", f"{path}?ver=11&ver=12"))
        for version, deed in (("v2", "send_join"), ("v1", "send_knock"), ("v2", "send_leave")):
            path = path_of(version, deed, data.draw(rooms), data.draw(EVENT_IDS))
            replies.append(await border.forger.call("PUT", path, data.draw(CONTENTS)))
    assert border.doors() == before
