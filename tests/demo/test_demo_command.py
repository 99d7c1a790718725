"""``preau demo`` as a person runs it: starts, describes, guides, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nio
import pytest

from preau.demo.cast import SCHOOLS_WITH_PUPILS
from preau.demo.processes import free_ports
from preau.model.people import Function
from preau.model.rooms import RoomKind

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

LAST_LINE = "Ctrl-C ends everything."


@contextmanager
def running(*options: str) -> Iterator[subprocess.Popen[str]]:
    """The command, killed at the end if it still runs."""
    command = [sys.executable, "-m", "preau", "demo", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        try:
            yield demo
        finally:
            if demo.poll() is None:
                demo.kill()


def read_guide(demo: subprocess.Popen[str]) -> str:
    """Everything it prints up to the guide's last line."""
    assert demo.stdout is not None
    lines: list[str] = []
    for line in demo.stdout:
        lines.append(line)
        if LAST_LINE in line:
            return "".join(lines)
    raise AssertionError("".join(lines) + (demo.stderr.read() if demo.stderr else ""))


def processes_about(text: str) -> list[int]:
    """The running processes whose command line holds this text."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if text.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
    return found


def all_end(pids: list[int]) -> bool:
    """Whether each of these processes, none of them ours to wait for, has ended within ten seconds."""
    ended = True
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            ended &= bool(select.select([handle], [], [], 10)[0])
            os.close(handle)
    return ended


@pytest.fixture(scope="module")
def started(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[subprocess.Popen[str], Path, str, dict[str, Any]]]:
    """A running demo, its folder, its guide, and its description."""
    base = tmp_path_factory.mktemp("demo-command")
    nord, sud = free_ports(2)
    options = ["--describe", str(base / "made.json"), "--folder", str(base / "kept")]
    with running(*options, "--nord-port", str(nord), "--sud-port", str(sud)) as demo:
        guide = read_guide(demo)
        found = json.loads((base / "made.json").read_text(encoding="utf-8"))
        assert [academy["client_url"] for academy in found["academies"]] == [
            f"http://127.0.0.1:{port}" for port in (nord, sud)
        ]
        yield demo, base / "kept", guide, found


def test_the_description_has_the_fields_that_programs_rely_on(started: Any) -> None:
    *_, found = started
    assert [academy.keys() for academy in found["academies"]] == [{"name", "server_name", "client_url"}] * 2
    assert [academy["name"] for academy in found["academies"]] == ["nord", "sud"]
    person = {"academy", "school", "user_id", "login", "password", "functions", "guardian_of", "divisions"}
    assert all(each.keys() == person for each in found["people"])
    assert all(each.keys() == {"academy", "room_id", "kind", "school", "division"} for each in found["rooms"])
    assert {each["kind"] for each in found["rooms"]} <= set(RoomKind)
    assert {function for each in found["people"] for function in each["functions"]} <= set(Function)


def test_the_description_ties_guardians_to_pupils_and_rooms_to_divisions(started: Any) -> None:
    *_, found = started
    guardians = [each for each in found["people"] if "guardian" in each["functions"]]
    assert all(each["guardian_of"] and each["guardian_of"][0].startswith("@") for each in guardians)
    assert any(len(each["guardian_of"]) == 2 and len(each["divisions"]) == 2 for each in guardians)
    divisions = {(each["school"], each["division"]) for each in found["rooms"] if each["division"]}
    assert {(each["school"], division) for each in guardians for division in each["divisions"]} <= divisions
    assert {each["division"] for each in found["rooms"] if each["kind"] == "announce_school"} == {None}


def test_pupils_have_accounts_only_where_the_school_chose_so(started: Any) -> None:
    *_, found = started
    pupils = {each["school"]: each for each in found["people"] if "pupil" in each["functions"]}
    assert pupils.keys() == SCHOOLS_WITH_PUPILS
    for school, pupil in pupils.items():
        of_the_school = [each for each in found["people"] if each["school"] == school]
        assert any(pupil["user_id"] in each["guardian_of"] for each in of_the_school)


def test_the_guide_names_addresses_and_people(started: Any) -> None:
    *_, guide, found = started
    assert all(academy["client_url"] in guide for academy in found["academies"])
    shown = [each for each in found["people"] if each["login"] in guide and each["password"] in guide]
    assert {"direction", "teacher", "head_teacher", "guardian"} <= {
        function for each in shown for function in each["functions"]
    }


async def test_everybody_described_can_log_in_with_an_ordinary_client(started: Any) -> None:
    *_, found = started
    urls = {academy["name"]: academy["client_url"] for academy in found["academies"]}
    for person in found["people"]:
        client = nio.AsyncClient(urls[person["academy"]], person["login"])
        try:
            answer = await client.login(person["password"])
            assert isinstance(answer, nio.LoginResponse), answer
            assert answer.user_id == person["user_id"]
        finally:
            await client.close()


def test_ctrl_c_ends_it_in_order_and_keeps_the_folder(started: Any) -> None:
    demo, folder, _, _ = started
    demo.send_signal(signal.SIGINT)
    _, errors = demo.communicate(timeout=30)
    assert (demo.returncode, errors) == (0, "")
    assert processes_about(str(folder)) == []
    assert {path.name for path in folder.iterdir()} >= {"nord", "sud", "demo.json"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_behind_when_it_is_stopped_while_starting(tmp_path: Path, number: signal.Signals) -> None:
    with running("--folder", str(tmp_path / "kept")) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "making accounts" in line:
                break
        children = [pid for pid in processes_about(str(tmp_path)) if pid != demo.pid]
        assert len(children) >= 3, "at least two homeservers and one service"
        demo.send_signal(number)
        _, errors = demo.communicate(timeout=30)
    assert demo.returncode == (0 if number is signal.SIGTERM else -signal.SIGKILL)
    assert errors == ""
    assert all_end(children)
    assert processes_about(str(tmp_path)) == []


def test_a_story_that_is_cut_short_is_no_success(tmp_path: Path) -> None:
    with running("--check", "--folder", str(tmp_path / "kept")) as demo:
        assert demo.stdout is not None
        demo.stdout.readline()
        demo.send_signal(signal.SIGTERM)
        demo.communicate(timeout=30)
    assert demo.returncode == 1


def test_one_port_for_two_homeservers_is_refused() -> None:
    (port,) = (str(port) for port in free_ports(1))
    with running("--nord-port", port, "--sud-port", port) as demo:
        _, errors = demo.communicate(timeout=30)
    assert demo.returncode == 2
    assert port in errors


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with running("--folder", str(tmp_path)) as demo:
        _, errors = demo.communicate(timeout=30)
    assert demo.returncode == 2
    assert "is not empty" in errors


def test_a_description_that_cannot_be_written_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with running("--describe", str(tmp_path / "missing" / "made.json")) as demo:
        output, errors = demo.communicate(timeout=30)
    assert demo.returncode == 2
    assert "There is no folder" in errors
    assert "starting" not in output
