"""`office`: one delivery process on a fresh SQLite store; `make_office` for others on the same store.

`make_nodes` makes them on PostgreSQL, each with connections of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.delivery.post import Office, furnish, open_sqlite
from tests.store.conftest import postgres_url

from graphpost.store.blobs import FileBlobs
from graphpost.store.store import Store
from graphpost.testing.clock import JumpingClock

__all__ = ["postgres_url"]

MakeOffice = Callable[..., Office]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def make_office(anyio_backend: str, tmp_path: Path) -> AsyncIterator[MakeOffice]:
    """Offices made here share the store and the clock; all are closed at the end."""
    store = open_sqlite(tmp_path)
    await furnish(store)
    blobs, clock = FileBlobs(tmp_path / "blobs"), JumpingClock()
    made: list[Office] = []

    def make(**options: Any) -> Office:
        made.append(Office(store, blobs, clock, owner=len(made) + 1, **options))
        return made[-1]

    yield make
    for office in made:
        office.store.breaks = lambda fn: None
        for courier in (office.one, office.two):
            courier.gate.set()
        await office.worker.stop(1.0)
        office.log.close()
    await store.close()


@pytest.fixture
async def make_nodes(anyio_backend: str, tmp_path: Path, postgres_url: str) -> AsyncIterator[MakeOffice]:
    from graphpost.store.databases.postgres import PostgresStore

    blobs, clock = FileBlobs(tmp_path / "blobs"), JumpingClock()
    made: list[tuple[Office, Store]] = []

    def make(**options: Any) -> Office:
        store = PostgresStore.open(postgres_url, connections=2)
        made.append((Office(store, blobs, clock, owner=len(made) + 1, **options), store))
        return made[-1][0]

    yield make
    for office, store in made:
        await office.worker.stop(1.0)
        office.log.close()
        await store.close()


@pytest.fixture
async def office(make_office: MakeOffice) -> Office:
    """At work."""
    office = make_office()
    await office.worker.start()
    return office
