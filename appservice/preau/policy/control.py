"""Control rooms: the content of their events ↔ values, and what an académie has to say in its own.

::

    state event                          content
    fr.preau.shared, key = room id       {"kind": kind, "functions": {server: [function]},
                                          "visitors": {server: [localpart]}, "via": [server]}
    fr.preau.vouch, key = localpart      {"functions": [function]}
    any of them, content {}              taken back

A control room has one writer, the bot of the académie that made it, and readers believe nobody else in it. What another
académie writes is read strictly: a word that is not understood counts as not said. (Keys of vouches have no ``@``: a
state key that begins with it is reserved to that very user.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from preau.model.control import SharedRoom, Vouch, Word
from preau.model.facts import Fact, SharedRoomFacts, VouchFacts
from preau.model.ids import PersonId, RoomId, ServerName, UserId, split_user_id, user_id
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.model.wanted import Content, Json, StateKey
from preau.policy.abroad import admits, may_visit, visiting

CONTROL: Final = "fr.preau.control"
"""The field of ``m.room.create`` that marks a control room."""

SHARED: Final = "fr.preau.shared"
VOUCH: Final = "fr.preau.vouch"
WORDS: Final = frozenset({SHARED, VOUCH})
"""The event types that say something."""


class BrokenWord(ValueError):
    """Content that is no word of its type; the message says what was expected."""


def key_of_word(word: Word) -> StateKey:
    """Under which type and key a word stands."""
    match word:
        case SharedRoom():
            return StateKey(SHARED, word.room)
        case Vouch():
            return StateKey(VOUCH, split_user_id(word.user)[0])


def written(word: Word) -> Content:
    """A word as the content of its event."""
    match word:
        case SharedRoom():
            return {
                "kind": word.kind.value,
                "functions": {server: _sorted(word.functions[server]) for server in sorted(word.functions)},
                "visitors": {server: _sorted(word.visitors[server]) for server in sorted(word.visitors)},
                "via": list(word.via),
            }
        case Vouch():
            return {"functions": _sorted(word.functions)}


def read(server: ServerName, key: StateKey, content: Content) -> Word | None:
    """What the académie of that server says with an event of its control room; None if it took it back.

    Raises:
        BrokenWord: it is not understood.
    """
    if not content:
        return None
    try:
        return _read_shared(key, content) if key.type == SHARED else _read_vouch(server, key, content)
    except ValueError as error:
        raise BrokenWord(f"{key.type} {key.key}: {error}") from None


def is_control_room(created: Content, creator: UserId, bot: UserId) -> bool:
    """Whether a room is the control room of that bot's académie, by its first event and who made it."""
    return created.get(CONTROL) is True and creator == bot


def to_share(
    rooms: Mapping[RoomId, RoomKind], members: Mapping[RoomId, Collection[UserId]], server: ServerName
) -> dict[RoomId, SharedRoom]:
    """The rooms of ours that have something to say to others: those into which somebody of theirs was appointed.

    Args:
        rooms: rooms that exist, and their kind.
        members: who is wanted in each.
        server: ours.
    """
    found: dict[RoomId, SharedRoom] = {}
    for room, kind in rooms.items():
        functions = admits(kind, members.get(room, ()), server)
        if functions:
            asked = {abroad: frozenset(_of(abroad, members[room])) for abroad in functions}
            found[room] = SharedRoom(room, kind, functions, asked, via=(server,))
    return found


def asked_for(rooms: Iterable[SharedRoom], server: ServerName) -> dict[PersonId, frozenset[Function]]:
    """For whom of ours the others ask our word, and as what they would be let in."""
    found: dict[PersonId, frozenset[Function]] = {}
    for room in rooms:
        admitted = room.opens_to(server) & visiting(room.kind)
        for localpart in room.asks_for(server):
            found[PersonId(localpart)] = found.get(PersonId(localpart), frozenset()) | admitted
    return found


def to_vouch(
    asked: Mapping[PersonId, frozenset[Function]], are: Mapping[PersonId, frozenset[Function]], server: ServerName
) -> dict[PersonId, Vouch]:
    """Our word about those of ours whom others ask for and whose function fits; nothing that was not asked is told.

    Args:
        asked: from `asked_for`.
        are: what those with an open account are, in all their schools.
        server: ours.
    """
    return {
        person: Vouch(user_id(person, server), are[person] & admitted)
        for person, admitted in asked.items()
        if person in are and may_visit(are[person], admitted)
    }


def as_facts(words: Iterable[tuple[ServerName, Word]], server: ServerName) -> list[Fact]:
    """What the guard must know of what the others said.

    A room that two académies call theirs is neither's: its id does not tell whose it is.
    """
    said = list(words)
    owners: dict[RoomId, set[ServerName]] = {}
    for owner, word in said:
        if isinstance(word, SharedRoom):
            owners.setdefault(word.room, set()).add(owner)
    facts: list[Fact] = []
    for owner, word in said:
        match word:
            case SharedRoom():
                functions = word.opens_to(server) & visiting(word.kind)
                if functions and len(owners[word.room]) == 1:
                    facts.append(SharedRoomFacts(word.room, owner, functions))
            case Vouch():
                facts.append(VouchFacts(word.user, word.functions))
    return facts


def _of(server: ServerName, users: Iterable[UserId]) -> Iterable[str]:
    return (localpart for localpart, where in map(split_user_id, users) if where == server)


def _sorted(values: Iterable[str]) -> list[Json]:
    return [str(value) for value in sorted(values)]


def _read_shared(key: StateKey, content: Content) -> SharedRoom:
    if not key.key.startswith("!"):
        raise ValueError("the key is no room id")
    return SharedRoom(
        room=RoomId(key.key),
        kind=RoomKind(_text(content.get("kind"))),
        functions={ServerName(s): _functions(names) for s, names in _object(content.get("functions")).items()},
        visitors={ServerName(s): frozenset(_texts(names)) for s, names in _object(content.get("visitors")).items()},
        via=tuple(ServerName(name) for name in _texts(content.get("via"))),
    )


def _read_vouch(server: ServerName, key: StateKey, content: Content) -> Vouch:
    if not key.key or key.key.startswith("@") or ":" in key.key:
        raise ValueError("the key is no localpart")
    return Vouch(user_id(PersonId(key.key), server), _functions(content.get("functions")))


def _functions(raw: Json) -> frozenset[Function]:
    """The functions that we know: a newer Préau may have more, which open nothing here."""
    known = set(Function)
    return frozenset(Function(name) for name in _texts(raw) if name in known)


def _object(raw: Json) -> dict[str, Json]:
    if not isinstance(raw, dict):
        raise ValueError("an object is expected")  # noqa: TRY004 -- what `read` turns into a `BrokenWord`
    return raw


def _texts(raw: Json) -> list[str]:
    if not isinstance(raw, list) or not all(isinstance(value, str) for value in raw):
        raise ValueError("a list of texts is expected")
    return [value for value in raw if isinstance(value, str)]


def _text(raw: Json) -> str:
    if not isinstance(raw, str):
        raise ValueError("a text is expected")  # noqa: TRY004 -- what `read` turns into a `BrokenWord`
    return raw
