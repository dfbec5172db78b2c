"""The worker: by the schedule, side by side, from start to stop; nothing lost, nothing twice."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from tests.delivery.conftest import MakeOffice
from tests.delivery.post import (
    ADELE,
    ALEX,
    HOUR,
    LATER,
    NEVER,
    ONE,
    SETTINGS,
    TWO,
    YES,
    Office,
    claiming,
    settling,
)

from graphpost.clock import SECOND
from graphpost.store.queue import interventions
from graphpost.store.queue.deliveries import DONE, HELD, QUEUED
from graphpost.store.queue.lookups import ANY
from graphpost.transport.courier import Deferred, Envelope, Outcome, Reply

pytestmark = pytest.mark.anyio

WAITS = [60, 300, 900, 1800, 3600, 7200, 540, *[14_400] * 11]  # the seventh is due when there is a warning


async def test_a_message_is_tried_by_the_schedule_until_it_expires_and_comes_back(office: Office) -> None:
    office.one.says(LATER)
    await office.send("a@one.test")
    number = 1
    await office.until_attempts(office.one, number)
    while queued := await office.queue(state=QUEUED):
        office.clock.jump_to(queued[0].due_at)
        number += 1
        await office.until_attempts(office.one, number)
    assert office.one.times[:-1] == WAITS[: len(office.one.times) - 1]
    assert sum(office.one.times) == 172_800
    delay, report = await office.inbox()
    assert delay.message.subject == "Delivery delayed: Lunch"
    assert delay.received_at - office.one.taken[0][0] >= 4 * HOUR * SECOND
    assert report.message.subject == "Undeliverable: Lunch"
    text = await office.bytes_of(report)
    assert b"Status: 4.4.7" in text
    assert b"451" in text
    assert b"last answer: later" in text
    ((recipient,),) = [d.recipients for d in await office.queue(state=DONE)]
    assert recipient.state == "failed"


async def test_a_message_that_is_taken_later_is_not_reported(office: Office) -> None:
    office.one.says(LATER, LATER, YES)
    await office.send("a@one.test")
    for number in (1, 2):
        await office.until_attempts(office.one, number)
        (queued,) = await office.queue(state=QUEUED)
        office.clock.jump_to(queued.due_at)
    await office.until_attempts(office.one, 3)
    assert office.one.times == [60, 300]
    assert await office.inbox() == []


async def test_every_attempt_sends_the_same_bytes(office: Office) -> None:
    office.one.says(LATER, LATER, YES)
    await office.send("a@one.test")
    await office.run_until_done(30)
    assert len({data for _, _, data in office.one.taken}) == 1
    assert len({envelope.envelope_id for _, envelope, _ in office.one.taken}) == 1


async def test_a_host_that_takes_few_recipients_at_a_time_gets_them_one_group_after_the_other(
    office: Office,
) -> None:
    too_many = Deferred(Reply(452, "4.5.3", "too many recipients", "mx.one.test"))
    office.one.script = lambda envelope: [YES, YES, *[too_many] * (len(envelope.recipients) - 2)][
        : len(envelope.recipients)
    ]
    await office.send(*(f"a{number}@one.test" for number in range(7)))
    await office.until_done(1)
    assert [len(envelope.recipients) for _, envelope, _ in office.one.taken] == [7, 5, 3, 1]
    assert office.one.times == [0, 0, 0]


async def test_a_rejected_recipient_does_not_stop_the_others(office: Office) -> None:
    replies: dict[str, list[Outcome]] = {
        "a@one.test": [NEVER],
        "b@one.test": [YES],
        "c@one.test": [LATER, YES],
    }

    def script(envelope: Envelope) -> Sequence[Outcome]:
        return [replies[address].pop(0) for address in envelope.recipients]

    office.one.script = script
    await office.send("a@one.test", "b@one.test", "c@one.test", "d@two.test")
    await office.until_attempts(office.one, 1)
    (report,) = await office.inbox()
    text = await office.bytes_of(report)
    assert b"a@one.test" in text
    assert b"mx.one.test said: 550 5.1.1 no such user" in text
    assert b"Status: 5.1.1" in text
    assert b"Diagnostic-Code: smtp; 550 5.1.1 no such user" in text
    assert b"Final-Recipient: rfc822; b@one.test" not in text
    assert office.two.addresses == ["d@two.test"]
    office.clock.jump_to(office.clock.now() + 60 * SECOND)
    await office.until_done(2)
    assert office.one.taken[1][1].recipients == ("c@one.test",)
    assert len(await office.inbox()) == 1


async def test_unknown_addresses_of_ours_come_back_and_known_ones_arrive(office: Office) -> None:
    item = await office.send("alex@contoso.test", "gone@contoso.test")
    await office.until_done(2)
    (arrived,) = await office.inbox(ALEX)
    assert arrived.message.subject == "Lunch"
    assert arrived.message.internet_message_id == item.message.internet_message_id
    (report,) = await office.inbox(ADELE)
    assert b"5.1.1" in await office.bytes_of(report)


async def test_when_the_clock_goes_back_new_mail_goes_at_once_and_old_mail_waits(office: Office) -> None:
    office.one.says(LATER, YES)
    await office.send("a@one.test")
    await office.until_attempts(office.one, 1)
    due = (await office.queue())[0].due_at
    office.clock.jump_to(office.clock.now() - round(HOUR) * SECOND)
    await office.send("b@one.test")
    await office.until_attempts(office.one, 2)
    assert office.one.addresses == ["a@one.test", "b@one.test"]
    await office.settle_down()
    assert len(office.one.taken) == 2
    office.clock.jump_to(due)
    await office.until_done(2)
    assert office.one.addresses[2:] == ["a@one.test"]


async def test_when_the_clock_leaps_ahead_mail_is_tried_once_more_and_comes_back(office: Office) -> None:
    office.one.says(LATER)
    await office.send("a@one.test")
    await office.until_attempts(office.one, 1)
    office.clock.jump_to(office.clock.now() + 365 * 24 * round(HOUR) * SECOND)
    await office.until_done()
    assert len(office.one.taken) == 2
    assert [item.message.subject for item in await office.inbox()] == ["Undeliverable: Lunch"]


async def test_a_backlog_larger_than_the_room_in_memory_is_drained(make_office: MakeOffice) -> None:
    office = make_office(limit=1)
    await office.worker.start()
    room = office.worker._lanes.lane(ONE).room()
    office.one.gate.clear()
    for number in range(room + 150):
        await office.send(f"a{number}@one.test")
    assert office.worker._lanes.lane(ONE).room() == 0
    office.one.gate.set()
    await office.until_done(room + 150)
    assert Counter(office.one.addresses) == Counter(f"a{number}@one.test" for number in range(room + 150))
    assert office.one.most_under_way == 1


async def test_no_more_deliveries_are_under_way_than_the_limit(office: Office) -> None:
    office.one.gate.clear()
    for number in range(10):
        await office.send(f"a{number}@one.test")
    await office.until(lambda: office.one.under_way == 3)
    office.one.gate.set()
    await office.until_done(10)
    assert office.one.most_under_way == 3


async def test_what_an_earlier_process_left_behind_is_tried_again_at_the_start(
    make_office: MakeOffice,
) -> None:
    died, office = make_office(), make_office()
    await died.worker.start()
    died.one.gate.clear()
    await died.send("a@one.test")
    await died.until(lambda: died.one.under_way == 1)
    died.store.breaks = claiming
    await office.worker.start()
    await office.until_done()
    assert office.one.addresses == ["a@one.test"]
    assert "interrupted deliveries=1" in office.said()


async def test_a_stop_finishes_what_is_under_way_and_gives_back_the_rest_unattempted(
    make_office: MakeOffice,
) -> None:
    office = make_office(limit=1)
    await office.worker.start()
    office.one.gate.clear()
    for number in range(5):
        await office.send(f"a{number}@one.test")
    await office.until(lambda: office.one.under_way == 1)
    stopping = asyncio.create_task(office.worker.stop())
    await asyncio.sleep(0)
    office.one.gate.set()
    await stopping
    first, *others = await office.queue()
    assert (first.state, office.one.addresses) == (DONE, ["a0@one.test"])
    assert {(d.state, d.owner, d.attempts) for d in others} == {(QUEUED, 0, 0)}
    assert {d.due_at <= office.clock.now() for d in others} == {True}


async def test_a_stop_does_not_wait_for_a_peer_that_says_nothing(make_office: MakeOffice) -> None:
    office, later = make_office(), make_office()
    await office.worker.start()
    office.one.gate.clear()
    await office.send("a@one.test")
    await office.until(lambda: office.one.under_way == 1)
    await office.worker.stop(0.01)
    await later.worker.start()
    await later.until_done()
    assert later.one.addresses == ["a@one.test"]


async def test_a_stop_ends_though_the_store_takes_nothing(make_office: MakeOffice) -> None:
    office = make_office()
    await office.worker.start()
    office.store.breaks = settling
    await office.send("a@one.test")
    await office.until(lambda: office.store.broke >= 1)
    await office.worker.stop(0.05)
    assert "could not be written" in office.said()
    (delivery,) = await office.queue()
    assert delivery.owner == office.owner


async def test_a_store_that_fails_while_claiming_is_asked_again(office: Office) -> None:
    office.one.says(LATER, YES)
    await office.send("a@one.test")
    await office.until_attempts(office.one, 1)
    office.store.breaks = claiming
    office.clock.jump_to(office.clock.now() + 60 * SECOND)
    await office.until(lambda: office.store.broke >= 2)
    office.store.breaks = lambda fn: None
    await office.until_done()


async def test_destinations_are_worked_on_side_by_side(office: Office) -> None:
    office.one.gate.clear()
    await office.send("a@one.test", "b@two.test")
    await office.until(lambda: office.two.addresses == ["b@two.test"])
    assert office.one.under_way == 1
    assert {delivery.destination for delivery in await office.queue()} == {ONE, TWO}


async def test_the_time_of_a_delivery_counts_from_its_acceptance(office: Office) -> None:
    office.one.says(LATER, YES)
    await office.send("a@one.test")
    await office.until_attempts(office.one, 1)
    await office.clock.advance(SETTINGS.retry_seconds[0])
    await office.until_done()
    assert f"seconds={SETTINGS.retry_seconds[0]:.3f}" in office.said()
    assert office.log.metrics.delivery_seconds.total == SETTINGS.retry_seconds[0]


async def test_what_waits_in_memory_is_given_back_and_can_be_held(make_office: MakeOffice) -> None:
    office = make_office(limit=1)
    await office.worker.start()
    office.one.gate.clear()
    items = [await office.send(f"a{number}@one.test") for number in range(5)]
    numbers = {item.message_id for item in items[3:]}
    assert all(d.owner for d in await office.queue())
    here = [(number, 0) for number in sorted(numbers)]

    async def are_held() -> bool:
        """The worker may have looked at the queue between the two."""
        await office.worker.relinquish(lambda each: each.message_id in numbers)
        now = office.clock.now()
        await office.store.write(lambda tx: interventions.act(tx, "hold", 7, here, ANY, now))
        return len(await office.queue(state=HELD)) == 2

    await office.until(are_held)
    office.one.gate.set()
    await office.until_done(3)
    assert office.one.addresses == ["a0@one.test", "a1@one.test", "a2@one.test"]
    assert len(await office.queue(state=HELD)) == 2
