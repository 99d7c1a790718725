"""Rooms and memberships by the hundred, made by our guard inside the homeserver::

    call ─► 200 ───────────────────────────────────► who is where they should be, and who was refused
         ├─► no such path, or not with this Synapse ─► NoBatches; told once, the public API does the rest
         └─► anything else ────────────────────────► HomeserverError, as everywhere

Every call may be repeated: a room is found again by its alias, whoever is in is in, whoever left has left. Why it is
worth it: ``synapse.md`` 2.1 and 2.2, and our own numbers in ``docs/benchmarks.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from preau.errors import HomeserverError
from preau.matrix import answers
from preau.matrix.calls import Answer, Call, call
from preau.matrix.guard import GUARD
from preau.matrix.rooms import RoomCreation, Rooms
from preau.model.ids import RoomId, UserId
from preau.model.wanted import Json

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_NOBODY_THERE: Final = frozenset({403, 404, 405, 501})
"""What Synapse, or a proxy before it, answers for a path that it does not know, and the guard for one it cannot do."""


class NoBatches(HomeserverError):
    """Nothing there does batches; what was asked is not done, and the public API can do it. Never shown to people."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a batch did: who is now where they should be, and who was refused, each with the reason."""

    settled: frozenset[UserId] = frozenset()
    refused: Mapping[UserId, HomeserverError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FilledRoom:
    """A room made with its members; ``new`` is False if it was there, perhaps with other state than asked for."""

    room: RoomId
    new: bool
    moved: Moved


class Batches(Rooms):
    """The guard's calls about many people at once; people of this homeserver only."""

    _told = False

    async def make_filled_room(self, request: RoomCreation, members: Collection[UserId]) -> FilledRoom:
        """The room that has the alias, made with all its state if there is none, and these people in it.

        Raises:
            NoBatches: use `ensure_room` and `bring_in`.
            HomeserverError: the room was refused, or the alias belongs to another room.
        """
        body: Json = {
            "alias": request.alias,
            "version": request.version,
            "creation_content": request.creation_content,
            "state": [
                {"type": key.type, "state_key": key.key, "content": content}
                for key, content in request.initial_state.items()
            ],
            "members": [*members],
        }
        answer = await self._batch(call("POST", (*GUARD, "rooms"), f"create room {request.alias}, filled", body=body))
        new = _flag(answer, "new")
        if not new:
            await self._adopt(request)  # the alias may name a room that was made for something else
        return FilledRoom(answers.room_id(answer), new, _moved(answer, members, "joined"))

    async def bring_together(self, room: RoomId, users: Collection[UserId]) -> Moved:
        """Joins all these people to a room; whoever is in it already stays.

        Raises:
            NoBatches: use `bring_in`.
            HomeserverError: nobody was joined.
        """
        body: Json = {"room_id": room, "join": [*users], "leave": []}
        about = f"join {room} as {len(users)} people"
        return _moved(await self._batch(call("POST", (*GUARD, "memberships"), about, body=body)), users, "joined")

    async def take_out_together(self, room: RoomId, users: Collection[UserId]) -> Moved:
        """Removes all these people from a room; whoever is not in it is out already.

        Raises:
            NoBatches: use `kick`.
            HomeserverError: nobody was removed.
        """
        body: Json = {"room_id": room, "join": [], "leave": [*users]}
        about = f"remove {len(users)} people from {room}"
        return _moved(await self._batch(call("POST", (*GUARD, "memberships"), about, body=body)), users, "left")

    async def _batch(self, request: Call) -> Answer:
        try:
            answer = await self._caller.perform(request)
        except HomeserverError as refused:
            if refused.status not in _NOBODY_THERE or refused.errcode not in {"", "M_UNRECOGNIZED"}:
                raise
            self._tell(refused)
            raise NoBatches(refused.happened, errcode=refused.errcode, status=refused.status) from refused
        self._told = False
        return answer

    def _tell(self, refused: HomeserverError) -> None:
        """One warning until batches work again, however many runs ask in between."""
        if not self._told:
            log.warning(
                "no_batches",
                status=refused.status,
                reason=refused.happened,
                meaning="rooms and memberships go one by one through the public API, which is many times slower",
                advice="see that Synapse loads the module preau.guard; `preau doctor` says how it stands",
            )
        self._told = True


def _moved(answer: Answer, asked: Collection[UserId], settled: str) -> Moved:
    """What became of everybody who was asked for."""
    done = frozenset(asked) & {UserId(user) for user in answers.texts(answer, settled)}
    raw = answers.obj(answer).get("refused")
    if not isinstance(raw, dict):
        raise answers.unexpected(answer, "an object 'refused'")
    return Moved(done, {user: _refusal(answer, user, raw.get(user)) for user in asked if user not in done})


def _refusal(answer: Answer, user: UserId, raw: Json) -> HomeserverError:
    match raw:
        case {"errcode": str() as errcode, "error": str() as error}:
            return HomeserverError(f"{answer.about}: {user} was refused with {errcode} ({error})", errcode=errcode)
        case _:
            return HomeserverError(f"{answer.about}: the homeserver does not say what became of {user}")


def _flag(answer: Answer, key: str) -> bool:
    value = answers.obj(answer).get(key)
    if not isinstance(value, bool):
        raise answers.unexpected(answer, f"yes or no in {key!r}")
    return value
