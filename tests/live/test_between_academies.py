"""Between académies: nobody crosses but by both services' word, and what is refused at the border is not lost."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from preau.demo.authority import Authority
from tests.live.academies import Academies, two_academies

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> AsyncIterator[Academies]:
    async with two_academies(tmp_path_factory.mktemp("between"), authority) as academies:
        yield academies


async def test_a_visitor_is_invited_once_their_academie_vouched_and_talks_both_ways(both: Academies) -> None:
    room, host, guest, _ = await both.shared_room()
    said = await both.nord.send(host, room, "Bonjour du nord")
    answered = await both.sud.send(guest, room, "Bonjour du sud")
    assert (said.status, answered.status) == (200, 200), (said, answered)
