"""No secret shows where people look: in what playbooks print, in the journals of hosts, in the arguments of programs.

The playbooks of these tests run with `--diff` too, and nearly everything an operator does has been done before this
looks: all but the end of an académie, which looks for itself.
"""

from __future__ import annotations

import pytest

from tests.deploy.rendered import secrets_of, telling
from tests.hosts.academies import Academy


def shown(academy: Academy, text: str) -> list[str]:
    """The names of the secrets that a text holds; those that were rotated away among them."""
    secrets = {**secrets_of(academy.inventory), **{name: telling(old) for name, old in academy.past_secrets.items()}}
    assert len(secrets) > 10
    return [name for name, value in secrets.items() if value in text]


@pytest.fixture(params=["nord", "sud", "ouest"])
def any_academy(request: pytest.FixtureRequest) -> Academy:
    """Each of the three in turn."""
    found: Academy = request.getfixturevalue(request.param)
    return found


def test_no_playbook_printed_a_secret(any_academy: Academy) -> None:
    logs = sorted(any_academy.logs.iterdir())
    assert any("site" in log.name for log in logs)
    found = {log.name: names for log in logs if (names := shown(any_academy, log.read_text(errors="replace")))}
    assert found == {}


def test_no_journal_holds_a_secret(academies: tuple[Academy, Academy], academy: Academy) -> None:
    found = {}
    for name, machine in academy.machines.items():
        journal = machine.run("journalctl", "--no-pager", "--output=cat", "--all", seconds=300)
        assert "ansible" in journal, f"the journal of {name} does not go back to its installation"
        found[name] = shown(academy, journal)
    assert {name: secrets for name, secrets in found.items() if secrets} == {}


def test_no_program_was_started_with_a_secret(academies: tuple[Academy, Academy], academy: Academy) -> None:
    found = {
        name: shown(academy, machine.run("ps", "axww", "-o", "args")) for name, machine in academy.machines.items()
    }
    assert {name: secrets for name, secrets in found.items() if secrets} == {}
