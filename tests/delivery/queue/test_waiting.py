"""What waits without being attempted is told of in time, and comes back in time."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace
from tests.delivery.conftest import MakeOffice
from tests.delivery.post import ALEX, DEAD, HOUR, LATER, ONE, SETTINGS, YES, Office, claiming, furnish

from graphpost.clock import SECOND, Instant
from graphpost.delivery.queue import waiting
from graphpost.delivery.queue.lane import Limits
from graphpost.store.queue import deliveries
from graphpost.store.queue.deliveries import QUEUED

pytestmark = pytest.mark.anyio

DELAYED, FAILED = "Delivery delayed: Lunch", "Undeliverable: Lunch"
LATE = 3 * 60.0  # seconds: a look every minute, and steps of two


def slow(make_office: MakeOffice, **settings: Any) -> Office:
    """One message a minute goes to one.test."""
    office = make_office(settings=replace(SETTINGS, **settings))
    office.worker._lanes._limits_of = lambda destination: Limits(
        20, per_minute=1 if destination == ONE else 0
    )
    return office


async def pass_time(office: Office, seconds: float, step: float = 120.0) -> None:
    await pass_until(office, office.clock.now() + round(seconds * SECOND), step)


async def pass_until(office: Office, end: Instant, step: float) -> None:
    while office.clock.now() < end:
        await office.clock.advance(min(step, (end - office.clock.now()) / SECOND))
        await office.look_around()
        await office.until(lambda: is_at_rest(office))
        await office.settler.caught_up()


def is_at_rest(office: Office) -> bool:
    """Whether nobody looks, and who gives turns waits for the next, as the renewal of leases does."""
    worker = office.worker
    return not worker._waiting._is_looking and office.clock.sleepers >= 1 + len(worker._pacing)


async def reports(office: Office) -> list[tuple[str, Instant]]:
    await office.settler.caught_up()
    return [(item.message.subject, item.received_at) for item in await office.inbox()]


async def subjects(office: Office) -> Counter[str]:
    return Counter(subject for subject, _ in await reports(office))


async def test_who_waits_for_a_rate_is_told_in_time(make_office: MakeOffice) -> None:
    office = slow(make_office, delay_warning_seconds=HOUR / 2, expiry_seconds=HOUR)
    await office.worker.start()
    start = office.clock.now()
    for number in range(90):
        await office.send(f"a{number}@one.test")
    await pass_time(office, HOUR / 2 - 60, 60.0)
    assert await reports(office) == []
    await pass_time(office, HOUR, 60.0)
    told = await reports(office)
    waits = {
        subject: [(at - start) / SECOND for each, at in told if each == subject]
        for subject in (DELAYED, FAILED)
    }
    [delayed] = waits[DELAYED]
    assert HOUR / 2 <= delayed <= HOUR / 2 + LATE
    assert HOUR <= min(waits[FAILED]) <= max(waits[FAILED]) <= HOUR + LATE
    delivered = len(office.one.taken)
    assert 30 <= delivered <= 65
    assert len(waits[FAILED]) == 90 - delivered
    order = [int(address[1:-9]) for address in office.one.addresses]
    assert max(abs(place - number) for place, number in enumerate(order)) <= 5, "they keep their places"
    warning, *_, failure = [await office.bytes_of(item) for item in await office.inbox()]
    assert b"Status: 4.4.7" in failure
    assert b"others are waiting before it" in failure
    assert b"not told" not in failure
    assert b"you are not told in the next 30 minutes" in warning


async def test_each_mailbox_is_told_once_in_a_while_that_it_waits_for_a_rate(make_office: MakeOffice) -> None:
    """However many messages it has sent; and of what is late because a host does not work, of each."""
    office = slow(make_office, delay_warning_seconds=HOUR / 2)
    office.two.says(LATER)
    await office.worker.start()
    for number in range(40):
        await office.send(f"a{number}@one.test")
        await office.send(f"b{number}@one.test", mailbox=ALEX)
    await office.send("c@two.test", "d@two.test")
    await office.send("e@two.test")
    await pass_time(office, HOUR / 4, 60.0)
    for number in range(80):
        await office.send(f"f{number}@one.test")
    await pass_time(office, HOUR / 4 + LATE, 60.0)
    of_alex = Counter(item.message.subject for item in await office.inbox(ALEX))
    assert (await subjects(office), of_alex) == ({DELAYED: 3}, {DELAYED: 1})
    await pass_time(office, HOUR / 4, 60.0)
    assert (await subjects(office)) == {DELAYED: 3}, "what came of age since was in the same half hour"
    await pass_time(office, HOUR / 4, 60.0)
    assert {d.warned for d in await office.queue(state=QUEUED)} == {True}


@pytest.mark.parametrize("late", [0.0, 1000.0, 13_000.0])
async def test_who_waits_behind_a_gate_is_told_in_time(make_office: MakeOffice, late: float) -> None:
    """Whenever it was sent, and whether or not it was attempted before the gate was closed."""
    office = make_office(limit=1)
    await office.worker.start()
    office.one.says(LATER, DEAD)
    start = office.clock.now()
    sent = {"first@one.test": start}
    await office.send("first@one.test")
    await office.settle_down()
    await pass_time(office, late, 1000.0)
    for number in range(10):
        sent[f"a{number}@one.test"] = office.clock.now()
        await office.send(f"a{number}@one.test")
    for age, subject in ((4 * HOUR, DELAYED), (48 * HOUR, FAILED)):
        for first in sorted({0.0, late}):
            await pass_until(office, start + round((first + age - 60) * SECOND), 3000.0)
            told = await waits(office, subject, sent)
            assert len(told) == (first > 0)
            await pass_until(office, start + round((first + age + LATE) * SECOND), 60.0)
    warned, failed = await waits(office, DELAYED, sent), await waits(office, FAILED, sent)
    assert warned.keys() == failed.keys() == sent.keys()
    assert 4 * HOUR <= min(warned.values()) <= max(warned.values()) <= 4 * HOUR + LATE
    assert 48 * HOUR <= min(failed.values()) <= max(failed.values()) <= 48 * HOUR + LATE
    assert (await office.store.read(deliveries.depth))[0] == 0


async def waits(office: Office, subject: str, sent: dict[str, Instant]) -> dict[str, float]:
    """By address, how long after it was sent there was such a report of it."""
    found = {}
    for item in await office.inbox():
        if item.message.subject == subject:
            match = re.search(rb"Final-Recipient: rfc822; (.*)\r\n", await office.bytes_of(item))
            assert match is not None
            address = match[1].decode()
            assert address not in found
            found[address] = (item.received_at - sent[address]) / SECOND
    return found


async def test_of_many_that_wait_everybody_is_told(
    make_office: MakeOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "READ_FIRST", 3)
    monkeypatch.setattr(waiting, "READ_MORE", 5)
    monkeypatch.setattr(waiting, "CLAIM_AT_ONCE", 2)
    office = make_office(limit=1)
    await office.worker.start()
    office.one.says(DEAD)
    for number in range(40):
        await office.send(f"a{number}@one.test")
    await pass_time(office, 4 * HOUR - 60, 3000.0)
    assert await reports(office) == []
    await pass_time(office, 60 + LATE, 60.0)
    assert await subjects(office) == {DELAYED: 40}


async def test_what_was_told_of_goes_when_the_destination_is_back(make_office: MakeOffice) -> None:
    office = make_office(limit=1)
    await office.worker.start()
    office.one.says(DEAD)
    for number in range(30):
        await office.send(f"a{number}@one.test")
    await pass_time(office, 5 * HOUR, 1000.0)
    assert (await subjects(office))[DELAYED] == 30
    office.one.says(YES)
    await pass_time(office, 4 * HOUR, 1000.0)
    assert (await office.store.read(deliveries.depth))[0] == 0
    assert await subjects(office) == {DELAYED: 30}


async def test_who_was_told_of_waits_as_before(make_office: MakeOffice) -> None:
    """Nothing is counted as an attempt that was none, in memory or not: what is fresh goes before what was tried."""
    office = slow(make_office, delay_warning_seconds=HOUR / 4)
    await office.worker.start()
    office.one.says(LATER)
    for number in range(40):
        await office.send(f"a{number}@one.test")
    await pass_time(office, HOUR / 4 + LATE, 60.0)
    await office.worker.stop()
    queued = await office.queue(state=QUEUED)
    tried = Counter(office.one.addresses)
    assert [delivery.attempts for delivery in queued] == [
        tried[f"a{number}@one.test"] for number in range(40)
    ]
    assert len([delivery for delivery in queued if delivery.warned and not delivery.attempts]) >= 20


async def test_after_a_restart_nobody_is_told_twice(make_office: MakeOffice) -> None:
    before, after = slow(make_office), slow(make_office)
    await before.worker.start()
    for number in range(300):
        await before.send(f"a{number}@one.test")
    await pass_time(before, 4 * HOUR + LATE, 600.0)
    told = await subjects(before)
    assert told.keys() == {DELAYED}
    await before.worker.stop()
    await after.worker.start()
    await pass_time(after, 600)
    assert await subjects(after) == told


async def test_who_waits_behind_a_gate_is_told_in_time_after_a_restart(make_office: MakeOffice) -> None:
    before, after = make_office(limit=1), make_office(limit=1)
    for office in (before, after):
        office.one.says(DEAD)
    await before.worker.start()
    for number in range(13):
        await before.send(f"a{number}@one.test")
    await pass_time(before, 4 * HOUR - 600, 600.0)
    await pass_time(before, 570, 570.0)
    assert await reports(before) == []
    await before.worker.stop()
    await after.worker.start()
    await pass_time(after, 30 + LATE, 60.0)
    assert (await subjects(before), after.one.taken) == ({DELAYED: 13}, [])


async def test_no_warning_is_wanted(make_office: MakeOffice) -> None:
    office = slow(make_office, delay_warning_seconds=0.0, expiry_seconds=5 * HOUR)
    await office.worker.start()
    office.two.says(LATER)
    await office.send("b@two.test")
    for number in range(310):
        await office.send(f"a{number}@one.test")
    await pass_time(office, 4.9 * HOUR, 1000.0)
    assert await reports(office) == []
    await pass_time(office, 0.2 * HOUR)
    found = await subjects(office)
    assert found.keys() == {FAILED}
    assert found[FAILED] >= 2


async def test_what_waits_in_memory_is_told_of_too(make_office: MakeOffice) -> None:
    """Before a host that takes its time with each, what waits its turn is not attempted."""
    office = make_office(limit=1)
    await office.worker.start()
    office.one.gate.clear()
    for number in range(5):
        await office.send(f"a{number}@one.test")
    await pass_time(office, 4 * HOUR + LATE, 600.0)
    assert await subjects(office) == {DELAYED: 4}
    office.one.gate.set()
    await pass_time(office, 2.0, 1.0)
    await office.until_done(5)
    assert sorted(office.one.addresses) == [f"a{number}@one.test" for number in range(5)]


async def test_a_stop_does_not_wait_until_everybody_is_told(make_office: MakeOffice) -> None:
    """What was claimed to be told of is given back, and told of after the next start."""
    office, later = make_office(limit=1), make_office(limit=1)
    await office.worker.start()
    office.one.says(DEAD)
    for number in range(40):
        await office.send(f"a{number}@one.test")
    await pass_time(office, 4 * HOUR - 60, 3000.0)
    before = [delivery.attempts for delivery in await office.queue()]
    stops: list[asyncio.Task[None]] = []

    def stop_at_claim(fn: Any) -> None:
        if "Leases.claim_these." in fn.__qualname__ and not stops:
            stops.append(asyncio.create_task(office.worker.stop()))

    office.store.breaks = stop_at_claim
    office.clock.jump_to(office.clock.now() + 120 * SECOND)
    await office.until(lambda: bool(stops))
    await stops[0]
    assert await reports(office) == []
    after = await office.queue()
    assert [(d.owner, d.attempts, d.warned) for d in after] == [(0, number, False) for number in before]
    await later.worker.start()
    await pass_time(later, LATE, 60.0)
    assert await subjects(later) == {DELAYED: 40}


@pytest.mark.slow
async def test_who_waits_behind_the_gate_of_a_node_that_is_gone_is_told_in_time(
    make_nodes: MakeOffice,
) -> None:
    gone, other = make_nodes(limit=1), make_nodes(limit=1)
    await furnish(gone.store)
    gone.one.says(DEAD)
    await gone.worker.start()
    await other.worker.start()
    heart = other.worker._heartbeat
    assert heart is not None
    await heart.look()
    other.store.breaks = claiming
    start = gone.clock.now()
    for number in range(10):
        await gone.send(f"a{number}@one.test")
    for seconds in (0, 61, 362, 1263, 3064, 6665, 13_866):
        gone.clock.jump_to(start + seconds * SECOND)
        await gone.settle_down()
    await gone.worker.stop()
    other.store.breaks = lambda fn: None
    await heart.look()
    for minutes in (239, 242, 244):
        other.clock.jump_to(start + minutes * 60 * SECOND)
        await other.settle_down()
        await other.settler.caught_up()
    assert await subjects(other) == {DELAYED: 10}
    assert other.one.taken == []
    await other.send("fresh@one.test")
    await other.until_done(11)
    assert other.one.addresses[0] == "fresh@one.test", "whom nobody reached from there is tried from here"
    assert sorted(other.one.addresses[1:]) == [f"a{number}@one.test" for number in range(10)]


@pytest.mark.slow
async def test_of_two_nodes_one_tells(make_nodes: MakeOffice) -> None:
    here, there = make_nodes(limit=1), make_nodes(limit=1)
    start = here.clock.now()
    await furnish(here.store)
    for office in (here, there):
        office.one.says(DEAD)
        await office.worker.start()
    for number in range(10):
        await here.send(f"a{number}@one.test")
        await there.send(f"b{number}@one.test")
    for minutes in (239, 242, 244):
        here.clock.jump_to(start + minutes * 60 * SECOND)
        for office in (here, there):
            await office.settle_down_without_leases()
            await office.settler.caught_up()
    assert await subjects(here) == {DELAYED: 20}


async def test_what_is_held_is_left_alone(make_office: MakeOffice) -> None:
    office = slow(make_office)
    await office.worker.start()
    office.one.says(DEAD)
    await office.send("a@one.test")
    await office.settle_down()
    [queued] = await office.queue(state=QUEUED)
    assert queued.due_at <= office.clock.now() + 70 * SECOND
