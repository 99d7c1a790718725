"""The story's lines, in the order in which they are told; each is also a live test."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from rich.console import Console

from preau.demo.story import announcements, between, conversations, crashes, drift, families, parents, rosters, teachers
from preau.demo.story.world import World
from preau.errors import PreauError

Line: TypeAlias = Callable[[World], Awaitable[None]]
"""Plays one line; raises `PreauError` where it does not hold. Leaves the world as the next lines need it."""

STORY: Final[tuple[Line, ...]] = (
    announcements.a_principal_announces_and_the_whole_school_reads,
    announcements.a_guardian_or_pupil_may_not_write_there,
    announcements.a_guardian_reacts_and_votes_there,
    announcements.nobody_passes_for_the_principal,
    families.a_guardian_of_two_sees_both_divisions_once_each,
    families.parents_who_live_apart_have_the_same_rooms,
    families.a_person_in_charge_sees_what_parents_see,
    families.a_contact_has_no_account_and_gets_none,
    families.a_pupil_who_left_is_gone_and_the_siblings_guardian_stays,
    parents.guardians_who_opted_in_talk_among_themselves,
    parents.nobody_else_is_in_the_parents_rooms,
    teachers.head_teachers_and_teachers_are_in_their_divisions_rooms,
    teachers.teachers_and_guardians_talk_to_each_other,
    conversations.a_guardian_writes_directly_to_their_childs_teacher,
    conversations.a_pupil_cannot_write_to_another_and_nobody_makes_a_room_of_their_own,
    between.teachers_of_two_academies_talk_both_ways,
    between.an_unlisted_homeserver_is_refused_in_both_directions,
    rosters.a_moved_pupil_changes_their_guardians_rooms_and_nothing_else,
    rosters.a_roster_with_a_third_of_the_pupils_missing_is_stopped,
    drift.a_raised_power_level_is_taken_back,
    drift.an_unwanted_member_is_taken_out,
    drift.whoever_leaves_the_announcements_is_brought_back,
    drift.whoever_leaves_the_parents_room_stays_out_until_they_agree_anew,
    crashes.a_service_killed_during_a_transaction_loses_nothing,
    crashes.a_killed_apply_is_continued_and_makes_nothing_twice,
)


def title(line: Line) -> str:
    """The line as a sentence."""
    return line.__name__.replace("_", " ")


async def play(world: World, console: Console, story: Sequence[Line] = STORY) -> bool:
    """Plays the story up to its end or to the first line that does not hold, printing each; whether all hold."""
    for line in story:
        try:
            await line(world)
        except PreauError as broken:
            _print(console, f"FAILED  {title(line)}\n{broken.explain()}")
            return False
        except Exception:
            _print(console, f"FAILED  {title(line)}")
            raise
        _print(console, f"ok      {title(line)}")
    _print(console, f"The story holds, all {len(story)} lines of it.")
    return True


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
