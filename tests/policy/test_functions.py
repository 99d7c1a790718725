"""What a register's function code makes of a member of staff."""

from __future__ import annotations

import pytest

from preau.model.people import Function
from preau.policy.functions import FUNCTION_OF_CODE, function_of

TABLE = [
    ("ENS", True, Function.TEACHER),
    ("ENS", False, Function.TEACHER),
    ("DOC", False, Function.TEACHER),
    ("EDU", False, Function.SCHOOL_LIFE),
    ("SUR", False, Function.SCHOOL_LIFE),
    ("AED", False, Function.SCHOOL_LIFE),
    ("AES", False, Function.ASSISTANT),
    ("AEH", False, Function.ASSISTANT),
    ("DIR", False, Function.DIRECTION),
    ("DIR", True, Function.DIRECTION),
    ("ADF", False, Function.ADMINISTRATION),
    ("ADA", False, Function.ADMINISTRATION),
    ("CTR", False, Function.DIRECTION_DELEGATE),
    ("MDS", False, Function.HEALTH),
    ("ORI", False, Function.HEALTH),
    ("", True, Function.TEACHER),
    ("", False, None),
    ("XYZ", True, None),
    ("XYZ", False, None),
    (" ens ", False, Function.TEACHER),
]


@pytest.mark.parametrize(("code", "teaches", "function"), TABLE)
def test_a_function_code_means_one_function(code: str, teaches: bool, function: Function | None) -> None:
    assert function_of(code, teaches=teaches) is function


def test_the_table_above_holds_every_code() -> None:
    assert set(FUNCTION_OF_CODE) <= {code for code, _teaches, _function in TABLE}


def test_only_one_code_makes_a_person_direction() -> None:
    assert [code for code, function in FUNCTION_OF_CODE.items() if function is Function.DIRECTION] == ["DIR"]
