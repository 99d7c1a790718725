"""Each line of the story that ``preau demo --check`` plays, against one running demo."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from preau.demo.run import Demo, DemoOptions
from preau.demo.story.lines import STORY, Line, title
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
