"""`preau doctor` and `preau device` as an operator runs them, against real homeservers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import nio
import pytest

from preau.demo.homeserver import Homeserver as Synapse
from preau.model.ids import UserId
from preau.store import facts_outbox as outbox
from preau.store import journal
from tests.guard.guarded import Guarded
from tests.live.command import configured, doctor, preau
from tests.live.schools import School, school_at

pytestmark = pytest.mark.live

PASSWORD = "Préau-d’essai-2026"


@pytest.fixture
async def school(nord: Synapse, tmp_path: Path) -> AsyncIterator[School]:
    async with school_at(nord, tmp_path) as school:
        yield school


async def test_where_service_and_guard_agree_all_is_well(school: School, nord: Synapse, tmp_path: Path) -> None:
    await school.activate(await school.principal())
    status, found, wrong = await doctor(configured(nord, tmp_path))
    assert (status, found["well"], wrong) == (0, True, set())
    assert found["guard"]["version"] == found["service"]["version"]
    assert found["guard"]["facts"] == found["service"]["facts"]
    assert found["guard"]["facts"]["person"] == 1
    assert [process["name"] for process in found["guard"]["processes"]] == ["master"]
    spoken = await preau(configured(nord, tmp_path), "doctor")
    assert spoken.status == 0
    assert "Everything is well." in spoken.output


async def test_a_guard_that_somebody_else_told_is_found(school: School, nord: Synapse, tmp_path: Path) -> None:
    await school.activate(await school.principal())
    other = Guarded(nord, version=10**6)
    body = {"stream": other.stream, "after": None, "version": 10**6, "facts": {}}
    reply = await other.call("PUT", "/_synapse/client/preau/v1/facts", nord.bot, body)
    assert reply.status == 200
    status, found, wrong = await doctor(configured(nord, tmp_path))
    assert (status, wrong) == (1, {"facts"})
    assert "second service" in next(check["advice"] for check in found["checks"] if check["check"] == "facts")


async def test_a_homeserver_without_the_guard_is_found(plain: Synapse, tmp_path: Path) -> None:
    async with school_at(plain, tmp_path) as school:
        done = await school.activate(await school.principal())
        assert not done.applied.refused
        async with school.context.store.reading() as db:
            assert await outbox.lag(db) == (0, None)  # nothing piles up for a guard that is not there
    status, _, wrong = await doctor(configured(plain, tmp_path))
    assert (status, wrong) == (1, {"guard"})


async def test_a_wrong_token_is_found_and_our_own_database_is_looked_at_all_the_same(
    nord: Synapse, tmp_path: Path
) -> None:
    async with school_at(nord, tmp_path):
        pass
    config = configured(nord, tmp_path)
    config.write_text(config.read_text(encoding="utf-8").replace(nord.as_token, "wrong"), encoding="utf-8")
    status, found, wrong = await doctor(config)
    assert (status, wrong) == (1, {"homeserver"})
    assert found["checks"][0]["check"] == "store"


async def _log_in(synapse: Synapse, user: UserId, device: str) -> None:
    client = nio.AsyncClient(synapse.client_url, user, device_id=device)
    try:
        answer = await client.login(PASSWORD)
        assert isinstance(answer, nio.LoginResponse), answer
    finally:
        await client.close()


async def test_a_new_device_is_confirmed_and_journalled(school: School, nord: Synapse, tmp_path: Path) -> None:
    person = await school.principal()
    await school.activate(person)
    for device in ("FIRST", "SECOND"):
        await _log_in(nord, school.user(person), device)
    config = configured(nord, tmp_path)
    listed = await preau(config, "device", "list", person, "--json")
    devices = {each["id"]: each["confirmed"] for each in listed.answer["devices"]}
    assert (listed.status, devices) == (0, {"FIRST": True, "SECOND": False})
    confirmed = await preau(config, "device", "confirm", person)
    assert (confirmed.status, confirmed.output) == (0, "Confirmed: SECOND.\n")
    listed = await preau(config, "device", "list", person)
    assert [line[0] for line in listed.output.splitlines()] == [" ", " "]
    async with school.context.store.reading() as db:
        entries = [entry async for entry in journal.export(db)]
    assert [(e["subject"], e["detail"]) for e in entries if e["action"] == "device_confirmed"] == [
        (school.user(person), {"device": "SECOND"})
    ]


@pytest.mark.parametrize(("words", "said"), [([], "no devices that wait"), (["THIRD"], "has no device THIRD")])
async def test_a_device_that_is_not_there_is_not_confirmed(
    school: School, nord: Synapse, tmp_path: Path, words: list[str], said: str
) -> None:
    person = await school.principal()
    await school.activate(person)
    await _log_in(nord, school.user(person), "FIRST")
    refused = await preau(configured(nord, tmp_path), "device", "confirm", person, *words)
    assert refused.status == 1
    assert said in refused.errors
