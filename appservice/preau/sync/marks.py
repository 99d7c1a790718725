"""What a plan, and a reading of files, depend on beside the store and the files: settings, and the program itself.

Marks (`preau.store.settled`, `preau.store.imported`) are good for the very program that made them: a version number
would not do, since an installation from a checkout changes without it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Final

import preau
from preau.model.ids import Uai
from preau.store.engine import Transaction
from preau.sync.context import Academy
from preau.sync.control import vouched

_LAYERS: Final = ("model", "policy", "roster", "store", "sync")
"""Everything that has a say in what a file means and what a plan holds."""


@cache
def program() -> str:
    """A digest of the source that decides; of a process, it is the one with which it was first asked for."""
    told = hashlib.sha256()
    home = Path(preau.__file__).parent
    for path in sorted(path for layer in _LAYERS for path in (home / layer).rglob("*.py")):
        source = path.read_bytes()
        told.update(f"{path.relative_to(home)} {len(source)}\n".encode() + source)
    return told.hexdigest()


async def bases(db: Transaction, academy: Academy, schools: Collection[Uai]) -> dict[Uai, str]:
    """What each school's plan depends on beside the school: changed, it is another text."""
    words = sorted((user, *sorted(functions)) for user, functions in (await vouched(db, academy)).items())
    common = (program(), academy.server, academy.bot, academy.room_version, words)
    return {school: _digest(*common, academy.choices_of(school).fingerprint) for school in schools}


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
