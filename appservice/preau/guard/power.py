"""What a room's power levels say (client-server spec 1.16, module "Room permissions"); they may have any shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from preau.guard.inner import StateBefore

_REDACT: Final = 50
"""The level that taking away others' messages needs where the room does not say."""


class Power:
    """Who may do what in a room, by the levels that stand in its state; the specification's own where they do not."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content

    @classmethod
    async def before(cls, state: StateBefore) -> Power:
        """The levels in force."""
        found = await state.get("m.room.power_levels")
        return cls(found.content if found is not None else {})

    def may_send(self, user: str, event_type: str) -> bool:
        """Whether somebody may send a message of that type."""
        needed = self._of("events", event_type, self._content.get("events_default", 0))
        return self._may(user, needed)

    def may_redact(self, user: str) -> bool:
        """Whether somebody may take away what others wrote."""
        return self._may(user, self._content.get("redact", _REDACT))

    def _may(self, user: str, needed: Any) -> bool:
        level = self._of("users", user, self._content.get("users_default", 0))
        return isinstance(level, int) and isinstance(needed, int) and level >= needed

    def _of(self, table: str, key: str, default: Any) -> Any:
        rows = self._content.get(table)
        found = rows.get(key) if isinstance(rows, Mapping) else None
        return found if isinstance(found, int) else default
