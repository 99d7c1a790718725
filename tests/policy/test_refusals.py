"""What people read who are refused: a sentence in each language that says which rule it is and whom to ask."""

from __future__ import annotations

import pytest

from preau.model.facts import Language
from preau.policy.refusals import Rule, sentence

WHOM_TO_ASK = {
    Language.FRENCH: ("la direction de votre établissement", "l’assistance de votre académie"),
    Language.ENGLISH: ("the direction of your school", "your académie’s help desk"),
}


@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize("language", Language)
def test_each_refusal_names_whom_to_ask(rule: Rule, language: Language) -> None:
    assert any(office in sentence(rule, language) for office in WHOM_TO_ASK[language])


@pytest.mark.parametrize("language", Language)
def test_no_two_rules_say_the_same(language: Language) -> None:
    assert len({sentence(rule, language) for rule in Rule}) == len(Rule)
