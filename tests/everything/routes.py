"""The routes that a running Synapse serves, as paths that people can read and tests can ask.

::

    ^/_matrix/client/(r0|v3)/rooms/(?P<room_id>[^/]*)/(?P<action>join|leave)$
        ─► /_matrix/client/r0/rooms/{room_id}/join, …/leave, /_matrix/client/v3/rooms/{room_id}/join, …
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from re import _constants as token  # type: ignore[attr-defined]  # the patterns' own grammar: no second one by hand
from re import _parser as grammar  # type: ignore[attr-defined]
from typing import Any, Final
from urllib.parse import quote

_PLAIN: Final = {token.AT: "", token.ANY: ".", token.LITERAL: "itself"}
"""A place between characters; a dot that Synapse did not escape; a character."""

_VERSIONED: Final = re.compile(r"/_matrix/(client|media)/(api/v1|r0|v1|v3|unstable)/(.*)")


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """A method and a path with its parts in braces."""

    method: str
    path: str

    @property
    def deed(self) -> str:
        """``PUT rooms/{room_id}/send/{event_type}/{txn_id}``: the same in every version of the API."""
        versioned = _VERSIONED.fullmatch(self.path)
        if versioned is None:
            return f"{self.method} {self.path}"
        api, _, place = versioned.groups()
        return f"{self.method} {place if api == 'client' else f'media/{place}'}"

    def at(self, **parts: str) -> str:
        """The path with its parts filled in.

        Raises:
            KeyError: one is missing.
        """
        return self.path.format_map({name: quote(part, safe="") for name, part in parts.items()})

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def served(listing: Iterable[tuple[str, str, str]]) -> list[Route]:
    """The routes of a listing (`tests.guard.route_listing`)."""
    return sorted({Route(method, path) for method, pattern, _ in listing for path in _paths(pattern)})


def _paths(pattern: str) -> list[str]:
    parsed = grammar.parse(pattern)
    names = {number: name for name, number in parsed.state.groupdict.items()}
    return _expanded(parsed, names, "")


def _expanded(parsed: Any, names: Mapping[int, str], name: str) -> list[str]:
    """Every text that the pattern stands for; what may be anything is called by the name of its group."""
    parts = [_one(kind, value, names, name) for kind, value in parsed]
    return ["".join(chosen) for chosen in product(*parts)]


def _one(kind: Any, value: Any, names: Mapping[int, str], name: str) -> list[str]:
    if kind in _PLAIN:
        return [chr(value) if kind is token.LITERAL else _PLAIN[kind]]
    if kind is token.IN:
        return [chr(code) for _, code in value]
    if kind is token.SUBPATTERN:
        number, _, _, inner = value
        return _expanded(inner, names, names.get(number, name))
    if kind is token.BRANCH:
        return [text for branch in value[1] for text in _expanded(branch, names, name)]
    if kind is token.MAX_REPEAT:
        least, most, inner = value
        return ["", *_expanded(inner, names, name)] if (least, most) == (0, 1) else [f"{{{name}}}"]
    raise AssertionError(f"{kind} in a route's pattern is new: teach it here")
