"""What holds for whatever school and whatever people decide in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from preau.model.choices import SchoolChoices
from preau.model.decisions import Appointment, Consent, Mandate, Restriction
from preau.model.ids import UserId
from preau.model.people import STAFF, Function, GuardianLevel
from preau.model.rooms import RoomKey, RoomKind
from preau.model.snapshot import Snapshot
from preau.model.wanted import Wanted
from preau.policy.rooms import RULES
from preau.policy.wanted import wanted
from tests.builders import SERVER, Decided, Placed, agrees, appoint, court, decisions, school, user, want
from tests.strategies import ADULTS, DIVISIONS, PUPILS, choices, decided, placements, snapshots

laws = settings(max_examples=150, deadline=None)


def rooms_of(found: Wanted, who: UserId) -> set[RoomKey]:
    return {each for each, room in found.rooms.items() if who in room.members}


@laws
@given(placements, decided, choices, st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_read_and_decided_means_nothing(
    placed: list[Placed], rows: list[Decided], chosen: SchoolChoices, rng: Random
) -> None:
    snapshot = school(*placed, divisions=DIVISIONS)
    given_ = decisions(*rows)
    shuffled = list(rows)
    rng.shuffle(shuffled)
    turned = replace(
        snapshot,
        enrolments=tuple(rng.sample(snapshot.enrolments, len(snapshot.enrolments))),
        guardianships=tuple(rng.sample(snapshot.guardianships, len(snapshot.guardianships))),
        posts=tuple(rng.sample(snapshot.posts, len(snapshot.posts))),
        divisions=tuple(rng.sample(snapshot.divisions, len(snapshot.divisions))),
    )
    assert wanted(turned, decisions(*shuffled), chosen, SERVER) == wanted(snapshot, given_, chosen, SERVER)


@laws
@given(snapshots, decided, choices, st.sampled_from(ADULTS), st.sampled_from(PUPILS))
def test_a_guardian_without_access_is_where_they_would_be_without_that_child(
    snapshot: Snapshot, rows: list[Decided], chosen: SchoolChoices, who: str, child: str
) -> None:
    others = [row for row in rows if not isinstance(row, Appointment)]
    barred = want(snapshot, *others, court(who, child, Restriction.NO_ACCESS), choices=chosen)
    links = tuple(link for link in snapshot.guardianships if (link.guardian, link.pupil) != (who, child))
    without = want(replace(snapshot, guardianships=links), *others, choices=chosen)
    assert rooms_of(barred, user(who)) == rooms_of(without, user(who))


@laws
@given(snapshots, decided, choices, st.sampled_from(ADULTS), st.sampled_from(PUPILS), st.sampled_from(Restriction))
def test_a_court_decision_gives_nobody_a_room_or_a_power(
    snapshot: Snapshot, rows: list[Decided], chosen: SchoolChoices, who: str, child: str, how: Restriction
) -> None:
    before, after = want(snapshot, *rows, choices=chosen), want(snapshot, *rows, court(who, child, how), choices=chosen)
    for each in rooms_of(after, user(who)):
        assert after.rooms[each].members[user(who)].level <= before.rooms[each].members[user(who)].level


@laws
@given(snapshots, decided, choices, st.sampled_from(ADULTS))
def test_whoever_is_kept_away_from_every_child_and_is_no_staff_is_no_member_of_anything_by_mandate(
    snapshot: Snapshot, rows: list[Decided], chosen: SchoolChoices, who: str
) -> None:
    mine = [link.pupil for link in snapshot.guardianships if link.guardian == who]
    snapshot = replace(snapshot, posts=tuple(post for post in snapshot.posts if post.person != who))
    if not mine:
        return
    kept = [row for row in rows if not (isinstance(row, Appointment) and row.holder == who)]
    kept += [court(who, child, Restriction.NO_ACCESS) for child in mine]
    mandate = appoint(who, Mandate.ASSOCIATION_MODERATOR, scope="fcpe", name="Sam")
    found = want(snapshot, *kept, mandate, choices=chosen)
    assert rooms_of(found, user(who)) == set()
    assert user(who) not in found.accounts


@laws
@given(snapshots, decided, choices, st.sampled_from(ADULTS))
def test_a_contact_is_nowhere(snapshot: Snapshot, rows: list[Decided], chosen: SchoolChoices, who: str) -> None:
    links = tuple(
        replace(link, level=GuardianLevel.CONTACT) if link.guardian == who else link for link in snapshot.guardianships
    )
    posts = tuple(post for post in snapshot.posts if post.person != who)
    plain = [row for row in rows if not isinstance(row, Appointment)]
    found = want(replace(snapshot, guardianships=links, posts=posts), *plain, choices=chosen)
    assert rooms_of(found, user(who)) == set()
    assert user(who) not in found.accounts


@laws
@given(snapshots, decided, choices)
def test_nobody_is_among_parents_but_parents_and_those_they_or_their_associations_chose(
    snapshot: Snapshot, rows: list[Decided], chosen: SchoolChoices
) -> None:
    parents = {user(link.guardian) for link in snapshot.guardianships if link.level is not GuardianLevel.ONESELF}
    held = {user(str(row.holder)) for row in rows if isinstance(row, Appointment) and isinstance(row.role, Mandate)}
    agreed = {user(row.person) for row in rows if isinstance(row, Consent)}
    found = want(snapshot, *rows, choices=chosen)
    for each, room in found.rooms.items():
        if each.kind in {RoomKind.PARENTS_DIVISION, RoomKind.PARENTS_SCHOOL}:
            assert room.members.keys() <= (parents & agreed) | held


def ours(members: Iterable[UserId]) -> set[UserId]:
    return {who for who in members if who.endswith(f":{SERVER}")}


@laws
@given(snapshots, decided, choices)
def test_whoever_of_ours_is_in_a_room_is_in_the_spaces_above_it(
    snapshot: Snapshot, rows: list[Decided], chosen: SchoolChoices
) -> None:
    found = want(snapshot, *rows, choices=chosen)
    for room in found.rooms.values():
        if room.parent is not None and room.parent.kind is not RoomKind.SPACE_ACADEMY:
            assert ours(room.members) <= found.rooms[room.parent].members.keys()
    for each, room in found.rooms.items():
        if RULES[each.kind].is_space:
            below = [inner.members.keys() for inner in found.rooms.values() if inner.parent == each]
            assert room.members.keys() <= set().union(*below)


@laws
@given(snapshots, decided, choices, st.sampled_from([*ADULTS, *PUPILS]))
def test_a_consent_removes_nobody_and_takes_no_power(
    snapshot: Snapshot, rows: list[Decided], chosen: SchoolChoices, who: str
) -> None:
    before, after = want(snapshot, *rows, choices=chosen), want(snapshot, *rows, agrees(who), choices=chosen)
    assert before.accounts == after.accounts
    for each, room in before.rooms.items():
        for member, seat in room.members.items():
            assert after.rooms[each].members[member].level >= seat.level


@laws
@given(snapshots, decided, choices)
def test_direction_stands_in_every_announcement_and_only_staff_writes_there(
    snapshot: Snapshot, rows: list[Decided], chosen: SchoolChoices
) -> None:
    found = want(snapshot, *rows, choices=chosen)
    by_hand = {user(str(row.holder)) for row in rows if isinstance(row, Appointment) and row.role in STAFF}
    registered = {user(post.person) for post in snapshot.posts}
    heads = {user(post.person) for post in snapshot.posts if post.function is Function.DIRECTION}
    for each, room in found.rooms.items():
        if each.kind in {RoomKind.ANNOUNCE_SCHOOL, RoomKind.ANNOUNCE_DIVISION}:
            assert {who for who, seat in room.members.items() if seat.level > 0} <= registered | by_hand
            assert all(room.members[who].level == 75 for who in heads)


@laws
@given(snapshots, decided, choices)
def test_another_academys_user_is_in_rooms_they_were_asked_into_only_and_has_no_account(
    snapshot: Snapshot, rows: list[Decided], chosen: SchoolChoices
) -> None:
    found = want(snapshot, *rows, choices=chosen)
    assert all(who.endswith(f":{SERVER}") for who in found.accounts)
    for each, room in found.rooms.items():
        foreign = [who for who in room.members if not who.endswith(f":{SERVER}")]
        assert not foreign or each.kind is RoomKind.INTER_ACADEMY


@laws
@given(snapshots, decided)
def test_without_pupils_accounts_no_pupil_but_an_adult_one_is_anywhere(snapshot: Snapshot, rows: list[Decided]) -> None:
    adult = {link.guardian for link in snapshot.guardianships if link.level is GuardianLevel.ONESELF}
    visiting = {row.holder for row in rows if isinstance(row, Appointment)}
    found = want(snapshot, *rows)
    for enrolment in snapshot.enrolments:
        if enrolment.pupil not in adult | visiting:
            assert rooms_of(found, user(enrolment.pupil)) == set()
            assert user(enrolment.pupil) not in found.accounts


@laws
@given(snapshots, decided, choices)
def test_rooms_have_members_and_known_scopes(snapshot: Snapshot, rows: list[Decided], chosen: SchoolChoices) -> None:
    found = want(snapshot, *rows, choices=chosen)
    known = {"", "fcpe", "peep", *DIVISIONS}
    for each, room in found.rooms.items():
        assert each.scope in known
        assert room.key == each
        assert room.members or RULES[each.kind].is_space
