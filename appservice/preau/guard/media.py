"""Files: who may upload how much, and which files may rest here at all::

    upload, any path ─► size, function, today's total ─► it is stored ─► its own first bytes ─► ClamAV ─► known
                        any device unconfirmed?                        │
    a file of another académie, when somebody looks at it ─────────────┘
    thumbnails, which Synapse makes itself ─────────────────────────────────────────────────────────────► known

Synapse does not say from which device a file comes: while one of an account is limited, none of them uploads.
Synapse would answer with words of its own to what these hooks return, so that they raise what people should read.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Final

from synapse.module_api import NOT_SPAM, JsonDict, MediaUploadLimit, ModuleApi

from preau.guard.callbacks import Callbacks
from preau.guard.clamd import Verdict, scan
from preau.guard.devices import Devices
from preau.guard.facts import Facts
from preau.guard.file_types import kind_of
from preau.guard.inner.people import PeopleParts
from preau.guard.settings import Settings
from preau.guard.speech import Speech
from preau.policy.refusals import Rule
from preau.policy.uploads import Allowance, allowance, why_no_upload

log = logging.getLogger(__name__)

_DAY_MS: Final = 24 * 3600 * 1000
_SCAN_SECONDS: Final = 30.0
_SCANS_AT_ONCE: Final = 4
"""Each holds one of the few threads that Synapse also writes files with."""

_TURN_SECONDS: Final = 0.05
_TURNS: Final = int(_SCAN_SECONDS / _TURN_SECONDS)

_BROKEN_BY: Final = {
    Verdict.CLEAN: None,
    Verdict.INFECTED: Rule.MEDIA_INFECTED,
    Verdict.UNCHECKED: Rule.MEDIA_UNCHECKED,
}


class Media:
    """Rules on files."""

    def __init__(  # noqa: PLR0913, PLR0917 -- each is asked once
        self, api: ModuleApi, settings: Settings, facts: Facts, devices: Devices, speech: Speech, inner: PeopleParts
    ) -> None:
        self._api = api
        self._settings = settings
        self._facts = facts
        self._devices = devices
        self._speech = speech
        self._inner = inner
        self._scans = 0

    def register(self, callbacks: Callbacks) -> None:
        """Sets the hooks."""
        callbacks.register(
            is_user_allowed_to_upload_media_of_size=self.is_user_allowed_to_upload_media_of_size,
            get_media_config_for_user=self.get_media_config_for_user,
            check_media_file_for_spam=self.check_media_file_for_spam,
        )
        if not self._inner.counts_uploads:
            callbacks.register(get_media_upload_limits_for_user=self.limits)

    async def is_user_allowed_to_upload_media_of_size(self, user: str, size: int) -> bool:
        """Asked before a file is stored."""
        broken = await self._why_no_upload(user, size)
        if broken is not None:
            raise await self._speech.refusal(broken, user)
        return True

    async def get_media_config_for_user(self, user: str) -> JsonDict | None:
        """What clients are told, so that they need not try."""
        bound = self._inner.largest_upload
        if user == self._settings.bot:
            return None
        largest = (await self._allowed(user)).file
        return {"m.upload.size": largest if bound is None else min(largest, bound)}

    async def limits(self, user: str) -> list[MediaUploadLimit]:
        """The day's total, where we cannot count it ourselves."""
        if user == self._settings.bot:
            return []
        return [MediaUploadLimit(max_bytes=(await self._allowed(user)).day, time_period_ms=_DAY_MS)]

    async def check_media_file_for_spam(self, file: Any, info: Any) -> Any:
        """Asked when a file, of ours or of another académie, is on the disk and not yet known to anybody."""
        if info.thumbnail is not None or info.url_cache:
            return NOT_SPAM  # made by Synapse itself, out of a file that was looked at
        broken = await self._why_no_file(file)
        if broken is not None:
            log.info("A file is refused: %s, from %s", broken, info.server_name or self._inner.asker)
            raise await self._speech.refusal(broken, self._inner.asker)
        return NOT_SPAM

    async def _why_no_upload(self, user: str, size: int) -> Rule | None:
        if user == self._settings.bot:
            return None
        allowed = await self._allowed(user)
        broken = why_no_upload(allowed, size, await self._inner.uploaded(user, _DAY_MS))
        return broken or (Rule.NEW_DEVICE if await self._devices.quarantined(user) else None)

    async def _allowed(self, user: str) -> Allowance:
        person = await self._facts.person(user)
        return allowance(person, await self._facts.schools_of(person) if person is not None else {})

    async def _why_no_file(self, file: Any) -> Rule | None:
        try:
            path = Path(file.path)
            if await self._api.defer_to_thread(_is_of_no_kind, path):
                return Rule.MEDIA_TYPE
            return await self._why_infected(path) if self._settings.clamd_socket else None
        except Exception:
            log.exception("A file cannot be looked at")
            return Rule.MEDIA_UNCHECKED

    async def _why_infected(self, path: Path) -> Rule | None:
        """Waits for its turn: a slow scanner holds up files, never the homeserver."""
        for _ in range(_TURNS):
            if self._scans < _SCANS_AT_ONCE:
                break
            await self._api.sleep(_TURN_SECONDS)
        else:
            log.warning("clamd is too slow: a file waited %s s for its turn", _SCAN_SECONDS)
            return Rule.MEDIA_UNCHECKED
        self._scans += 1
        try:
            return _BROKEN_BY[await self._api.defer_to_thread(_scan, self._settings.clamd_socket, path)]
        finally:
            self._scans -= 1


def _is_of_no_kind(path: Path) -> bool:
    with path.open("rb") as file:
        return kind_of(file) is None


def _scan(socket: str, path: Path) -> Verdict:
    with path.open("rb") as file:
        return scan(socket, file, _SCAN_SECONDS)
