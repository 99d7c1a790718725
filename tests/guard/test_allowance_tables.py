"""Uses of one account from many processes at once are counted exactly, on both databases that Synapse runs on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, cast

import psycopg2
import pytest
from synapse.module_api import LoggingTransaction

from preau.guard.allowance_tables import Use, create, note, prune
from preau.policy.fan_out import Allowance, Spending
from tests.postgresql_server import PostgresqlServer

NOW = 10**12
FIVE = Allowance(5, 3600)


class Transaction:
    """A cursor as Synapse hands it to `run_db_interaction`, as far as the tables use it."""

    def __init__(self, cursor: Any, mark: str) -> None:
        self._cursor = cursor
        self._mark = mark

    def execute(self, statement: str, values: tuple[object, ...] = ()) -> None:
        self._cursor.execute(statement.replace("?", self._mark), values)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._cursor)


class Database:
    """Runs each transaction on a connection of its own, as processes of a homeserver do."""

    def __init__(self, connect: Callable[[], Any], mark: str) -> None:
        self._connect = connect
        self._mark = mark

    def run(self, work: Callable[..., Any], *arguments: object, before_commit: Callable[[], object] = bool) -> Any:
        connection = self._connect()
        try:
            found = work(cast(LoggingTransaction, Transaction(connection.cursor(), self._mark)), *arguments)
            before_commit()
            connection.commit()
            return found
        finally:
            connection.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database with the tables."""
    if request.param == "sqlite":
        made = Database(lambda: sqlite3.connect(tmp_path / "homeserver.db", timeout=30), "?")
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        name = server.make_database()
        made = Database(
            lambda: psycopg2.connect(host=server.host, port=server.port, user=server.user, dbname=name), "%s"
        )
    made.run(create)
    return made


def _rooms(user: str, *rooms: str, now: int = NOW) -> list[Use]:
    return [Use(user, Spending.ROOMS, room, now, FIVE) for room in rooms]


def test_whoever_comes_second_waits_for_the_first_and_counts_it(database: Database) -> None:
    *four, fifth, sixth = _rooms("@a:x", *(f"!{number}" for number in range(6)))
    for use in four:
        assert database.run(note, use)
    with ThreadPoolExecutor(1) as pool:
        second: list[Future[bool]] = []

        def let_the_second_try() -> None:
            second.append(pool.submit(database.run, note, sixth))
            wait(second, timeout=0.5)

        assert database.run(note, fifth, before_commit=let_the_second_try)
        assert second[0].result(timeout=30) is False


def test_many_at_once_get_no_more_than_the_allowance(database: Database) -> None:
    uses = _rooms("@a:x", *(f"!{number}" for number in range(20)))
    with ThreadPoolExecutor(10) as pool:
        allowed = list(pool.map(lambda use: database.run(note, use), uses))
    assert sum(allowed) == FIVE.things


def test_the_same_thing_at_once_is_one_thing(database: Database) -> None:
    with ThreadPoolExecutor(10) as pool:
        allowed = list(pool.map(lambda use: database.run(note, use), _rooms("@a:x", *["!same"] * 20)))
    assert all(allowed)
    assert [database.run(note, use) for use in _rooms("@a:x", "!1", "!2", "!3", "!4", "!5")] == [True] * 4 + [False]


def test_accounts_and_purposes_are_counted_apart(database: Database) -> None:
    for use in _rooms("@a:x", "!1", "!2", "!3", "!4", "!5"):
        assert database.run(note, use)
    assert not database.run(note, Use("@a:x", Spending.ROOMS, "!6", NOW, FIVE))
    assert database.run(note, Use("@b:x", Spending.ROOMS, "!6", NOW, FIVE))
    assert database.run(note, Use("@a:x", Spending.CONVERSATIONS, "!6", NOW, FIVE))


def test_what_a_clock_that_is_behind_notes_sets_nothing_back(database: Database) -> None:
    hour = 3600 * 1000
    for use in _rooms("@a:x", "!1", "!2", "!3", "!4", "!5"):
        assert database.run(note, use)
    assert database.run(note, Use("@a:x", Spending.ROOMS, "!1", NOW - hour, FIVE))
    assert not database.run(note, Use("@a:x", Spending.ROOMS, "!6", NOW + hour // 2, FIVE))


def test_old_uses_are_forgotten(database: Database) -> None:
    for use in _rooms("@a:x", "!1", "!2", "!3", "!4", "!5"):
        assert database.run(note, use)
    database.run(prune, NOW)
    assert not database.run(note, Use("@a:x", Spending.ROOMS, "!6", NOW, FIVE))
    database.run(prune, NOW + 1)
    assert database.run(note, Use("@a:x", Spending.ROOMS, "!6", NOW, FIVE))
