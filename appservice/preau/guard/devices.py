"""New devices of accounts that reach many: limited until somebody confirms them.

::

    login under a name that the client chose ─► check_login_for_spam ─► what was confirmed under that name is forgotten
    login succeeded ─► on_user_login ─► the account's very first, and its only device? ─► confirmed by itself
                                                       │ no
                                                       ▼
                     limited ─► POST devices/confirm (help desk, later the portal) ─► free, in all processes at once

Synapse lets a client log in under the name of a device that exists, and the name of a member's device is no secret
(``/keys/query`` tells it to whoever shares a room). A confirmation therefore belongs to a login, not to a name: every
login begins anew, and one under a known name takes the confirmation away before Synapse gives out a token. The person
whose device it is finds it limited, which is as it should be when somebody else has their password.

Only what is confirmed is kept in memory. A limited device is looked up each time: few writes, soon confirmed.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from synapse.module_api import NOT_SPAM, ModuleApi
from synapse.module_api.errors import Codes

from preau.guard import device_tables
from preau.guard.bell import Bell
from preau.guard.callbacks import Callbacks
from preau.guard.device_tables import Known
from preau.guard.facts import Facts, Unreadable
from preau.guard.inner import Inner
from preau.guard.speech import Speech
from preau.model.facts import PersonFacts
from preau.policy.devices import needs_confirmation
from preau.policy.refusals import Rule

log = logging.getLogger(__name__)

_KEPT: Final = 20_000
_TRUSTED_MS: Final = 60_000
"""How long a process relies on a confirmation without looking again, should the word that it ended be lost."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device that an account has: its id, the name its client gave it, and what we know of it (None: nothing)."""

    id: str
    name: str
    known: Known | None

    @property
    def confirmed(self) -> bool:
        """Whether it is free."""
        return self.known is not None and self.known.confirmed_at is not None


class Devices:
    """Knows which devices are limited."""

    def __init__(self, api: ModuleApi, inner: Inner, facts: Facts, speech: Speech) -> None:
        self._api = api
        self._inner = inner
        self._facts = facts
        self._speech = speech
        self._confirmed: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._ended = 0
        self._bell = Bell(api, "devices", self._hear)

    def register(self, callbacks: Callbacks) -> None:
        """Sets the hooks."""
        callbacks.register(check_login_for_spam=self.check_login_for_spam, on_user_login=self.on_user_login)

    async def check_login_for_spam(
        self,
        user: str,
        device: str | None,
        _name: str | None,
        _request: Collection[tuple[str | None, str]],
        _provider: str | None = None,
    ) -> Any:
        """A password was right; if the client names the device, what was confirmed under that name ends here."""
        if device is None:
            return NOT_SPAM
        try:
            await self._api.run_db_interaction("preau_guard_device_forget", device_tables.forget, user, device)
            await self._bell.ring(user, device)
        except Exception:
            log.exception("A login under a known device name cannot be noted, so it is refused")
            code, fields = await self._speech.answer(Rule.NOT_READY, user)
            return Codes(code), fields
        return NOT_SPAM

    async def on_user_login(self, user: str, _type: str | None, _provider: str | None) -> None:
        """The device exists now. A failure here leaves it unconfirmed."""
        try:
            devices = await self._inner.devices(user)
            if devices:
                now = self._api.get_current_time_msec()
                await self._api.run_db_interaction(
                    "preau_guard_device_login", device_tables.logged_in, user, sorted(devices), now
                )
        except Exception:
            log.exception("A login cannot be noted, so its device stays unconfirmed")

    async def limited(self, person: PersonFacts, device: str | None) -> bool:
        """Whether what this person does from that device is limited. None is no device: an application service's.

        Raises:
            Unreadable: that cannot be told.
        """
        now = self._api.get_current_time_msec()
        if device is None or now - self._confirmed.get((person.user, device), -_TRUSTED_MS) < _TRUSTED_MS:
            return False
        if not needs_confirmation(person, await self._facts.schools_of(person)):
            return False
        return not await self._is_confirmed(person.user, device, now)

    async def quarantined(self, user: str) -> bool:
        """Whether any of the account's devices is limited: for what Synapse does not tell the device of (media).

        Raises:
            Unreadable: that cannot be told.
        """
        person = await self._facts.person(user)
        if person is not None and not needs_confirmation(person, await self._facts.schools_of(person)):
            return False
        devices = await self.of(user)
        return devices is None or not all(device.confirmed for device in devices)

    async def of(self, user: str) -> list[Device] | None:
        """The account's devices; None if Synapse does not tell.

        Raises:
            Unreadable: the database does not answer.
        """
        try:
            names = await self._inner.devices(user)
            known: dict[str, Known] = await self._api.run_db_interaction("preau_guard_devices", device_tables.of, user)
        except Exception as error:
            log.exception("Devices cannot be read")
            raise Unreadable from error
        return None if names is None else [Device(id_, name, known.get(id_)) for id_, name in sorted(names.items())]

    async def confirm(self, user: str, device: str, by: str) -> None:
        """Frees a device. Processes do not keep what is unconfirmed, so it counts everywhere at once."""
        now = self._api.get_current_time_msec()
        await self._api.run_db_interaction("preau_guard_confirm", device_tables.confirm, user, device, by, now)

    async def _is_confirmed(self, user: str, device: str, now: int) -> bool:
        ended = self._ended
        try:
            found: bool = await self._api.run_db_interaction(
                "preau_guard_is_confirmed", device_tables.is_confirmed, user, device
            )
        except Exception as error:
            log.exception("Whether a device is confirmed cannot be read")
            raise Unreadable from error
        if found and ended == self._ended:
            self._keep((user, device), now)
        return found

    def _keep(self, key: tuple[str, str], now: int) -> None:
        self._confirmed[key] = now
        self._confirmed.move_to_end(key)
        if len(self._confirmed) > _KEPT:
            self._confirmed.popitem(last=False)

    def _hear(self, what: Sequence[str] | None) -> None:
        """A confirmation ended; None: any may have. What is being read at this moment is not kept."""
        self._ended += 1
        if what is None:
            self._confirmed.clear()
        else:
            self._confirmed.pop((what[0], what[1]), None)
