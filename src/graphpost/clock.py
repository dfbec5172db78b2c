"""The only source of time: a Clock says what time it is and lets time pass.

An *instant* is an integer: microseconds since 1970-01-01T00:00:00Z.  Durations are seconds (float), as asyncio has
them.  Everything that schedules takes its time from a Clock, so that a test can let days pass in no time
(`graphpost.testing.clock`).
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Final, Protocol

Instant = int
SECOND: Final = 1_000_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What time it is, and waiting."""

    def now(self) -> Instant:
        """The present instant, in microseconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when that many seconds have passed on this clock."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> Instant:
        return time.time_ns() // 1000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def to_datetime(instant: Instant) -> datetime:
    """The instant as an aware UTC datetime."""
    seconds, micros = divmod(instant, SECOND)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)


def from_datetime(moment: datetime) -> Instant:
    """The instant of an aware datetime."""
    delta = moment.astimezone(UTC) - EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds
