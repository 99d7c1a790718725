"""Worker mode: whatever process a client asks, profiles, devices, ignored people, files and the search are held."""

from __future__ import annotations

import secrets
from urllib.parse import quote

import pytest

from preau.model.ids import Uai
from preau.model.people import Function
from tests.guard.files import ELF
from tests.guard.guarded import GUARD, Guarded
from tests.workers.harness import MAIN, WORKERS, SeveralProcesses

pytestmark = [pytest.mark.live, pytest.mark.postgresql]

CLIENT = "/_matrix/client/v3"
PROCESSES = pytest.mark.parametrize("process", [MAIN, *WORKERS])


@PROCESSES
async def test_nobody_changes_their_profile_and_the_service_does(
    several: Guarded, processes: SeveralProcesses, process: str
) -> None:
    """Changes are written by the process of the events stream, whatever process was asked."""
    url, bot = processes.urls[process], several.homeserver.bot
    guardian = await several.person(Function.GUARDIAN)
    for name in ("displayname", "avatar_url", "fr.essai.classe"):
        path, body = f"{CLIENT}/profile/{quote(guardian)}/{name}", {name: "mxc://localhost/x"}
        assert (await several.call("PUT", path, guardian, body, at=url)).rule == "name"
        assert (await several.call("DELETE", path, guardian, at=url)).rule == "name"
        assert (await several.call("PUT", path, bot, body, at=url)).status == 200


@PROCESSES
async def test_nobody_reaches_anothers_device(several: Guarded, processes: SeveralProcesses, process: str) -> None:
    url = processes.urls[process]
    guardian, teacher = await several.person(Function.GUARDIAN), await several.person(Function.TEACHER)
    answers = {}
    for receiver in (guardian, teacher):
        path = f"{CLIENT}/sendToDevice/fr.essai/{secrets.token_hex(8)}"
        messages = {"messages": {receiver: {"*": {}}}}
        answers[receiver] = (await several.call("PUT", path, guardian, messages, at=url)).rule
    assert answers == {guardian: "", teacher: "evasion"}


@PROCESSES
async def test_the_service_is_not_hidden(several: Guarded, processes: SeveralProcesses, process: str) -> None:
    guardian = await several.person(Function.GUARDIAN)
    path = f"{CLIENT}/user/{quote(guardian)}/account_data/m.ignored_user_list"
    content = {"ignored_users": {several.homeserver.bot: {}}}
    assert (await several.call("PUT", path, guardian, content, at=processes.urls[process])).rule == "evasion"


@PROCESSES
async def test_people_are_found(several: Guarded, processes: SeveralProcesses, process: str) -> None:
    school = Uai(f"099{secrets.randbelow(10**4):04}Z")
    teacher = await several.person(Function.TEACHER, school=school, name="Éloïse D’ARC · professeur")
    await several.person(Function.GUARDIAN, school=school, name="Éloïse D’ARC · parent")
    guardian = await several.person(Function.GUARDIAN, school=school)
    body = {"search_term": "eloise d"}
    reply = await several.call("POST", f"{GUARD}/search", guardian, body, at=processes.urls[process])
    assert [found["user_id"] for found in reply.body["results"]] == [teacher]


async def test_nobody_sends_a_program(several: Guarded, processes: SeveralProcesses) -> None:
    """Files are main's alone here: a homeserver has one process that keeps them."""
    teacher = await several.person(Function.TEACHER)
    assert (await several.call("POST", "/_matrix/media/v3/upload", teacher, raw=ELF)).rule == "media_type"
