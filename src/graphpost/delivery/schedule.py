"""When to try again: pure functions of settings, number of attempts and time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from graphpost.clock import SECOND, Instant

LONGEST_HOLD: Final = 900.0  # seconds


def next_attempt(
    now: Instant, attempts: int, waits: Sequence[float], jitter: float, chance: float
) -> Instant:
    """The instant of the attempt after `attempts` failed ones.

    `waits` are seconds, the last one repeats; `chance` in [0, 1) spreads the wait by up to `jitter` of itself either
    way, so that messages that failed together do not come back together.
    """
    wait = waits[min(max(attempts, 1), len(waits)) - 1]
    return now + int(wait * (1 + jitter * (2 * chance - 1)) * SECOND)


def speak_at(created_at: Instant, expires_at: Instant, warning_seconds: float, *, warned: bool) -> Instant:
    """When the sender of what was not delivered by then is to be told: that it is late, or that it has failed.

    `warning_seconds` 0 is no warning.
    """
    if warned or not warning_seconds:
        return expires_at
    return min(expires_at, created_at + int(warning_seconds * SECOND))


def hold_until(now: Instant, failures: int, waits: Sequence[float]) -> Instant:
    """How long a whole destination is left alone after `failures` failures in a row.

    Not for as long as a message at last: when the host is back, all that waits for it is to know it soon.
    """
    return now + int(min(waits[min(max(failures, 1), len(waits)) - 1], LONGEST_HOLD) * SECOND)
