"""Which rooms families are in, told from the invented school's own data, not from the rules that put them there."""

from __future__ import annotations

from datetime import date

from preau.demo.academy import DemoAcademy
from preau.demo.changes import pupil_leaves
from preau.demo.parts import OPTED_IN, Part
from preau.demo.school import DemoSchool
from preau.demo.story.telling import expect, expect_same
from preau.demo.story.world import Place, World
from preau.demo.synapse_api import SynapseApi
from preau.model.ids import DivisionCode
from preau.model.people import GuardianLevel, RosterKey, RosterSource
from preau.model.rooms import RoomKind

_SCHOOL = (RoomKind.ANNOUNCE_SCHOOL, RoomKind.SPACE_SCHOOL)
_DIVISION = (RoomKind.ANNOUNCE_DIVISION, RoomKind.DIVISION_PARENTS_STAFF, RoomKind.SPACE_DIVISION)


def children(place: Place, school: DemoSchool, part: Part) -> list[int]:
    """The attending pupils whom whoever plays that part answers for."""
    key = next(key for key, played in place.academy.casts[place.uai].players.items() if played is part)
    attending = {pupil.key for pupil in school.attending}
    return [
        link.pupil
        for link in school.links
        if str(link.guardian) == key.number and link.pupil in attending and link.level is not GuardianLevel.CONTACT
    ]


def divisions(place: Place, school: DemoSchool, part: Part) -> set[DivisionCode]:
    """The divisions of these pupils."""
    theirs = set(children(place, school, part))
    return {pupil.division for pupil in school.attending if pupil.key in theirs and pupil.division is not None}


def family_rooms(place: Place, school: DemoSchool, part: Part) -> frozenset[str]:
    """The rooms of a guardian, by key: the school's, their children's divisions', and the parents' if they opted in."""
    kinds = {
        *(place.key(kind) for kind in _SCHOOL),
        *(place.key(kind, code) for kind in _DIVISION for code in divisions(place, school, part)),
    }
    if part in OPTED_IN:
        kinds |= {place.key(RoomKind.PARENTS_SCHOOL)}
        kinds |= {place.key(RoomKind.PARENTS_DIVISION, code) for code in divisions(place, school, part)}
    return frozenset(map(str, kinds))


async def a_guardian_of_two_sees_both_divisions_once_each(world: World) -> None:
    """In every school; and the school's space shows each room once."""
    for place in world.schools:
        expected = family_rooms(place, place.school, Part.PARENT_OF_TWO)
        expect(len(divisions(place, place.school, Part.PARENT_OF_TWO)) == 2, "the children are in one division")
        expect_same(f"rooms of the parent of two in {place.uai}", await place.keys_of(Part.PARENT_OF_TWO), expected)
        parent = await place.client(Part.PARENT_OF_TWO)
        shown = await parent.rooms_of_space(await place.room(RoomKind.SPACE_SCHOOL))
        expect(len(shown) == len(set(shown)), "the school's space shows a room twice")
        key_of = {room.room: str(key) for key, room in (await place.rooms()).items()}
        expect_same("rooms that the school's space shows", frozenset(key_of[room] for room in shown), expected)


async def parents_who_live_apart_have_the_same_rooms(world: World) -> None:
    """One did not opt in, so has no parents' rooms; for the rest both are told alike."""
    for place in world.schools:
        expected = family_rooms(place, place.school, Part.APART)
        expect_same(f"rooms of the other parent in {place.uai}", await place.keys_of(Part.APART), expected)
        one, other = (children(place, place.school, part) for part in (Part.PARENT_OF_TWO, Part.APART))
        expect(one == other, "the two parents do not answer for the same children")


async def a_person_in_charge_sees_what_parents_see(world: World) -> None:
    """Announcements and the room with the teachers; shown as *responsable*, not as a parent."""
    for place in world.schools:
        expected = family_rooms(place, place.school, Part.IN_CHARGE)
        expect_same(f"rooms of the person in charge in {place.uai}", await place.keys_of(Part.IN_CHARGE), expected)
        name = place.player(Part.IN_CHARGE).name
        expect(name.endswith(" · responsable"), f"{name!r} is not shown as responsable")


async def a_contact_has_no_account_and_gets_none(world: World) -> None:
    """Neither listed nor to be activated; and the homeserver has nobody but those who were activated, and the bot."""
    for place in world.schools:
        found = place.academy.casts[place.uai]
        for key in (found.contact, found.departed):
            ran = await place.preau("activate", str(key))
            expect(ran.status == 1, f"preau activate {key} ended with {ran.status}, not 1: {ran.output}")
    for academy in world.demo.academies:
        expected = {player.user for player in academy.players} | {academy.homeserver.bot}
        expect_same(f"accounts of {academy.name}", await _accounts(academy), frozenset(expected))


async def _accounts(academy: DemoAcademy) -> frozenset[str]:
    """Everybody who exists on the homeserver; asked with the bot's own token, since ``user_id`` is a filter here."""
    homeserver = academy.homeserver
    as_bot = SynapseApi(homeserver.client_url, homeserver.credentials.events_as_token)
    found = await as_bot.get("/_synapse/admin/v2/users", limit="1000", deactivated="false")
    return frozenset(user["name"] for user in found["users"])


async def a_pupil_who_left_is_gone_and_the_siblings_guardian_stays(world: World) -> None:
    """One who left before the first export, and one who leaves now."""
    for place in world.schools:
        gone = next(pupil.key for pupil in place.school.pupils if pupil.left is not None)
        key = RosterKey(RosterSource.SIECLE_PUPIL, place.uai, str(gone))
        ran = await place.preau("activate", str(key))
        expect(ran.status == 1, f"preau activate {key} ended with {ran.status}, not 1")
        expected = family_rooms(place, place.school, Part.SIBLING_STAYS)
        expect_same("rooms of the sibling's guardian", await place.keys_of(Part.SIBLING_STAYS), expected)
    await _one_leaves(world.small)


async def _one_leaves(place: Place) -> None:
    """The second child of the parent of two leaves."""
    second = children(place, place.school, Part.PARENT_OF_TWO)[1]
    place.school = pupil_leaves(place.school, second, date(place.school.year, 9, 16))
    await place.import_(place.school)
    ran = await place.preau("apply", "--school", place.uai)
    expect(ran.status == 0, f"preau apply ended with {ran.status}: {ran.errors}")
    for part in (Part.PARENT_OF_TWO, Part.APART):
        expected = family_rooms(place, place.school, part)
        expect_same("rooms of the guardian whose other child stays", await place.keys_of(part), expected)
