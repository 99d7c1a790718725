"""An académie is taken down: nothing of it runs or listens any more, what people wrote and the backups stay."""

from __future__ import annotations

from typing import Final

from tests.hosts.academies import Academy
from tests.hosts.outsiders import listening
from tests.hosts.results import record
from tests.hosts.schools import School
from tests.hosts.test_secrets import shown

_LISTED: Final = ("systemctl", "list-units", "--plain", "--no-legend", "--state=running,activating,waiting,failed")
_OURS: Final = (
    *("preau*", "nginx*", "certbot*", "postgresql*", "redis*"),
    *("clamav*", "prometheus*", "pgbackrest*", "restic*"),
)


def test_before_that_selfcheck_names_what_is_down_and_what_to_do(ouest: Academy) -> None:
    host, units = ouest.host("homeserver"), ("nginx.service", "preau.service")
    host.run("systemctl", "stop", *units)
    played = ouest.play("selfcheck")
    host.run("systemctl", "start", *units)
    assert played.status != 0
    said = " ".join(played.output.split())
    for unit in units:
        assert f"!! {host.name}: {unit}: it is inactive → journalctl -u {unit}" in said


def test_half_a_word_takes_nothing_down(ouest: Academy) -> None:
    refused = ouest.play("decommission", "-e", "decommission=nord.example")
    assert refused.status != 0
    ouest.host("homeserver").run("systemctl", "is-active", "preau-synapse.service", "preau.service", "nginx.service")


def test_what_is_taken_down_is_gone_and_what_people_wrote_remains(ouest: Academy) -> None:
    host = ouest.host("homeserver")
    played = ouest.play("decommission", "-e", f"decommission={ouest.server}").expect_success()
    record("decommission", academy="ouest", seconds=round(played.seconds))
    assert shown(ouest, played.output) == []
    assert host.run(*_LISTED, *_OURS) == ""
    assert host.run("systemctl", "--failed", "--plain", "--no-legend").strip() == ""
    assert listening(host) <= {22}
    assert not (host.root / "etc/preau").exists()
    assert any((host.root / "var/lib/preau/synapse").iterdir())
    assert any((host.root / "var/lib/postgresql").rglob("PG_VERSION"))
    assert any((ouest.host("backup").root / "var/backups/preau").rglob("*.manifest"))


def test_of_an_academy_on_many_hosts_nothing_runs_on_any_and_the_backups_remain(
    sud: Academy, schools: dict[str, School]
) -> None:
    assert schools["sud"].people
    played = sud.play("decommission", "-e", f"decommission={sud.server}").expect_success()
    record("decommission", academy="sud", hosts=len(sud.machines), seconds=round(played.seconds))
    assert shown(sud, played.output) == []
    assert {name: left for name, host in sud.machines.items() if (left := host.run(*_LISTED, *_OURS))} == {}
    assert {name: open_ for name, host in sud.machines.items() if (open_ := listening(host) - {22})} == {}
    assert any((sud.host("database").root / "var/lib/postgresql").rglob("PG_VERSION"))
    assert any((sud.host("backup").root / "var/backups/preau").rglob("*.manifest"))
