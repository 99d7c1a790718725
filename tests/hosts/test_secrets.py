"""No secret shows where people look: in what playbooks print, in the journals of hosts, in the arguments of programs.

The playbooks of these tests run with `--diff` too, and everything an operator does has been done before this looks.
"""

from __future__ import annotations

from tests.deploy.rendered import secrets_of
from tests.hosts.academies import Academy


def _shown(academy: Academy, text: str) -> list[str]:
    """The names of the secrets that a text holds."""
    secrets = secrets_of(academy.inventory)
    assert len(secrets) > 10
    return [name for name, value in secrets.items() if value in text]


def test_no_playbook_printed_a_secret(academies: tuple[Academy, Academy], academy: Academy) -> None:
    logs = sorted(academy.logs.iterdir())
    assert any("site" in log.name for log in logs)
    found = {log.name: shown for log in logs if (shown := _shown(academy, log.read_text(errors="replace")))}
    assert found == {}


def test_no_journal_holds_a_secret(academies: tuple[Academy, Academy], academy: Academy) -> None:
    found = {}
    for name, machine in academy.machines.items():
        journal = machine.run("journalctl", "--no-pager", "--output=cat", "--all", seconds=300)
        assert "ansible" in journal, f"the journal of {name} does not go back to its installation"
        found[name] = _shown(academy, journal)
    assert {name: shown for name, shown in found.items() if shown} == {}


def test_no_program_was_started_with_a_secret(academies: tuple[Academy, Academy], academy: Academy) -> None:
    found = {
        name: _shown(academy, machine.run("ps", "axww", "-o", "args")) for name, machine in academy.machines.items()
    }
    assert {name: shown for name, shown in found.items() if shown} == {}
