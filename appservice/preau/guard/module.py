"""The module that Synapse loads: builds the guard's parts and ties each to the hooks of this process.

::

    Synapse, once per process ─► parse_config ─► Guard ─► facts, rooms, speech ─► the parts ─► their hooks
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synapse.module_api import ModuleApi

from preau.guard import evidence, tables
from preau.guard.creation import Creation
from preau.guard.events import Events
from preau.guard.facts import Facts
from preau.guard.inner import Inner
from preau.guard.rooms import Rooms
from preau.guard.settings import Settings, parse
from preau.guard.speech import Speech
from preau.guard.web import PATH, BotOnly, FactsResource, StatusResource


class Guard:
    """Named under ``modules`` in Synapse's configuration; see `preau.guard.settings` for its ``config``."""

    def __init__(self, config: Settings, api: ModuleApi) -> None:
        inner = Inner(api)
        facts = Facts(api, inner.process)
        speech = Speech(facts)
        rooms = Rooms(api, facts, config)
        creation = Creation(config, facts, speech)
        creation.register(api)
        Events(config, rooms, speech, [creation]).register(inner)
        bot_only = BotOnly(api, config)
        api.register_web_resource(f"{PATH}/facts", FactsResource(bot_only, facts))
        api.register_web_resource(f"{PATH}/status", StatusResource(api, bot_only, inner))
        if api.worker_name is None:
            api.delayed_background_call(0, _prepare, api, desc="preau_guard_prepare")

    @staticmethod
    def parse_config(config: Mapping[str, Any]) -> Settings:
        """Called by Synapse before anything runs; a wrong setting stops its start with our words."""
        return parse(config)


async def _prepare(api: ModuleApi) -> None:
    """Makes the tables; the main process does, and until it has, nothing is allowed anywhere."""
    for part in (tables, evidence):
        await api.run_db_interaction("preau_guard_create", part.create)
