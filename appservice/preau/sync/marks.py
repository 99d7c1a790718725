"""What a plan, and a reading of files, depend on beside the store and the files: settings, and the program itself.

Marks (`preau.store.settled`, `preau.store.imported`) are good for the very program that made them: a version number
would not do, since an installation from a checkout changes without it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from functools import cache
from pathlib import Path

import preau
from preau.model.ids import Uai
from preau.store.engine import Transaction
from preau.sync.context import Academy
from preau.sync.control import vouched


@cache
def program() -> str:
    """A digest of Préau's own source; it stays as it was when the process started to use it."""
    told = hashlib.sha256()
    home = Path(preau.__file__).parent
    for path in sorted(home.rglob("*.py")):
        told.update(f"\n{path.relative_to(home)} {path.stat().st_size}\n".encode())
        told.update(path.read_bytes())
    return told.hexdigest()


async def bases(db: Transaction, academy: Academy, schools: Collection[Uai]) -> dict[Uai, str]:
    """What each school's plan depends on beside the school: changed, it is another text."""
    words = sorted((user, *sorted(functions)) for user, functions in (await vouched(db, academy)).items())
    common = (program(), academy.server, academy.bot, academy.room_version, words)
    return {school: _digest(*common, *_choices(academy, school)) for school in schools}


def _choices(academy: Academy, school: Uai) -> tuple[object, ...]:
    choices = academy.choices_of(school)
    cells = sorted((writer, reader, cell.value) for (writer, reader), cell in choices.contact.items())
    return choices.pupil_accounts, choices.pupil_rooms, choices.pupil_media, cells


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
