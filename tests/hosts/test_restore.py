"""A disk is destroyed: the académie comes back from its backups alone, and what is lost is counted.

Before that, what operators do each quarter: backups are tried on a host of their own, beside people who go on writing.

```text
 people write ─► backup ─► people write ─► log archived ─► people write ─► disk destroyed ─► restore ─► compare
                 ╰──────── all of this is there again ────────────────╯   ╰ lost: counted ╯
```
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
import pytest

from preau.demo.parts import Part
from tests.guard.files import png
from tests.hosts.academies import Academy, trust_authority
from tests.hosts.people import Someone
from tests.hosts.results import record
from tests.hosts.schools import School, in_room
from tests.hosts.test_faults import failed_units

_ARCHIVED_SECONDS: Final = 90
_PICTURE: Final = png()
_DRILL: Final = "var/lib/preau/drill"


@dataclass(frozen=True, slots=True)
class Remembered:
    """What people and operators would compare afterwards."""

    keys: Mapping[str, str]  # the homeserver's signing keys, by id
    rooms: Mapping[Part, frozenset[str]]
    texts: Mapping[str, str]  # event id → text, of one room
    journal: str  # its head


async def _people(internet: aiohttp.ClientSession, academy: Academy, school: School) -> dict[Part, Someone]:
    """Everybody with an account, at their clients."""
    return {part: await school.client(internet, academy.server, part) for part in school.people}


async def _signing_keys(internet: aiohttp.ClientSession, academy: Academy) -> dict[str, str]:
    async with internet.get(f"https://matrix.{academy.server}/_matrix/key/v2/server") as answer:
        found = await answer.json(content_type=None)
    return {name: key["key"] for name, key in found["verify_keys"].items()}


def _journal_head(academy: Academy) -> str:
    found = json.loads(academy.preau("journal", "verify", "--json"))
    return f"{found['entries']}:{found['head']}"


async def _remember(
    internet: aiohttp.ClientSession, academy: Academy, people: Mapping[Part, Someone], room: str
) -> Remembered:
    return Remembered(
        keys=await _signing_keys(internet, academy),
        rooms={part: frozenset(await someone.joined()) for part, someone in people.items()},
        texts=await people[Part.HEAD_TEACHER].texts(room),
        journal=_journal_head(academy),
    )


async def _talk(people: Mapping[Part, Someone], room: str, about: str, count: int) -> None:
    for number in range(count):
        for part in (Part.PARENT_OF_TWO, Part.HEAD_TEACHER):
            await people[part].say(room, f"{about} {number}, {part}")


async def _wait_until_archived(academy: Academy) -> None:
    """Until the log of the database, up to now, has reached the repository.

    Raises:
        TimeoutError: it does not.
    """
    database = academy.host("database")
    query = "runuser -u postgres -- psql -XAtq -d postgres -c"
    wanted = database.shell(f'cd / && {query} "SELECT pg_walfile_name(pg_current_wal_lsn())"').strip()
    deadline = time.monotonic() + _ARCHIVED_SECONDS
    while database.shell(f'cd / && {query} "SELECT last_archived_wal FROM pg_stat_archiver"').strip() < wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{wanted} was not archived")
        await asyncio.sleep(1)


async def test_what_was_saved_last_is_proven_beside_production(
    sud: Academy, schools: dict[str, School], internet: aiohttp.ClientSession
) -> None:
    people = await _people(internet, sud, schools["sud"])
    teacher = people[Part.HEAD_TEACHER]
    room = await in_room("division_parents_staff", teacher, people[Part.PARENT_OF_TWO])
    await teacher.send_picture(room, _PICTURE)
    saved = sud.play("backup").expect_success()
    await _talk(people, room, "après la sauvegarde", 5)

    drilled = sud.play("restore_drill").expect_success()
    assert re.search(r"\b[1-9]\d* figures are what was noted", drilled.output)
    assert re.search(r"\b[1-9]\d* files known, none missing", drilled.output)
    record(
        "deploy/restore_drill.yml", academy="sud", backup_seconds=round(saved.seconds), seconds=round(drilled.seconds)
    )
    host = sud.host("drill")
    assert not (host.root / _DRILL).exists()
    assert failed_units(host) == ""
    await people[Part.PARENT_OF_TWO].hears(room, f"après la sauvegarde 4, {Part.HEAD_TEACHER}")


def test_a_drill_fails_and_cleans_up_where_another_key_was_saved(sud: Academy, schools: dict[str, School]) -> None:
    assert schools["sud"].people
    drilled = sud.play("restore_drill", "-e", "vault_synapse_signing_key='ed25519 other AAAA'")
    assert drilled.status != 0
    assert "peers would not believe the other" in " ".join(drilled.output.split())
    assert not (sud.host("drill").root / _DRILL).exists()


async def test_one_host_that_was_lost_comes_back_while_the_others_are_up(
    sud: Academy, schools: dict[str, School], internet: aiohttp.ClientSession
) -> None:
    people = await _people(internet, sud, schools["sud"])
    teacher, parent = people[Part.HEAD_TEACHER], people[Part.PARENT_OF_TWO]
    room = await in_room("division_parents_staff", teacher, parent)
    picture = await teacher.send_picture(room, _PICTURE)
    sud.play("backup").expect_success()
    before = await _remember(internet, sud, people, room)

    host = sud.host("workers")  # the one with the media worker, and what people sent
    died = time.monotonic()
    host.destroy_disk()
    host.boot()
    trust_authority(host, sud.authority)
    restored = sud.play("restore", "--limit", host.name).expect_success()
    record(
        "one host's disk destroyed",
        academy="sud",
        restore_seconds=round(restored.seconds),
        until_it_is_back_seconds=round(time.monotonic() - died),
    )
    assert await parent.download(picture) == _PICTURE
    await teacher.say(room, "le second serveur est revenu")
    await parent.hears(room, "le second serveur est revenu")
    after = await _remember(internet, sud, people, room)
    assert before.texts.items() <= after.texts.items()
    assert (after.keys, after.rooms) == (before.keys, before.rooms)
    assert failed_units(host) == ""


async def test_an_academy_whose_disk_is_destroyed_comes_back_from_its_backups(
    ouest: Academy, schools: dict[str, School], internet: aiohttp.ClientSession
) -> None:
    people = await _people(internet, ouest, schools["ouest"])
    teacher = people[Part.HEAD_TEACHER]
    room = await in_room("division_parents_staff", teacher, people[Part.PARENT_OF_TWO])
    await _talk(people, room, "avant la sauvegarde", 10)
    picture = await teacher.send_picture(room, _PICTURE)

    saved = ouest.play("backup").expect_success()
    await _talk(people, room, "après la sauvegarde", 10)
    before = await _remember(internet, ouest, people, room)
    await _wait_until_archived(ouest)
    await _talk(people, room, "après le dernier journal", 5)
    spoken = await teacher.texts(room)

    host = ouest.host("homeserver")
    died = time.monotonic()
    host.destroy_disk()
    host.boot()
    trust_authority(host, ouest.authority)
    restored = ouest.play("restore").expect_success()
    seconds = time.monotonic() - died

    after = await _remember(internet, ouest, people, room)
    record(
        "disk destroyed",
        academy="ouest",
        backup_seconds=round(saved.seconds),
        restore_seconds=round(restored.seconds),
        until_people_write_again_seconds=round(seconds),
        messages_before=len(before.texts),
        lost_up_to_the_last_archived_log=len(before.texts.keys() - after.texts.keys()),
        lost_of_those_after_it=len(spoken.keys() - before.texts.keys() - after.texts.keys()),
        written_after_it=len(spoken.keys() - before.texts.keys()),
    )
    assert before.texts.items() <= after.texts.items()
    assert (after.keys, after.rooms, after.journal) == (before.keys, before.rooms, before.journal)
    for part, someone in people.items():
        again = await schools["ouest"].log_in(internet, ouest.server, part)
        assert again.user == someone.user
    assert await people[Part.PARENT_OF_TWO].download(picture) == _PICTURE
    await people[Part.HEAD_TEACHER].say(room, "nous revoilà")
    await people[Part.PARENT_OF_TWO].hears(room, "nous revoilà")
    assert failed_units(host) == ""
    with pytest.raises(AssertionError, match="is not empty"):
        ouest.play("restore").expect_success()


async def test_a_moment_of_the_past_comes_back_over_what_is_there(
    ouest: Academy, schools: dict[str, School], internet: aiohttp.ClientSession
) -> None:
    people = await _people(internet, ouest, schools["ouest"])
    teacher, parent = people[Part.HEAD_TEACHER], people[Part.PARENT_OF_TWO]
    room = await in_room("division_parents_staff", teacher, parent)
    wanted = await teacher.say(room, "à garder")
    picture = await parent.send_picture(room, _PICTURE)  # a teacher with a second device sends none
    ouest.play("backup").expect_success()  # files come back as they were saved last before the moment
    await asyncio.sleep(2)
    moment = ouest.host("database").run("date", "--utc", "+%F %T+00").strip()
    await asyncio.sleep(2)
    unwanted = await teacher.say(room, "à oublier")
    await _wait_until_archived(ouest)

    to_moment = json.dumps({"restore_over": True, "restore_to": moment})
    restored = ouest.play("restore", "-e", to_moment).expect_success()
    record("restore to a moment", academy="ouest", restore_seconds=round(restored.seconds))
    again = {part: await schools["ouest"].log_in(internet, ouest.server, part) for part in people}
    found = await again[Part.PARENT_OF_TWO].texts(room)
    assert wanted in found
    assert unwanted not in found
    assert await again[Part.PARENT_OF_TWO].download(picture) == _PICTURE
    await again[Part.PARENT_OF_TWO].say(room, "nous y revoilà")
    await again[Part.HEAD_TEACHER].hears(room, "nous y revoilà")
    assert failed_units(ouest.host("homeserver")) == ""
