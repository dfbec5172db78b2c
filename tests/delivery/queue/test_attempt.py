"""Attempts that cannot be made or told as they should: nobody else is stopped, nothing goes twice."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import pytest
from tests.delivery.conftest import MakeOffice
from tests.delivery.post import DEAD, HOUR, LATER, NEVER, YES, Office

from graphpost.clock import SECOND
from graphpost.errors import StoreError
from graphpost.mail.message import Attachment, ContentRef, Item
from graphpost.store import contents
from graphpost.store.mailbox import messages
from graphpost.store.queue import interventions
from graphpost.store.queue.deliveries import HELD, QUEUED, Delivery
from graphpost.store.queue.lookups import ANY
from graphpost.transport.courier import Envelope, Outcome

pytestmark = pytest.mark.anyio


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
    await office.run_until_done(60)
    assert office.one.addresses == ["a@one.test", "a@one.test"]


async def test_a_courier_that_misbehaves_for_ever_ends_in_a_report(office: Office) -> None:
    def script(envelope: Envelope) -> Sequence[Outcome]:
        raise KeyError("a defect")

    office.one.script = script
    await office.send("a@one.test")
    await office.run_until_done()
    assert [item.message.subject for item in await office.inbox()] == [
        "Delivery delayed: Lunch",
        "Undeliverable: Lunch",
    ]


async def test_a_message_that_cannot_be_read_for_a_while_is_neither_given_up_nor_forgotten(
    office: Office,
) -> None:
    office.one.says(LATER)
    office.two.says(DEAD)
    await office.send("a@one.test", attachments=ATTACHED, contents={5: bytes(100_000)})
    await office.send("b@two.test", attachments=ATTACHED, contents={5: bytes(100_000)})
    await office.settle_down()
    read = office.attempts._read

    async def fail(delivery: Delivery) -> NoReturn:
        raise StoreError("the bucket does not answer")

    office.attempts._read = fail  # type: ignore[method-assign]
    for _ in range(60):
        office.clock.jump_to(office.clock.now() + round(HOUR * SECOND))
        await office.settle_down()
    assert len(await office.queue(state=QUEUED)) == 2
    assert await office.inbox() == []
    office.attempts._read = read  # type: ignore[method-assign]
    await office.run_until_done()
    subjects = [item.message.subject for item in await office.inbox()]
    assert subjects == ["Undeliverable: Lunch"] * 2


async def test_a_message_whose_composing_fails_for_ever_is_set_aside_in_the_end(office: Office) -> None:
    office.one.says(LATER)
    await office.send("a@one.test", attachments=ATTACHED, contents={5: bytes(100_000)})
    await office.settle_down()

    async def fail(delivery: Delivery) -> NoReturn:
        raise KeyError("a defect")

    office.attempts._read = fail  # type: ignore[method-assign]
    await office.run_until_done()
    (delivery,) = await office.queue()
    assert delivery.state == HELD
    assert await office.inbox() == []
    assert "set-aside" in office.said()


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
    await office.run_until_done(60)
    assert [envelope.recipients for _, envelope, _ in office.one.taken[1:]] == [("a@one.test",)]
    assert len(await office.inbox()) == 1


async def test_a_report_that_fails_for_ever_does_not_send_the_message_again(office: Office) -> None:
    office.one.says(NEVER)
    office.attempts._reporter = FailingReporter(KeyError("a defect"))  # type: ignore[assignment]
    await office.send("a@one.test")
    await office.until_done()
    assert len(office.one.taken) == 1
    assert "problem" in office.said()
