"""Each step of a plan: when it is there, and when it is not."""

# ruff: noqa: E501 — one row of a table is one line

from __future__ import annotations

from dataclasses import replace

import pytest

from preau.model.choices import SchoolChoices
from preau.model.decisions import Mandate
from preau.model.ids import DivisionCode, RoomId, ServerName, Uai, UserId
from preau.model.people import Function
from preau.model.rooms import RoomKey, RoomKind
from preau.model.snapshot import Snapshot
from preau.model.wanted import ActualAccount, Content, Membership, Seat, StateKey, Wanted, WantedRoom
from preau.policy.powers import child_key, child_link, parent_key, room_state
from preau.policy.wanted import wanted
from preau.sync.plan import Action, Actual, Plan, Step, difference, display_names
from tests.builders import (
    BOT,
    NORTH,
    SOUTH,
    academy,
    account,
    agrees,
    appoint,
    decisions,
    guardian,
    key,
    places,
    pupil,
    room,
    school,
    staff,
    user,
    want,
)
from tests.sync.model_homeserver import ModelHomeserver

PAZ, MAX, FOREIGN = user("paz"), user("max"), UserId("@b3n8r5wf:sud.example")
STAFF = key(RoomKind.STAFF)
NAME = "Camille PAZ · professeur"
ACADEMY_KEY = RoomKey(RoomKind.SPACE_ACADEMY, Uai(""))


def one_room(*members: UserId, name: str = "Personnels", accounts: dict[UserId, str] | None = None) -> Wanted:
    made = WantedRoom(STAFF, name, "Qui écrit.", None, {who: Seat(0, "all staff of the school") for who in members})
    return Wanted(NORTH, {PAZ: NAME} if accounts is None else accounts, {STAFF: made})


def made_as(want_: Wanted, members: dict[UserId, Membership], **state: Content) -> Actual:
    """The one room as wanted, with these members, and Paz's account."""
    right = room_state(want_.rooms[STAFF], bot=BOT, version="12")
    return Actual(
        {PAZ: account("paz", NAME)},
        {STAFF: room(STAFF, members, right | {StateKey(*k.split("|")): v for k, v in state.items()})},
    )


def said(plan: Plan) -> list[str]:
    return [f"{step.action} {step.subject}" for step in plan.steps]


JOIN, INVITE, KNOCK, BAN = Membership.JOIN, Membership.INVITE, Membership.KNOCK, Membership.BAN
IN, OUT = [Action.ADD_MEMBER], [Action.REMOVE_MEMBER]
MEMBERSHIPS: list[tuple[str, UserId, bool, Membership | None, list[Action]]] = [
    # who, wanted in the room, membership seen, steps
    ("wanted, absent", PAZ, True, None, IN),
    ("wanted, joined", PAZ, True, JOIN, []),
    ("wanted, only invited", PAZ, True, INVITE, IN),
    ("wanted, knocking", PAZ, True, KNOCK, IN),
    ("wanted, banned", PAZ, True, BAN, []),
    ("wanted, without an account", MAX, True, None, []),
    ("unwanted, absent", PAZ, False, None, []),
    ("unwanted, joined", PAZ, False, JOIN, OUT),
    ("unwanted, invited", PAZ, False, INVITE, OUT),
    ("unwanted, knocking", PAZ, False, KNOCK, OUT),
    ("unwanted, banned", PAZ, False, BAN, []),
    ("unwanted, account unknown to us", MAX, False, JOIN, OUT),
    ("from elsewhere, unwanted, joined", FOREIGN, False, JOIN, OUT),
    ("from elsewhere, unwanted, invited", FOREIGN, False, INVITE, OUT),
]


@pytest.mark.parametrize(("how", "who", "due", "seen", "expected"), MEMBERSHIPS, ids=[row[0] for row in MEMBERSHIPS])
def test_a_membership(how: str, who: UserId, due: bool, seen: Membership | None, expected: list[Action]) -> None:
    wish = one_room(*([who] if due else []))
    plan = difference([wish], made_as(wish, {} if seen is None else {who: seen}), academy())
    assert [step.action for step in plan.steps] == expected
    assert {(step.room, step.user) for step in plan.steps} <= {(STAFF, who)}


SHARED = key(RoomKind.INTER_ACADEMY, "Maths")
VISITORS: list[tuple[str, RoomKey, frozenset[Function], Membership | None, list[Action], bool]] = [
    # who was appointed from elsewhere, the room, the word of their académie, membership seen, steps, is waited for
    ("vouched for, absent", SHARED, frozenset({Function.TEACHER}), None, IN, False),
    ("vouched for, invited: they accept by themselves", SHARED, frozenset({Function.TEACHER}), INVITE, [], False),
    ("vouched for, joined", SHARED, frozenset({Function.TEACHER}), JOIN, [], False),
    ("vouched for, banned", SHARED, frozenset({Function.TEACHER}), BAN, [], False),
    ("not vouched for, absent", SHARED, frozenset(), None, [], True),
    ("not vouched for, invited", SHARED, frozenset(), INVITE, OUT, False),
    ("not vouched for any more, joined", SHARED, frozenset(), JOIN, OUT, False),
    ("not vouched for, banned", SHARED, frozenset(), BAN, [], False),
    ("vouched for as a pupil", SHARED, frozenset({Function.PUPIL}), None, [], True),
    ("into a room that is not for visitors", STAFF, frozenset({Function.TEACHER}), None, [], True),
    ("in a room that is not for visitors", STAFF, frozenset({Function.TEACHER}), JOIN, OUT, False),
]


@pytest.mark.parametrize(
    ("how", "place", "word", "seen", "expected", "waits"), VISITORS, ids=[row[0] for row in VISITORS]
)
def test_a_visitor(
    how: str, place: RoomKey, word: frozenset[Function], seen: Membership | None, expected: list[Action], waits: bool
) -> None:
    shown = WantedRoom(place, "Maths", "", None, {FOREIGN: Seat(0, "people appointed into this one room")})
    wish = Wanted(NORTH, {}, {place: shown})
    there = room(place, {} if seen is None else {FOREIGN: seen}, room_state(shown, bot=BOT, version="12"))
    plan = difference([wish], Actual({}, {place: there}, {FOREIGN: word} if word else {}), academy())
    assert [step.action for step in plan.steps] == expected
    assert [step.user for step in plan.waiting] == ([FOREIGN] if waits else [])


def test_a_room_is_made_for_visitors_before_their_academie_can_know_of_it() -> None:
    shown = WantedRoom(SHARED, "Maths", "", None, {FOREIGN: Seat(0, "people appointed into this one room")})
    plan = difference([Wanted(NORTH, {}, {SHARED: shown})], Actual({}, {}), academy())
    assert said(plan) == [f"create_room {SHARED}"]
    assert [step.reason for step in plan.waiting] == ["waits for the word of sud.example"]


ACCOUNTS: list[tuple[str, ActualAccount, dict[UserId, str], list[Action]]] = [
    ("as wanted", account("paz", NAME), {PAZ: NAME}, []),
    ("another name", account("paz", "Camille PAZ · parent"), {PAZ: NAME}, [Action.NAME_ACCOUNT]),
    ("no place any more", account("paz", NAME), {}, [Action.LOCK_ACCOUNT]),
    ("no place, locked already", account("paz", NAME, active=False), {}, []),
    ("a place again", account("paz", NAME, active=False), {PAZ: NAME}, [Action.UNLOCK_ACCOUNT]),
    ("a place again, as something else", account("paz", "?", active=False), {PAZ: NAME}, [Action.UNLOCK_ACCOUNT, Action.NAME_ACCOUNT]),
]  # fmt: skip


@pytest.mark.parametrize(("how", "known", "names", "expected"), ACCOUNTS, ids=[row[0] for row in ACCOUNTS])
def test_an_account(how: str, known: ActualAccount, names: dict[UserId, str], expected: list[Action]) -> None:
    wish = one_room(accounts=names)
    actual = replace(made_as(wish, {}), accounts={PAZ: known})
    plan = difference([wish], actual, academy())
    assert [step.action for step in plan.steps] == expected
    assert [step.content for step in plan.steps if step.action is Action.NAME_ACCOUNT] in ([], [{"displayname": NAME}])


def test_whoever_has_no_place_anywhere_is_locked_and_enters_no_room() -> None:
    wish = one_room(PAZ, accounts={})
    assert said(difference([wish], made_as(wish, {}), academy())) == [f"lock_account {PAZ}"]


def test_nobody_gets_an_account_by_a_plan() -> None:
    assert difference([one_room(PAZ)], Actual({}, {}), academy()).steps == ()


def test_a_room_is_made_when_its_first_member_has_an_account() -> None:
    plan = difference([one_room(PAZ)], Actual({PAZ: account("paz", NAME)}, {}), academy())
    assert said(plan) == [f"create_room {STAFF}", f"add_member {PAZ} {STAFF}"]


STATES: list[tuple[str, dict[str, Content], list[str]]] = [
    ("as wanted", {}, []),
    ("another name", {"m.room.name|": {"name": "Chat"}}, ["m.room.name"]),
    ("more power", {"m.room.power_levels|": {"users": {PAZ: 100}}}, ["m.room.power_levels"]),
    ("open to all", {"m.room.join_rules|": {"join_rule": "public"}}, ["m.room.join_rules"]),
    ("a link to a room of nobody's", {"m.space.child|!x": {"via": ["nord.example"]}}, ["m.space.child !x"]),
    ("a link that was cut", {"m.space.child|!x": {}}, []),
    ("state that is not ours", {"com.example|": {"x": 1}}, []),
]


@pytest.mark.parametrize(("how", "seen", "expected"), STATES, ids=[row[0] for row in STATES])
def test_state(how: str, seen: dict[str, Content], expected: list[str]) -> None:
    wish = one_room(PAZ)
    plan = difference([wish], made_as(wish, {PAZ: JOIN}, **seen), academy())
    assert said(plan) == [f"set_state {STAFF} {each}" for each in expected]


def test_a_room_of_version_11_is_held_to_version_11s_levels() -> None:
    wish = one_room(PAZ)
    state = room_state(wish.rooms[STAFF], bot=BOT, version="11")
    there = Actual({PAZ: account("paz", NAME)}, {STAFF: room(STAFF, {PAZ: JOIN}, state, version="11")})
    assert difference([wish], there, academy("12")).steps == ()


def test_a_room_that_nobody_wants_is_emptied_and_not_filled_again() -> None:
    before = one_room(PAZ)
    plan = difference([Wanted(NORTH, {PAZ: NAME}, {})], made_as(before, {PAZ: JOIN, MAX: INVITE}), academy())
    assert said(plan) == [f"remove_member {MAX} {STAFF}", f"remove_member {PAZ} {STAFF}"]


def test_the_rooms_of_a_school_that_was_not_asked_for_are_left_alone() -> None:
    south = key(RoomKind.STAFF, school=SOUTH)
    there = Actual({}, {south: room(south, {MAX: JOIN}, {StateKey("m.space.parent", "!x"): {"via": ["nord.example"]}})})
    assert difference([one_room(accounts={})], there, academy()).steps == ()


def test_a_plan_for_one_school_leaves_the_others_in_the_academys_space() -> None:
    server = ModelHomeserver(academy())
    roll = school(pupil("ali"), guardian("paz", "ali"))
    mine = want(roll)
    server.activate(["paz"], dict(mine.accounts))
    server.apply(difference([mine], server.actual, academy()))
    space, other = server.rooms[ACADEMY_KEY], child_key(RoomId("!south"))
    server.rooms[ACADEMY_KEY] = replace(space, state={**space.state, other: child_link(ServerName("nord.example"))})
    assert difference([mine], server.actual, academy()).steps == ()
    gone = difference([Wanted(NORTH, {}, {})], server.actual, academy())
    cut = [step.state for step in gone.steps if step.room == ACADEMY_KEY]
    assert cut == [child_key(server.rooms[key(RoomKind.SPACE_SCHOOL)].room)]


def test_a_person_of_two_schools_has_one_name_and_is_locked_by_neither_alone() -> None:
    here = want(school(pupil("ali"), guardian("paz", "ali")))
    there = want(school(staff("paz", Function.TEACHER), uai=SOUTH))
    assert display_names([here, there])[PAZ] == display_names([there, here])[PAZ] == NAME
    actual = Actual({PAZ: account("paz", NAME)}, {})
    assert not [step for step in difference([here, there], actual, academy()).steps if step.room is None]


# One pupil moved: the cost of one pupil, not of the school


ROLL = (
    pupil("ali", "5 A"), pupil("zoe", "5 A"), pupil("eve", "4 B"),
    guardian("paz", "ali"), guardian("max", "ali"), guardian("ana", "zoe"), guardian("ben", "eve"),
    staff("lou", Function.TEACHER, teaches=["5 A", "4 B"]), staff("dir", Function.DIRECTION),
)  # fmt: skip
EVERYBODY = ("paz", "max", "ana", "ben", "lou", "dir", "ali", "zoe", "eve")


def moved(snapshot: Snapshot, who: str, division: str) -> Snapshot:
    enrolments = tuple(
        replace(each, division=DivisionCode(division)) if each.pupil == who else each for each in snapshot.enrolments
    )
    return replace(snapshot, enrolments=enrolments)


def test_one_pupil_moved_concerns_their_guardians_and_the_two_divisions() -> None:
    server, before = ModelHomeserver(academy()), school(*ROLL)
    agreed = [agrees("paz"), agrees("ana"), agrees("ben")]
    first = want(before, *agreed)
    server.activate(EVERYBODY, dict(first.accounts))
    server.apply(difference([first], server.actual, academy()))
    plan = difference([want(moved(before, "ali", "4 B"), *agreed)], server.actual, academy())
    out = [
        *((kind, "max") for kind in ("announce_division", "division_parents_staff", "space_division")),
        *(
            (kind, "paz")
            for kind in ("announce_division", "division_parents_staff", "parents_division", "space_division")
        ),
    ]
    expected = {f"remove_member {user(who)} {kind}/{NORTH}/5 A" for kind, who in out}
    expected |= {f"add_member {user(who)} {kind}/{NORTH}/4 B" for kind, who in out}
    assert sorted(said(plan)) == sorted(expected)


def test_the_first_pupil_of_a_division_brings_its_rooms() -> None:
    server, before = ModelHomeserver(academy()), school(*ROLL, divisions=["6 C"])
    first = want(before)
    server.activate(EVERYBODY, dict(first.accounts))
    server.apply(difference([first], server.actual, academy()))
    plan = difference([want(moved(before, "eve", "6 C"))], server.actual, academy())
    made = [step.room for step in plan.steps if step.action is Action.CREATE_ROOM]
    assert made == [
        key(RoomKind.SPACE_DIVISION, "6 C"),
        key(RoomKind.ANNOUNCE_DIVISION, "6 C"),
        key(RoomKind.DIVISION_PARENTS_STAFF, "6 C"),
    ]


def test_only_the_persons_rooms_are_made_for_their_activation() -> None:
    server, wish = ModelHomeserver(academy()), want(school(*ROLL))
    server.activate(["paz", "ben"], dict(wish.accounts))
    part = difference([wish], server.actual, academy()).only(frozenset({PAZ}))
    rooms = {step.room for step in part.steps}
    assert {f"{each.kind} {each.scope}".strip() for each in rooms if each and not each.kind.startswith("space")} == set(
        places(wish, "paz")
    )
    assert not [each for each in rooms if each and each.scope == "4 B"]


# Fingerprints


def test_a_fingerprint_tells_plans_apart_and_not_their_reasons() -> None:
    step = Step(Action.ADD_MEMBER, "teachers of the division", STAFF, PAZ)
    plan = Plan((step,))
    assert len(plan.fingerprint) == 12
    assert plan.fingerprint == Plan((replace(step, reason="all staff of the school"),)).fingerprint
    others = [
        Plan(()),
        Plan((replace(step, user=MAX),)),
        Plan((replace(step, room=key(RoomKind.DIRECTION)),)),
        Plan((replace(step, action=Action.REMOVE_MEMBER),)),
        Plan((replace(step, content={"x": 1}),)),
        Plan((step, step)),
    ]
    assert len({plan.fingerprint, *(each.fingerprint for each in others)}) == 7


def test_a_step_names_ids_and_rooms_and_nobody() -> None:
    wish = want(school(*ROLL), appoint("paz", Mandate.ASSOCIATION_MODERATOR, scope="fcpe"))
    server = ModelHomeserver(academy())
    server.activate(EVERYBODY, dict(wish.accounts))
    for step in difference([wish], server.actual, academy()).steps:
        assert "Camille" not in step.subject + step.reason


def test_a_link_is_written_in_space_and_room_alike() -> None:
    server = ModelHomeserver(academy())
    wish = wanted(school(*ROLL), decisions(), SchoolChoices(), academy().server)
    server.activate(EVERYBODY, dict(wish.accounts))
    server.apply(difference([wish], server.actual, academy()))
    for made in server.rooms.values():
        parent = wish.rooms[made.key].parent
        if parent is not None:
            assert made.state[parent_key(server.rooms[parent].room)]["canonical"] is True
            assert server.rooms[parent].state[child_key(made.room)]["via"] == ["nord.example"]
