"""The search for people: exactly those whom the asker may write to, under any words."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from synapse.module_api.errors import SynapseError

from preau.demo.authority import Authority
from preau.demo.homeserver import Homeserver
from preau.guard.name_tables import fold
from preau.guard.search import Search, parse_search
from preau.model.facts import FactKind, Party, PersonFacts
from preau.model.ids import PersonId, Uai, UserId
from preau.model.people import Function
from preau.policy.pace import AT_ONCE
from preau.policy.refusals import Rule
from tests.fact_strategies import json_values
from tests.guard.guarded import GUARD, Guarded, Reply, guarded_spec

live = pytest.mark.live

STOCK = [f"/_matrix/client/{version}/user_directory/search" for version in ("r0", "v3", "unstable")]


async def _search(guarded: Guarded, user: UserId, term: object, **more: object) -> Reply:
    return await guarded.call("POST", f"{GUARD}/search", user, {"search_term": term, **more})


async def _found(guarded: Guarded, user: UserId, term: str, **more: object) -> set[str]:
    reply = await _search(guarded, user, term, **more)
    assert reply.status == 200, reply
    return {result["user_id"] for result in reply.body["results"]}


def _school() -> Uai:
    """A school of the test's own."""
    return Uai(f"099{secrets.randbelow(10**4):04}Z")


@live
async def test_a_guardian_finds_the_staff_and_no_other_family(guarded: Guarded) -> None:
    school = _school()
    teacher = await guarded.person(Function.TEACHER, school=school, name="Nour GABARIT · professeur")
    other = await guarded.person(Function.GUARDIAN, school=school, name="Nour GABARIT · parent", opted_in=False)
    pupil = await guarded.person(Function.PUPIL, school=school, name="Nour GABARIT · élève")
    guardian = await guarded.person(Function.GUARDIAN, school=school, children=[pupil], name="Nour GABARIT · parent")
    assert await _found(guarded, guardian, "nour gab") == {teacher, pupil}
    assert await _found(guarded, teacher, "nour gab") == {other, pupil, guardian}
    assert await _found(guarded, pupil, "nour gab") == {teacher, guardian}


@live
async def test_the_answer_is_that_of_the_specification(guarded: Guarded) -> None:
    school = _school()
    teacher = await guarded.person(Function.TEACHER, school=school, name="Nour GABARIT · professeur")
    principal = await guarded.person(Function.DIRECTION, school=school)
    found = await _search(guarded, principal, "gabarit")
    shown = [{"user_id": teacher, "display_name": "Nour GABARIT · professeur"}]
    assert found.body == {"results": shown, "limited": False}


@live
@pytest.mark.parametrize("term", ["Éloïse", "eloise", "ELO", "d’arc eloise", "professeur elo", "  eloise , d "])
async def test_words_are_found_by_their_beginning_without_accents(guarded: Guarded, term: str) -> None:
    school = _school()
    teacher = await guarded.person(Function.TEACHER, school=school, name="Éloïse D’ARC · professeur")
    principal = await guarded.person(Function.DIRECTION, school=school)
    assert await _found(guarded, principal, term) == {teacher}


@live
@pytest.mark.parametrize("term", ["loise", "e", "", "%", "_loise", "el%", "!", "é%se", "' OR 1=1 --", "\0", "%%%%"])
async def test_nothing_else_finds_anybody(guarded: Guarded, term: str) -> None:
    """``el%`` finds as ``el`` does: signs are no letters, and nothing that a database understands."""
    school = _school()
    teacher = await guarded.person(Function.TEACHER, school=school, name="Éloïse D’ARC · professeur")
    principal = await guarded.person(Function.DIRECTION, school=school)
    assert await _found(guarded, principal, term) == ({teacher} if term == "el%" else set())


@live
async def test_nobody_of_another_school_is_found(guarded: Guarded) -> None:
    await guarded.person(Function.TEACHER, school=_school(), name="Nour GABARIT · professeur")
    principal = await guarded.person(Function.DIRECTION, school=_school())
    assert await _found(guarded, principal, "nour") == set()


@live
async def test_whoever_is_forgotten_is_not_found(guarded: Guarded) -> None:
    school = _school()
    teacher = await guarded.person(Function.TEACHER, school=school, name="Nour GABARIT · professeur")
    principal = await guarded.person(Function.DIRECTION, school=school)
    assert await _found(guarded, principal, "nour") == {teacher}
    await guarded.push(gone=[(FactKind.PERSON, teacher)])
    assert await _found(guarded, principal, "nour") == set()


@live
async def test_somebody_of_whom_nothing_is_known_finds_nobody(guarded: Guarded) -> None:
    assert await _found(guarded, await guarded.person(), "camille") == set()


@live
async def test_only_people_who_are_logged_in_search(guarded: Guarded) -> None:
    user = await guarded.person(Function.DIRECTION)
    guarded.tokens[user] = "wrong"
    assert (await _search(guarded, user, "nour")).status == 401


@live
async def test_pages_are_full_although_most_names_are_not_for_the_asker(guarded: Guarded) -> None:
    """A thousand guardians, whom another guardian may not write to, stand before a dozen teachers."""
    school = _school()
    families = _crowd(school, Function.GUARDIAN, "Alix ESSAI · parent", 1000)
    teachers = _crowd(school, Function.TEACHER, "Alix ESSAI · professeur", 12)
    await guarded.push(*families, *teachers)
    guardian = await guarded.person(Function.GUARDIAN, school=school)
    reply = await _search(guarded, guardian, "alix", limit=10)
    assert (len(reply.body["results"]), reply.body["limited"]) == (10, True)
    assert await _found(guarded, guardian, "alix", limit=12) == {teacher.user for teacher in teachers}
    assert not (await _search(guarded, guardian, "alix", limit=12)).body["limited"]


@live
@pytest.mark.parametrize("path", STOCK)
async def test_the_stock_directory_shows_nobody(guarded: Guarded, path: str) -> None:
    school = _school()
    await guarded.person(Function.TEACHER, school=school, name="Nour GABARIT · professeur")
    principal = await guarded.person(Function.DIRECTION, school=school)
    reply = await guarded.call("POST", path, principal, {"search_term": "nour"})
    assert reply.status == 404 or reply.body == {"limited": False, "results": []}


class _WithDirectory(Homeserver):
    """A homeserver whose operator found a way to switch Synapse's own directory on."""

    def configuration_files(self) -> tuple[Path, ...]:
        more = self.spec.folder / "directory.yaml"
        more.write_text(
            "user_directory: {enabled: true, search_all_users: true}\nupdate_user_directory_from_worker: null\n"
        )
        return (*super().configuration_files(), more)


@live
async def test_the_stock_directory_switched_on_shows_no_more_than_ours(
    tmp_path: Path, guard_authority: Authority
) -> None:
    async with _WithDirectory(guarded_spec(tmp_path, guard_authority)) as homeserver:
        guarded = Guarded(homeserver)
        teacher = await guarded.person(Function.TEACHER, name="Nour GABARIT · professeur")
        family = await guarded.person(Function.GUARDIAN, name="Nour GABARIT · parent")
        guardian = await guarded.person(Function.GUARDIAN)
        shown = {user: await _stock(guarded, user) for user in (homeserver.bot, teacher, guardian)}
    assert shown == {homeserver.bot: {teacher, family}, teacher: {family}, guardian: {teacher}}


async def _stock(guarded: Guarded, user: UserId) -> set[str]:
    reply = await guarded.call("POST", STOCK[1], user, {"search_term": "nour"})
    return {result["user_id"] for result in reply.body["results"]}


@live
async def test_whoever_searches_faster_than_people_type_is_told_to_wait(guarded: Guarded) -> None:
    hasty, calm = await guarded.person(Function.DIRECTION), await guarded.person(Function.DIRECTION)
    replies = [await _search(guarded, hasty, "nour") for _ in range(AT_ONCE + 20)]
    assert {reply.status for reply in replies[:AT_ONCE]} == {200}
    refused = next(reply for reply in replies if reply.status != 200)
    assert (refused.status, refused.body["errcode"]) == (429, "M_LIMIT_EXCEEDED")
    assert refused.body["fr.preau.rule"] == Rule.SEARCHES
    assert 0 < refused.body["retry_after_ms"] <= 1000
    assert (await _search(guarded, calm, "nour")).status == 200


@live
@pytest.mark.parametrize("body", [{}, {"search_term": 7}, {"search_term": "nour", "limit": "10"}])
async def test_a_search_that_is_not_understood_says_so(guarded: Guarded, body: dict[str, object]) -> None:
    reply = await guarded.call("POST", f"{GUARD}/search", await guarded.person(Function.DIRECTION), body)
    assert (reply.status, reply.body["errcode"]) == (400, "M_BAD_JSON")


@given(body=st.dictionaries(st.sampled_from(["search_term", "limit", "x"]), json_values()))
def test_no_body_breaks_the_parser(body: dict[str, Any]) -> None:
    try:
        search = parse_search(body)
    except SynapseError:
        return  # says what is wrong
    assert 0 <= search.limit <= 50
    assert len(search.words) <= 8


@given(term=st.text())
@example(term="𝕬")
def test_words_are_letters_and_digits_only(term: str) -> None:
    assert all(word.isalnum() and fold(word) == f" {word}" for word in parse_search({"search_term": term}).words)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"search_term": "Nour"}, Search(("nour",), 10)),
        ({"search_term": "Nour nour GABARIT", "limit": 3}, Search(("nour", "gabarit"), 3)),
        ({"search_term": "n", "limit": 99}, Search(("n",), 50)),
        ({"search_term": "", "limit": -1}, Search((), 0)),
    ],
)
def test_a_search_is_read(body: dict[str, object], expected: Search) -> None:
    assert parse_search(body) == expected


def _crowd(school: Uai, function: Function, name: str, count: int) -> list[PersonFacts]:
    """People without accounts: the search reads facts."""
    ids = [PersonId("q" + secrets.token_hex(6)) for _ in range(count)]
    places = {each: (Party(each, school, frozenset({function})),) for each in ids}
    return [PersonFacts(UserId(f"@{each}:localhost:1"), name, place) for each, place in places.items()]
