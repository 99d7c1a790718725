"""The service in numbers, for those who watch over it: from the store alone, one row per school at most."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from preau.clock import Clock
from preau.store import figures, settled
from preau.store.engine import Store
from preau.store.figures import Waiting
from preau.sync.context import Academy
from preau.sync.marks import bases
from preau.sync.schools import all_schools


@dataclass(frozen=True, slots=True)
class Figures:
    """What waits, at which moment; how many schools there are, and in how many of them a plan found nothing to do."""

    at: datetime
    waiting: Waiting
    schools: int
    schools_settled: int


async def figures_of(store: Store, academy: Academy, clock: Clock) -> Figures:
    """The service in numbers, now.

    Raises:
        StoreError: the database cannot be used.
    """
    now = clock.now()
    async with store.reading() as db:
        schools = await all_schools(db)
        done = await settled.settled(db, await bases(db, academy, schools), now)
        return Figures(now, await figures.waiting(db), len(schools), len(schools & done))
