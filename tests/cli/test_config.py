"""The settings: what is wrong is named, secrets may stand apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from preau.config import load
from preau.errors import ConfigError
from preau.model.choices import SchoolChoices
from preau.model.facts import Cell
from preau.model.ids import Uai
from preau.model.people import Function
from tests.cli.conftest import CONFIGURATION, Shell


def written(folder: Path, text: str) -> Path:
    file = folder / "preau.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('name = "nord"', "", "academy.name"),
        ("school_year = 2025", 'school_year = "next"', "academy.school_year"),
        ('as_token = "jeton-a"', "", "homeserver.as_token"),
        ("[store]", "[store]\ncolour = 1", "store.colour"),
        ("[store]", "[service]\nport = 70000\n[store]", "service.port"),
        ("[store]", "[service]\ntls_certificate = '/etc/x.pem'\n[store]", "service: .*belong together"),
        ("[store]", "[metrics]\nport = 0\n[store]", "metrics.port"),
        ("[store]", "[schools.0990001A]\npupil_accounts = true\n[store]", "check letter"),
        ("[store]", "[brakes]\nshare = 2\n[store]", "brakes.share"),
        ("[store]", "[store", "cannot be read"),
        (
            "[store]",
            '[schools.0990001N]\ncontact = [{ writer = "pupil", reader = "pupil", when = "yes" }]\n[store]',
            "schools.0990001N.contact: .*pupil → pupil: 'no' cannot become 'yes'",
        ),
        (
            "[store]",
            '[school_defaults]\ncontact = [{ writer = "parent", reader = "teacher", when = "no" }]\n[store]',
            "school_defaults.contact.0.writer: .*'guardian'",
        ),
        (
            "[store]",
            "[[school_defaults.contact]]\nwriter = 'teacher'\nreader = 'pupil'\nwhen = 'no'\n" * 2 + "[store]",
            "twice",
        ),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, old: str, new: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load(written(tmp_path, CONFIGURATION.replace(old, new)))


def test_secrets_may_stand_in_files_of_their_own(tmp_path: Path) -> None:
    secrets = tmp_path / "credentials"
    secrets.mkdir()
    for name in ("homeserver_as_token", "homeserver_hs_token"):
        (secrets / name).write_text(f"secret of {name}\n")
    text = "\n".join(line for line in CONFIGURATION.splitlines() if "_token" not in line)
    found = load(written(tmp_path, text), secrets)
    assert found.as_endpoint().token == "secret of homeserver_as_token"
    assert "secret of" not in repr(found)


def test_a_school_s_choices_stand_beside_the_default(tmp_path: Path) -> None:
    text = CONFIGURATION + "\n[school_defaults]\npupil_accounts = true\n[schools.0990001n]\npupil_rooms = true\n"
    academy = load(written(tmp_path, text)).as_academy()
    assert academy.choices_of(Uai("0990001N")) == SchoolChoices(pupil_accounts=False, pupil_rooms=True)
    assert academy.choices_of(Uai("0990002P")) == SchoolChoices(pupil_accounts=True, pupil_rooms=False)


def test_a_school_may_tighten_the_contact_table_and_let_pupils_send_media(tmp_path: Path) -> None:
    cell = '{ writer = "guardian", reader = "teacher", when = "same division" }'
    text = f"{CONFIGURATION}\n[schools.0990001N]\npupil_media = true\ncontact = [{cell}]\n"
    chosen = load(written(tmp_path, text)).as_academy().choices_of(Uai("0990001N"))
    tighter = {(Function.GUARDIAN, Function.TEACHER): Cell.SAME_DIVISION}
    assert chosen == SchoolChoices(pupil_media=True, contact=tighter)


def test_check_config_says_that_all_is_understood(preau: Shell) -> None:
    result = preau("check-config")
    assert result.exit_code == 0
    assert "understood" in result.stdout


def test_the_documented_example_is_understood_and_shows_the_defaults(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    shown = load(written(tmp_path, example))
    defaults = load(written(tmp_path, CONFIGURATION))
    for section in ("service", "metrics", "brakes", "federation", "school_defaults"):
        assert getattr(shown, section) == getattr(defaults, section)
    assert (shown.homeserver.bot, shown.homeserver.room_version) == (
        defaults.homeserver.bot,
        defaults.homeserver.room_version,
    )
