"""The courier to several smarthosts, which share mail and stand in for each other.

Hosts of the least priority number are tried first, those of one number in random order by weight.  What a host says of
a recipient stands; those of whom it said nothing, because it could not be reached, would not greet, start TLS, take our
credentials or go on (421), go to the next host at once.

A host that failed is avoided, for a minute at first and twice as long after each further failure; then one message
tries it, and the others go on avoiding it until that has succeeded.  When no other host works, those are tried too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from msgspec.structs import replace

from graphpost.clock import SECOND, Instant
from graphpost.transport.courier import Courier, Envelope, Outcome, is_unsaid

AVOID_SECONDS: Final = 60
AVOID_LONGEST: Final = 960


@dataclass(slots=True)
class Smarthost:
    """One of the hosts, and how it has been of late; `failures` in a row."""

    courier: Courier
    priority: int = 0
    weight: int = 1
    name: str = ""
    failures: int = 0
    avoided_until: Instant = 0

    def begin(self, now: Instant) -> bool:
        """A message is about to try it; whether that is to find out if it works again."""
        is_trial = self.failures > 0 and now >= self.avoided_until
        if is_trial:
            self._avoid(now)
        return is_trial

    def on_success(self) -> bool:
        """Whether it is news that it works."""
        is_news = self.failures > 0
        self.failures = 0
        self.avoided_until = 0
        return is_news

    def on_failure(self, now: Instant, *, is_trial: bool) -> bool:
        """Messages that were under way together fail together: that is one failure.  Whether this one counts."""
        counts = is_trial or not self.failures
        if counts:
            self.failures += 1
            self._avoid(now)
        return counts

    def _avoid(self, now: Instant) -> None:
        seconds = min(AVOID_SECONDS << min(self.failures - 1, 10), AVOID_LONGEST)
        self.avoided_until = now + seconds * SECOND


Tell = Callable[[Smarthost, str], None]  # of a host that is avoided now, and why; '' of one that works again


class SmarthostsCourier:
    """Owns the couriers of its hosts.  `now` tells the time."""

    def __init__(
        self, hosts: Sequence[Smarthost], now: Callable[[], Instant], random: Random, tell: Tell
    ) -> None:
        self._hosts = hosts
        self._now = now
        self._random = random
        self._tell = tell

    async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
        outcomes: dict[str, Outcome] = {}
        recipients = left = envelope.recipients
        for host in self._order():
            is_trial = host.begin(self._now())
            said = await host.courier.deliver(replace(envelope, recipients=left))
            outcomes.update(zip(left, said, strict=True))
            left = tuple([each for each in left if is_unsaid(outcomes[each])])
            if not left:
                if host.on_success():
                    self._tell(host, "")
                break
            if host.on_failure(self._now(), is_trial=is_trial):
                self._tell(host, outcomes[left[0]].reply.words)
        return tuple([outcomes[each] for each in recipients])

    def _order(self) -> list[Smarthost]:
        """All hosts: those that work, then those that are avoided."""
        now = self._now()
        chance = self._random.random

        def rank(host: Smarthost) -> tuple[bool, int, float]:
            # Of numbers u ** (1 / weight) the greatest is each one's with the probability of its share of the weights
            return now < host.avoided_until, host.priority, -(chance() ** (1 / host.weight))

        return sorted(self._hosts, key=rank)

    async def close(self) -> None:
        for host in self._hosts:
            await host.courier.close()
