"""Whoever came from an older copy, guard or service: everything is told anew."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from preau.demo.homeserver import Homeserver as Synapse
from preau.model.facts import FactKind
from preau.sync.push import agree, push_due, push_facts
from tests.builders import NORTH, guardian
from tests.sync.telling import ROLL, Service, held, older_copy, service_of

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]


@pytest.mark.parametrize("found_by", ["a look", "the next push"])
async def test_a_guard_that_came_back_from_an_older_copy_is_told_anew(service: Service, found_by: str) -> None:
    await service.has(ROLL)
    await service.opens("paz", "max")
    await push_due(service.context)
    with older_copy(service.synapse) as restore:
        await service.has(replace(ROLL, guardianships=(guardian("paz", "ali"),)))
        await service.opens("lou")
        await push_due(service.context)
        await service.synapse.stop()
        restore()
        await service.synapse.start()
    assert held(service.synapse) != await service.right()
    if found_by == "a look":
        await agree(service.context)
    else:
        await service.opens("dir")
        await push_facts(service.context, [NORTH])
    assert held(service.synapse) == await service.right()


async def test_a_service_with_a_new_database_takes_over_and_the_old_facts_are_forgotten(
    service: Service, tmp_path: Path
) -> None:
    await service.has(ROLL)
    await service.opens("paz", "lou", "dir")
    await push_due(service.context)
    async with service_of(service.synapse, f"sqlite:///{tmp_path / 'new.db'}") as new:
        await new.has(ROLL)
        await new.opens("max")
        await push_facts(new.context, [NORTH])
        assert held(service.synapse) == await new.right()
        assert {key for kind, key in held(service.synapse) if kind is FactKind.PERSON} == {service.user("max")}


async def test_a_new_service_that_knows_nobody_yet_clears_the_guard_when_it_looks(
    service: Service, tmp_path: Path
) -> None:
    await service.has(ROLL)
    await service.opens("paz")
    await push_due(service.context)
    async with service_of(service.synapse, f"sqlite:///{tmp_path / 'new.db'}") as new:
        await agree(new.context)
    assert held(service.synapse) == {}


async def test_a_service_that_came_back_from_an_older_copy_tells_everything_anew(
    synapse: Synapse, tmp_path: Path
) -> None:
    file, copy = tmp_path / "preau.db", tmp_path / "copy.db"
    async with service_of(synapse, f"sqlite:///{file}") as service:
        await service.has(ROLL)
        await service.opens("paz")
        await push_due(service.context)
    shutil.copy(file, copy)
    async with service_of(synapse, f"sqlite:///{file}") as service:
        for name in ("lou", "dir", "max"):
            await service.opens(name)
            await push_facts(service.context, [NORTH])
    async with service_of(synapse, f"sqlite:///{copy}") as restored:
        await restored.opens("dir")
        await push_facts(restored.context, [NORTH])
        assert held(synapse) == await restored.right()
        assert len(held(synapse)) == 2
