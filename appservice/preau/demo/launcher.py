"""Becomes another program, after tying its life to the parent's.

Run as a script by `preau.demo.processes`, by path and isolated, so it imports the standard library only::

    python -I launcher.py PARENT_PID USER|- PROGRAM ARGUMENT…

A child that outlives a killed demo holds its ports and its database. Linux ends a process with its parent if it asked
for that (``PR_SET_PDEATHSIG``, prctl(2)); the wish survives ``exec`` but not a change of user, hence the order here.
Not a ``preexec_fn``: Python warns of it in programs with threads.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def become(user: str) -> None:
    """Drops root for that user's rights; their primary group only."""
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def die_with(parent: int) -> None:
    """Asks for SIGKILL when the parent ends, and ends at once if it is already gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent has ended already")


def main(arguments: list[str]) -> None:
    """Never returns: the process becomes the program."""
    parent, user, *program = arguments
    if user != "-":
        become(user)
    die_with(int(parent))
    os.execvp(program[0], program)  # noqa: S606 -- no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
