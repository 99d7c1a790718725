"""The filter of the gate before an upgrade: which breaking changes nobody has acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def preau_unacknowledged(
    breaking: Iterable[Mapping[str, str]], installed: str, release: str, acknowledged: str
) -> list[str]:
    """What breaks between the release on a host and this one, and is not acknowledged: one sentence each.

    A host without a release was made by hand or half made: everything up to this release concerns it.
    """
    return [
        f"{change['release']}: only if {change['only_if']}: {change['do']}"
        for change in sorted(breaking, key=lambda change: _number(change["release"]))
        if max(_number(installed), _number(acknowledged)) < _number(change["release"]) <= _number(release)
    ]


def _number(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in (release or "0").split("."))


class FilterModule:
    """What Ansible asks a plugin for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name in templates → function."""
        return {"preau_unacknowledged": preau_unacknowledged}
