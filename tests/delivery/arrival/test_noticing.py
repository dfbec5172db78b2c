"""What comes back is matched with what was sent, and changes nothing but what is shown of it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.delivery.post import ADELE, ALEX, LATER, Office
from tests.mail.test_returned import OUTLOOK_RECEIPT, POSTFIX, QMAIL

from graphpost.admin.queue import QueueOperations
from graphpost.delivery import filing
from graphpost.errors import StoreError
from graphpost.mail.message import Item
from graphpost.store.queue import deliveries, reported

pytestmark = pytest.mark.anyio
ZOE, YAN = "zoe@one.test", "yan@one.test"


def about(item: Item, report: bytes = POSTFIX) -> bytes:
    """A report on that message, in place of those that it was written for."""
    own = item.message.internet_message_id.encode()
    text = report.replace(b"0003c1a2b3c4d5e6.00ff@contoso.test", own.strip(b"<>"))
    text = text.replace(b"<1@contoso.test>", own)
    return text.replace(b"0003c1a2b3c4d5e6", f"{item.message_id:016x}".encode()).replace(b"\n", b"\r\n")


async def sent(office: Office, *to: str, **fields: Any) -> Item:
    item = await office.send(*(to or (ZOE, YAN)), **fields)
    await office.until_done()
    return item


async def notice(office: Office, data: bytes, sender: str = "", box: Any = ADELE) -> None:
    await office.noticing.notice(sender, data, [box], office.clock.now())


async def states(office: Office, item: Item) -> dict[str, str]:
    found = await office.store.read(lambda tx: reported.of_message(tx, item.mailbox_id, item.message_id))
    return {address: each.state for address, each in found.items()}


async def test_each_recipient_that_a_report_names_is_noted(office: Office) -> None:
    item = await sent(office)
    await notice(office, about(item))
    assert await states(office, item) == {ZOE: "bounced", YAN: "delayed"}
    said = office.said()
    assert f"reported message={item.message_id:016x}" in said
    assert "state=bounced status=5.1.1" in said
    assert office.log.metrics.reported == 2


async def test_the_queue_itself_stays_as_it_was(office: Office) -> None:
    item = await sent(office)
    before = await office.queue()
    await notice(office, about(item))
    assert await office.queue() == before


async def test_a_message_that_is_still_tried_for_others_can_be_reported_on(office: Office) -> None:
    office.one.says(LATER)
    item = await office.send(ZOE, YAN)
    await office.until_attempts(office.one, 1)
    await notice(office, about(item))
    await office.clock.advance(61)
    await office.until_attempts(office.one, 2)
    assert await states(office, item) == {ZOE: "bounced", YAN: "delayed"}


async def test_a_report_that_comes_twice_is_noted_once(office: Office) -> None:
    item = await sent(office)
    for _ in range(2):
        await notice(office, about(item))
    assert office.log.metrics.reported == 2


async def test_what_says_more_replaces_what_says_less(office: Office) -> None:
    item = await sent(office, ZOE)
    delivered = about(item).replace(b"Action: failed", b"Action: delivered")
    await notice(office, delivered)
    assert await states(office, item) == {ZOE: "delivered"}
    await notice(office, about(item, OUTLOOK_RECEIPT))
    await notice(office, delivered)
    assert await states(office, item) == {ZOE: "read"}


@pytest.mark.parametrize("report", [QMAIL, OUTLOOK_RECEIPT])
async def test_by_the_message_id_alone(office: Office, report: bytes) -> None:
    item = await sent(office)
    await notice(office, about(item, report))
    assert list(await states(office, item)) == [ZOE]


async def test_a_message_with_an_id_of_its_own_is_found_in_sent_items(office: Office) -> None:
    item = await sent(office, internet_message_id="<Own.Id@elsewhere.test>")
    await notice(office, about(item, OUTLOOK_RECEIPT))
    assert await states(office, item) == {ZOE: "read"}


async def test_by_the_envelope_id_alone(office: Office) -> None:
    item = await sent(office, internet_message_id="<own@elsewhere.test>", save=False)
    item = await office.send(ZOE, YAN, internet_message_id="<own@elsewhere.test>")
    await office.until_done(2)
    data = about(item).replace(b"Message-ID: <own@elsewhere.test>\r\n", b"")
    await notice(office, data)
    assert await states(office, item) == {ZOE: "bounced", YAN: "delayed"}


async def test_an_only_recipient_need_not_be_named(office: Office) -> None:
    item = await sent(office, ZOE)
    renamed = OUTLOOK_RECEIPT.replace(b"zoe@one.test", b"zoe.smith@inner.one.test")
    await notice(office, about(item, renamed))
    assert await states(office, item) == {ZOE: "read"}


async def test_one_of_several_has_to_be(office: Office) -> None:
    item = await sent(office)
    renamed = OUTLOOK_RECEIPT.replace(b"zoe@one.test", b"zoe.smith@inner.one.test")
    await notice(office, about(item, renamed))
    assert await states(office, item) == {}


async def test_a_report_that_came_to_somebody_else_is_not_believed(office: Office) -> None:
    item = await sent(office)
    await notice(office, about(item), box=ALEX)
    assert await states(office, item) == {}


async def test_what_has_a_sender_is_no_report(office: Office) -> None:
    item = await sent(office)
    await notice(office, about(item), sender="zoe@one.test")
    assert await states(office, item) == {}


async def test_an_envelope_id_that_belongs_to_another_message_is_not_believed(office: Office) -> None:
    item = await sent(office)
    other = about(item).replace(item.message.internet_message_id.encode(), b"<other@contoso.test>")
    await notice(office, other)
    assert await states(office, item) == {}


async def test_a_guessed_message_id_is_not_enough(office: Office) -> None:
    item = await sent(office)
    guessed = f"<{item.message_id:016x}.00@contoso.test>".encode()
    await notice(
        office, about(item, OUTLOOK_RECEIPT).replace(item.message.internet_message_id.encode(), guessed)
    )
    assert await states(office, item) == {}


async def test_a_report_is_noticed_when_it_is_delivered_here(office: Office) -> None:
    item = await sent(office)
    made = office.automatic.filing(ALEX, about(item), ADELE.address, office.clock.now())
    await office.store.write(lambda tx: filing.add(tx, made))
    await office.until_done(2)
    assert await states(office, item) == {ZOE: "bounced", YAN: "delayed"}
    assert len(await office.inbox()) == 1


async def test_a_report_that_cannot_be_noted_is_filed(office: Office) -> None:
    def noticing(fn: Any) -> StoreError | None:
        return (
            StoreError("the disk is full") if fn.__module__ == "graphpost.delivery.arrival.noticing" else None
        )

    item = await sent(office)
    office.store.breaks = noticing
    made = office.automatic.filing(ALEX, about(item), ADELE.address, office.clock.now())
    await office.store.write(lambda tx: filing.add(tx, made))
    await office.until_done(2)
    assert await states(office, item) == {}
    assert len(await office.inbox()) == 1
    assert "the disk is full" in office.said()


async def test_what_was_said_is_forgotten_with_the_deliveries(office: Office) -> None:
    item = await sent(office)
    await notice(office, about(item))
    bucket = deliveries.bucket_of(item.mailbox_id)
    assert await office.store.write(lambda tx: reported.prune(tx, bucket)) == 0
    await office.store.write(lambda tx: deliveries.prune(tx, bucket, office.clock.now() + 1))
    assert await office.store.write(lambda tx: reported.prune(tx, bucket)) == 2
    assert await states(office, item) == {}


async def test_who_administers_the_queue_is_shown_what_was_said(office: Office) -> None:
    item = await sent(office)
    await notice(office, about(item))
    queue = QueueOperations(office.store, office.numbers, office.clock)
    shown = await queue.show_message(queue_id=f"{item.message_id:016x}")
    assert [(each["state"], each["reported"]["state"]) for each in shown["recipients"]] == [
        ("delivered", "bounced"),
        ("delivered", "delayed"),
    ]
    assert shown["recipients"][0]["reported"]["status"] == "5.1.1"
