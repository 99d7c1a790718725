"""Figures for Prometheus, on an address that only those who watch reach.

::

    transactions ─► counters, since the start ─┐
    store ─► what waits, and since when ───────┼─► GET /metrics
    commands ─► how the last run ended ────────┘

Labels have closed sets of values: nothing here grows with people, rooms or schools, and nothing names one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from preau import __version__
from preau.errors import StoreError
from preau.sync.figures import Figures
from preau.sync.results import Command, Result, kept

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


_NAMES: Final = {
    Command.APPLY: "preau_apply_last",
    Command.DOCTOR: "preau_doctor",
    Command.JOURNAL: "preau_journal",
}


class Outcome(StrEnum):
    """What became of a transaction that the homeserver sent."""

    STORED = "stored"
    KNOWN = "known"
    REFUSED = "refused"
    FAILED = "failed"


class Metrics:
    """What is counted, and the page that shows it.

    Args:
        figures: reads the numbers of the store.
        results: the folder in which commands leave how they ended, if there is one.
    """

    def __init__(self, figures: Callable[[], Awaitable[Figures]], results: Path | None = None) -> None:
        self._figures = figures
        self._results = results
        self._registry = CollectorRegistry()
        self._transactions = Counter(
            "preau_transactions", "Transactions of the homeserver, by outcome", ["outcome"], registry=self._registry
        )
        self._events = Counter("preau_events_received", "Events in them that were kept", registry=self._registry)
        for outcome in Outcome:
            self._transactions.labels(outcome)

    def transaction(self, outcome: Outcome, events: int = 0) -> None:
        """Counts one transaction, and the events that it brought."""
        self._transactions.labels(outcome).inc()
        self._events.inc(events)

    def application(self) -> web.Application:
        """The aiohttp application, ready to be served."""
        app = web.Application()
        app.add_routes([web.get("/metrics", self.show)])
        return app

    async def show(self, _request: web.Request) -> web.Response:
        """The page. A database that fails is told as a figure: the counters are still right."""
        found: Figures | None = None
        try:
            found = await self._figures()
        except StoreError as failed:
            log.warning("no_figures", reason=failed.happened)
        shown = CollectorRegistry()
        shown.register(_Shown(found, [] if self._results is None else [*kept(self._results)]))
        page = generate_latest(self._registry) + generate_latest(shown)
        return web.Response(body=page, headers={"Content-Type": _TEXT})


class _Shown(Collector):
    """The store's numbers as Prometheus wants them, None when it did not tell them; and how commands ended."""

    def __init__(self, figures: Figures | None, results: Iterable[Result]) -> None:
        self._figures = figures
        self._results = results

    def collect(self) -> Iterator[Metric]:
        """Every gauge."""
        build = GaugeMetricFamily("preau_build_info", "The version that runs", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        yield _gauge("preau_store_up", "Whether the database answers", self._figures is not None)
        if self._figures is not None:
            yield from _gauges(self._figures)
        for result in self._results:
            name = _NAMES[result.command]
            yield _gauge(f"{name}_ok", f"Whether the last `preau {result.command}` ended well", result.well)
            yield _gauge(f"{name}_timestamp_seconds", "When that was", result.at.timestamp())


def _gauges(found: Figures) -> Iterator[Metric]:
    waiting = found.waiting
    inbox = GaugeMetricFamily("preau_inbox_events", "Events that are not handled, by state", labels=["state"])
    inbox.add_metric(["pending"], waiting.events)
    inbox.add_metric(["stuck"], waiting.events_stuck)
    yield inbox
    yield _age("preau_inbox_oldest_age_seconds", "Age of the oldest pending event", found, waiting.events_since)
    yield _gauge("preau_guard_pushes_waiting", "Pushes of facts that the guard has not confirmed", waiting.pushes)
    yield _age("preau_guard_lag_seconds", "Age of the oldest of them", found, waiting.pushes_since)
    yield _gauge("preau_snapshots_waiting", "Imported rosters that no plan has taken over", waiting.snapshots)
    yield _age("preau_snapshots_oldest_age_seconds", "Age of the oldest of them", found, waiting.snapshots_since)
    accepted = waiting.accepted_at.timestamp() if waiting.accepted_at else 0
    yield _gauge("preau_last_accepted_timestamp_seconds", "When a plan last took rosters over, 0 for never", accepted)
    schools = GaugeMetricFamily("preau_schools", "Schools, by whether a plan finds something to do", labels=["state"])
    schools.add_metric(["settled"], found.schools_settled)
    schools.add_metric(["unsettled"], found.schools - found.schools_settled)
    yield schools
    yield _gauge("preau_journal_entries", "Entries of the journal; never falls", waiting.entries)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)


def _age(name: str, what: str, found: Figures, since: datetime | None) -> Metric:
    seconds = max(0.0, (found.at - since).total_seconds()) if since else 0.0
    return _gauge(name, what, seconds)
