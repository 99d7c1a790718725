"""`preau prepare` on a homeserver that nobody has ever spoken to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver
from preau.demo.processes import free_ports
from tests.live.command import configured, preau
from tests.live.homeservers import HomeserverPorts, spec

pytestmark = pytest.mark.live


@dataclass
class Unprepared:
    """A homeserver just started, and the command as the role runs it."""

    homeserver: Homeserver
    folder: Path

    async def prepare(self, *words: str, secrets: dict[str, str] | None = None) -> tuple[int, dict[str, Any], str]:
        """Exit status, the object on standard output, and everything that was printed."""
        flags = ["--secrets-stdin"] if secrets is not None else []
        config = configured(self.homeserver, self.folder)
        ended = await preau(config, "prepare", "--json", *flags, *words, given=json.dumps(secrets))
        return ended.status, json.loads(ended.output) if ended.output else {}, ended.output + ended.errors

    @property
    def secrets(self) -> dict[str, str]:
        keys = self.homeserver.credentials
        return {
            "registration_shared_secret": keys.registration_shared_secret,
            "events_as_token": keys.events_as_token,
        }

    async def administrators(self) -> list[str]:
        users = await self.homeserver.api().get("/_synapse/admin/v2/users", admins="true", deactivated="true")
        return [user["name"] for user in users["users"]]


@pytest.fixture
async def unprepared(tmp_path: Path, authority: Authority) -> AsyncIterator[Unprepared]:
    homeserver = Homeserver(spec(tmp_path / "homeserver", HomeserverPorts(*free_ports(2)), authority))
    homeserver.configure()
    homeserver._process = homeserver._run()
    yield Unprepared(homeserver, tmp_path)
    await homeserver.stop()


@pytest.mark.timeout(180)  # four commands and a homeserver; some seconds each where nothing else runs
async def test_the_bot_becomes_the_only_administrator_once_and_needs_no_secret_again(unprepared: Unprepared) -> None:
    status, told, printed = await unprepared.prepare()
    assert (status, told["ready"], told["changed"]) == (1, False, False)
    assert "--secrets-stdin" in printed

    status, told, printed = await unprepared.prepare(secrets=unprepared.secrets)
    assert status == 0
    assert told == {"ready": True, "changed": True, "account_made": True, "made_admin": True, "helpers_removed": 1}
    assert not [secret for secret in unprepared.secrets.values() if secret in printed]
    assert await unprepared.administrators() == [unprepared.homeserver.bot]

    for secrets in (None, unprepared.secrets):
        status, told, _ = await unprepared.prepare(secrets=secrets)
        assert (status, told["ready"], told["changed"]) == (0, True, False)


async def test_a_wrong_secret_is_named_and_a_right_one_goes_on_from_there(unprepared: Unprepared) -> None:
    status, told, printed = await unprepared.prepare(secrets=unprepared.secrets | {"registration_shared_secret": "x"})
    assert (status, told) == (1, {})
    assert "registration_shared_secret" in printed
    status, told, _ = await unprepared.prepare(secrets=unprepared.secrets)
    assert (status, told["account_made"], told["made_admin"]) == (0, False, True)


async def test_when_it_is_ready_the_guard_takes_what_it_is_told(unprepared: Unprepared) -> None:
    await unprepared.prepare(secrets=unprepared.secrets)
    held = await unprepared.homeserver.api().get("/_synapse/client/preau/v1/status")
    assert held["stream"] == ""


async def test_a_homeserver_that_does_not_come_is_waited_for_no_longer_than_asked(unprepared: Unprepared) -> None:
    await unprepared.homeserver.kill()
    status, told, printed = await unprepared.prepare("--wait", "1")
    assert (status, told) == (1, {})
    assert "not ready within 1 s" in printed
