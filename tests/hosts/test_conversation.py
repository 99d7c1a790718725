"""A roster is imported, people get accounts and talk, across académies too, all through the public doors."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from preau.demo.parts import Part
from tests.hosts.academies import Academy
from tests.hosts.people import Refused
from tests.hosts.schools import School, import_rosters, in_room


def test_the_same_roster_again_brings_nothing_new(academy: Academy, schools: dict[str, School]) -> None:
    said = import_rosters(academy, schools[academy.plan.name].demo)
    assert said["imported"] is True
    assert said["new"] is False


async def test_a_guardian_and_a_teacher_talk_through_nginx(
    academy: Academy, schools: dict[str, School], internet: aiohttp.ClientSession
) -> None:
    school = schools[academy.plan.name]
    guardian = await school.client(internet, academy.server, Part.PARENT_OF_TWO)
    teacher = await school.client(internet, academy.server, Part.HEAD_TEACHER)
    room = await in_room("division_parents_staff", teacher, guardian)
    for speaker, listener, text in (
        (guardian, teacher, "Bonjour, mon enfant sera absent jeudi."),
        (teacher, guardian, "C’est noté, bon rétablissement."),
    ):
        await speaker.say(room, text)
        await listener.hears(room, text)


async def test_direction_announces_and_a_guardian_reads_but_may_not_write(
    academy: Academy, schools: dict[str, School], internet: aiohttp.ClientSession
) -> None:
    school = schools[academy.plan.name]
    principal = await school.client(internet, academy.server, Part.PRINCIPAL)
    guardian = await school.client(internet, academy.server, Part.PARENT_OF_TWO)
    room = await in_room("announce_school", principal, guardian)
    await principal.say(room, "La cantine est fermée vendredi.")
    await guardian.hears(room, "La cantine est fermée vendredi.")
    with pytest.raises(Refused) as refused:
        await guardian.say(room, "Pourquoi ?")
    assert refused.value.status == 403


async def test_an_academy_reads_the_keys_of_the_other_over_the_federation(
    academies: tuple[Academy, Academy], internet: aiohttp.ClientSession
) -> None:
    for ours, theirs in (academies, academies[::-1]):
        async with internet.get(f"https://{theirs.server}/.well-known/matrix/server") as answer:
            assert (await answer.json(content_type=None))["m.server"].startswith(f"matrix.{theirs.server}")
        async with internet.get(f"https://matrix.{ours.server}/_matrix/key/v2/query/{theirs.server}") as answer:
            keys = (await answer.json(content_type=None))["server_keys"]
        assert [key["server_name"] for key in keys] == [theirs.server]


async def test_a_visitor_from_the_other_academy_talks_where_both_services_let_them_in(
    academies: tuple[Academy, Academy], schools: dict[str, School], internet: aiohttp.ClientSession
) -> None:
    nord, sud = academies
    host = await schools["nord"].client(internet, nord.server, Part.HEAD_TEACHER)
    guest = await schools["sud"].client(internet, sud.server, Part.HEAD_TEACHER)
    known = await guest.invited()
    for someone in (host, guest):
        words = ("--school", str(schools["nord"].demo.uai), "--as", "visitor", "--scope", "Jumelage")
        nord.preau("appoint", *words, someone.user)
    async with asyncio.timeout(60):  # sud's service vouches once it has read what nord's asks
        while not (asked := await guest.invited() - known):  # noqa: ASYNC110 -- it happens on other hosts
            await asyncio.sleep(0.5)
    (room,) = asked
    await guest.join(room, via=nord.server)
    for speaker, listener, text in ((host, guest, "Bonjour du nord"), (guest, host, "Bonjour du sud")):
        await speaker.say(room, text)
        await listener.hears(room, text)
