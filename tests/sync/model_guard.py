"""A guard that only keeps what it is told, and a homeserver adapter that leads to it: no network, no Synapse.

That the real one keeps the same is shown by ``test_facts_told.py`` and the two beside it.
"""

from __future__ import annotations

import json
from typing import Any

from preau.matrix.calls import Endpoint
from preau.matrix.client import Homeserver
from preau.matrix.guard import GuardStatus, Held
from preau.model.fact_codec import decode
from preau.model.facts import Fact, FactKey, FactKind
from preau.sync.context import Academy


class ModelGuard(Homeserver):
    """Keeps facts by key, and takes pushes in order only."""

    def __init__(self, academy: Academy) -> None:
        super().__init__(Endpoint("http://model.invalid", "none", academy.bot, academy.server))
        self.held: dict[FactKey, Fact] = {}
        self.position = Held("", 0)

    async def guard_status(self) -> GuardStatus | None:
        return GuardStatus(self.position, {}, (), ())

    async def push_facts(self, body: str) -> Held | None:
        push: Any = json.loads(body)
        if push["after"] is not None and Held(push["stream"], push["after"]) != self.position:
            return self.position
        if push["after"] is None:
            self.held.clear()
        for kind, group in push["facts"].items():
            for key, fact in group.items():
                self._take((FactKind(kind), key), fact)
        self.position = Held(push["stream"], push["version"])
        return self.position

    def _take(self, key: FactKey, fact: Any) -> None:
        self.held.pop(key, None)
        if fact is not None:
            self.held[key] = decode(*key, fact)
