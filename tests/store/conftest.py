"""One store per test, on each engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from preau.store.engine import Store


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new, empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'preau.db'}"
    make_database = request.getfixturevalue("make_database")
    return str(make_database())


@pytest.fixture
async def empty_store(url: str) -> AsyncIterator[Store]:
    """A store whose database holds nothing, not even tables."""
    store = Store(url)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def store(empty_store: Store) -> Store:
    """A store that is ready for use."""
    await empty_store.migrate()
    return empty_store
