"""What the service tells systemd (``sd_notify``): that it answers, that it still lives, that it is ending.

Started by hand, nobody listens, and every function does nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable


def tell(message: str) -> None:
    """Sends one message, such as ``READY=1``. A systemd that does not take it is no reason to stop."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # Linux's abstract names
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.connect(address)
            channel.sendall(message.encode())
        except OSError:
            return


def watchdog_seconds() -> float | None:
    """How often systemd wants to hear from this very process; None if it does not."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    wanted = os.environ.get("WATCHDOG_USEC", "")
    return int(wanted) / 1_000_000 if wanted.isdigit() and int(wanted) > 0 else None


async def keep_alive(sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Says that the event loop turns, twice as often as systemd wants; returns at once if it does not."""
    seconds = watchdog_seconds()
    while seconds is not None:
        tell("WATCHDOG=1")
        await sleep(seconds / 2)
