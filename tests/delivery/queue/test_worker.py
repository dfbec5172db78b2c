"""The worker: by the schedule, behind the gate, under a lease; nothing lost, nothing twice."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.delivery.conftest import MakeOffice
from tests.delivery.post import (
    ADELE,
    ALEX,
    DEAD,
    HOUR,
    LATER,
    NEVER,
    ONE,
    SETTINGS,
    TWO,
    YES,
    Office,
    claiming,
    furnish,
    settling,
)

from graphpost.clock import SECOND
from graphpost.errors import StoreError
from graphpost.mail.message import Attachment, ContentRef, Header, Item
from graphpost.store import contents, deliveries, interventions, messages
from graphpost.store.deliveries import DONE, HELD, QUEUED
from graphpost.store.lookups import ANY
from graphpost.transport.courier import Delivered, Envelope, Outcome, Reply

pytestmark = pytest.mark.anyio

WAITS = [60, 300, 900, 1800, 3600, 7200, *[14_400] * 11]


async def run_until_done(office: Office, step: float = HOUR / 2) -> None:
    """Let time pass in steps until nothing is queued."""
    while (await office.store.read(deliveries.depth))[0]:
        office.clock.jump_to(office.clock.now() + round(step * SECOND))
        await office.settle_down()


# The schedule


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
    await run_until_done(office, 30)
    assert len({data for _, _, data in office.one.taken}) == 1
    assert len({envelope.envelope_id for _, envelope, _ in office.one.taken}) == 1


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


# The gate


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
    await run_until_done(office, 60)
    assert sorted(office.one.addresses[failed:]) == sorted(f"a{number}@one.test" for number in range(20))
    assert await office.inbox() == []


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
    await run_until_done(office)
    assert (office.clock.now() - office.one.taken[0][0]) / SECOND <= 172_800 + 5 * HOUR
    assert len(office.one.taken) < 80
    subjects = Counter(item.message.subject for item in await office.inbox())
    assert subjects == {"Delivery delayed: Lunch": 40, "Undeliverable: Lunch": 40}
    report = (await office.inbox())[-1]
    text = await office.bytes_of(report)
    assert b"4.4.7" in text
    assert b"connection refused" in text
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


# Room and leases


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


async def test_a_lease_is_renewed_for_as_long_as_the_attempt_takes(make_office: MakeOffice) -> None:
    office, other = make_office(), make_office()
    await office.worker.start()
    await other.worker.start()
    office.one.gate.clear()
    await office.send("a@one.test")
    await office.until(lambda: office.one.under_way == 1)
    for _ in range(12):
        await office.clock.until_sleeping(2)
        before = (await office.queue())[0].due_at
        await office.clock.advance(SETTINGS.lease_seconds / 3)

        async def is_renewed(before: int = before) -> bool:
            return (await office.queue())[0].due_at > before

        await office.until(is_renewed)
    assert (await office.queue())[0].attempts == 1
    office.one.gate.set()
    await office.until_done()
    assert (len(office.one.taken), len(other.one.taken)) == (1, 0)


async def test_a_lease_that_runs_out_is_taken_over_and_the_late_one_changes_nothing(
    make_office: MakeOffice,
) -> None:
    office, other = make_office(), make_office()
    await office.worker.start()
    await other.worker.start()
    office.one.gate.clear()
    office.one.says(NEVER)
    await office.send("a@one.test")
    await office.until(lambda: office.one.under_way == 1)
    office.store.breaks = claiming
    office.clock.jump_to(office.clock.now() + 601 * SECOND)
    await other.until_done()
    office.one.gate.set()
    await office.until(lambda: len(office.one.taken) == 1)
    await office.settle_down()
    ((recipient,),) = [d.recipients for d in await office.queue()]
    assert recipient.state == "delivered"
    assert await office.inbox() == []
    assert " failed " not in office.said()


async def test_two_workers_on_one_store_never_claim_the_same(make_office: MakeOffice) -> None:
    here, there, outside = make_office(), make_office(), make_office()
    await here.worker.start()
    await there.worker.start()
    await asyncio.gather(*(outside.send(f"a{number}@one.test") for number in range(300)))
    await here.until_done(300)
    assert Counter(here.one.addresses + there.one.addresses) == Counter(f"a{n}@one.test" for n in range(300))


@pytest.mark.slow
async def test_two_nodes_on_one_postgresql_never_deliver_the_same(make_nodes: MakeOffice) -> None:
    here, there, outside = make_nodes(), make_nodes(), make_nodes()
    await furnish(outside.store)
    await here.worker.start()
    await there.worker.start()
    number = 300
    await asyncio.gather(*(outside.send(f"a{n}@one.test", "b@two.test") for n in range(number)))
    await here.until_done(2 * number)
    assert Counter(here.one.addresses + there.one.addresses) == Counter(
        f"a{n}@one.test" for n in range(number)
    )
    assert len(here.two.taken) + len(there.two.taken) == number


@pytest.mark.slow
async def test_the_work_of_a_node_that_died_is_taken_over_when_its_lease_ends(make_nodes: MakeOffice) -> None:
    died, other = make_nodes(), make_nodes()
    await furnish(died.store)
    await died.worker.start()
    await other.worker.start()
    died.one.gate.clear()
    await died.send("a@one.test")
    await died.until(lambda: died.one.under_way == 1)
    died.store.breaks = lambda fn: StoreError("this node is gone")
    await other.settle_down_without_leases()
    assert other.one.taken == []
    other.clock.jump_to(other.clock.now() + 601 * SECOND)
    await other.until_done()
    assert other.one.addresses == ["a@one.test"]


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
    assert "interrupted attempts=1" in office.said()


# Stopping


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


# Trouble of our own


async def test_conclusions_that_cannot_be_written_are_kept_and_the_message_is_not_sent_again(
    office: Office,
) -> None:
    office.store.breaks = settling
    await office.send("a@one.test", "b@two.test")
    for tries in range(1, 5):
        await office.until(lambda least=tries: office.store.broke >= least)  # type: ignore[misc]
        await office.clock.until_sleeping(2)
        await office.clock.advance(1)
    office.store.breaks = lambda fn: None
    await office.clock.advance(1)
    await office.until_done(2)
    assert (office.one.addresses, office.two.addresses) == (["a@one.test"], ["b@two.test"])
    assert "problem where=settle" in office.said()


async def damage(office: Office, sql: str, *params: object) -> None:
    await office.store.write(lambda tx: tx.execute(sql, params))


ATTACHED = (Attachment(attachment_id=1, name="a.bin", size=100_000, content=ContentRef(5)),)


async def no_content(office: Office, item: Item) -> None:
    await office.store.write(lambda tx: contents.remove(tx, 7, item.message_id))


async def no_message(office: Office, item: Item) -> None:
    await office.store.write(lambda tx: messages.remove(tx, item))


async def damaged_document(office: Office, item: Item) -> None:
    await damage(
        office,
        "UPDATE messages SET document = ? WHERE mailbox_id = 7 AND message_id = ?",
        b"\xc1",
        item.message_id,
    )


def blobs(office: Office) -> list[Path]:
    return list(Path(office.blobs.root).glob("??/*"))


async def no_blob(office: Office, item: Item) -> None:
    for path in blobs(office):
        path.unlink()


async def short_blob(office: Office, item: Item) -> None:
    for path in blobs(office):
        path.write_bytes(b"short")


@pytest.mark.parametrize("harm", [no_content, no_message, damaged_document, no_blob, short_blob])
async def test_an_unreadable_message_is_set_aside_and_listed_and_the_others_go(
    make_office: MakeOffice, harm: Callable[[Office, Item], object]
) -> None:
    office = make_office()
    bad = await office.send("bad@one.test", contents={5: bytes(100_000)}, attachments=ATTACHED)
    await office.send("good@one.test")
    await harm(office, bad)  # type: ignore[misc]
    await office.worker.start()
    await office.until_done()
    (held,) = await office.queue(state=HELD)
    assert held.message_id == bad.message_id
    assert [recipient.state for recipient in held.recipients] == ["queued"]
    assert held.owner == 0
    assert office.one.addresses == ["good@one.test"]
    assert f"set-aside message={bad.message_id:016x}" in office.said()


async def test_a_message_that_was_set_aside_goes_when_it_can_be_read_again(make_office: MakeOffice) -> None:
    office = make_office()
    item = await office.send("a@one.test", contents={5: bytes(100_000)}, attachments=ATTACHED)
    (path,) = blobs(office)
    path.rename(path.with_suffix(".away"))
    await office.worker.start()

    async def is_held() -> bool:
        return len(await office.queue(state=HELD)) == 1

    await office.until(is_held)
    path.with_suffix(".away").rename(path)
    here, now = [(item.message_id, 0)], office.clock.now()
    await office.store.write(lambda tx: interventions.act(tx, "release", 7, here, ANY, now))
    office.worker.forget_holds()
    await office.until_done()
    assert office.one.addresses == ["a@one.test"]


async def test_a_queue_row_that_cannot_be_read_is_set_aside_and_stops_nobody(make_office: MakeOffice) -> None:
    office = make_office()
    bad = await office.send("bad@one.test")
    await office.send("good@one.test", "good@two.test")
    await damage(
        office,
        "UPDATE deliveries SET document = ? WHERE bucket = 7 AND message_id = ?",
        b"\xc1",
        bad.message_id,
    )
    await office.worker.start()
    await office.until_done(2)
    assert (office.one.addresses, office.two.addresses) == (["good@one.test"], ["good@two.test"])
    (held,) = await office.queue(state=HELD)
    assert (held.message_id, held.owner) == (bad.message_id, 0)
    assert held.subject == "(this entry cannot be read)"


@pytest.mark.parametrize("wrong", ["raises", "answers too few"])
async def test_a_courier_that_misbehaves_defers_its_mail_and_stops_nobody(office: Office, wrong: str) -> None:
    def script(envelope: Envelope) -> Sequence[Outcome]:
        if wrong == "raises":
            raise KeyError("a defect")
        return ()

    office.one.script = script
    await office.send("a@one.test")
    await office.until_attempts(office.one, 1)
    ((recipient,),) = [d.recipients for d in await office.queue()]
    assert recipient.state == "deferred"
    assert "problem" in office.said()
    office.one.says(YES)
    await run_until_done(office, 60)
    assert office.one.addresses == ["a@one.test", "a@one.test"]


class FailingReporter:
    """Cannot write a report, for a while."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def filings(self, *arguments: object) -> list[object]:
        raise self.error


async def test_nobody_is_given_up_while_the_sender_cannot_be_told(office: Office) -> None:
    replies: dict[str, list[Outcome]] = {"a@one.test": [NEVER, NEVER], "b@one.test": [YES]}
    office.one.script = lambda envelope: [replies[address].pop(0) for address in envelope.recipients]
    reporter, office.attempts._reporter = office.attempts._reporter, FailingReporter(StoreError("full"))  # type: ignore[assignment]
    await office.send("a@one.test", "b@one.test")
    await office.until_attempts(office.one, 1)
    (delivery,) = await office.queue()
    assert [recipient.state for recipient in delivery.recipients] == ["deferred", "delivered"]
    office.attempts._reporter = reporter
    await run_until_done(office, 60)
    assert [envelope.recipients for _, envelope, _ in office.one.taken[1:]] == [("a@one.test",)]
    assert len(await office.inbox()) == 1


async def test_a_report_that_fails_for_ever_does_not_send_the_message_again(office: Office) -> None:
    office.one.says(NEVER)
    office.attempts._reporter = FailingReporter(KeyError("a defect"))  # type: ignore[assignment]
    await office.send("a@one.test")
    await office.until_done()
    assert len(office.one.taken) == 1
    assert "problem" in office.said()


def breaking(times: int) -> Callable[[object], Exception | None]:
    """The first so many settlements fail in a way that is not the store's."""
    left = [times]

    def breaks(fn: object) -> Exception | None:
        if fn.__module__ != "graphpost.delivery.queue.settler" or not left[0]:
            return None
        left[0] -= 1
        return TypeError("cannot be stored")

    return breaks


async def test_a_bounce_that_cannot_be_stored_does_not_send_the_message_again(office: Office) -> None:
    office.one.says(NEVER)
    office.store.breaks = breaking(1)
    await office.send("a@one.test")
    await office.until_done()
    assert len(office.one.taken) == 1
    assert await office.inbox() == []
    assert "problem where=settle" in office.said()


async def test_a_local_message_that_cannot_be_stored_is_set_aside(office: Office) -> None:
    office.store.breaks = breaking(1)
    await office.send("alex@contoso.test")

    async def is_held() -> bool:
        return len(await office.queue(state=HELD)) == 1

    await office.until(is_held)
    ((recipient,),) = [d.recipients for d in await office.queue()]
    assert recipient.state == "queued"
    assert await office.inbox(ALEX) == []


async def test_a_store_that_fails_while_claiming_is_asked_again(office: Office) -> None:
    office.one.says(LATER, YES)
    await office.send("a@one.test")
    await office.until_attempts(office.one, 1)
    office.store.breaks = claiming
    office.clock.jump_to(office.clock.now() + 60 * SECOND)
    await office.until(lambda: office.store.broke >= 2)
    office.store.breaks = lambda fn: None
    await office.until_done()


# Receipts


@pytest.mark.parametrize(("speaks_dsn", "reports"), [(True, 0), (False, 1)])
async def test_a_receipt_is_ours_to_write_when_the_other_side_will_not(
    office: Office, speaks_dsn: bool, reports: int
) -> None:
    office.one.says(Delivered(Reply(250, "2.0.0", "ok", "mx"), speaks_dsn=speaks_dsn))
    await office.send("a@one.test", is_delivery_receipt_requested=True)
    await office.until_done()
    assert [item.message.subject for item in await office.inbox()] == ["Relayed: Lunch"] * reports


async def test_a_local_receipt_says_delivered(office: Office) -> None:
    await office.send("alex@contoso.test", is_delivery_receipt_requested=True)
    await office.until_done()
    assert [item.message.subject for item in await office.inbox()] == ["Delivered: Lunch"]


@pytest.mark.parametrize(("kind", "reports"), [("DR", 0), ("RN, All", 0), ("OOF", 1)])
async def test_a_receipt_is_suppressed_by_the_message_itself(office: Office, kind: str, reports: int) -> None:
    headers = (Header("X-Auto-Response-Suppress", kind),)
    await office.send("a@one.test", is_delivery_receipt_requested=True, headers=headers)
    await office.until_done()
    assert len(await office.inbox()) == reports


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
