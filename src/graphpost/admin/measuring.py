"""The queue's figures for the metrics, as they are when somebody looks.

How many wait is counted at every look; how many for which destination at most every ten seconds, because that costs
more.  Only the deepest destinations have figures of their own: collectors keep every label for ever.
"""

from __future__ import annotations

import math
from typing import Final

from graphpost.clock import SECOND, Clock, Instant
from graphpost.errors import StoreError
from graphpost.maillog import MailLog
from graphpost.metrics import Metrics
from graphpost.store.queue import deliveries, depths
from graphpost.store.queue.depths import Depth
from graphpost.store.store import Store

COUNTED_EVERY: Final = 10 * SECOND
OTHERS: Final = "other"


async def measure(store: Store, clock: Clock, log: MailLog, destinations: int) -> None:
    """Put the figures into the log's metrics: NaN, or none, while the store does not answer."""
    metrics, now = log.metrics, clock.now()
    try:
        count, oldest = await store.read(deliveries.depth)
        metrics.queue_depth, metrics.queue_oldest_seconds = count, _age(oldest, now)
        if now >= metrics.counted_at + COUNTED_EVERY:
            metrics.counted_at = now
            found = await store.read(lambda tx: depths.by_destination(tx, now))
            metrics.queue_states = _by_state(found)
            metrics.destinations = _deepest(found, destinations, now)
    except StoreError as error:
        log.problem("metrics", error)
        _forget(metrics)


def _forget(metrics: Metrics) -> None:
    metrics.queue_depth = metrics.queue_oldest_seconds = math.nan
    metrics.queue_states, metrics.destinations, metrics.counted_at = {}, [], 0


def _by_state(found: dict[str, Depth]) -> dict[str, int]:
    later = sum(each.later for each in found.values())
    return {
        "due": sum(each.queued for each in found.values()) - later,
        "later": later,
        "held": sum(each.held for each in found.values()),
    }


def _deepest(found: dict[str, Depth], most: int, now: Instant) -> list[tuple[str, int, float, int]]:
    waiting = sorted(((name, d) for name, d in found.items() if d.queued), key=lambda each: -each[1].queued)
    rows = [(name, each.queued, _age(each.oldest, now), each.failures) for name, each in waiting[:most]]
    if most and (rest := waiting[most:]):
        queued, oldest = sum(each.queued for _, each in rest), min(each.oldest for _, each in rest)
        rows.append((OTHERS, queued, _age(oldest, now), max(each.failures for _, each in rest)))
    return rows


def _age(oldest: Instant, now: Instant) -> float:
    return max(0.0, (now - oldest) / SECOND) if oldest else 0.0
