"""The only source of time: a Clock says what time it is and lets time pass.

An *instant* is an integer: microseconds since 1970-01-01T00:00:00Z.  Durations are seconds (float), as asyncio has
them.  Everything that schedules takes its time from a Clock, so that a test can let days pass in no time
(`graphpost.testing.clock`).
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Protocol

Instant = int
SECOND: Final = 1_000_000
NEVER: Final = 2**62  # an instant that does not come
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHARE: Final = 20
_LONGEST_REST: Final = 30.0
_TWO: Final = tuple(f"{number:02}" for number in range(60))


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


def rest_after(took: float, least: float) -> float:
    """How long (seconds) to rest from a look that took so long: at most a twentieth of the time is spent on looking.

    What took very long has perhaps waited for something else, or the machine slept: that costs half a minute at most.
    """
    return max(least, min(_SHARE * took, _LONGEST_REST))


def to_datetime(instant: Instant) -> datetime:
    """The instant as an aware UTC datetime."""
    seconds, micros = divmod(instant, SECOND)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)


def to_text(instant: Instant) -> str:
    """The instant to the second, in UTC, as RFC 3339 and Graph write it: `2026-01-31T08:05:09Z`."""
    day, second = divmod(instant // SECOND, 86_400)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    return f"{_date_text(day)}T{_TWO[hour]}:{_TWO[minute]}:{_TWO[second]}Z"


@lru_cache(maxsize=2048)
def _date_text(day: int) -> str:
    return to_datetime(day * 86_400 * SECOND).strftime("%Y-%m-%d").rjust(10, "0")


def from_datetime(moment: datetime) -> Instant:
    """The instant of an aware datetime."""
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds
