"""The figures that Prometheus reads: counted right, of closed sets, and there when the database is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from preau.clock import FixedClock
from preau.errors import StoreError
from preau.model.ids import AcademyName, ServerName, UserId
from preau.store import inbox
from preau.store.engine import Store
from preau.sync.context import Academy
from preau.sync.figures import Figures, figures_of
from preau.sync.results import Command, Result, note
from preau.web.metrics import Metrics, Outcome

NOW = datetime(2026, 9, 15, 12, tzinfo=UTC)
ACADEMY = Academy(AcademyName("nord"), ServerName("nord.example"), UserId("@preau:nord.example"), "12", 2025)


@dataclass
class Watched:
    """A page of figures, and what it is made of."""

    store: Store
    results: Path
    metrics: Metrics
    url: str = ""
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))

    async def figures(self) -> dict[str, float]:
        """Every line of the page: ``name{label}`` and its value."""
        async with aiohttp.ClientSession() as session, session.get(self.url) as answer:
            assert answer.status == 200
            page = await answer.text()
        return {
            sample.name + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        }


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    store = Store(f"sqlite:///{tmp_path / 'preau.db'}")
    await store.migrate()
    clock = FixedClock(NOW)

    async def figures() -> Figures:
        return await figures_of(store, ACADEMY, clock)

    found = Watched(store, tmp_path, Metrics(figures, tmp_path), clock=clock)
    runner = web.AppRunner(found.metrics.application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/metrics"
    yield found
    await runner.cleanup()
    await store.close()


async def test_an_empty_service_has_every_figure_already(watched: Watched) -> None:
    found = await watched.figures()
    assert {name: found[name] for name in found if name.startswith("preau_inbox")} == {
        "preau_inbox_events{pending}": 0,
        "preau_inbox_events{stuck}": 0,
        "preau_inbox_oldest_age_seconds": 0,
    }
    assert {found[f"preau_transactions_total{{{outcome}}}"] for outcome in Outcome} == {0}
    assert (found["preau_guard_pushes_waiting"], found["preau_last_accepted_timestamp_seconds"]) == (0, 0)


async def test_what_waits_is_counted_with_the_age_of_the_oldest(watched: Watched) -> None:
    async with watched.store.writing() as db:
        for number, minutes in ((1, 9), (2, 4)):
            events = [{"event_id": f"${number}", "type": "m.room.message"}]
            await inbox.receive(db, f"t{number}", events, NOW - timedelta(minutes=minutes))
    found = await watched.figures()
    assert (found["preau_inbox_events{pending}"], found["preau_inbox_oldest_age_seconds"]) == (2, 540)


async def test_transactions_are_counted_by_what_became_of_them(watched: Watched) -> None:
    watched.metrics.transaction(Outcome.STORED, 3)
    watched.metrics.transaction(Outcome.KNOWN)
    found = await watched.figures()
    assert [found[f"preau_transactions_total{{{outcome}}}"] for outcome in Outcome] == [1, 1, 0, 0]
    assert found["preau_events_received_total"] == 3


async def test_how_commands_ended_is_shown_and_one_that_never_ran_is_not(watched: Watched) -> None:
    note(watched.results, Result(Command.DOCTOR, well=False, at=NOW))
    (watched.results / "apply.json").write_text("half a wor")
    found = await watched.figures()
    assert (found["preau_doctor_ok"], found["preau_doctor_timestamp_seconds"]) == (0, NOW.timestamp())
    assert not {name for name in found if name.startswith(("preau_apply", "preau_journal_ok"))}


async def test_a_database_that_fails_is_a_figure_and_no_missing_page() -> None:
    async def fails() -> Figures:
        raise StoreError("The database is away.")

    page = (await Metrics(fails).show(None)).body  # type: ignore[arg-type] -- the request is not looked at
    assert isinstance(page, bytes)
    assert b"preau_store_up 0.0" in page
    assert b"preau_transactions_total" in page
    assert b"preau_inbox_events" not in page
