"""Events as they come over the wire: checked strictly, since they were written by anybody on any server.

nio would turn an event it does not understand into a value of another class; here it is `BrokenEvent` with the reason.
"""

from __future__ import annotations

import json
from typing import Final

from preau.model.events import Event
from preau.model.ids import EventId, RoomId, UserId
from preau.model.wanted import Content, Json, Membership

_LONGEST_ID: Final = 255
"""Characters of an id, a type or a state key at most. The specification says bytes, but Synapse keeps what
other servers count by its older rule (``event_auth._check_size_limits``), and such an event must not pass unseen."""

_LARGEST: Final = 2**53 - 1
"""The largest integer of canonical JSON, and but for the sign the smallest (Matrix spec, appendices 2)."""


class BrokenEvent(ValueError):
    """What came is not of the shape that the specification gives; the message says how, and quotes nobody."""


def parse_transaction(body: bytes) -> list[object]:
    """The events of a transaction's body (application service API, ``PUT /transactions/{txnId}``), not yet checked.

    Each is for `parse_event` on its own, so that one broken event does not lose the others.

    Raises:
        BrokenEvent: the body is no JSON object with a list ``events``.
    """
    try:
        raw = json.loads(body)
    except RecursionError:
        raise BrokenEvent("the transaction is nested too deeply") from None
    except ValueError as reason:
        raise BrokenEvent(f"the transaction is no JSON: {reason}") from None
    events = raw.get("events") if isinstance(raw, dict) else None
    if not isinstance(events, list):
        raise BrokenEvent("the transaction has no list of events")
    return events


def parse_event(raw: object) -> Event:
    """The event in any JSON value.

    Raises:
        BrokenEvent: it is no event.
    """
    if not isinstance(raw, dict):
        raise BrokenEvent("an event is an object")
    user = _short(raw, "sender")
    if not user.startswith("@") or ":" not in user:
        raise BrokenEvent("the event's sender is no user id")
    return Event(
        event_id=EventId(_sigil(raw, "event_id", "$")),
        room=RoomId(_sigil(raw, "room_id", "!")),
        sender=UserId(user),
        type=_short(raw, "type"),
        state_key=_short(raw, "state_key", may_be_empty=True) if "state_key" in raw else None,
        content=parse_content(raw.get("content")),
        origin_server_ts=_moment(raw.get("origin_server_ts")),
    )


def parse_membership(content: Content) -> Membership:
    """The membership that the content of an ``m.room.member`` event gives.

    Raises:
        BrokenEvent: it gives none that Matrix knows.
    """
    try:
        return Membership(str(content.get("membership")))
    except ValueError:
        raise BrokenEvent("the member event has no known membership") from None


def parse_content(raw: object) -> Content:
    """The content of an event: an object of canonical JSON, with text that can be stored.

    Raises:
        BrokenEvent: it is something else.
    """
    if not isinstance(raw, dict):
        raise BrokenEvent("the event's content is no object")
    # A stack of our own: content nested ever deeper must not exhaust Python's.
    waiting: list[object] = [raw]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        else:
            _check_leaf(value)
    content: Content = raw
    return content


def _check_leaf(value: object) -> None:
    if isinstance(value, str):
        _check_text(value, "content")
    elif isinstance(value, int):  # and so bool
        if abs(value) > _LARGEST:
            raise BrokenEvent("the event's content holds an integer that is too large")
    elif value is not None:
        raise BrokenEvent(f"the event's content holds a {type(value).__name__}")


def _check_text(value: str, where: str) -> None:
    """Refuses what no database stores: half a character (a lone surrogate)."""
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise BrokenEvent(f"the event's {where} holds half a character")


def _short(raw: dict[str, Json], key: str, *, may_be_empty: bool = False) -> str:
    """A text of bounded length without control characters, such as ids are."""
    value = raw.get(key)
    if not isinstance(value, str):
        raise BrokenEvent(f"the event's {key} is missing or no text")
    if not value and not may_be_empty:
        raise BrokenEvent(f"the event's {key} is empty")
    _check_text(value, key)
    if "\0" in value:
        raise BrokenEvent(f"the event's {key} holds a null character")
    if len(value) > _LONGEST_ID:
        raise BrokenEvent(f"the event's {key} is longer than {_LONGEST_ID} characters")
    return value


def _sigil(raw: dict[str, Json], key: str, sigil: str) -> str:
    value = _short(raw, key)
    if not value.startswith(sigil):
        raise BrokenEvent(f"the event's {key} does not begin with {sigil}")
    return value


def _moment(value: object) -> int:
    """What the sender claims as the time: any integer, also before 1970. A bool is an int to Python but not here."""
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
        raise BrokenEvent("the event's origin_server_ts is no time in milliseconds")
    return value
