"""Plan, apply, activate on a real homeserver: what is done is there, once, and recorded as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from preau.demo.changes import move_pupil, pupil_leaves, without_pupils
from preau.demo.homeserver import Homeserver as Synapse
from preau.errors import DecisionRefused, HomeserverError, HomeserverUnreachable, PlanStopped, UnknownSubject
from preau.matrix.calls import Endpoint
from preau.matrix.client import Homeserver
from preau.matrix.patience import Patience
from preau.matrix.rooms import RoomCreation
from preau.model.choices import SchoolChoices
from preau.model.decisions import Appointment, Consent, ConsentTopic, Mandate, Override, Restriction
from preau.model.events import Event
from preau.model.facts import SharedRoomFacts
from preau.model.ids import DivisionCode, EventId, RoomId, UserId
from preau.model.people import Function, PersonName, RosterSource
from preau.model.rooms import RoomKind
from preau.model.wanted import ActualAccount, Content, Membership, StateKey
from preau.policy.control import VOUCH
from preau.policy.drift import Drift
from preau.policy.powers import POWER_LEVELS
from preau.policy.wanted import ACADEMY
from preau.store import actual, control, journal, snapshots
from preau.store.decisions import Agreement, Pair
from preau.sync import settle
from preau.sync.activate import activate
from preau.sync.directory import find_person, places
from preau.sync.plan import Action
from preau.sync.planning import PAST_KEPT
from preau.sync.push import push_facts
from preau.sync.recheck import recheck
from preau.sync.recognise import minter
from preau.sync.repair import Memory, handle
from preau.sync.rooms import KEY_FIELD, alias_of
from tests.guard.guarded import Guarded
from tests.live.schools import ACTOR, School, only_children, school_at

pytestmark = pytest.mark.live


@pytest.fixture
async def school(nord: Synapse, tmp_path: Path) -> AsyncIterator[School]:
    async with school_at(nord, tmp_path) as made:
        yield made


@pytest.mark.parametrize("version", ["11", "12"])
async def test_an_activated_guardian_is_in_their_rooms_and_all_is_recorded_as_it_is(
    nord: Synapse, tmp_path: Path, version: str
) -> None:
    async with school_at(nord, tmp_path, version=version) as school:
        number, child = next(iter(only_children(school.demo).items()))
        division = next(pupil.division for pupil in school.demo.attending if pupil.key == child)
        person = await school.guardian(number)
        activated = await school.activate(person)
        rooms = await school.rooms()
        assert activated.applied.refused == ()
        assert {key for key, room in rooms.items() if school.user(person) in room.members} == {
            school.key(RoomKind.SPACE_SCHOOL),
            school.key(RoomKind.ANNOUNCE_SCHOOL),
            school.key(RoomKind.SPACE_DIVISION, division or ""),
            school.key(RoomKind.ANNOUNCE_DIVISION, division or ""),
            school.key(RoomKind.DIVISION_PARENTS_STAFF, division or ""),
        }
        assert await school.really() == rooms
        account = await school.context.homeserver.account(school.user(person))
        assert account is not None
        assert (account.display_name or "").endswith(" · parent")


async def test_a_second_run_finds_nothing_to_do_and_writes_nothing(school: School) -> None:
    await school.activate(await school.principal(), await school.guardian(next(iter(only_children(school.demo)))))
    await school.apply()
    async with school.context.store.reading() as db:
        before = await journal.verify(db)
    again = await school.take_in_again()
    planned = await school.plan()
    applied = await school.apply()
    async with school.context.store.reading() as db:
        after = await journal.verify(db)
    assert (again.new, again.new_people, planned.is_done, applied.done) == (False, 0, True, 0)
    assert after == before


async def test_one_pupil_moved_is_what_the_plan_shows_and_apply_does(school: School) -> None:
    number, child = next(iter(only_children(school.demo).items()))
    person = await school.guardian(number)
    user = school.user(person)
    await school.activate(person)
    old = next(pupil.division for pupil in school.demo.attending if pupil.key == child)
    new = next(division.code for division in school.demo.divisions if division.code != old)
    await school.take_in(move_pupil(school.demo, child, new))

    steps = (await school.plan()).plan.steps
    kinds = (RoomKind.SPACE_DIVISION, RoomKind.ANNOUNCE_DIVISION, RoomKind.DIVISION_PARENTS_STAFF)
    assert {(step.action, step.room, step.user) for step in steps} == {
        *((Action.CREATE_ROOM, school.key(kind, new), None) for kind in kinds),
        *((Action.ADD_MEMBER, school.key(kind, new), user) for kind in kinds),
        *((Action.REMOVE_MEMBER, school.key(kind, old or ""), user) for kind in kinds),
    }
    applied = await school.apply()
    assert (applied.done, applied.refused) == (len(steps), ())
    assert {await school.membership(school.key(kind, new), person) for kind in kinds} == {Membership.JOIN}
    assert {await school.membership(school.key(kind, old or ""), person) for kind in kinds} == {Membership.LEAVE}
    assert (await school.plan()).is_done


@pytest.mark.postgresql
async def test_the_store_may_be_on_postgresql(nord: Synapse, tmp_path: Path, make_database: Callable[[], str]) -> None:
    async with school_at(nord, tmp_path, url=make_database()) as school:
        number, child = next(iter(only_children(school.demo).items()))
        await school.activate(await school.guardian(number))
        new = next(each.code for each in school.demo.divisions if each.code != _division(school, child))
        await school.take_in(move_pupil(school.demo, child, new))
        assert (await school.apply()).refused == ()
        assert (await school.plan()).is_done
        assert await school.really() == await school.rooms()
        async with school.context.store.reading() as db:
            assert (await journal.verify(db)).entries > 0


async def test_pupils_have_accounts_and_a_room_where_the_school_says_so(nord: Synapse, tmp_path: Path) -> None:
    choices = SchoolChoices(pupil_accounts=True, pupil_rooms=True)
    async with school_at(nord, tmp_path, choices=choices) as school:
        child = next(iter(only_children(school.demo).values()))
        person = await school.person(RosterSource.SIECLE_PUPIL, child)
        await school.activate(person)
        rooms = {key.kind for key, room in (await school.rooms()).items() if school.user(person) in room.members}
        assert rooms == {
            RoomKind.SPACE_SCHOOL,
            RoomKind.SPACE_DIVISION,
            RoomKind.ANNOUNCE_SCHOOL,
            RoomKind.ANNOUNCE_DIVISION,
            RoomKind.PUPILS_DIVISION,
        }


def _division(school: School, child: int) -> str:
    return next(pupil.division for pupil in school.demo.attending if pupil.key == child) or ""


async def test_thirty_percent_missing_is_stopped_and_the_fingerprint_lets_it_through(school: School) -> None:
    await school.activate(await school.guardian(next(iter(only_children(school.demo)))))
    await school.take_in(without_pupils(school.demo, 0.3, seed=1))
    planned = await school.plan()
    assert "people_removed" in {brake.code for brake in planned.stopped_by}
    with pytest.raises(PlanStopped, match="30%"):
        await school.apply()
    assert (await school.plan()).plan.fingerprint == planned.plan.fingerprint
    await school.apply(accept=planned.plan.fingerprint)
    assert (await school.plan()).is_done


async def test_whoever_has_no_place_any_more_is_locked_out_and_let_in_again_as_before(school: School) -> None:
    number, child = next(iter(only_children(school.demo).items()))
    person = await school.guardian(number)
    user = school.user(person)
    await school.activate(person)
    before = school.demo
    await school.take_in(pupil_leaves(school.demo, child, date(2025, 9, 10)))
    await school.apply(accept=(await school.plan()).plan.fingerprint)
    assert not [key for key, room in (await school.really()).items() if user in room.members]
    account = await school.context.homeserver.account(user)
    assert account is not None
    assert account.locked

    await school.take_in(before)
    await school.apply(accept=(await school.plan()).plan.fingerprint)
    account = await school.context.homeserver.account(user)
    assert account is not None
    assert not account.locked
    assert await school.membership(school.key(RoomKind.ANNOUNCE_SCHOOL), person) is Membership.JOIN


async def test_a_refused_step_is_reported_and_does_not_stop_the_rest(school: School) -> None:
    first, second = [await school.guardian(number) for number in list(only_children(school.demo))[:2]]
    await school.activate(first, second)
    room = await school.room(RoomKind.ANNOUNCE_SCHOOL)
    for person, membership in ((first, "ban"), (second, "leave")):
        member = StateKey("m.room.member", school.user(person))
        await school.context.homeserver.put_state(room.room, member, {"membership": membership})
    async with school.context.store.writing() as db:
        gone = [(room.room, school.user(person), Membership.LEAVE) for person in (first, second)]
        await actual.save_members(db, gone)
    applied = await school.apply()
    assert {refusal.step.user for refusal in applied.refused} == {school.user(first)}
    assert await school.membership(room.key, second) is Membership.JOIN


async def test_a_room_left_half_made_by_a_killed_run_is_found_and_finished(school: School) -> None:
    key = school.key(RoomKind.ANNOUNCE_SCHOOL)
    half = RoomCreation(version="12", alias=alias_of(key), creation_content={KEY_FIELD: str(key)})
    made, _ = await school.context.homeserver.ensure_room(half)
    await school.activate(await school.guardian(next(iter(only_children(school.demo)))))
    rooms = await school.rooms()
    assert rooms[key].room == made
    assert (await school.really())[key] == rooms[key]
    levels = rooms[key].state[POWER_LEVELS]
    assert levels["events_default"] == 50
    await school.apply()
    assert (await school.plan()).is_done


async def test_a_run_cut_off_from_the_homeserver_goes_on_where_it_was(school: School, nord: Synapse) -> None:
    persons = [await school.guardian(number) for number in list(only_children(school.demo))[:3]]
    endpoint = Endpoint("http://127.0.0.1:1", nord.as_token, nord.bot, nord.server_name)
    async with Homeserver(endpoint, patience=Patience(call_seconds=1, attempts=1)) as nobody:
        connected, school.context = school.context, replace(school.context, homeserver=nobody)
        with pytest.raises(HomeserverUnreachable):
            await school.activate(*persons)
        school.context = connected
    await school.activate(*persons)
    assert (await school.plan()).is_done
    assert await school.really() == await school.rooms()


async def test_somebody_without_a_place_gets_no_account(school: School) -> None:
    pupil = await school.person(RosterSource.SIECLE_PUPIL, next(school.demo.attending).key)
    with pytest.raises(UnknownSubject, match=pupil):
        await school.activate(pupil)
    assert await school.context.homeserver.account(school.user(pupil)) is None


async def test_an_account_that_is_refused_stops_nobody_else_and_each_is_told_at_once(school: School) -> None:
    first, second = [await school.guardian(number) for number in list(only_children(school.demo))[:2]]
    told: list[ActualAccount] = []
    passwords = {first: "trop long" * 100, second: "Préau-d’essai-2026"}
    done = await activate(school.context, passwords, actor=ACTOR, made=told.append)
    assert {account.person for account in done.accounts} == {account.person for account in told} == {second}
    assert list(done.refused) == [first]
    assert await school.membership(school.key(RoomKind.ANNOUNCE_SCHOOL), second) is Membership.JOIN
    assert await school.membership(school.key(RoomKind.ANNOUNCE_SCHOOL), first) is Membership.LEAVE


async def test_past_snapshots_are_forgotten_but_for_a_few(school: School) -> None:
    for _ in range(4):
        await school.take_in()
        await school.apply()
    async with school.context.store.writing() as db:
        assert await snapshots.forget_past(db, keep=0) == PAST_KEPT


async def test_decisions_that_would_mean_nothing_are_refused(school: School) -> None:
    principal, now = await school.principal(), school.context.clock.now()
    person = await school.guardian(next(iter(only_children(school.demo))))
    with pytest.raises(DecisionRefused, match="no guardian"):
        await settle.grant(
            school.context, Consent(principal, school.uai, ConsentTopic.PARENT_ROOMS, now, "test"), actor=ACTOR
        )
    ruling = Override(principal, person, school.uai, Restriction.NO_ACCESS, "RG 25/00001", ACTOR, now, None)
    with pytest.raises(DecisionRefused, match="no guardian of"):
        await settle.set_override(school.context, ruling, actor=ACTOR)
    wrong = Appointment(0, principal, Function.TEACHER, school.uai, DivisionCode("9 Z"), "", ACTOR, now, None)
    with pytest.raises(DecisionRefused, match="no division"):
        await settle.appoint(school.context, wrong, actor=ACTOR)
    with pytest.raises(UnknownSubject, match="no appointment 77"):
        await settle.end_appointment(school.context, 77, school.uai, actor=ACTOR)
    async with school.context.store.reading() as db:
        assert (await journal.verify(db)).entries == 1


async def test_consent_opens_the_parents_rooms_and_taking_it_back_closes_them(school: School) -> None:
    person = await school.guardian(next(iter(only_children(school.demo))))
    await school.activate(person)
    key = school.key(RoomKind.PARENTS_SCHOOL)
    consent = Consent(person, school.uai, ConsentTopic.PARENT_ROOMS, school.context.clock.now(), "test")
    assert await settle.grant(school.context, consent, actor=ACTOR)
    assert await school.membership(key, person) is Membership.JOIN
    agreement = Agreement(person, school.uai, ConsentTopic.PARENT_ROOMS)
    assert await settle.revoke(school.context, agreement, "test", actor=ACTOR)
    assert await school.membership(key, person) is Membership.LEAVE


async def test_a_court_decision_takes_a_guardian_out_and_survives_the_next_roster(school: School) -> None:
    number, child = next(iter(only_children(school.demo).items()))
    person = await school.guardian(number)
    pupil = await school.person(RosterSource.SIECLE_PUPIL, child)
    await school.activate(person)
    now = school.context.clock.now()
    decision = Override(person, pupil, school.uai, Restriction.NO_ACCESS, "RG 25/00001", ACTOR, now, None)
    await settle.set_override(school.context, decision, actor=ACTOR)
    assert await school.membership(school.key(RoomKind.ANNOUNCE_SCHOOL), person) is Membership.LEAVE
    await school.take_in()
    await school.apply()
    assert await school.membership(school.key(RoomKind.ANNOUNCE_SCHOOL), person) is Membership.LEAVE
    assert await settle.lift_override(school.context, Pair(person, pupil, school.uai), actor=ACTOR)
    assert await school.membership(school.key(RoomKind.ANNOUNCE_SCHOOL), person) is Membership.JOIN


async def test_an_aed_whom_no_register_names_is_entered_by_hand(school: School) -> None:
    now = school.context.clock.now()
    person = await settle.new_person(school.context, minter(school.random))
    given = Appointment(
        0, person, Function.SCHOOL_LIFE, school.uai, None, "", ACTOR, now, None, PersonName("PROVISOIRE", "Sacha")
    )
    number = await settle.appoint(school.context, given, actor=ACTOR)
    await school.activate(person)
    assert await school.membership(school.key(RoomKind.DIRECTION), person) is Membership.JOIN
    account = await school.context.homeserver.account(school.user(person))
    assert account is not None
    assert account.display_name == "Sacha PROVISOIRE · vie scolaire"
    await settle.end_appointment(school.context, number, school.uai, actor=ACTOR)
    assert await school.membership(school.key(RoomKind.DIRECTION), person) is Membership.LEAVE


async def test_a_head_teacher_by_appointment_gets_the_power_that_goes_with_it(school: School) -> None:
    division = DivisionCode(school.demo.divisions[0].code)
    heads = {staff.key for staff in school.demo.staff if division in staff.heads}
    teacher = next(staff for staff in school.demo.staff if staff.function == "ENS" and staff.key not in heads)
    source = RosterSource.STS_STATE if teacher.key.register == "epp" else RosterSource.STS_LOCAL
    person = await school.person(source, teacher.key.number)
    await school.activate(person)
    now = school.context.clock.now()
    given = Appointment(0, person, Function.HEAD_TEACHER, school.uai, division, "", ACTOR, now, None)
    await settle.appoint(school.context, given, actor=ACTOR)
    room = await school.room(RoomKind.DIVISION_PARENTS_STAFF, division)
    levels = await school.context.homeserver.state_event(room.room, POWER_LEVELS)
    assert levels is not None
    users = levels["users"]
    assert isinstance(users, dict)
    assert users[school.user(person)] == 75


async def test_a_visitor_is_invited_once_their_academie_vouches_for_them_and_is_not_asked_twice(
    school: School, sud: Synapse
) -> None:
    academy = replace(school.context.academy, peers={sud.server_name: sud.bot})
    school.context = replace(school.context, academy=academy)
    there = Guarded(sud)
    visitor = await there.person(Function.TEACHER, logged_in=False)
    now = school.context.clock.now()
    given = Appointment(0, visitor, Mandate.VISITOR, school.uai, None, "Maths", ACTOR, now, None)
    await settle.appoint(school.context, given, actor=ACTOR)
    room = await school.room(RoomKind.INTER_ACADEMY, "Maths")
    assert await school.context.homeserver.membership(room.room, visitor) is Membership.LEAVE
    assert [step.user for step in (await school.plan()).waiting] == [visitor]
    async with school.context.store.writing() as db:
        word = StateKey(VOUCH, visitor[1:].split(":")[0])
        await control.save_words(db, sud.server_name, {word: {"functions": ["teacher"]}})
    await push_facts(school.context, [ACADEMY])
    await there.push(SharedRoomFacts(room.room, academy.server, frozenset({Function.TEACHER})))
    await settle.settle(school.context, [school.uai], actor=ACTOR)
    assert await school.context.homeserver.membership(room.room, visitor) is Membership.INVITE
    assert (await school.plan()).is_done


async def test_recheck_sees_what_was_done_behind_our_back(school: School) -> None:
    person = await school.guardian(next(iter(only_children(school.demo))))
    await school.activate(person)
    room = await school.room(RoomKind.ANNOUNCE_SCHOOL)
    await school.context.homeserver.put_state(room.room, StateKey("m.room.name"), {"name": "Fête"})
    await school.context.homeserver.leave(room.room, school.user(person))
    assert (await school.plan()).is_done
    assert await recheck(school.context, [school.uai]) == 1
    actions = {step.action for step in (await school.plan()).plan.steps}
    assert actions == {Action.SET_STATE, Action.ADD_MEMBER}
    await school.apply()
    assert (await school.really())[room.key].members[school.user(person)] is Membership.JOIN


async def test_people_are_found_by_any_of_their_names(school: School) -> None:
    number = next(iter(only_children(school.demo)))
    person = await school.guardian(number)
    async with school.context.store.reading() as db:
        found = {
            await find_person(db, school.context.academy, said)
            for said in (person, school.user(person), f"siecle.personne/{school.uai}/{number}")
        }
        with pytest.raises(UnknownSubject, match="nobody"):
            await find_person(db, school.context.academy, "nobody")
        with pytest.raises(UnknownSubject, match="no register"):
            await find_person(db, school.context.academy, "onde/1/2")
    assert found == {person}


async def test_the_directory_knows_children_divisions_and_who_is_active(school: School) -> None:
    number, child = next(iter(only_children(school.demo).items()))
    person = await school.guardian(number)
    await school.activate(person)
    found = {place.person: place for place in await places(school.context, [school.uai])}
    division = next(pupil.division for pupil in school.demo.attending if pupil.key == child)
    place = found[person]
    assert place.guardian_of == (await school.person(RosterSource.SIECLE_PUPIL, child),)
    assert (place.functions, place.divisions, place.active) == ((Function.GUARDIAN,), (division,), True)
    assert not found[await school.principal()].active


async def test_contacts_and_departed_pupils_are_nowhere(school: School) -> None:
    async with school.context.store.reading() as db:
        accounts = await actual.accounts(db)
    assert accounts == {}
    found = {place.person for place in await places(school.context, [school.uai])}
    contacts = {link.guardian for link in school.demo.links if link.level == "contact"}
    more = {link.guardian for link in school.demo.links if link.level != "contact"}
    for number in contacts - more:
        with pytest.raises(KeyError):
            await school.guardian(number)
    assert len(found) == school.demo.truth["staff"] + len(
        {
            link.guardian
            for link in school.demo.links
            if link.level in {"legal", "in_charge"}
            and link.kinship not in {"51", "70"}
            and link.pupil in {pupil.key for pupil in school.demo.attending}
        }
    )


async def test_a_leave_that_waited_in_the_inbox_is_no_opt_out_once_the_person_is_back(school: School) -> None:
    person = await school.guardian(next(iter(only_children(school.demo))))
    await school.activate(person)
    consent = Consent(person, school.uai, ConsentTopic.PARENT_ROOMS, school.context.clock.now(), "test")
    await settle.grant(school.context, consent, actor=ACTOR)
    room = await school.room(RoomKind.PARENTS_SCHOOL)
    left = _event(room.room, school.user(person), "m.room.member", school.user(person), {"membership": "leave"})
    memory = Memory(school.context.academy)
    assert await handle(school.context, memory, left) is Drift.LEFT
    await settle.settle(school.context, [school.uai], actor=ACTOR)
    assert await school.membership(room.key, person) is Membership.JOIN

    await school.context.homeserver.leave(room.room, school.user(person))
    assert await handle(school.context, memory, left) is Drift.LEFT
    await settle.settle(school.context, [school.uai], actor=ACTOR)
    assert await school.membership(room.key, person) is Membership.LEAVE


async def test_a_repair_that_the_homeserver_refuses_is_not_taken_for_done(nord: Synapse, tmp_path: Path) -> None:
    async with school_at(nord, tmp_path, version="11") as school:
        await school.activate(await school.principal())
        room = await school.room(RoomKind.STAFF)
        powerless: Content = {**room.state[POWER_LEVELS], "users": {}}
        await school.context.homeserver.put_state(room.room, POWER_LEVELS, powerless)
        event = _event(room.room, nord.bot, POWER_LEVELS.type, "", powerless)
        with pytest.raises(HomeserverError) as refused:
            await handle(school.context, Memory(school.context.academy), event)
        assert refused.value.errcode == "M_FORBIDDEN"


def _event(room: RoomId, sender: UserId, kind: str, key: str, content: Content) -> Event:
    return Event(EventId("$attente"), room, sender, kind, key, content, 0)
