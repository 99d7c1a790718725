"""``preau demo``."""

from __future__ import annotations


def demo() -> None:
    """Two federated académies on this machine."""
