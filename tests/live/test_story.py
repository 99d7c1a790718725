"""Each line of the story that ``preau demo --check`` plays, against one running demo."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import pytest
from rich.console import Console

from preau.demo.run import Demo, DemoOptions
from preau.demo.story.lines import STORY, Line, play, title
from preau.demo.story.telling import StoryBroken
from preau.demo.story.world import World

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]  # the first line waits for two académies to start


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Both académies with everybody in their rooms; the lines are told in order, as in the demo."""
    async with Demo(DemoOptions(tmp_path_factory.mktemp("demo"))) as demo, World(demo) as world:
        yield world


@pytest.mark.parametrize("line", STORY, ids=title)
async def test_the_story_holds(world: World, line: Line) -> None:
    await line(world)


async def test_the_first_line_that_does_not_hold_ends_the_story_and_says_why(world: World) -> None:
    async def it_rains(_: World) -> None:
        raise StoryBroken("the sun shines")

    async def never_told(_: World) -> None:
        pytest.fail("told after a line that did not hold")

    page = io.StringIO()
    assert not await play(world, Console(file=page), [STORY[0], it_rains, never_told])
    assert page.getvalue().splitlines() == [f"ok      {title(STORY[0])}", "FAILED  it rains", "the sun shines"]
