"""Instants as Graph writes them: `2026-01-31T08:05:09Z`."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from graphpost.clock import SECOND, Instant, to_datetime

_DAY: Final = 86_400
_TWO: Final = tuple(f"{number:02}" for number in range(60))


def time_text(instant: Instant) -> str:
    """The instant to the second, in UTC."""
    day, second = divmod(instant // SECOND, _DAY)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    return f"{_date(day)}T{_TWO[hour]}:{_TWO[minute]}:{_TWO[second]}Z"


@lru_cache(maxsize=2048)
def _date(day: int) -> str:
    return to_datetime(day * _DAY * SECOND).strftime("%Y-%m-%d").rjust(10, "0")
