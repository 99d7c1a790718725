"""What a demo made, as one JSON object for programs (``preau demo --describe FILE``).

``guardian_of`` holds the *user ids* of pupils: the ids that they would log in with, whether or not the school gives
pupils accounts. ``login`` is what to type as the user name. ``division`` and ``school`` are null where a room has none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from preau.demo.academy import DemoAcademy
from preau.errors import UsageError
from preau.model.ids import user_id
from preau.model.wanted import ActualRoom, Json
from preau.policy.rooms import RULES, Scope
from preau.policy.wanted import ACADEMY
from preau.store import actual
from preau.sync.directory import Place, places


async def describe(academies: Iterable[DemoAcademy]) -> dict[str, Json]:
    """Académies, people who can log in, and rooms that exist."""
    found: dict[str, list[Json]] = {"academies": [], "people": [], "rooms": []}
    for academy in academies:
        found["academies"].append(_academy(academy))
        async with academy.context() as context:
            everybody = await places(context, academy.schools.keys())
            async with context.store.reading() as db:
                rooms = [await actual.rooms_of_school(db, school) for school in (ACADEMY, *academy.schools)]
        passwords = {player.person: player.password for player in academy.players}
        found["people"] += [
            _person(academy, place, passwords[place.person]) for place in everybody if place.person in passwords
        ]
        found["rooms"] += [_room(academy, room) for school in rooms for _, room in sorted(school.items())]
    return {**found}


def write_atomically(description: dict[str, Json], file: Path) -> None:
    """Writes the file whole or not at all; only its owner may read it, since it holds passwords.

    Raises:
        UsageError: the file cannot be written.
    """
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(description, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UsageError(f"The description cannot be written to {file}: {error.strerror}.") from None


def _academy(academy: DemoAcademy) -> Json:
    homeserver = academy.homeserver
    return {"name": academy.name, "server_name": homeserver.server_name, "client_url": homeserver.client_url}


def _person(academy: DemoAcademy, place: Place, password: str) -> Json:
    return {
        "academy": academy.name,
        "school": place.school,
        "user_id": place.user,
        "login": place.person,
        "password": password,
        "functions": [str(function) for function in place.functions],
        "guardian_of": [user_id(pupil, academy.homeserver.server_name) for pupil in place.guardian_of],
        "divisions": [*place.divisions],
    }


def _room(academy: DemoAcademy, room: ActualRoom) -> Json:
    key = room.key
    return {
        "academy": academy.name,
        "room_id": room.room,
        "kind": str(key.kind),
        "school": key.school or None,
        "division": key.scope if RULES[key.kind].scope is Scope.DIVISION else None,
    }
