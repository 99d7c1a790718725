"""The module that Synapse loads: builds the guard's parts and ties each to the hooks of this process.

::

    Synapse, once per process ─► parse_config ─► Guard ─► facts, rooms, speech ─► the parts ─► their hooks
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synapse.module_api import ModuleApi

from preau.guard import allowance_tables, batch_web, building, device_tables, evidence, tables
from preau.guard.abroad import Abroad
from preau.guard.accounts import Accounts
from preau.guard.admission import Admission
from preau.guard.allowances import Allowances
from preau.guard.batches import Batches
from preau.guard.building import Building
from preau.guard.callbacks import Callbacks
from preau.guard.creation import Creation
from preau.guard.device_web import ConfirmResource, DevicesResource
from preau.guard.devices import Devices
from preau.guard.events import EventRule, Events
from preau.guard.evidence import Evidence
from preau.guard.facts import Facts
from preau.guard.file_names import FileNames
from preau.guard.inner import Inner
from preau.guard.media import Media
from preau.guard.membership import Entrance, Membership
from preau.guard.privacy import Privacy
from preau.guard.registration import Registration
from preau.guard.remote import Remote
from preau.guard.rooms import Rooms
from preau.guard.search import Finder, SearchResource
from preau.guard.settings import Settings, parse
from preau.guard.speech import Speech
from preau.guard.takebacks import Takebacks
from preau.guard.upkeep import Upkeep
from preau.guard.web import PATH, BotOnly, FactsResource, StatusResource
from preau.guard.wording import Wording
from preau.guard.writing import Writing


class Guard:
    """Named under ``modules`` in Synapse's configuration; see `preau.guard.settings` for its ``config``."""

    def __init__(self, config: Settings, api: ModuleApi) -> None:
        inner = Inner(api)
        facts = Facts(api, inner.process)
        speech = Speech(facts)
        rooms = Rooms(api, facts, config)
        devices, allowances, sealed = Devices(api, inner, facts, speech), Allowances(api, inner), Evidence(api)
        callbacks = Callbacks(api, speech)
        devices.register(callbacks)
        writing = Writing(facts, devices, allowances)
        takebacks = Takebacks(config, inner, facts, devices, allowances, sealed)
        creation = Creation(config, facts, speech, writing.why_not_begin)
        creation.register(callbacks)
        abroad = Abroad(config, api, facts, speech)
        abroad.register(callbacks)
        Remote(config, api, inner, facts, rooms, sealed).register(callbacks)
        inner.name_all_members()
        entrance = Entrance(api, facts, abroad)
        membership = Membership(config, api, facts, rooms, speech, entrance, abroad)
        membership.register(callbacks, inner.people)
        upkeep = Upkeep(speech)
        upkeep.register(callbacks)
        Registration(speech).register(callbacks, inner.people)
        wording = (Wording(api, facts), FileNames())
        rules: list[EventRule] = [creation, membership, *wording, upkeep, writing, takebacks]
        Events(config, rooms, speech, rules, entrance, takebacks.keep).register(inner)
        Media(api, config, facts, devices, speech, inner.people).register(callbacks)
        Privacy(config, facts, speech).register(inner.people, callbacks)
        finder = Finder(api, config, facts)
        finder.register(callbacks)
        api.register_web_resource(f"{PATH}/search", SearchResource(api, speech, finder))
        bot_only = BotOnly(api, config)
        api.register_web_resource(f"{PATH}/facts", FactsResource(bot_only, facts))
        api.register_web_resource(f"{PATH}/devices", DevicesResource(bot_only, devices))
        api.register_web_resource(f"{PATH}/devices/confirm", ConfirmResource(bot_only, devices))
        api.register_web_resource(f"{PATH}/status", StatusResource(api, config, bot_only, inner))
        chains, admission = inner.chains(), Admission(api, facts, speech)
        batches = Batches(api, config, chains, Building(api, inner.process), rooms, admission) if chains else None
        batch_web.register(api, bot_only, batches, Accounts(api))
        if api.worker_name is None:
            api.delayed_background_call(0, _prepare, api, desc="preau_guard_prepare")

    @staticmethod
    def parse_config(config: Mapping[str, Any]) -> Settings:
        """Called by Synapse before anything runs; a wrong setting stops its start with our words."""
        return parse(config)


async def _prepare(api: ModuleApi) -> None:
    """Makes the tables; the main process does, and until it has, nothing is allowed anywhere."""
    for part in (tables, evidence, building, device_tables, allowance_tables):
        await api.run_db_interaction("preau_guard_create", part.create)
