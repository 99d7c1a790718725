"""What the guard is told: the facts that follow from the store, and of these changes only."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from preau.demo.homeserver import Homeserver as Synapse
from preau.errors import HomeserverUnreachable
from preau.model.choices import SchoolChoices
from preau.model.decisions import Appointment
from preau.model.facts import Cell, FactKind, PersonFacts, RoomFacts
from preau.model.ids import PersonId, RoomId
from preau.model.people import Function, PersonName, RosterKey, RosterSource
from preau.model.rooms import RoomKey, RoomKind
from preau.policy.wanted import ACADEMY
from preau.store import decisions, people
from preau.store import facts_outbox as outbox
from preau.sync.facts import Asked, derive
from preau.sync.push import push_due, push_facts
from tests.builders import NORTH, SOUTH, guardian, school, staff
from tests.store.samples import counted
from tests.sync.telling import ROLL, Later, Service, held, service_of

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]


async def test_only_people_with_an_account_are_told_of(service: Service) -> None:
    await service.has(ROLL)
    await service.opens("paz", "lou")
    await push_due(service.context)
    assert {key for kind, key in held(service.synapse) if kind is FactKind.PERSON} == {
        service.user("paz"),
        service.user("lou"),
    }
    found = held(service.synapse)[FactKind.PERSON, service.user("paz")]
    assert isinstance(found, PersonFacts)
    assert (found.name, found.functions) == ("Camille PAZ · parent", {Function.GUARDIAN})


async def test_nothing_is_told_twice(service: Service) -> None:
    await service.has(ROLL)
    await service.opens("paz", "lou")
    await push_due(service.context)
    version = await service.version()
    await push_due(service.context)
    await push_facts(service.context, [NORTH, ACADEMY])
    assert await service.version() == version


async def test_what_changed_is_told_and_nothing_else(service: Service) -> None:
    await service.has(ROLL)
    await service.opens("paz", "max", "lou", "dir")
    await push_due(service.context)
    await service.has(replace(ROLL, guardianships=(guardian("paz", "ali"),), sources=()))
    async with service_of(service.synapse, service.url, "http://127.0.0.1:1") as cut_off:
        with pytest.raises(HomeserverUnreachable):
            await push_due(cut_off.context)
    assert await service.last_told() == {service.user("max")}
    await push_due(service.context)
    assert held(service.synapse) == await service.right()
    assert (FactKind.PERSON, service.user("max")) not in held(service.synapse)


async def test_a_person_in_two_schools_has_both_places(service: Service) -> None:
    await service.has(ROLL)
    await service.has(school(staff("paz", Function.TEACHER, teaches=["4 B"]), uai=SOUTH))
    await service.opens("paz")
    await push_facts(service.context, [SOUTH])
    found = held(service.synapse)[FactKind.PERSON, service.user("paz")]
    assert isinstance(found, PersonFacts)
    assert {party.school: set(party.functions) for party in found.parties} == {
        NORTH: {Function.GUARDIAN},
        SOUTH: {Function.TEACHER},
    }
    assert found.name == "Camille PAZ · professeur"


async def test_a_schools_own_choices_are_told_when_they_change(service: Service) -> None:
    await service.has(ROLL)
    await service.opens("paz")
    await push_due(service.context)
    assert (FactKind.SCHOOL, NORTH) not in held(service.synapse)
    own = SchoolChoices(pupil_media=True, contact={(Function.GUARDIAN, Function.TEACHER): Cell.SAME_DIVISION})
    academy = replace(service.context.academy, choices={NORTH: own})
    chosen = replace(service, context=replace(service.context, academy=academy))
    await push_due(chosen.context)
    assert held(service.synapse) == await chosen.right()
    assert (FactKind.SCHOOL, NORTH) in held(service.synapse)
    await push_due(service.context)
    assert (FactKind.SCHOOL, NORTH) not in held(service.synapse)


async def test_rooms_are_told_and_one_that_was_replaced_is_forgotten(service: Service) -> None:
    await service.has(ROLL)
    key = RoomKey(RoomKind.STAFF, NORTH)
    await service.makes(key, "!first")
    await push_facts(service.context, [NORTH])
    assert held(service.synapse)[FactKind.ROOM, "!first"] == RoomFacts(RoomId("!first"), RoomKind.STAFF, NORTH)
    await service.makes(key, "!second")
    await push_facts(service.context, [NORTH])
    assert {room for kind, room in held(service.synapse) if kind is FactKind.ROOM} == {"!second"}


async def test_an_appointment_that_ends_by_its_date_is_told_without_anybodys_deed(service: Service) -> None:
    await service.has(ROLL)
    now = service.context.clock.now()
    async with service.context.store.writing() as db:
        key = RosterKey(RosterSource.BY_HAND, NORTH, "aed")
        await people.introduce(db, {key: PersonId("aed")}, now)
        until, name = now + timedelta(days=1), PersonName("AED", "Noé")
        given = Appointment(0, PersonId("aed"), Function.SCHOOL_LIFE, NORTH, None, "", "dir", now, until, name)
        await decisions.appoint(db, given)
    await service.opens("aed")
    await push_due(service.context)
    assert (FactKind.PERSON, service.user("aed")) in held(service.synapse)
    tomorrow = replace(service.context, clock=Later(timedelta(days=2)))
    await push_due(tomorrow)
    assert (FactKind.PERSON, service.user("aed")) not in held(service.synapse)


async def test_more_facts_than_one_push_holds_all_arrive(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "AT_MOST", 3)
    await service.has(school(*(staff(f"p{number}", Function.TEACHER) for number in range(20))))
    await service.opens(*(f"p{number}" for number in range(20)))
    await push_due(service.context)
    assert await service.version() >= 7
    assert held(service.synapse) == await service.right()


async def test_deriving_takes_as_many_statements_for_many_people_as_for_few(service: Service) -> None:
    names = [f"p{number}" for number in range(40)]
    await service.has(school(*(staff(name, Function.TEACHER) for name in names)))

    async def statements() -> int:
        async with service.context.store.reading() as db:
            with counted(db) as sent:
                await derive(db, service.context.academy, Asked([NORTH], at=service.context.clock.now()))
            return len(sent)

    await service.opens(*names[:2])
    few = await statements()
    await service.opens(*names)
    assert await statements() == few


async def test_as_long_as_nobody_has_an_account_no_homeserver_is_needed(synapse: Synapse, tmp_path: Path) -> None:
    async with service_of(synapse, f"sqlite:///{tmp_path / 'preau.db'}", "http://127.0.0.1:1") as offline:
        await offline.has(ROLL)
        await push_due(offline.context)
        assert await offline.waiting() == 0
