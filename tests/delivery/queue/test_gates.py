"""Gates: a dead destination gets nothing, disturbs nobody, and gets everything when it is back."""

from collections import Counter

import pytest
from tests.delivery.conftest import MakeOffice
from tests.delivery.post import DEAD, HOUR, ONE, YES, Office

from graphpost.clock import SECOND
from graphpost.store.queue import interventions
from graphpost.store.queue.lookups import ANY

pytestmark = pytest.mark.anyio


async def test_a_dead_host_is_not_hammered_and_the_others_are_not_disturbed(office: Office) -> None:
    office.one.says(DEAD)
    for number in range(20):
        await office.send(f"a{number}@one.test")
    await office.settle_down()
    assert len(office.one.taken) <= 3
    before = len(office.one.taken)
    for _ in range(5):
        office.clock.jump_to(office.clock.now() + 11 * SECOND)
        await office.send("b@two.test")
        await office.send("late@one.test")
        await office.settle_down()
    assert len(office.one.taken) == before
    assert len(office.two.taken) == 5
    office.clock.jump_to(office.clock.now() + 6 * SECOND)
    await office.settle_down()
    assert before < len(office.one.taken) <= before + 3
    again = len(office.one.taken)
    office.clock.jump_to(office.clock.now() + 299 * SECOND)
    await office.settle_down()
    assert len(office.one.taken) == again


async def test_when_the_host_is_back_everything_is_delivered_once(office: Office) -> None:
    office.one.says(DEAD)
    for number in range(20):
        await office.send(f"a{number}@one.test")
    await office.settle_down()
    office.one.says(YES)
    failed = len(office.one.taken)
    await office.run_until_done(60)
    assert sorted(office.one.addresses[failed:]) == sorted(f"a{number}@one.test" for number in range(20))
    assert await office.inbox() == []


async def test_after_a_day_it_is_noticed_within_a_quarter_of_an_hour_that_the_host_is_back(
    make_office: MakeOffice,
) -> None:
    office = make_office(limit=1)
    await office.worker.start()
    office.one.says(DEAD)
    for number in range(40):
        await office.send(f"a{number}@one.test")
    for _ in range(24):
        office.clock.jump_to(office.clock.now() + round(HOUR) * SECOND)
        await office.settle_down()
    failed = len(office.one.taken)
    office.one.says(YES)
    await office.send("fresh@one.test")
    office.clock.jump_to(office.clock.now() + 901 * SECOND)
    await office.until(lambda: "fresh@one.test" in office.one.addresses)
    await office.settle_down()
    assert len(office.one.taken) - failed >= 36, "all but those whose own next attempt is later"


async def test_what_was_not_attempted_counts_no_attempt(office: Office) -> None:
    office.one.says(DEAD)
    for number in range(20):
        await office.send(f"a{number}@one.test")
    await office.settle_down()
    attempts = [delivery.attempts for delivery in await office.queue()]
    assert sum(attempts) == len(office.one.taken) <= 3


async def test_mail_behind_a_closed_gate_is_warned_about_and_expires_though_it_is_never_attempted(
    make_office: MakeOffice,
) -> None:
    office = make_office(limit=1)
    await office.worker.start()
    office.one.says(DEAD)
    for number in range(40):
        await office.send(f"a{number}@one.test")
    await office.run_until_done()
    assert (office.clock.now() - office.one.taken[0][0]) / SECOND <= 172_800 + 5 * HOUR
    assert len(office.one.taken) <= 48 * 2 + 4, "one to a step of half an hour, and the first few"
    subjects = Counter(item.message.subject for item in await office.inbox())
    assert subjects == {"Delivery delayed: Lunch": 40, "Undeliverable: Lunch": 40}
    report = (await office.inbox())[-1]
    text = await office.bytes_of(report)
    assert b"4.4.7" in text
    assert b"connection refused" in text, text.decode()
    assert text.count(b"delivery time expired") <= 2


async def test_another_worker_leaves_a_held_destination_alone(make_office: MakeOffice) -> None:
    here, there, outside = make_office(limit=1), make_office(), make_office()
    await here.worker.start()
    await there.worker.start()
    here.one.says(DEAD)
    await here.send("a@one.test")
    await here.settle_down()
    attempts = len(here.one.taken)
    await outside.send("b@one.test")
    await there.settle_down()
    assert (len(here.one.taken), there.one.taken) == (attempts, [])
    here.clock.jump_to(here.clock.now() + 61 * SECOND)
    there.one.says(YES)
    here.one.says(YES)
    await there.until_done(2)


async def test_an_operator_opens_the_gate(make_office: MakeOffice) -> None:
    office = make_office(limit=1)
    await office.worker.start()
    office.one.says(DEAD)
    item = await office.send("a@one.test")
    await office.settle_down()
    office.one.says(YES)
    now = office.clock.now()
    await office.store.write(lambda tx: interventions.act(tx, "retry", 7, [(item.message_id, 0)], ANY, now))
    office.worker.forget_holds()
    await office.until_done()
    assert office.clock.now() == now


async def test_an_operator_opens_the_gate_that_a_server_closed_which_is_gone(make_office: MakeOffice) -> None:
    """Who waits behind it is not told any more that the destination does not work."""
    gone, office = make_office(limit=1), make_office()
    await gone.worker.start()
    gone.one.says(DEAD)
    await gone.send("a@one.test")
    await gone.settle_down()
    await gone.worker.stop(1.0)
    await office.worker.start()
    lane, now = office.worker._lanes.lane(ONE), office.clock.now()
    assert lane.is_shut(now)
    office.worker.forget_holds()
    assert not lane.is_shut(now)
