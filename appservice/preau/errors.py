"""The errors a person may meet, drawn::

PreauError                    explain() is what people read; a stack trace is for bugs only
├── UsageError                the command was called the wrong way (exit status 2)
├── ConfigError               a setting is missing or wrong
├── UnknownSubject            no such person, school, room
├── DecisionRefused           a decision entered by hand would mean nothing
├── RosterRefused             a roster file or set of files is refused whole
├── PlanStopped               a brake stopped the plan
├── JournalBroken             the hash chain does not hold
├── StoreError                our own database cannot be used
└── HomeserverError           the homeserver said no
    ├── HomeserverUnreachable it said nothing, after every retry
    └── HomeserverBusy        it asked us to wait longer than we may
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class PreauError(Exception):
    """Something a person can understand and act on.

    Args:
        happened: what happened, to what, in one sentence.
        advice: what to do about it; empty when there is nothing to do.
    """

    exit_code = 1

    def __init__(self, happened: str, *, advice: str = "") -> None:
        super().__init__(happened)
        self.happened = happened
        self.advice = advice

    def explain(self) -> str:
        """The sentence shown to people: what happened, then what to do."""
        return f"{self.happened}\n{self.advice}" if self.advice else self.happened


class UsageError(PreauError):
    """The command was called the wrong way."""

    exit_code = 2


class ConfigError(PreauError):
    """A setting is missing or wrong."""

    exit_code = 2


class UnknownSubject(PreauError):
    """No such person, school or room."""


class DecisionRefused(PreauError):
    """A consent, an appointment or a court decision would mean nothing in its school; nothing was noted."""


class RosterRefused(PreauError):
    """A roster file, or a set of files, is refused whole; nothing of it was taken."""


class PlanStopped(PreauError):
    """A brake stopped the plan; nothing was done."""


class JournalBroken(PreauError):
    """The journal's hash chain does not hold from one entry on."""


class StoreError(PreauError):
    """The service's own database cannot be used."""


class HomeserverError(PreauError):
    """The homeserver refused a call.

    Args:
        happened: which call, on what.
        errcode: the Matrix error code (``M_FORBIDDEN`` …), or ``""`` when the answer held none.
        status: the HTTP status, 0 when there was no answer.
        advice: what to do about it.
    """

    def __init__(self, happened: str, *, errcode: str = "", status: int = 0, advice: str = "") -> None:
        super().__init__(happened, advice=advice)
        self.errcode = errcode
        self.status = status


class HomeserverUnreachable(HomeserverError):
    """The homeserver did not answer, after every retry."""


class HomeserverBusy(HomeserverError):
    """The homeserver asked us to wait longer than a call may last."""


@contextmanager
def plainly() -> Iterator[None]:
    """Lets the first `PreauError` of a task group out by itself, so that callers catch what the docstrings say."""
    try:
        yield
    except BaseExceptionGroup as group:
        found, other = group.split(PreauError)
        if found is None or other is not None:
            raise
        raise _first(found) from group


def _first(group: BaseExceptionGroup[PreauError]) -> PreauError:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, PreauError)
    return found
