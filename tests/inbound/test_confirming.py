"""Who asks by NOTIFY=SUCCESS is told that the message is in the mailbox (RFC 3461, 3464)."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from email.policy import default

import pytest
from tests.inbound.room import LETTER, MakeRoom, Room, Wire

from graphpost.store import contents
from graphpost.store.mailbox import messages
from graphpost.store.store import Tx

pytestmark = pytest.mark.anyio


async def deliver(wire: Wire, *recipients: str, mail: str = "", data: bytes = LETTER) -> None:
    """`recipients` are RCPT's addresses with their parameters."""
    sender = "" if mail == "<>" else "bob@else.test"
    assert (await wire.ask(f"MAIL FROM:<{sender}>{'' if mail == '<>' else mail}"))[0] == 250
    for text in recipients:
        address, _, parameters = text.partition(" ")
        assert (await wire.ask(f"RCPT TO:<{address}> {parameters}"))[0] == 250
    assert (await wire.data(data.removesuffix(b"\r\n")))[0] == 250


async def reports(room: Room) -> list[Message]:
    """What is queued without a sender."""
    found = []
    for each in await room.queue():
        assert (each.sender, each.hidden, each.recipients[0].address) == ("", True, "bob@else.test")

        def read(tx: Tx, box: int = each.mailbox_id, number: int = each.message_id) -> bytes:
            item = messages.get(tx, box, number)
            assert item is not None
            assert item.message.raw is not None
            held = contents.of_message(tx, box, number)
            return b"".join(contents.opener(room.blobs, held)(item.message.raw))

        found.append(message_from_bytes(await room.store.read(read), policy=default))
    return found


async def test_a_success_is_reported_as_it_was_asked(room: Room) -> None:
    asked = "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;adele+2Bx@elsewhere.test"
    await deliver(await room.wire(), f"adele@contoso.test {asked}", mail=" RET=HDRS ENVID=id+2B1")
    (report,) = await reports(room)
    assert report.get_param("report-type") == "delivery-status"
    assert report["To"] == "bob@else.test"
    _, status, copy = report.iter_parts()  # type: ignore[attr-defined]
    whole, recipient = status.get_payload()
    assert whole["Original-Envelope-Id"] == "id+1"
    assert dict(recipient.items()) | {"Last-Attempt-Date": ""} == {
        "Original-Recipient": "rfc822; adele+x@elsewhere.test",
        "Final-Recipient": "rfc822; adele@contoso.test",
        "Action": "delivered",
        "Status": "2.1.5",
        "Last-Attempt-Date": "",
    }
    assert copy.get_content_type() == "text/rfc822-headers"
    assert "Subject: Hello" in copy.get_payload()
    assert len(await room.inbox()) == 1
    room.log.flush()
    assert "answered" in room.said()


async def test_one_message_to_many_mailboxes_is_not_many_to_who_asked(room: Room) -> None:
    """Who asked is a stranger's word; whoever is named there gets one report at most."""
    await deliver(await room.wire(), "alex@contoso.test NOTIFY=SUCCESS", "adele@contoso.test NOTIFY=SUCCESS")
    (report,) = await reports(room)
    _, status, _ = report.iter_parts()  # type: ignore[attr-defined]
    assert [block["Final-Recipient"] for block in status.get_payload()[1:]] == [
        "rfc822; alex@contoso.test",
        "rfc822; adele@contoso.test",
    ]
    assert len(await room.inbox()) == 1


async def test_over_lmtp_each_mailbox_answers_for_itself(make_room: MakeRoom) -> None:
    room = make_room()
    await room.open(lmtp=True)
    wire = await room.wire(verb="LHLO")
    await deliver(wire, "alex@contoso.test NOTIFY=SUCCESS", "adele@contoso.test NOTIFY=SUCCESS")
    assert (await wire.reply())[0] == 250
    assert len(await reports(room)) == 2


async def test_only_who_asked_is_told_of_and_of_all_addresses(room: Room) -> None:
    wire = await room.wire()
    await deliver(
        wire,
        "alex@contoso.test NOTIFY=SUCCESS",
        "al@contoso.test NOTIFY=SUCCESS",
        "adele@contoso.test NOTIFY=FAILURE",
    )
    (report,) = await reports(room)
    _, status, _ = report.iter_parts()  # type: ignore[attr-defined]
    assert [block["Final-Recipient"] for block in status.get_payload()[1:]] == [
        "rfc822; alex@contoso.test",
        "rfc822; al@contoso.test",
    ]


@pytest.mark.parametrize(
    ("recipient", "mail", "data"),
    [
        ("adele@contoso.test", "", LETTER),
        ("adele@contoso.test NOTIFY=NEVER", "", LETTER),
        ("adele@contoso.test NOTIFY=FAILURE,DELAY", "", LETTER),
        ("adele@contoso.test NOTIFY=SUCCESS", "<>", LETTER),
        ("adele@contoso.test NOTIFY=SUCCESS", "", b"X-Auto-Response-Suppress: DR\r\n" + LETTER),
    ],
)
async def test_nobody_is_told_who_did_not_ask(room: Room, recipient: str, mail: str, data: bytes) -> None:
    await deliver(await room.wire(), recipient, mail=mail, data=data)
    assert await room.queue() == []
    assert len(await room.inbox()) == 1


async def test_what_is_hidden_in_xtext_begins_no_line_of_the_report(room: Room) -> None:
    evil = "+0D+0AInjected:+20yes+0D+0A+0D+0AFinal-Recipient:+20rfc822;+20zoe@contoso.test+00+0A.+0D+0A"
    asked = f"NOTIFY=SUCCESS ORCPT=rfc822;adele@contoso.test{evil}"
    await deliver(await room.wire(), f"adele@contoso.test {asked}", mail=f" ENVID=id{evil}"[:100])
    (report,) = await reports(room)
    _, status, _ = report.iter_parts()  # type: ignore[attr-defined]
    blocks = status.get_payload()
    assert len(blocks) == 2
    assert all("Injected" not in block for block in blocks)
    assert [block["Final-Recipient"] for block in blocks[1:]] == ["rfc822; adele@contoso.test"]
