"""What a member event of somebody of ours may say beside who is in and who is not: their name as the school gives it.

Clients show these words to the whole room, also where its members only read, and moderators cannot take them away.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from preau.policy.refusals import Rule

_SAID_BY_THE_HOMESERVER: Final = frozenset(
    {"membership", "displayname", "avatar_url", "is_direct", "join_authorised_via_users_server"}
)


def plain(content: Mapping[str, Any]) -> bool:
    """Whether it says nothing but the membership."""
    return set(content) == {"membership"}


def why_not_say(content: Mapping[str, Any], names: Collection[str]) -> Rule | None:
    """Why a member event may not say that; None if it may.

    Args:
        content: of the event.
        names: the display names that are the person's own.
    """
    if content.get("reason"):
        return Rule.REMARK
    shown = content.get("displayname")
    odd = set(content) - _SAID_BY_THE_HOMESERVER - {"reason"}
    if odd or content.get("avatar_url") or (shown is not None and shown not in names):
        return Rule.NAME
    return None if isinstance(content.get("is_direct", False), bool) else Rule.NAME
