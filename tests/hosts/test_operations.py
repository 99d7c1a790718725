"""What operators do in the course of years, on académies that people use: nobody is locked out, and it takes effect."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from preau.demo.parts import Part
from tests.hosts.academies import Academy
from tests.hosts.results import record
from tests.hosts.schools import School, in_room


async def _signing_keys(internet: aiohttp.ClientSession, academy: Academy) -> tuple[set[str], set[str]]:
    """Those that hold, and those that are over."""
    async with internet.get(f"https://matrix.{academy.server}/_matrix/key/v2/server") as answer:
        found = await answer.json(content_type=None)
    return set(found["verify_keys"]), set(found["old_verify_keys"])


def test_federate_brings_the_lists_and_every_pair_gets_on(academies: tuple[Academy, Academy]) -> None:
    nord, sud = academies
    played = nord.play("federate", "-i", str(sud.inventory)).expect_success()
    assert "ok nord.example → sud.example" in played.output
    assert "ok sud.example → nord.example" in played.output


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("nord", ("vault_synapse_signing_key", "vault_synapse_provision_as_token", "vault_synapse_events_hs_token")),
        ("sud", ("vault_postgresql_synapse_password", "vault_redis_password", "vault_synapse_replication_secret")),
    ],
)
async def test_rotated_secrets_are_taken_by_all_and_people_go_on_talking(
    academies: tuple[Academy, Academy],
    schools: dict[str, School],
    internet: aiohttp.ClientSession,
    where: str,
    names: tuple[str, ...],
) -> None:
    academy = next(one for one in academies if one.plan.name == where)
    parts = (Part.HEAD_TEACHER, Part.PARENT_OF_TWO)
    teacher, parent = [await schools[where].client(internet, academy.server, part) for part in parts]
    old = {name: academy.secret(name) for name in names}
    academy.past_secrets.update({f"{name}, before": value for name, value in old.items()})
    (key,), over = await _signing_keys(internet, academy)

    rotate = ("-e", f"rotate={','.join(names)}", "-e", "rotate_secrets_in_clear=true")
    played = await asyncio.to_thread(academy.play, "rotate_secrets", *rotate)
    played.expect_success()
    record("rotate_secrets", academy=where, secrets=len(names), seconds=round(played.seconds))

    assert [name for name in names if academy.secret(name) == old[name]] == []
    (now,), past = await _signing_keys(internet, academy)
    assert ((now != key), past - over) == (("vault_synapse_signing_key" in names), {key} - {now})
    room = await in_room("division_parents_staff", teacher, parent)
    await teacher.say(room, "la clé a changé")
    await parent.hears(room, "la clé a changé")
    academy.preau("doctor")


def test_the_peer_takes_what_the_new_key_signs(academies: tuple[Academy, Academy]) -> None:
    nord, sud = academies
    nord.play("federate", "-i", str(sud.inventory)).expect_success()
