"""The numbers for dashboards: counters, gauges and histograms.

Names are a contract.  Counting happens a few times per message, so it is plain addition on our own objects (a tenth
of the cost of prometheus-client's); that library only writes them down when somebody looks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

_QUICK: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SLOW: Final = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    3600.0,
    14_400.0,
)


class Times:
    """A histogram of durations in seconds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """(upper bound, how many up to it), as the format has it."""
        rows, sum_ = [], 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            sum_ += count
            rows.append((bound, float(sum_)))
        return rows


class Metrics:
    """What was counted since the start; add to the attributes, `exposition` shows them."""

    def __init__(self) -> None:
        self.accepted = 0
        self.received = 0
        self.delivered = 0
        self.deferred = 0
        self.failed = 0
        self.bounced = 0
        self.reported = 0
        self.interrupted_deliveries = 0
        self.throttled = 0
        self.paced = 0
        self.tls_downgrades = 0
        self.tls_refusals = 0
        self.policy_failures = 0
        self.notifications = 0
        self.notifications_failed = 0
        self.notifications_dropped = 0
        self.queue_depth = 0.0
        self.counted_at = 0  # when the following were
        self.queue_states: dict[str, int] = {}  # what is queued, by whether it is due, and what is held
        self.destinations: list[tuple[str, int, float, int]] = []  # name, depth, age of the oldest, failures
        self.queue_oldest_seconds = 0.0
        self.deliveries_under_way = 0
        self.deliveries_in_memory = 0
        self.destinations_held = 0
        self.accept_seconds = Times(_QUICK)
        self.delivery_seconds = Times(_SLOW)
        self.notification_seconds = Times(_QUICK)
        self.receive_seconds = Times(_QUICK)
        self._turned_away: dict[str, int] = {}
        self._judged: dict[str, int] = {}
        self._requests: dict[str, Times] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def request(self, route: str, seconds: float) -> None:
        """A request to a route (its template: few different ones) was answered."""
        times = self._requests.get(route)
        if times is None:
            times = self._requests[route] = Times(_QUICK)
        times.observe(seconds)

    def turn_away(self, reason: str) -> None:
        """Something was refused to another host that brings mail; few different reasons."""
        self._turned_away[reason] = self._turned_away.get(reason, 0) + 1

    def judge(self, dmarc: str) -> None:
        """Of a message that came in it was found out who it is from."""
        self._judged[dmarc] = self._judged.get(dmarc, 0) + 1

    def exposition(self) -> bytes:
        """The metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """For prometheus-client's registry."""
        for name, text in _COUNTERS.items():
            yield CounterMetricFamily(f"graphpost_{name}", text, value=getattr(self, name))
        for name, text in _GAUGES.items():
            yield GaugeMetricFamily(f"graphpost_{name}", text, value=getattr(self, name))
        yield from self._queue()
        for name, text in _TIMES.items():
            times: Times = getattr(self, name)
            yield HistogramMetricFamily(f"graphpost_{name}", text, times.buckets(), times.total)
        requests = HistogramMetricFamily("graphpost_request_seconds", "Answering a request", labels=["route"])
        for route, times in list(self._requests.items()):
            requests.add_metric([route], times.buckets(), times.total)
        yield requests
        away = CounterMetricFamily(
            "graphpost_turned_away", "What hosts that bring mail were refused", labels=["reason"]
        )
        for reason, count in list(self._turned_away.items()):
            away.add_metric([reason], count)
        yield away
        judged = CounterMetricFamily(
            "graphpost_judged", "Messages that came in, by their result of DMARC", labels=["dmarc"]
        )
        for result, count in list(self._judged.items()):
            judged.add_metric([result], count)
        yield judged

    def _queue(self) -> Iterator[Metric]:
        states = GaugeMetricFamily("graphpost_queue_deliveries", "Deliveries by state", labels=["state"])
        for state, count in self.queue_states.items():
            states.add_metric([state], count)
        yield states
        for index, (name, text) in enumerate(_OF_DESTINATIONS.items(), 1):
            family = GaugeMetricFamily(f"graphpost_destination_{name}", text, labels=["destination"])
            for row in self.destinations:
                family.add_metric([row[0]], float(row[index]))
            yield family


_COUNTERS: Final = {
    "accepted": "Messages accepted: on disk and acknowledged",
    "received": "Messages that other hosts brought: filed and acknowledged",
    "delivered": "Recipients delivered to, local and captured ones included",
    "deferred": "Attempts that ended with: try again later",
    "failed": "Recipients given up",
    "bounced": "Non-delivery reports filed",
    "reported": "Recipients of whom a report from elsewhere said what became of a message",
    "interrupted_deliveries": "Deliveries in the memory of a run that did not end properly; those being sent then may arrive twice",
    "throttled": "Requests answered 429, parts of batches included",
    "paced": "Messages that wait because their mailbox has sent as many as it may",
    "tls_downgrades": "Times that mail went to a domain less safely than before, one an hour and host at most",
    "tls_refusals": "Times that mail was not given to a host for want of TLS or of a valid certificate, one an hour and host at most",
    "policy_failures": "Times that mail went against an MTA-STS policy in testing, one an hour and host at most",
    "notifications": "Change and lifecycle notifications that receivers took",
    "notifications_failed": "Requests with notifications that receivers did not take",
    "notifications_dropped": "Times that a subscription's notifications were given up",
}
_GAUGES: Final = {
    "queue_depth": "Deliveries waiting",
    "deliveries_under_way": "Deliveries being attempted by this server",
    "deliveries_in_memory": "Deliveries that this server has claimed, those under way included",
    "destinations_held": "Destinations that do not work, and are left alone by this server",
    "queue_oldest_seconds": "Age of the oldest waiting delivery",
}
_TIMES: Final = {
    "accept_seconds": "From request to acknowledgement",
    "delivery_seconds": "From acceptance to delivery",
    "notification_seconds": "One request with notifications",
    "receive_seconds": "From the end of a message that another host brought to its acknowledgement",
}
_OF_DESTINATIONS: Final = {
    "depth": "Deliveries waiting for one of the deepest destinations, and for all others together",
    "oldest_seconds": "Age of the oldest of them",
    "failures": "Attempts in a row that failed because of the destination",
}
