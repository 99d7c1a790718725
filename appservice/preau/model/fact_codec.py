"""Facts as JSON, the same on the wire and in the guard's table; read strictly.

Service and guard both use this module, so that neither can mean something else by a field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import TypeVar

from preau.model.facts import (
    Cell,
    Fact,
    FactKind,
    Language,
    Party,
    PersonFacts,
    RoomFacts,
    SchoolFacts,
    SharedRoomFacts,
    VouchFacts,
)
from preau.model.ids import DivisionCode, PersonId, RoomId, ServerName, Uai, UserId, split_user_id
from preau.model.people import Function
from preau.model.rooms import RoomKind
from preau.model.wanted import Json


class BrokenFact(ValueError):
    """JSON that is no fact of its kind; the message says what was expected where."""


def encode(fact: Fact) -> dict[str, Json]:
    """The fact as JSON, without its key. What has its default value is left out."""
    match fact:
        case PersonFacts():
            return _spare(
                name=fact.name,
                language="" if fact.language is Language.FRENCH else fact.language.value,
                schools={party.school: _encode_party(party) for party in fact.parties},
            )
        case SchoolFacts():
            cells: list[Json] = [[str(w), str(r), cell.value] for (w, r), cell in sorted(fact.cells.items())]
            return _spare(cells=cells, pupil_media=fact.pupil_media)
        case RoomFacts():
            admits: dict[str, Json] = {server: _texts(functions) for server, functions in sorted(fact.admits.items())}
            return _spare(kind=fact.kind.value, school=fact.school, scope=fact.scope, admits=admits)
        case SharedRoomFacts():
            return _spare(owner=fact.owner, functions=_texts(fact.functions))
        case VouchFacts():
            return _spare(functions=_texts(fact.functions))


def decode(kind: FactKind, key: str, body: Json) -> Fact:
    """The fact of that kind and key.

    Raises:
        BrokenFact: the JSON is not the fact's.
    """
    fields = _object(body, f"{kind} {key}")
    try:
        return _DECODERS[kind](key, fields)
    except BrokenFact as error:
        raise BrokenFact(f"{kind} {key}: {error}") from None


def _decode_person(key: str, fields: Mapping[str, Json]) -> PersonFacts:
    user = _user(key)
    schools = _object(fields.get("schools", {}), "schools")
    return PersonFacts(
        user=user,
        name=_text(fields, "name"),
        parties=tuple(_decode_party(user, Uai(school), party) for school, party in sorted(schools.items())),
        language=_one_of(Language, fields.get("language", Language.FRENCH.value)),
    )


def _encode_party(party: Party) -> dict[str, Json]:
    return _spare(
        functions=_texts(party.functions),
        divisions=_texts(party.divisions),
        children=_texts(party.children),
        opted_in=party.opted_in,
    )


def _decode_party(user: UserId, school: Uai, body: Json) -> Party:
    fields = _object(body, school)
    return Party(
        person=PersonId(split_user_id(user)[0]),
        school=school,
        functions=_functions(fields),
        divisions=frozenset(map(DivisionCode, _list(fields, "divisions"))),
        children=frozenset(map(PersonId, _list(fields, "children"))),
        opted_in=_flag(fields, "opted_in"),
    )


def _decode_school(key: str, fields: Mapping[str, Json]) -> SchoolFacts:
    cells = fields.get("cells", [])
    if not isinstance(cells, list):
        raise BrokenFact("cells: a list is expected")
    return SchoolFacts(school=Uai(key), cells=dict(map(_decode_cell, cells)), pupil_media=_flag(fields, "pupil_media"))


def _decode_cell(raw: Json) -> tuple[tuple[Function, Function], Cell]:
    match raw:
        case [writer, reader, word]:
            return (_one_of(Function, writer), _one_of(Function, reader)), _one_of(Cell, word)
        case _:
            raise BrokenFact(f"cells: writer, reader and condition are expected, not {raw!r}")


def _decode_room(key: str, fields: Mapping[str, Json]) -> RoomFacts:
    admits = _object(fields.get("admits", {}), "admits")
    return RoomFacts(
        room=RoomId(key),
        kind=_one_of(RoomKind, fields.get("kind")),
        school=Uai(_text(fields, "school")),
        scope=_text(fields, "scope"),
        admits={ServerName(server): _functions(admits, server) for server in admits},
    )


def _decode_shared_room(key: str, fields: Mapping[str, Json]) -> SharedRoomFacts:
    return SharedRoomFacts(RoomId(key), ServerName(_text(fields, "owner")), _functions(fields))


def _decode_vouch(key: str, fields: Mapping[str, Json]) -> VouchFacts:
    return VouchFacts(_user(key), _functions(fields))


_DECODERS: Mapping[FactKind, Callable[[str, Mapping[str, Json]], Fact]] = {
    FactKind.PERSON: _decode_person,
    FactKind.SCHOOL: _decode_school,
    FactKind.ROOM: _decode_room,
    FactKind.SHARED_ROOM: _decode_shared_room,
    FactKind.VOUCH: _decode_vouch,
}

_E = TypeVar("_E", bound=Enum)


def _spare(**fields: Json) -> dict[str, Json]:
    return {name: value for name, value in fields.items() if value}


def _texts(values: frozenset[Function] | frozenset[DivisionCode] | frozenset[PersonId]) -> list[Json]:
    return [str(value) for value in sorted(values)]


def _object(raw: Json, what: str) -> dict[str, Json]:
    if not isinstance(raw, dict):
        raise BrokenFact(f"{what}: an object is expected")
    return raw


def _text(fields: Mapping[str, Json], name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise BrokenFact(f"{name}: a text is expected")
    return value


def _flag(fields: Mapping[str, Json], name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise BrokenFact(f"{name}: true or false is expected")
    return value


def _list(fields: Mapping[str, Json], name: str) -> list[str]:
    values = fields.get(name, [])
    if not isinstance(values, list):
        raise BrokenFact(f"{name}: a list is expected")
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < len(values):
        raise BrokenFact(f"{name}: texts are expected")
    return texts


def _functions(fields: Mapping[str, Json], name: str = "functions") -> frozenset[Function]:
    return frozenset(_one_of(Function, value) for value in _list(fields, name))


def _one_of(words: type[_E], raw: Json) -> _E:
    try:
        return words(raw)
    except ValueError:
        raise BrokenFact(f"{raw!r} is none of {', '.join(word.value for word in words)}") from None


def _user(key: str) -> UserId:
    try:
        split_user_id(UserId(key))
    except ValueError as error:
        raise BrokenFact(str(error)) from None
    return UserId(key)
