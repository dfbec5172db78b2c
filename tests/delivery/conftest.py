"""`office`: one delivery process on a fresh SQLite store; `make_office` for others on the same store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.delivery.post import Office, furnish, open_sqlite

from graphpost.store.blobs import FileBlobs
from graphpost.testing.clock import JumpingClock

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
async def office(make_office: MakeOffice) -> Office:
    """At work."""
    office = make_office()
    await office.worker.start()
    return office
