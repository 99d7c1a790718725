"""`apply` through the guard's batches on a real Synapse; and the model that stands for it held to the same cases."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver as Synapse
from preau.demo.homeserver import HomeserverSpec
from preau.demo.processes import free_ports
from preau.errors import HomeserverError
from preau.matrix.calls import Answer, Call, Endpoint
from preau.matrix.client import Homeserver
from preau.matrix.rooms import RoomCreation
from preau.model.ids import PersonId, RoomId, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKey, RoomKind
from preau.model.wanted import ActualAccount, Content, Membership, StateKey
from preau.policy.powers import HISTORY, JOIN_RULES, NAME, POWER_LEVELS, power_levels
from preau.store import actual, journal
from preau.sync.directory import places
from preau.sync.rooms import KEY_FIELD
from tests.builders import NORTH, academy
from tests.guard.guarded import Guarded
from tests.live.homeservers import new_localpart
from tests.live.schools import School, only_children, school_at
from tests.sync.model_synapse import ModelSynapse

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]


# The same cases on the model and on a real Synapse with the guard


@dataclass
class There:
    """A homeserver with the guard, and a way to have people on it who may enter every room of the cases."""

    homeserver: Homeserver
    make_person: Callable[[], Awaitable[UserId]]

    def order(self, key: RoomKey | None = None, alias: str = "") -> RoomCreation:
        """A room as the service asks for it, under an alias of its own."""
        key = key or RoomKey(RoomKind.ANNOUNCE_SCHOOL, NORTH)
        endpoint = self.homeserver.endpoint
        state: dict[StateKey, Content] = {
            NAME: {"name": "Annonces"},
            POWER_LEVELS: power_levels(key.kind, {}, bot=endpoint.bot, version="12"),
            JOIN_RULES: {"join_rule": "restricted", "allow": []},
            HISTORY: {"history_visibility": "shared"},
        }
        alias = alias or f"_preau_{new_localpart()}"
        return RoomCreation(
            version="12", alias=alias, creation_content={KEY_FIELD: str(key), "n": alias}, initial_state=state
        )

    async def people(self, count: int) -> list[UserId]:
        return [await self.make_person() for _ in range(count)]

    async def room(self, *members: UserId) -> RoomId:
        return (await self.homeserver.make_filled_room(self.order(), members)).room

    async def joined(self, room: RoomId) -> set[UserId]:
        state = await self.homeserver.room_state(room)
        joined = {UserId(key.key) for key, content in state.items() if content.get("membership") == "join"}
        return joined - {self.homeserver.endpoint.bot}


@pytest.fixture(params=["model", "synapse"])
async def there(request: pytest.FixtureRequest, nord: Synapse) -> AsyncIterator[There]:
    if request.param == "model":
        model = ModelSynapse(academy())

        async def invent() -> UserId:
            user = UserId(f"@{new_localpart()}:{model.academy.server}")
            model.make_people([user])
            return user

        yield There(model.adapter(), invent)
        return
    guarded = Guarded(nord)
    async with Homeserver(Endpoint(nord.client_url, nord.as_token, nord.bot, nord.server_name)) as homeserver:
        yield There(homeserver, lambda: guarded.person(Function.GUARDIAN, logged_in=False))


async def test_a_room_is_made_once_with_its_state_and_members(there: There) -> None:
    paz, max_, lou = await there.people(3)
    order = there.order()
    made = await there.homeserver.make_filled_room(order, [paz, max_])
    again = await there.homeserver.make_filled_room(order, [max_, lou])
    assert (made.new, again.new, again.room) == (True, False, made.room)
    assert (made.moved.settled, again.moved.settled) == ({paz, max_}, {max_, lou})
    assert not made.moved.refused
    assert not again.moved.refused
    state = await there.homeserver.room_state(made.room)
    assert {key: state[key] for key in order.initial_state} == order.initial_state
    assert state[StateKey("m.room.create")][KEY_FIELD] == order.creation_content[KEY_FIELD]
    assert await there.joined(made.room) == {paz, max_, lou}
    assert await there.homeserver.resolve_alias(f"#{order.alias}:{there.homeserver.endpoint.server}") == made.room


async def test_whoever_cannot_enter_is_refused_and_nobody_else(there: There) -> None:
    paz, banned, lou = await there.people(3)
    nobody = UserId(f"@nobody-{new_localpart()}:{there.homeserver.endpoint.server}")
    stranger = UserId("@visiteur:sud.example")
    room = await there.room(banned)
    await there.homeserver.put_state(room, StateKey("m.room.member", banned), {"membership": "ban"})
    moved = await there.homeserver.bring_together(room, [paz, banned, nobody, stranger, lou])
    assert moved.settled == {paz, lou}
    assert moved.refused.keys() == {banned, nobody, stranger}
    assert all(error.errcode for error in moved.refused.values())
    assert await there.joined(room) == {paz, lou}


async def test_people_come_and_go_and_it_may_be_said_twice(there: There) -> None:
    paz, max_, lou = await there.people(3)
    room = await there.room(paz, max_)
    for _ in range(2):
        assert (await there.homeserver.take_out_together(room, [max_, lou])).settled == {max_, lou}
        assert await there.joined(room) == {paz}
    for _ in range(2):
        assert (await there.homeserver.bring_together(room, [max_, lou])).settled == {max_, lou}
        assert await there.joined(room) == {paz, max_, lou}


async def test_an_invitation_is_accepted_or_taken_back(there: There) -> None:
    paz, max_ = await there.people(2)
    room = await there.room()
    for user in (paz, max_):
        await there.homeserver.invite(room, user)
    assert (await there.homeserver.bring_together(room, [paz])).settled == {paz}
    assert (await there.homeserver.take_out_together(room, [max_])).settled == {max_}
    assert await there.joined(room) == {paz}
    assert await there.homeserver.membership(room, max_) is Membership.LEAVE


async def test_an_alias_that_names_another_room_is_not_taken_for_ours(there: There) -> None:
    order = there.order()
    await there.homeserver.create_room(order)
    other = there.order(RoomKey(RoomKind.STAFF, NORTH), alias=order.alias or "")
    with pytest.raises(HomeserverError, match=r"made for something else|another room of the service"):
        await there.homeserver.make_filled_room(other, [])


async def test_a_room_left_half_made_lets_nobody_in_until_it_has_its_rules(there: There) -> None:
    [paz] = await there.people(1)
    order = there.order()
    half = await there.homeserver.create_room(replace(order, initial_state={}))
    found = await there.homeserver.make_filled_room(order, [paz])
    assert (found.room, found.new, found.moved.settled) == (half, False, frozenset())
    for key, content in order.initial_state.items():
        await there.homeserver.put_state(half, key, content)
    assert (await there.homeserver.bring_together(half, [paz])).settled == {paz}


# A school on a real Synapse


@pytest.fixture
async def school(nord: Synapse, tmp_path: Path) -> AsyncIterator[School]:
    async with school_at(nord, tmp_path) as made:
        yield made


async def give_accounts(school: School, most: int = 1_000) -> list[UserId]:
    """Accounts for people of the school, as `activate` makes them, but without password and without their rooms."""
    made = []
    for place in (await places(school.context, [school.uai]))[:most]:
        user, name = school.user(PersonId(place.person)), "Camille ESSAI · parent"
        await school.context.homeserver.provision_account(user, display_name=name)
        now = school.context.clock.now()
        made.append(ActualAccount(user, PersonId(place.person), name, active=True, activated_at=now))
    async with school.context.store.writing() as db:
        await actual.save_accounts(db, made)
    return [account.user for account in made]


def listened(homeserver: Homeserver) -> Counter[str]:
    """What is asked from now on: how often which path, ids left out."""
    asked: Counter[str] = Counter()
    caller = homeserver._caller
    really = caller.perform

    async def perform(call: Call) -> Answer:
        guard = "/preau/" in call.path
        asked[call.path.rsplit("/", 1)[1] if guard else call.about.split()[0]] += 1
        return await really(call)

    caller.perform = perform  # type: ignore[method-assign]  # what is asked is the point of the test
    return asked


async def test_a_whole_school_is_built_by_one_call_a_room(school: School) -> None:
    users = await give_accounts(school)
    asked = listened(school.context.homeserver)
    applied = await school.apply()
    rooms = await school.rooms()
    assert applied.refused == ()
    assert await school.really() == rooms
    assert {user for room in rooms.values() for user in room.members} == {*users}
    assert asked["rooms"] in {len(rooms), len(rooms) + 1}, "the académie's space may be there already"
    assert (asked["memberships"], asked["invite"], asked["join"], asked["create"]) == (0, 0, 0, 0)
    async with school.context.store.reading() as db:
        subjects = Counter([entry["subject"] async for entry in journal.export(db) if entry["action"] == "add_member"])
    assert subjects == Counter(f"{user} {key}" for key, room in rooms.items() for user in room.members)
    assert (await school.plan()).is_done


async def test_whoever_is_locked_behind_our_back_is_refused_alone(school: School) -> None:
    users = await give_accounts(school)
    await school.context.homeserver.lock(users[0])
    applied = await school.apply()
    assert {refusal.step.user for refusal in applied.refused} == {users[0]}
    assert {user for room in (await school.really()).values() for user in room.members} == {*users[1:]}
    await school.context.homeserver.unlock(users[0])
    assert (await school.apply()).refused == ()
    assert await school.really() == await school.rooms()


@pytest.mark.parametrize("steps", [1, 30, 90])
async def test_an_apply_killed_between_batches_is_finished_by_the_next_and_makes_nothing_twice(
    school: School, nord: Synapse, tmp_path: Path, steps: int
) -> None:
    await give_accounts(school)
    asked = len((await school.plan()).plan.steps)
    assert asked > steps
    spec = {
        "store": f"sqlite:///{tmp_path / 'preau.db'}",
        "url": nord.client_url,
        "token": nord.as_token,
        "bot": nord.bot,
        "server": nord.server_name,
        "version": "12",
        "year": str(school.demo.year),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.live.apply_worker", json.dumps(spec)),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "appservice"), str(ROOT)])},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        said = 0
        while said < steps and (await process.stdout.readline()):
            said += 1
        assert said == steps, "it ended before it could be killed"
    finally:
        process.kill()
        await process.communicate()
    applied = await school.apply()
    assert applied.refused == ()
    assert applied.done > 0
    rooms = await school.rooms()
    assert await school.really() == rooms
    assert Counter({str(key): 1 for key in rooms}) == await rooms_on_the_homeserver(nord, school)
    async with school.context.store.reading() as db:
        await journal.verify(db)


async def rooms_on_the_homeserver(nord: Synapse, school: School) -> Counter[str]:
    """How many rooms of the school somebody is in, by the key in their first event: all that the bot knows of."""
    found: Counter[str] = Counter()
    for room in (await nord.api().get("/_matrix/client/v3/joined_rooms"))["joined_rooms"]:
        created = await nord.api().get(f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.create")
        found[str(created.get(KEY_FIELD))] += 1
    return Counter({key: times for key, times in found.items() if f"/{school.uai}" in key})


async def test_without_the_guard_between_two_runs_the_public_api_does_the_rest_with_one_warning(
    tmp_path: Path, authority: Authority
) -> None:
    client, federation = free_ports(2)
    spec = HomeserverSpec(
        folder=tmp_path / "synapse", client_port=client, federation_port=federation, authority=authority
    )
    warned = []
    async with Synapse(spec) as synapse, school_at(synapse, tmp_path) as school:
        first, second = [await school.guardian(number) for number in list(only_children(school.demo))[:2]]
        with capture_logs() as logs:
            await school.activate(first)
        warned.append([entry for entry in logs if entry["event"] == "no_batches"])
        await synapse.stop()
        async with Synapse(replace(spec, guard=False)):
            with capture_logs() as logs:
                assert (await school.activate(second)).applied.refused == ()
                assert (await school.apply()).refused == ()
        warned.append([entry for entry in logs if entry["event"] == "no_batches"])
        assert (await school.plan()).is_done
    assert [len(each) for each in warned] == [0, 1]
    assert "one by one" in warned[1][0]["meaning"]
