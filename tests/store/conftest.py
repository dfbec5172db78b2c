"""One suite for both databases: `store` is a fresh SQLite file, then a fresh schema of a real PostgreSQL server."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.store import Store
from graphpost.testing.postgres import PostgresServer

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """An empty schema of its own."""
    import psycopg

    schema = f"test{next(_numbers)}"
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{postgres_server.url}&options=-csearch_path%3D{schema}"


@pytest.fixture(params=["sqlite", "postgres"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens the test's database; on PostgreSQL that may be done more than once."""
    if request.param == "sqlite":
        return lambda: SqliteStore.open(tmp_path / "test.db", readers=2)
    from graphpost.store.databases.postgres import PostgresStore

    url = request.getfixturevalue("postgres_url")
    return lambda: PostgresStore.open(url, connections=2)


@pytest.fixture
async def store(anyio_backend: str, open_store: Callable[[], Store]) -> AsyncIterator[Store]:
    opened = open_store()
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite_store(anyio_backend: str, tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(tmp_path / "test.db", readers=2)
    yield opened
    await opened.close()
