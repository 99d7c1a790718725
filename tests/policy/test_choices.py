"""A changed choice is noticed, whichever it is: plans and facts are worked out anew only then."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from preau.model.choices import SchoolChoices
from preau.model.facts import Cell, Language
from preau.model.people import Function

PAIR = (Function.GUARDIAN, Function.TEACHER)
OTHER: dict[str, Any] = {
    "pupil_accounts": True,
    "pupil_rooms": True,
    "pupil_media": True,
    "contact": {PAIR: Cell.NO},
    "language": Language.ENGLISH,
}


@pytest.mark.parametrize("name", [each.name for each in fields(SchoolChoices)])
def test_every_choice_that_changes_is_noticed(name: str) -> None:
    changed = replace(SchoolChoices(), **{name: OTHER[name]})
    assert changed.fingerprint != SchoolChoices().fingerprint


def test_the_same_choices_are_the_same_in_whatever_order() -> None:
    cells = {PAIR: Cell.NO, (Function.TEACHER, Function.GUARDIAN): Cell.YES}
    turned = dict(reversed(cells.items()))
    assert SchoolChoices(contact=cells).fingerprint == SchoolChoices(contact=turned).fingerprint
