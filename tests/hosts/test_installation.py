"""What is shipped brings a bare host up, in the order in which an operator works."""

from __future__ import annotations

from typing import Final

import pytest

from tests.hosts.academies import Academy
from tests.hosts.results import record

# Those of their own files and those that have more settings; what is masked is neither.
_LISTED: Final = r"find . -maxdepth 1 \( -type f -o -name '*.service.d' \) -printf '%f\n' | sed 's/[.]d$//'"
_UNITS: Final = f"$(cd /etc/systemd/system && {_LISTED})"
_WRONG_LINES: Final = "SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL"
# By group: what programs say of files for which no task names a check. What they print is wrong, but for news.
_NEWS: Final = "updating /etc/"
CHECKS: Final = {
    "all": f"systemd-analyze verify --man=no {_UNITS}",
    "service": "postfix check",
    "database": f"runuser -u postgres -- psql -qAtc '{_WRONG_LINES}'",
}


@pytest.fixture(scope="module", autouse=True)
def _both(installed: None) -> None:
    """Both académies at the same time, before the tests look."""


def test_check_mode_on_bare_hosts_says_what_would_be_done(academy: Academy) -> None:
    played = academy.checked_bare().expect_success()
    assert all(played.changed[host] > 0 for host in academy.machines)


def test_site_brings_the_academy_up(academy: Academy) -> None:
    played = academy.up()
    record("site", academy=academy.plan.name, hosts=len(academy.machines), seconds=round(played.seconds))


def test_a_second_run_changes_nothing(academy: Academy) -> None:
    played = academy.again().expect_success()
    assert played.changed_tasks == []
    record("site again", academy=academy.plan.name, hosts=len(academy.machines), seconds=round(played.seconds))


def test_check_mode_on_the_running_academy_shows_no_difference(academy: Academy) -> None:
    played = academy.checked_up().expect_success()
    assert played.changed_tasks == []
    assert not played.shows_diff


def test_selfcheck_is_green(academies: tuple[Academy, Academy], academy: Academy) -> None:
    academy.play("selfcheck").expect_success()


def test_no_unit_of_any_host_has_failed(academies: tuple[Academy, Academy], academy: Academy) -> None:
    failed = {
        name: units
        for name, machine in academy.machines.items()
        if (units := machine.run("systemctl", "--failed", "--plain", "--no-legend").strip())
    }
    assert failed == {}


@pytest.mark.parametrize("group", CHECKS)
def test_programs_find_nothing_wrong_in_what_is_written_for_them(
    academies: tuple[Academy, Academy], academy: Academy, group: str
) -> None:
    hosts = academy.plan.hosts() if group == "all" else academy.plan.groups()[group]
    said = {host: academy.machines[host].run("sh", "-c", f"{CHECKS[group]} 2>&1").splitlines() for host in hosts}
    wrong = {host: [line for line in lines if _NEWS not in line] for host, lines in said.items()}
    assert {host: lines for host, lines in wrong.items() if lines} == {}
