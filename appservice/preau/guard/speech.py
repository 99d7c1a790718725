"""Refusals as Synapse and clients understand them: a Matrix error code, a sentence, and the rule's own code."""

from __future__ import annotations

from typing import Final

from synapse.module_api import JsonDict
from synapse.module_api.errors import Codes, SynapseError

from preau.guard.facts import Facts, Unreadable
from preau.model.facts import Language
from preau.policy.refusals import Rule, sentence

RULE_FIELD: Final = "fr.preau.rule"
"""The field of a refusal that holds the rule's code, for programs and for the help desk."""

_CODES: Final = {Rule.NOT_READY: Codes.UNKNOWN}
"""Rules with another code than ``M_FORBIDDEN``. Not even the limits have ``M_LIMIT_EXCEEDED``: that belongs to status
429 (client-server spec, "Rate limiting"), which SDKs answer by waiting and sending again on their own, so that the
person would see a message on its way for an hour instead of our sentence. A search box is another matter
(`Speech.not_so_fast`)."""


class Speech:
    """Says no, in the language of the one who asked."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    async def refusal(self, rule: Rule, user: str) -> SynapseError:
        """The error to raise, where Synapse takes one."""
        code, fields = await self.answer(rule, user)
        return SynapseError(403, str(fields.pop("error")), code, fields)

    async def not_so_fast(self, rule: Rule, user: str, wait_ms: int) -> SynapseError:
        """The error where a client does well to wait and ask again by itself."""
        _, fields = await self.answer(rule, user)
        return SynapseError(429, str(fields.pop("error")), Codes.LIMIT_EXCEEDED, {**fields, "retry_after_ms": wait_ms})

    async def answer(self, rule: Rule, user: str) -> tuple[Codes, JsonDict]:
        """The code and fields to return, where Synapse wants those (``synapse.md`` 1.2)."""
        text = sentence(rule, await self._language(user))
        return _CODES.get(rule, Codes.FORBIDDEN), {"error": text, RULE_FIELD: rule.value}

    async def _language(self, user: str) -> Language:
        try:
            person = await self._facts.person(user)
        except Unreadable:
            return Language.FRENCH
        return person.language if person is not None else Language.FRENCH
