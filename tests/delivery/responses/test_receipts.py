"""Receipts: owed to one, by one copy, in the name that the message was sent to."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default

import pytest
from msgspec.structs import replace
from tests.delivery.post import ADELE, ALEX, NEVER, Office

from graphpost.delivery import filing
from graphpost.mail.mailbox import WELL_KNOWN
from graphpost.mail.message import Address, Item
from graphpost.mail.rules import Actions, Rule
from graphpost.store.mailbox import messages, preferences
from graphpost.store.mailbox.preferences import Entry, Kind
from graphpost.store.queue import reported

pytestmark = pytest.mark.anyio
ARCHIVE = WELL_KNOWN["archive"][0]
ZOE = Address("zoe@one.test", "Zoe")


async def arrive(office: Office, *to: str, sender: Address | None = None) -> Item:
    """A message that asks for a receipt, and is in Alex's Inbox; as it was sent."""
    author = sender or Address(ADELE.address)
    sent = await office.send(
        *(to or (ALEX.address,)), from_=author, sender=author, is_read_receipt_requested=True
    )
    await office.until_done()
    return sent


async def tell(office: Office) -> None:
    """The receipt for what is in Alex's Inbox."""
    (item,) = await office.inbox(ALEX)
    receipt = office.receipts.filing(ALEX, item, "displayed", office.clock.now())
    assert receipt is not None
    await office.store.write(lambda tx: filing.add(tx, receipt))
    await office.until_done(2)


async def test_the_sender_sees_in_the_queue_that_it_was_read(office: Office) -> None:
    sent = await arrive(office, "al@contoso.test", "zoe@one.test")
    await office.until_done(2)
    (item,) = await office.inbox(ALEX)
    receipt = office.receipts.filing(ALEX, item, "displayed", office.clock.now())
    assert receipt is not None
    await office.store.write(lambda tx: filing.add(tx, receipt))
    await office.until_done(3)
    (told,) = await office.inbox()
    parsed = message_from_bytes(await office.bytes_of(told), policy=default)
    assert parsed["From"] == "Alex <al@contoso.test>"
    found = await office.store.read(lambda tx: reported.of_message(tx, sent.mailbox_id, sent.message_id))
    assert {address: each.state for address, each in found.items()} == {"al@contoso.test": "read"}


async def test_a_receipt_leaves_for_elsewhere_without_a_sender(office: Office) -> None:
    await arrive(office, sender=ZOE)
    await tell(office)
    ((_, envelope, data),) = office.one.taken
    assert (envelope.sender, envelope.recipients) == ("", (ZOE.address,))
    assert b"report-type=disposition-notification" in data


async def test_a_receipt_that_is_refused_is_told_to_nobody(office: Office) -> None:
    office.one.says(NEVER)
    await arrive(office, sender=ZOE)
    await tell(office)
    assert len(await office.inbox(ALEX)) == 1
    assert "bounced" not in office.said()


async def test_of_a_rules_copies_none_owes_a_receipt(office: Office) -> None:
    rule = Rule(name="c", sequence=1, is_enabled=True, actions=Actions(copy_to_folder=ARCHIVE))
    await office.store.write(
        lambda tx: preferences.add(tx, ALEX.mailbox_id, Kind.RULE, Entry("c", "c", rule))
    )
    await arrive(office)
    (item,) = await office.inbox(ALEX)
    (copy,) = await office.store.read(lambda tx: messages.find(tx, ALEX.mailbox_id, folder_id=ARCHIVE))
    assert (item.message.receipt_to, copy.message.receipt_to) == (ADELE.address, "")


async def test_what_names_nobody_has_none(office: Office) -> None:
    await arrive(office)
    (item,) = await office.inbox(ALEX)
    told = replace(item, message=item.message.copied)
    assert office.receipts.filing(ALEX, told, "displayed", 1) is None
