"""What Synapse's own tables hold of accounts, rooms and redactions, and the module API does not tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from synapse.module_api import LoggingTransaction


@dataclass(frozen=True, slots=True)
class Account:
    """An account of this homeserver: its profile, and whether it may act."""

    user: str
    display_name: str | None
    avatar: str | None
    deactivated: bool
    locked: bool
    suspended: bool


def accounts(txn: LoggingTransaction, users: Sequence[str]) -> dict[str, Account]:
    """Those of these users who exist, at most a thousand."""
    if not users:
        return {}
    marks = ", ".join("?" * len(users))
    txn.execute(
        "SELECT name, displayname, avatar_url, deactivated, locked, suspended FROM users "  # noqa: S608 -- only marks are put in
        f"LEFT JOIN profiles ON full_user_id = name WHERE name IN ({marks}) AND is_guest = 0",
        list(users),
    )
    return {
        user: Account(user, name, avatar, bool(deactivated), bool(locked), bool(suspended))
        for user, name, avatar, deactivated, locked, suspended in txn
    }


def begins_at(txn: LoggingTransaction, room: str, depth: int) -> None:
    """Notes the depth of a room's first event, where Synapse, given many first events at once, noted the last one's."""
    txn.execute("UPDATE room_depth SET min_depth = ? WHERE room_id = ? AND min_depth > ?", (depth, room, depth))


def was_ever_entered(txn: LoggingTransaction, room: str) -> bool:
    """Whether anybody was ever a member of a room: false of one whose making was cut off."""
    txn.execute("SELECT 1 FROM room_memberships WHERE room_id = ? LIMIT 1", (room,))
    return txn.fetchone() is not None


def was_taken_back(txn: LoggingTransaction, event_id: str) -> bool:
    """Whether a redaction of that event is here: of one that arrives only now, too."""
    txn.execute("SELECT 1 FROM redactions WHERE redacts = ? LIMIT 1", (event_id,))
    return txn.fetchone() is not None
