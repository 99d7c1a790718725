"""The guard's own settings, from the ``config`` of its entry under ``modules`` in Synapse's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from preau.model.ids import ServerName, UserId, split_user_id


@dataclass(frozen=True, slots=True)
class Settings:
    """What the guard is told when Synapse starts.

    Args:
        bot: the service's own user, who may do anything.
        peers: the bot of each académie that this one federates with.
        clamd_socket: where clamd listens (Unix socket); empty: files are not looked at by a virus scanner.
    """

    bot: UserId
    peers: Mapping[ServerName, UserId] = field(default_factory=dict)
    clamd_socket: str = ""

    @property
    def server(self) -> ServerName:
        """This académie's homeserver."""
        return split_user_id(self.bot)[1]


def parse(raw: Mapping[str, Any]) -> Settings:
    """The settings, checked.

    Raises:
        ValueError: a setting is unknown, missing or of another shape; the message names it.
    """
    known = {each.name for each in fields(Settings)}
    if unknown := sorted(raw.keys() - known):
        raise ValueError(f"preau.guard: unknown settings {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    peers = raw.get("peers", {})
    if not isinstance(peers, Mapping):
        raise ValueError("preau.guard: peers: a mapping of server names to their bots is expected")  # noqa: TRY004 -- Synapse shows a ValueError's text
    return Settings(
        bot=_user(raw.get("bot"), "bot"),
        peers={ServerName(str(server)): _user(bot, f"peers.{server}") for server, bot in peers.items()},
        clamd_socket=_text(raw.get("clamd_socket", ""), "clamd_socket"),
    )


def _user(raw: object, name: str) -> UserId:
    text = _text(raw, name)
    try:
        split_user_id(UserId(text))
    except ValueError as error:
        raise ValueError(f"preau.guard: {name}: {error}") from None
    return UserId(text)


def _text(raw: object, name: str) -> str:
    if not isinstance(raw, str):
        raise ValueError(f"preau.guard: {name}: a text is expected")  # noqa: TRY004 -- Synapse shows a ValueError's text
    return raw
