"""Every hook of Synapse that the guard sits in, and what each answers should it fail: that its door is shut.

::

    Synapse ─► hook ─┬─ answers, or refuses (`SynapseError`) ────────────────► Synapse
                     └─ facts unreadable, or an error that nobody expected ─► logged once ─► shut

Without this an error would be Synapse's to deal with: some hooks would answer with status 500, some would let pass what
they should have refused, and on what other homeservers send it would break the handling of everything that came with
it (``synapse.md`` 1.1). There nothing is raised, not even a refusal.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

from synapse.module_api import MediaUploadLimit, ModuleApi
from synapse.module_api.errors import Codes, SynapseError

from preau.guard.facts import Unreadable
from preau.guard.speech import Speech
from preau.policy.refusals import Rule

log = logging.getLogger(__name__)

_DAY_MS: Final = 24 * 3600 * 1000

Hook: TypeAlias = Callable[..., Awaitable[Any]]
Shut: TypeAlias = Callable[[Speech, str], Awaitable[Any]]
"""The shut door of a hook, given who asks (empty if that cannot be told): what to return, or an error to raise."""


async def _answer(speech: Speech, asker: str) -> Any:
    code, fields = await speech.answer(Rule.NOT_READY, asker)
    return Codes(code), fields


async def _refuse(speech: Speech, asker: str) -> Any:
    raise await speech.refusal(Rule.NOT_READY, asker)


def _say(answer: object) -> Shut:
    async def say(_speech: Speech, _asker: str) -> Any:
        return answer

    return say


_SPAM: Final = "spam_checker"
_RULES: Final = "third_party_rules"
_MEDIA: Final = "media_repository"

_HOOKS: Final[Mapping[str, tuple[str, Shut]]] = {
    "user_may_join_room": (_SPAM, _answer),
    "user_may_create_room": (_SPAM, _answer),
    "user_may_create_room_alias": (_SPAM, _answer),
    "user_may_publish_room": (_SPAM, _answer),
    "check_login_for_spam": (_SPAM, _answer),
    "check_registration_for_spam": (_SPAM, _refuse),
    "check_media_file_for_spam": (_SPAM, _refuse),
    "check_username_for_spam": (_SPAM, _say(answer=True)),  # left out of what was found
    "federated_user_may_invite": (_SPAM, _answer),
    "check_event_for_spam": (_SPAM, _say(Codes.FORBIDDEN)),
    "on_create_room": (_RULES, _refuse),
    "check_threepid_can_be_invited": (_RULES, _say(answer=False)),
    "check_can_deactivate_user": (_RULES, _say(answer=False)),
    "on_user_login": ("account_validity", _say(None)),  # its device stays unconfirmed
    "is_user_allowed_to_upload_media_of_size": (_MEDIA, _refuse),
    "get_media_config_for_user": (_MEDIA, _say({"m.upload.size": 0})),
    "get_media_upload_limits_for_user": (_MEDIA, _say([MediaUploadLimit(max_bytes=0, time_period_ms=_DAY_MS)])),
}
"""The hooks by name: which of the module API's ``register_…_callbacks`` takes them, and their shut door."""

_FROM_ELSEWHERE: Final = frozenset({"federated_user_may_invite", "check_event_for_spam"})


class Callbacks:
    """Registers hooks that stay shut when they fail."""

    def __init__(self, api: ModuleApi, speech: Speech) -> None:
        self._api = api
        self._speech = speech

    def register(self, **hooks: Hook) -> None:
        """Sets hooks of the table above, by name."""
        for name, hook in hooks.items():
            kind, shut = _HOOKS[name]
            passing = () if name in _FROM_ELSEWHERE else (SynapseError,)
            register = getattr(self._api, f"register_{kind}_callbacks")
            register(**{name: self._shut_on_error(hook, shut, passing)})

    def refusing(self, judge: Hook) -> Hook:
        """The judge of an inner part (`preau.guard.inner.people`), given who asks first: refuses when it fails."""
        return self._shut_on_error(judge, _refuse, (SynapseError,))

    def _shut_on_error(self, hook: Hook, shut: Shut, passing: tuple[type[Exception], ...]) -> Hook:
        @functools.wraps(hook)
        async def called(*arguments: Any, **named: Any) -> Any:
            try:
                return await hook(*arguments, **named)
            except passing:
                raise
            except Unreadable:
                pass  # told where it was found
            except Exception:
                log.exception("%s failed, so that it refuses: %s", hook.__name__, _ids(arguments))
            return await shut(self._speech, _asker(arguments))

        return called


def _asker(arguments: tuple[Any, ...]) -> str:
    """Who asks, as far as a hook's first argument says it: a user, their event, or their request."""
    first = arguments[0] if arguments else ""
    if isinstance(first, str):
        return first
    found = getattr(first, "sender", None) or getattr(first, "user", None)
    return str(found) if found is not None else ""


def _ids(arguments: tuple[Any, ...]) -> list[str]:
    """The Matrix ids among a hook's arguments: nothing else of them is fit for a log."""
    texts = [each if isinstance(each, str) else getattr(each, "event_id", "") for each in arguments]
    return [text for text in dict.fromkeys((_asker(arguments), *texts)) if text[:1] in {"@", "!", "$", "#"}]
