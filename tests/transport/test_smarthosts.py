"""Several smarthosts: shares, order, failing over, avoiding and coming back."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from tests.transport.letters import envelope

from graphpost.testing.clock import JumpingClock
from graphpost.transport.courier import Deferred, Delivered, Envelope, Failed, Outcome, Reply
from graphpost.transport.smarthosts import AVOID_LONGEST, AVOID_SECONDS, Smarthost, SmarthostsCourier

pytestmark = pytest.mark.anyio

DOWN = Deferred(Reply(0, "4.4.1", "connection refused"), whole_destination=True)


class Host:
    """A courier that says the same to everybody, or something of its own to some."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.outcome: Outcome = Delivered(Reply(250, "2.0.0", "taken", name))
        self.special: dict[str, Outcome] = {}
        self.seen: list[tuple[str, ...]] = []
        self.is_closed = False

    async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
        self.seen.append(envelope.recipients)
        return tuple(self.special.get(each, self.outcome) for each in envelope.recipients)

    async def close(self) -> None:
        self.is_closed = True

    def recover(self) -> None:
        self.outcome = Delivered(Reply(250, "2.0.0", "taken", self.name))


class Site:
    """Hosts named a, b, … with these (priority, weight)."""

    def __init__(self, *ranks: tuple[int, int], seed: int = 1) -> None:
        self.clock = JumpingClock()
        self.hosts = [Host(name) for name, _ in zip("abcdef", ranks, strict=False)]
        each = zip(self.hosts, ranks, strict=True)
        self.told: list[tuple[str, int, str]] = []
        self.courier = SmarthostsCourier(
            [Smarthost(host, priority, weight, host.name) for host, (priority, weight) in each],
            self.clock.now,
            Random(seed),
            lambda host, reason: self.told.append((host.name, host.failures, reason)),
        )

    async def send(self, *recipients: str) -> list[str]:
        """Who said something about each recipient, or what became of it."""
        outcomes = await self.courier.deliver(envelope(*(recipients or ("x@far.test",))))
        return [outcome.reply.host or outcome.reply.status for outcome in outcomes]

    async def shares(self, messages: int) -> Counter[str]:
        return Counter([(await self.send())[0] for _ in range(messages)])


async def test_the_best_priority_has_all_the_mail() -> None:
    site = Site((2, 100), (1, 1), (3, 100))
    assert await site.shares(50) == {"b": 50}


async def test_hosts_of_one_priority_share_by_weight() -> None:
    shares = await Site((1, 3), (1, 1)).shares(2000)
    assert set(shares) == {"a", "b"}
    assert 2.4 < shares["a"] / shares["b"] < 3.8


async def test_when_a_host_does_not_work_the_next_has_the_message_at_once() -> None:
    site = Site((1, 1), (2, 1), (3, 1))
    site.hosts[0].outcome = site.hosts[1].outcome = DOWN
    assert await site.send() == ["c"]
    assert [len(host.seen) for host in site.hosts] == [1, 1, 1]


@pytest.mark.parametrize(
    "outcome", [Failed(Reply(550, "5.1.1", "who?", "a")), Deferred(Reply(450, "4.2.0", "greylisted", "a"))]
)
async def test_what_a_host_says_of_a_message_stands(outcome: Outcome) -> None:
    site = Site((1, 1), (2, 1))
    site.hosts[0].outcome = outcome
    assert await site.send() == ["a"]
    assert site.hosts[1].seen == []


async def test_only_those_of_whom_nothing_was_said_go_to_the_next() -> None:
    site = Site((1, 1), (2, 1))
    first = site.hosts[0]
    first.special = {"two@far.test": Failed(Reply(550, "5.1.1", "who?", "a"))}
    first.outcome = Deferred(Reply(421, "4.3.2", "closing"), whole_destination=True)
    assert await site.send("one@far.test", "two@far.test", "three@far.test") == ["b", "a", "b"]
    assert site.hosts[1].seen == [("one@far.test", "three@far.test")]


async def test_when_none_works_the_last_answer_is_everybodys() -> None:
    site = Site((1, 1), (2, 1))
    for host in site.hosts:
        host.outcome = DOWN
    assert await site.courier.deliver(envelope("x@far.test", "y@far.test")) == (DOWN, DOWN)


async def test_a_host_that_failed_is_avoided_and_then_tried_by_one_message() -> None:
    site = Site((1, 1), (2, 1))
    first = site.hosts[0]
    first.outcome = DOWN
    await site.send()
    await site.shares(10)
    assert len(first.seen) == 1
    await site.clock.advance(AVOID_SECONDS)
    await site.shares(10)
    assert len(first.seen) == 2
    await site.clock.advance(AVOID_SECONDS)
    await site.shares(10)
    assert len(first.seen) == 2  # the second time for twice as long
    first.recover()
    await site.clock.advance(AVOID_SECONDS)
    assert await site.shares(10) == {"a": 10}


async def test_it_is_told_when_a_host_ceases_to_work_and_when_it_works_again() -> None:
    site = Site((1, 1), (2, 1))
    first = site.hosts[0]
    first.outcome = DOWN
    await site.shares(10)
    assert site.told == [("a", 1, "4.4.1 connection refused")]
    first.outcome = Deferred(Reply(421, "4.3.2", "closing", "a"), whole_destination=True)
    await site.clock.advance(AVOID_SECONDS)
    await site.shares(10)
    first.recover()
    await site.clock.advance(2 * AVOID_SECONDS)
    await site.shares(10)
    assert site.told[1:] == [("a", 2, "421 4.3.2 closing"), ("a", 0, "")]


async def test_a_host_is_not_avoided_for_longer_and_longer() -> None:
    site = Site((1, 1), (2, 1))
    first = site.hosts[0]
    first.outcome = DOWN
    for number in range(1, 30):
        await site.send()
        assert len(first.seen) == number
        await site.clock.advance(AVOID_LONGEST)


async def test_hosts_that_are_avoided_are_tried_when_no_other_is_left() -> None:
    site = Site((1, 1), (2, 1))
    site.hosts[0].outcome = site.hosts[1].outcome = DOWN
    assert await site.send() == ["4.4.1"]
    site.hosts[1].recover()
    assert await site.send() == ["b"]
    assert await site.send() == ["b"]
    assert len(site.hosts[0].seen) == 2  # b works, so a is avoided


async def test_closing_closes_every_host() -> None:
    site = Site((1, 1), (2, 1))
    await site.courier.close()
    assert all(host.is_closed for host in site.hosts)
