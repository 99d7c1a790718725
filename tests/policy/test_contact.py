"""Who may write to whom: the whole table, stated a second time and by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preau.model.facts import Cell, ContactTable, Party
from preau.model.ids import DivisionCode, PersonId
from preau.model.people import Function
from preau.policy.contact import DEFAULT, LoosensProtection, may_write, tighten
from tests.builders import NORTH, SOUTH

DI, DD, AD, SL, HT, TE, AS, HE, IN, AA, GU, PU = (
    Function.DIRECTION,
    Function.DIRECTION_DELEGATE,
    Function.ADMINISTRATION,
    Function.SCHOOL_LIFE,
    Function.HEAD_TEACHER,
    Function.TEACHER,
    Function.ASSISTANT,
    Function.HEALTH,
    Function.INSPECTOR,
    Function.ACADEMY_ADMIN,
    Function.GUARDIAN,
    Function.PUPIL,
)
COLUMNS = (DI, DD, AD, SL, HT, TE, AS, HE, IN, AA, GU, PU)
WORDS = {"y": Cell.YES, ".": Cell.NO, "child": Cell.OWN_CHILD, "both": Cell.BOTH_OPTED_IN}
TABLE = """
        DI DD AD SL HT TE AS HE IN AA GU    PU
DI      y  y  y  y  y  y  y  y  y  y  y     y
DD      y  y  y  y  y  y  y  y  y  y  y     y
AD      y  y  y  y  y  y  y  y  y  y  y     y
SL      y  y  y  y  y  y  y  y  y  y  y     y
HT      y  y  y  y  y  y  y  y  y  y  y     y
TE      y  y  y  y  y  y  y  y  y  y  y     y
AS      y  y  y  y  y  y  y  y  y  y  y     y
HE      y  y  y  y  y  y  y  y  y  y  y     y
IN      y  y  y  y  y  y  y  y  y  y  .     .
AA      y  y  y  y  y  y  y  y  y  y  .     .
GU      y  y  y  y  y  y  y  y  .  .  both  child
PU      y  y  y  y  y  y  y  y  .  .  child .
"""
ROWS = [line.split() for line in TABLE.split("\n")[2:-1]]
STATED = {
    (writer, reader): WORDS[cell]
    for writer, row in zip(COLUMNS, ROWS, strict=True)
    for reader, cell in zip(COLUMNS, row[1:], strict=True)
}


def test_the_default_table_is_the_one_stated_here() -> None:
    assert set(COLUMNS) == set(Function)
    assert DEFAULT == STATED


def party(person: str, *functions: Function, opted_in: bool = False, divisions: str = "", children: str = "") -> Party:
    return Party(
        PersonId(person),
        NORTH,
        frozenset(functions),
        frozenset(map(DivisionCode, divisions.split())),
        frozenset(map(PersonId, children.split())),
        opted_in,
    )


SAME: ContactTable = {(TE, GU): Cell.SAME_DIVISION}
CASES: list[tuple[str, Party, Party, ContactTable, bool]] = [
    ("teacher to parent", party("lou", TE), party("paz", GU), DEFAULT, True),
    ("nobody to oneself", party("lou", TE), party("lou", TE), DEFAULT, False),
    ("parent to parent, neither opted in", party("paz", GU), party("max", GU), DEFAULT, False),
    ("parent to parent, writer opted in", party("paz", GU, opted_in=True), party("max", GU), DEFAULT, False),
    ("parent to parent, reader opted in", party("paz", GU), party("max", GU, opted_in=True), DEFAULT, False),
    ("parent to parent, both", party("paz", GU, opted_in=True), party("max", GU, opted_in=True), DEFAULT, True),
    ("parent to own child", party("paz", GU, children="ali"), party("ali", PU), DEFAULT, True),
    ("child to own parent", party("ali", PU), party("paz", GU, children="ali"), DEFAULT, True),
    ("parent to another child", party("paz", GU, children="ali"), party("zoe", PU), DEFAULT, False),
    ("child to another parent", party("zoe", PU), party("paz", GU, children="ali"), DEFAULT, False),
    ("pupil to pupil, both opted in", party("ali", PU, opted_in=True), party("zoe", PU, opted_in=True), DEFAULT, False),
    ("teacher to pupil", party("lou", TE), party("ali", PU), DEFAULT, True),
    ("inspector to pupil", party("ins", IN), party("ali", PU), DEFAULT, False),
    ("inspector to principal", party("ins", IN), party("dir", DI), DEFAULT, True),
    ("a teacher who is a parent too, to a parent", party("lou", TE, GU), party("paz", GU), DEFAULT, True),
    ("same division", party("lou", TE, divisions="5A 4B"), party("paz", GU, divisions="5A"), SAME, True),
    ("another division", party("lou", TE, divisions="4B"), party("paz", GU, divisions="5A"), SAME, False),
    ("no division", party("lou", TE), party("paz", GU), SAME, False),
    ("a pair the table does not hold", party("lou", TE), party("dir", DI), SAME, False),
    ("principal to somebody without a function", party("dir", DI), party("con"), DEFAULT, False),
    ("somebody without a function to the principal", party("con"), party("dir", DI), DEFAULT, False),
]


@pytest.mark.parametrize(("how", "writer", "reader", "table", "expected"), CASES, ids=[case[0] for case in CASES])
def test_a_writer_reaches_a_reader(how: str, writer: Party, reader: Party, table: ContactTable, expected: bool) -> None:
    assert may_write(writer, reader, table) is expected


@pytest.mark.parametrize(("mine", "theirs"), list(product(COLUMNS, COLUMNS)))
def test_nobody_writes_across_schools(mine: Function, theirs: Function) -> None:
    reader = replace(party("paz", theirs, opted_in=True, children="lou"), school=SOUTH)
    assert not may_write(party("lou", mine, opted_in=True, children="paz"), reader)


TIGHTENED = [
    (TE, GU, Cell.SAME_DIVISION, True),
    (TE, GU, Cell.NO, True),
    (TE, PU, Cell.SAME_DIVISION, True),
    (PU, TE, Cell.OWN_CHILD, True),
    (TE, PU, Cell.NO, True),
    (TE, PU, Cell.YES, True),
    (GU, PU, Cell.NO, True),
    (GU, PU, Cell.OWN_CHILD, True),
    (GU, PU, Cell.YES, False),
    (GU, PU, Cell.SAME_DIVISION, False),
    (PU, GU, Cell.BOTH_OPTED_IN, False),
    (PU, PU, Cell.NO, True),
    (PU, PU, Cell.SAME_DIVISION, False),
    (PU, PU, Cell.BOTH_OPTED_IN, False),
    (IN, PU, Cell.YES, False),
    (PU, AA, Cell.OWN_CHILD, False),
]


@pytest.mark.parametrize(("writer", "reader", "cell", "accepted"), TIGHTENED)
def test_a_school_may_protect_pupils_more_and_never_less(
    writer: Function, reader: Function, cell: Cell, accepted: bool
) -> None:
    if accepted:
        assert tighten({(writer, reader): cell}) == {**DEFAULT, (writer, reader): cell}
    else:
        with pytest.raises(LoosensProtection, match="pupils are only protected more"):
            tighten({(writer, reader): cell})


def test_what_was_tightened_stays_tight() -> None:
    strict = tighten({(TE, PU): Cell.NO})
    with pytest.raises(LoosensProtection):
        tighten({(TE, PU): Cell.SAME_DIVISION}, strict)


parties = st.builds(
    Party,
    st.sampled_from([PersonId(name) for name in "abc"]),
    st.just(NORTH),
    st.frozensets(st.sampled_from(Function), max_size=2),
    st.frozensets(st.sampled_from([DivisionCode("5A"), DivisionCode("4B")])),
    st.frozensets(st.sampled_from([PersonId(name) for name in "abc"])),
    st.booleans(),
)
changes = st.dictionaries(
    st.tuples(st.sampled_from(Function), st.sampled_from(Function)), st.sampled_from(Cell), max_size=5
)


@given(changes, parties, parties)
def test_whatever_a_school_changes_no_pupil_is_reached_by_more_people(
    wishes: dict[tuple[Function, Function], Cell], writer: Party, reader: Party
) -> None:
    try:
        table = tighten(wishes)
    except LoosensProtection:
        return
    only_pupils = frozenset({Function.PUPIL}) in {writer.functions, reader.functions}
    if only_pupils and may_write(writer, reader, table):
        assert may_write(writer, reader)


@given(parties, parties)
def test_by_default_whoever_may_write_may_be_answered(writer: Party, reader: Party) -> None:
    assert may_write(writer, reader) == may_write(reader, writer)
