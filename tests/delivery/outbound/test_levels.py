"""The TLS that domains had: the best counts, for 30 days after it was reached last."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.delivery.post import BreakableStore, open_sqlite

from graphpost.config import LogSettings
from graphpost.delivery.outbound.levels import DAY, REMEMBERED, Levels
from graphpost.errors import StoreError
from graphpost.maillog import MailLog
from graphpost.store.queue import tls
from graphpost.store.queue.tls import Level
from graphpost.testing.clock import START, JumpingClock
from graphpost.transport.security import TlsLevel

pytestmark = pytest.mark.anyio

PLAIN, ENCRYPTED, VERIFIED = TlsLevel


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Memory:
    def __init__(self, path: Path) -> None:
        self.clock = JumpingClock()
        self.output = io.StringIO()
        self.log = MailLog(LogSettings(), self.output, self.clock.now)
        self.store = BreakableStore(open_sqlite(path))
        self.restart()

    def restart(self) -> None:
        self.levels = Levels(self.store, self.clock, self.log)

    async def reach(self, level: TlsLevel, after: int = 0) -> Level | None:
        """Look a domain up and note its level, as a delivery does."""
        self.clock.jump_to(self.clock.now() + after)
        await self.levels.find("far.test")
        before = self.levels.note("far.test", level)
        await self.levels.close()
        return before

    async def stored(self) -> Level | None:
        return await self.store.read(lambda tx: tls.find_level(tx, "far.test"))


@pytest.fixture
async def memory(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Memory]:
    memory = Memory(tmp_path)
    yield memory
    memory.log.close()
    await memory.store.store.close()


async def test_nothing_is_known_of_a_domain_at_first(memory: Memory) -> None:
    assert await memory.levels.find("far.test") is None


async def test_what_was_reached_is_remembered_over_a_restart(memory: Memory) -> None:
    assert await memory.reach(ENCRYPTED) is None
    memory.restart()
    assert await memory.levels.find("far.test") == Level(ENCRYPTED, START)


async def test_a_better_level_takes_the_place_of_a_lesser_one(memory: Memory) -> None:
    for level in (PLAIN, ENCRYPTED, VERIFIED):
        assert await memory.reach(level, after=1) is None
    assert await memory.stored() == Level(VERIFIED, START + 3)


async def test_a_lesser_level_is_noticed_and_does_not_take_its_place(memory: Memory) -> None:
    await memory.reach(VERIFIED)
    assert await memory.reach(PLAIN, after=DAY) == Level(VERIFIED, START)
    assert await memory.reach(ENCRYPTED, after=DAY) == Level(VERIFIED, START)
    assert await memory.stored() == Level(VERIFIED, START)


async def test_it_is_forgotten_30_days_after_it_was_reached_last(memory: Memory) -> None:
    await memory.reach(ENCRYPTED)
    await memory.reach(ENCRYPTED, after=DAY)
    memory.clock.jump_to(START + DAY + REMEMBERED - 1)
    assert await memory.levels.find("far.test") == Level(ENCRYPTED, START + DAY)
    assert await memory.reach(PLAIN, after=1) is None
    assert await memory.levels.find("far.test") == Level(PLAIN, START + DAY + REMEMBERED)


async def test_the_same_level_is_written_once_a_day(memory: Memory) -> None:
    await memory.reach(ENCRYPTED)
    await memory.reach(ENCRYPTED, after=DAY - 1)
    assert await memory.stored() == Level(ENCRYPTED, START)
    await memory.reach(ENCRYPTED, after=1)
    assert await memory.stored() == Level(ENCRYPTED, START + DAY)


async def test_what_another_process_noted_or_forgot_is_seen_after_a_while(memory: Memory) -> None:
    await memory.reach(ENCRYPTED)
    await memory.store.write(lambda tx: tls.forget(tx, "far.test"))
    assert await memory.levels.find("far.test") is not None
    memory.clock.jump_to(START + DAY)
    assert await memory.levels.find("far.test") is None


async def test_a_store_that_fails_is_reported_and_does_not_stop_mail(memory: Memory) -> None:
    memory.store.breaks = lambda fn: StoreError("the disk is full")
    await memory.reach(ENCRYPTED)
    memory.log.flush()
    assert "the disk is full" in memory.output.getvalue()
    assert await memory.levels.find("far.test") == Level(ENCRYPTED, START)
