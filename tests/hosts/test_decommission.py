"""An académie is taken down: nothing of it runs or listens any more, what people wrote and the backups stay."""

from __future__ import annotations

from tests.hosts.academies import Academy
from tests.hosts.outsiders import listening
from tests.hosts.results import record


def test_half_a_word_takes_nothing_down(ouest: Academy) -> None:
    refused = ouest.play("decommission", "-e", "decommission=nord.example")
    assert refused.status != 0
    ouest.host("homeserver").run("systemctl", "is-active", "preau-synapse.service", "preau.service", "nginx.service")


def test_what_is_taken_down_is_gone_and_what_people_wrote_remains(ouest: Academy) -> None:
    host = ouest.host("homeserver")
    played = ouest.play("decommission", "-e", f"decommission={ouest.server}").expect_success()
    record("decommission", academy="ouest", seconds=round(played.seconds))
    listed = ("systemctl", "list-units", "--plain", "--no-legend", "--state=running,activating,waiting,failed")
    assert host.run(*listed, "preau*", "nginx*", "postgresql*", "clamav*", "prometheus*") == ""
    assert host.run("systemctl", "--failed", "--plain", "--no-legend").strip() == ""
    assert listening(host) <= {22}
    assert not (host.root / "etc/preau").exists()
    assert any((host.root / "var/lib/preau/synapse").iterdir())
    assert any((host.root / "var/lib/postgresql").rglob("PG_VERSION"))
    assert any((host.root / "var/backups/preau").rglob("*.manifest"))
