"""An event as a homeserver hands it over, once its shape has been checked."""

from __future__ import annotations

from dataclasses import dataclass

from preau.model.ids import EventId, RoomId, UserId
from preau.model.wanted import Content


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one room (Matrix client-server spec, room event format).

    ``state_key`` is None for an event that is no state. ``origin_server_ts`` is what the sending server claims, in
    milliseconds since 1970; nothing keeps it from claiming another year, or a time before 1970.
    """

    event_id: EventId
    room: RoomId
    sender: UserId
    type: str
    state_key: str | None
    content: Content
    origin_server_ts: int
