"""What the guard's answers to a batch mean, and what is answered where there is no guard."""

from __future__ import annotations

import json

import pytest

from preau.errors import HomeserverBusy, HomeserverError, HomeserverUnreachable
from preau.matrix.batches import NoBatches
from preau.matrix.patience import Patience
from preau.model.ids import RoomId, UserId
from tests.matrix.misbehaving import Fault, HangUp, Say, trouble

ROOM = RoomId("!classe")
PAZ, MAX = UserId("@paz:nord.example"), UserId("@max:nord.example")


def said(errcode: str) -> str:
    return json.dumps({"errcode": errcode, "error": "non"})


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, said("M_UNRECOGNIZED"), NoBatches),  # Synapse, without the guard
        (501, said("M_UNRECOGNIZED"), NoBatches),  # the guard, in a Synapse with other inner parts
        (405, said("M_UNRECOGNIZED"), NoBatches),
        (404, "<html>not found</html>", NoBatches),  # a proxy that does not know the path
        (403, "<html>forbidden</html>", NoBatches),
        (404, said("M_NOT_FOUND"), HomeserverError),  # the guard: there is no such room
        (403, said("M_FORBIDDEN"), HomeserverError),  # the guard: you are not the service
        (401, said("M_UNKNOWN_TOKEN"), HomeserverError),
        (400, said("M_BAD_JSON"), HomeserverError),
        (409, said("M_ROOM_IN_USE"), HomeserverError),
        (500, said("M_UNKNOWN"), HomeserverError),
        (503, said("M_UNKNOWN"), HomeserverError),
        (503, "<html>unavailable</html>", HomeserverUnreachable),
        (429, said("M_LIMIT_EXCEEDED"), HomeserverBusy),
    ],
)
async def test_only_a_path_that_nobody_serves_is_a_homeserver_without_batches(
    status: int, body: str, error: type[HomeserverError]
) -> None:
    async with trouble([Say(status, body)]) as there:
        with pytest.raises(HomeserverError) as raised:
            await there.homeserver.bring_together(ROOM, [PAZ])
    assert type(raised.value) is error


async def test_each_person_is_settled_or_refused_with_the_reason() -> None:
    answer = {"joined": [PAZ], "left": [], "refused": {MAX: {"errcode": "M_USER_LOCKED", "error": "fermé"}}}
    async with trouble([Say(200, json.dumps(answer))]) as there:
        moved = await there.homeserver.bring_together(ROOM, [PAZ, MAX])
    assert moved.settled == {PAZ}
    assert (moved.refused[MAX].errcode, "fermé" in moved.refused[MAX].happened) == ("M_USER_LOCKED", True)


@pytest.mark.parametrize(
    "refused", [{}, {MAX: None}, {MAX: {"errcode": 1, "error": "non"}}], ids=["nothing", "null", "no code"]
)
async def test_whoever_the_answer_passes_over_is_not_taken_for_settled(refused: dict[str, object]) -> None:
    answer = {"joined": [PAZ, "@other:nord.example"], "left": [MAX], "refused": refused}
    async with trouble([Say(200, json.dumps(answer))]) as there:
        moved = await there.homeserver.bring_together(ROOM, [PAZ, MAX])
    assert moved.settled == {PAZ}
    assert moved.refused.keys() == {MAX}


@pytest.mark.parametrize("body", ["[]", "{}", '{"joined": [1], "refused": {}}', '{"joined": [], "refused": []}', "non"])
async def test_an_answer_of_another_shape_is_an_error_and_not_an_empty_batch(body: str) -> None:
    async with trouble([Say(200, body)]) as there:
        with pytest.raises(HomeserverError, match="not understood"):
            await there.homeserver.bring_together(ROOM, [PAZ])


async def test_a_batch_whose_answer_is_lost_is_asked_for_again() -> None:
    faults: list[Fault] = [HangUp(), Say(200, json.dumps({"joined": [], "left": [PAZ], "refused": {}}))]
    async with trouble(faults, Patience(attempts=2)) as there:
        assert (await there.homeserver.take_out_together(ROOM, [PAZ])).settled == {PAZ}
        assert there.asked == ["POST /_synapse/client/preau/v1/memberships"] * 2
