"""Mail from other hosts is answered, and reports from them are noticed, as mail from here is."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from tests.delivery.post import ADELE
from tests.inbound.room import LETTER, MakeRoom, Room
from tests.mail.test_returned import POSTFIX
from tests.store.made import delivery

from graphpost.inbound.reception import Letter
from graphpost.mail.mailbox import Directory, Reception
from graphpost.mail.preferences import AutomaticReplies, PersonalSettings
from graphpost.store.mailbox import preferences
from graphpost.store.queue import deliveries, reported
from graphpost.store.queue.deliveries import DONE, Recipient

pytestmark = pytest.mark.anyio
NUMBER = 0x0003C1A2B3C4D5E6


async def test_a_bounce_is_matched_with_what_was_sent(room: Room) -> None:
    sent = delivery(
        NUMBER,
        mailbox_id=ADELE.mailbox_id,
        sender=ADELE.address,
        state=DONE,
        internet_message_id="<0003c1a2b3c4d5e6.00ff@contoso.test>",
        recipients=(Recipient("zoe@one.test", "delivered"), Recipient("yan@one.test", "delivered")),
    )
    await room.store.write(lambda tx: deliveries.add(tx, sent))
    wire = await room.wire()
    await wire.deliver(POSTFIX.replace(b"\n", b"\r\n"), sender="")
    found = await room.store.read(lambda tx: reported.of_message(tx, ADELE.mailbox_id, NUMBER))
    assert {address: each.state for address, each in found.items()} == {
        "zoe@one.test": "bounced",
        "yan@one.test": "delayed",
    }
    assert len(await room.inbox()) == 1


@pytest.mark.parametrize(("audience", "answered"), [("all", 1), ("none", 0)])
async def test_somebody_away_answers_people_elsewhere_once(room: Room, audience: str, answered: int) -> None:
    away = AutomaticReplies("alwaysEnabled", audience, "in", "out")  # type: ignore[arg-type]
    settings = PersonalSettings(automatic_replies=away)
    await room.store.write(lambda tx: preferences.set_settings(tx, ADELE.mailbox_id, settings))
    wire = await room.wire()
    for _ in range(3):
        assert (await wire.deliver(b"To: adele@contoso.test\r\n" + LETTER))[0] == 250
    queued = await room.queue()
    assert [(each.sender, each.recipients[0].address) for each in queued] == [
        ("", "bob@else.test")
    ] * answered
    assert len(await room.inbox()) == 3


async def test_what_is_forged_is_not_answered(make_room: MakeRoom) -> None:
    async def evaluate(letter: Letter, data: Iterable[bytes]) -> bytes:
        return b"Authentication-Results: mx.contoso.test; spf=fail smtp.mailfrom=bob@else.test\r\n"

    room = make_room(evaluate=evaluate)
    await room.open()
    settings = PersonalSettings(automatic_replies=AutomaticReplies("alwaysEnabled", "all", "in", "out"))
    await room.store.write(lambda tx: preferences.set_settings(tx, ADELE.mailbox_id, settings))
    wire = await room.wire()
    await wire.ask("MAIL FROM:<bob@else.test>")
    await wire.ask("RCPT TO:<adele@contoso.test> NOTIFY=SUCCESS")
    asking = b"To: adele@contoso.test\r\nDisposition-Notification-To: bob@else.test\r\n" + LETTER
    assert (await wire.data(asking))[0] == 250
    (item,) = await room.inbox()
    assert item.message.receipt_to == ""
    assert await room.queue() == []


async def test_an_address_with_a_detail_is_the_mailboxs_too(room: Room) -> None:
    room.directory = Directory.of([ADELE]).receiving(Reception("+", "", frozenset({"contoso.test"})))
    settings = PersonalSettings(automatic_replies=AutomaticReplies("alwaysEnabled", "all", "in", "out"))
    await room.store.write(lambda tx: preferences.set_settings(tx, ADELE.mailbox_id, settings))
    wire = await room.wire()
    await wire.deliver(b"To: adele+x@contoso.test\r\n" + LETTER, "adele+x@contoso.test")
    assert len(await room.queue()) == 1


async def test_a_receipt_is_owed_to_the_envelopes_sender_only(room: Room) -> None:
    wire = await room.wire()
    asking = b"Disposition-Notification-To: bob@else.test\r\n" + LETTER
    await wire.deliver(asking)
    await wire.deliver(asking, sender="mallory@else.test")
    assert [item.message.receipt_to for item in await room.inbox()] == ["bob@else.test", ""]
