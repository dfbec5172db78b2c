"""`make_room` for mail rooms on one fresh SQLite store, `room` for one that listens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.delivery.post import furnish, open_sqlite
from tests.inbound.room import MakeRoom, Room


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def make_room(anyio_backend: str, tmp_path: Path) -> AsyncIterator[MakeRoom]:
    store = open_sqlite(tmp_path)
    await furnish(store)
    made: list[Room] = []

    def make(**settings: Any) -> Room:
        made.append(Room(store, tmp_path, **settings))
        return made[-1]

    yield make
    for room in made:
        room.store.breaks = lambda fn: None
        await room.close()
    await store.close()


@pytest.fixture
async def room(make_room: MakeRoom) -> Room:
    room = make_room()
    await room.open()
    return room
