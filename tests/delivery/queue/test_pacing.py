"""Pacing: even intervals, over all processes and restarts; nobody else waits for a destination with a rate."""

import pytest
from tests.delivery.conftest import MakeOffice
from tests.delivery.post import DEAD, ONE, YES, Office

from graphpost.clock import SECOND, Instant
from graphpost.delivery.queue.lane import Limits
from graphpost.store.queue import deliveries

pytestmark = pytest.mark.anyio

RATE = 12
INTERVAL = 60 / RATE


def paced(make_office: MakeOffice, rate: int = RATE) -> Office:
    """To one.test only so many a minute."""
    office = make_office()
    office.worker._lanes._limits_of = lambda destination: Limits(
        20, per_minute=rate if destination == ONE else 0
    )
    return office


async def pass_time(*offices: Office) -> None:
    """A second, in which everybody does what there is to do."""
    await offices[0].clock.advance(1.0)
    for office in offices:
        await office.look_around()


async def drain(*offices: Office) -> None:
    for _ in range(1000):
        if not (await offices[0].store.read(deliveries.depth))[0]:
            return
        await pass_time(*offices)
    raise AssertionError("it takes too long")


def assert_paced(start: Instant, *offices: Office) -> None:
    """No message left before its turn.  One may be late, when its thread was slower than the clock that jumps."""
    times = sorted(at for office in offices for at, _, _ in office.one.taken)
    early = [place for place, at in enumerate(times) if at < start + place * INTERVAL * SECOND]
    assert early == []


async def test_messages_go_at_even_intervals_and_others_at_once(make_office: MakeOffice) -> None:
    office = paced(make_office)
    start = office.clock.now()
    await office.worker.start()
    for number in range(30):
        await office.send(f"a{number}@one.test", "b@two.test")
    await office.until(lambda: len(office.two.taken) == 30)
    await drain(office)
    assert len(office.one.taken) == 30
    assert_paced(start, office)
    assert sum(office.one.times) <= 2 * 29 * INTERVAL
    assert office.one.most_under_way == 1


async def test_several_processes_keep_to_one_rate(make_office: MakeOffice) -> None:
    here, there = paced(make_office), paced(make_office)
    start = here.clock.now()
    await here.worker.start()
    await there.worker.start()
    for number in range(10):
        await here.send(f"a{number}@one.test")
        await there.send(f"b{number}@one.test")
    await drain(here, there)
    assert len(here.one.taken) + len(there.one.taken) == 20
    assert_paced(start, here, there)


async def test_a_restart_does_not_begin_anew(make_office: MakeOffice) -> None:
    before, after = paced(make_office), paced(make_office)
    await before.worker.start()
    await before.send("a@one.test")
    await before.until_done(1)
    await before.worker.stop(1.0)
    await after.worker.start()
    await after.send("b@one.test")
    await after.settle_down_without_leases()
    assert after.one.taken == []
    await drain(after)
    assert after.one.taken[0][0] - before.one.taken[0][0] >= INTERVAL * SECOND


async def test_a_rate_of_many_a_second_is_kept_too(make_office: MakeOffice) -> None:
    office = paced(make_office, 600)
    await office.worker.start()
    await office.clock.until_sleeping()
    others = office.clock.sleepers
    for number in range(50):
        await office.send(f"a{number}@one.test")
    while len(office.one.taken) < 50:
        await office.until(lambda: office.clock.sleepers > others or len(office.one.taken) == 50)
        await office.clock.advance(0.1)
    assert 4.9 <= round(sum(office.one.times), 6) <= 20


async def test_a_dead_destination_with_a_rate_is_delivered_when_it_is_back(make_office: MakeOffice) -> None:
    office = paced(make_office)
    start = office.clock.now()
    await office.worker.start()
    office.one.says(DEAD, DEAD, DEAD, DEAD, DEAD, YES)
    for number in range(8):
        await office.send(f"a{number}@one.test")
    await drain(office)
    assert sorted(set(office.one.addresses)) == [f"a{number}@one.test" for number in range(8)]
    assert_paced(start, office)


async def test_a_stop_does_not_wait_for_the_next_interval(make_office: MakeOffice) -> None:
    office = paced(make_office, 1)
    await office.worker.start()
    for number in range(3):
        await office.send(f"a{number}@one.test")
    await office.until(lambda: len(office.one.taken) == 1)
    await office.worker.stop()
    assert [delivery.owner for delivery in await office.queue(state=deliveries.QUEUED)] == [0, 0]
