"""Strict reading of the homeserver's answers: the value that was promised, or an error that says what came instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from preau.errors import HomeserverError
from preau.matrix.calls import Answer
from preau.matrix.wire import BrokenEvent, parse_content, parse_event, parse_membership
from preau.model.events import Event
from preau.model.ids import EventId, RoomId, UserId
from preau.model.wanted import Content, Json, Membership, StateKey


@dataclass(frozen=True, slots=True)
class Account:
    """What Synapse knows of a local account."""

    user: UserId
    display_name: str
    locked: bool
    deactivated: bool
    admin: bool


def unexpected(answer: Answer, missing: str) -> HomeserverError:
    """The error of an answer of another shape; ``missing`` says what was expected."""
    return HomeserverError(
        f"{answer.about}: the homeserver's answer is not understood ({missing} expected)",
        status=answer.status,
        advice="Is this address a Synapse of a supported version? `preau doctor` compares versions.",
    )


def obj(answer: Answer) -> dict[str, Json]:
    """The answer as an object."""
    if not isinstance(answer.body, dict):
        raise unexpected(answer, "a JSON object")
    return answer.body


def text(answer: Answer, key: str, sigil: str = "") -> str:
    """A text of the answer that begins with ``sigil``."""
    value = obj(answer).get(key)
    if not isinstance(value, str) or not value.startswith(sigil):
        raise unexpected(answer, f"a text {key!r}" + (f" beginning with {sigil}" if sigil else ""))
    return value


def room_id(answer: Answer) -> RoomId:
    """The room that was made, joined or found."""
    return RoomId(text(answer, "room_id", "!"))


def event_id(answer: Answer) -> EventId:
    """The event that was sent."""
    return EventId(text(answer, "event_id", "$"))


def user_id(answer: Answer) -> UserId:
    """The user that the answer speaks of."""
    return UserId(text(answer, "user_id", "@"))


def texts(answer: Answer, key: str) -> tuple[str, ...]:
    """A list of texts of the answer."""
    items = _items(answer, obj(answer).get(key), key)
    found = tuple(item for item in items if isinstance(item, str))
    if len(found) < len(items):
        raise unexpected(answer, f"texts in {key!r}")
    return found


def content(answer: Answer) -> Content:
    """The answer as the content of one event."""
    try:
        return parse_content(answer.body)
    except BrokenEvent as reason:
        raise unexpected(answer, f"the content of an event: {reason},") from None


def state(answer: Answer) -> dict[StateKey, Content]:
    """A room's full state."""
    return dict(_state_events(answer, answer.body))


def whole_event(answer: Answer) -> Event | None:
    """The answer as an event; None if it is none as we read them."""
    return _event(answer.body)


def whole_events(answer: Answer) -> tuple[Event, ...]:
    """The answer as events; an odd one among them, set by another server, must not hide the others."""
    found = map(_event, _items(answer, answer.body, "events"))
    return tuple(event for event in found if event is not None)


def members(answer: Answer) -> dict[UserId, Membership]:
    """Everybody who has a membership in a room, those who left included."""
    try:
        found = _state_events(answer, obj(answer).get("chunk"))
        return {UserId(key.key): parse_membership(content) for key, content in found}
    except BrokenEvent as reason:
        raise unexpected(answer, f"member events: {reason},") from None


def account(answer: Answer) -> Account:
    """One account as the admin API describes it; a missing display name is empty."""
    raw = obj(answer)
    name = raw.get("displayname")
    if name is not None and not isinstance(name, str):
        raise unexpected(answer, "a text 'displayname'")
    return Account(
        user=UserId(text(answer, "name", "@")),
        display_name=name or "",
        locked=_flag(answer, raw, "locked"),
        deactivated=_flag(answer, raw, "deactivated"),
        admin=_flag(answer, raw, "admin"),
    )


def device_ids(answer: Answer) -> list[str]:
    """The ids of an account's devices."""
    found = []
    for device in _items(answer, obj(answer).get("devices"), "devices"):
        value = device.get("device_id") if isinstance(device, dict) else None
        if not isinstance(value, str):
            raise unexpected(answer, "a 'device_id' for each device")
        found.append(value)
    return found


def _event(raw: Json) -> Event | None:
    try:
        return parse_event(raw)
    except BrokenEvent:
        return None


def _state_events(answer: Answer, raw: Json) -> list[tuple[StateKey, Content]]:
    """What a room's state is made of.

    Only what is used is asked for, unlike `parse_event`: one odd event of another server, once in the room's state,
    must not hide all the others. The homeserver has checked the contents (canonical JSON) before it took them.
    """
    found = []
    for item in _items(answer, raw, "events"):
        match item:
            case {"type": str() as kind, "state_key": str() as key, "content": dict() as content}:
                found.append((StateKey(kind, key), content))
            case _:
                raise unexpected(answer, "state events with type, state key and content")
    return found


def _items(answer: Answer, raw: Json, what: str) -> list[Json]:
    if not isinstance(raw, list):
        raise unexpected(answer, f"a list of {what}")
    return raw


def _flag(answer: Answer, raw: Mapping[str, Json], key: str) -> bool:
    value = raw.get(key)
    if not isinstance(value, bool):
        raise unexpected(answer, f"yes or no in {key!r}")
    return value
