"""What a rule sends on: forwards, forwards as attachment, redirections.

A forward is a new message of the mailbox's; a redirection is the message as it came, below fields that say who sent it on
(RFC 5322 §3.6.6).  Both leave in the mailbox's name, so that it is told when they fail, and carry the mark by which
rules know what rules have sent on (`mail.traits.LOOP`); a forward says besides that nobody wrote it (RFC 3834 §5).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Final

from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.delivery.filing import Filer, Filing
from graphpost.delivery.items import new_item, new_message_id
from graphpost.delivery.queueing import AutomaticDeliveries
from graphpost.ids import random_bytes
from graphpost.mail.compose import anew
from graphpost.mail.field import address_field, date_text, text_field
from graphpost.mail.mailbox import NO_FOLDER, Mailbox
from graphpost.mail.message import Address, Attachment, Body, ContentRef, Header, Item, Message
from graphpost.mail.parse import Buffer
from graphpost.mail.quote import long_time, prefixed, quoted
from graphpost.mail.rules import Verdict
from graphpost.mail.text import preview
from graphpost.mail.thread import ancestry, answering_index, usable_id
from graphpost.mail.traits import LOOP
from graphpost.store.contents import Content

_PREFIX: Final = "FW:"


class Forwarder:
    """Makes the filings of what is sent on: messages in no folder, with their deliveries, due at once."""

    def __init__(self, filer: Filer, deliveries: AutomaticDeliveries) -> None:
        self._filer = filer
        self._deliveries = deliveries

    def filings(
        self, mailbox: Mailbox, arrived: Filing, data: Buffer, found: Verdict, now: Instant
    ) -> list[Filing]:
        """For each of a verdict's ways to send on that has recipients; `data` are the bytes that arrived."""
        made = []
        if found.forwards:
            made.append(
                self._sent(mailbox, _forward(mailbox, arrived.item, found.forwards, now), arrived, now)
            )
        if found.attached:
            made.append(
                self._sent(mailbox, _attached(mailbox, arrived.item, found.attached, now), arrived, now)
            )
        if found.redirects:
            made.append(self._redirected(mailbox, arrived.item.message, data, found.redirects, now))
        return made

    def _sent(self, mailbox: Mailbox, message: Message, arrived: Filing, now: Instant) -> Filing:
        """A new message; what is attached are slices of what arrived."""
        item = new_item(mailbox, message, {}, self._filer.number(), now, NO_FOLDER)
        kept = arrived.contents if message.attachments else []
        return self._filing(mailbox, item, kept, message.to, now)

    def _redirected(
        self, mailbox: Mailbox, original: Message, data: Buffer, to: Sequence[Address], now: Instant
    ) -> Filing:
        number = self._filer.number()
        resent = _resent(mailbox, to, new_message_id(number, random_bytes(4), mailbox.address), now)
        kept = self._filer.content(data, before=resent)
        message = replace(original, raw=ContentRef(kept.content_id), attachments=())
        message = replace(message, is_delivery_receipt_requested=None)
        item = new_item(mailbox, message, {}, number, now, NO_FOLDER)
        return self._filing(mailbox, item, [kept], to, now)

    def _filing(
        self, mailbox: Mailbox, item: Item, kept: list[Content], to: Sequence[Address], now: Instant
    ) -> Filing:
        queued = self._deliveries.of(item, to, Address(mailbox.address), now)
        return Filing(item, kept, mailbox.address, queued)


def _begun(mailbox: Mailbox, arrived: Item, to: tuple[Address, ...], now: Instant) -> Message:
    """A forward without anything in it."""
    original, author = arrived.message, Address(mailbox.address, mailbox.name)
    return Message(
        subject=prefixed(_PREFIX, original.subject),
        from_=author,
        sender=author,
        to=to,
        importance=original.importance,
        headers=(Header("Auto-Submitted", "auto-generated"), Header(LOOP, mailbox.address)),
        in_reply_to=usable_id(original.internet_message_id),
        references=ancestry(original.internet_message_id, original.references, original.in_reply_to),
        conversation_index=answering_index(
            original.conversation_index, arrived.conversation_id, now, random_bytes(1)[0]
        ),
    )


def _forward(mailbox: Mailbox, arrived: Item, to: tuple[Address, ...], now: Instant) -> Message:
    original = arrived.message
    body = quoted(original, long_time(original.date or arrived.sent_at, UTC))
    kept = anew(original).attachments
    return replace(_begun(mailbox, arrived, to, now), body=body, preview=preview(body), attachments=kept)


def _attached(mailbox: Mailbox, arrived: Item, to: tuple[Address, ...], now: Instant) -> Message:
    original = arrived.message
    assert original.raw is not None  # it arrived as bytes
    attachment = Attachment(
        attachment_id=1,
        kind="item",
        name=original.subject,
        content_type="message/rfc822",
        size=arrived.size,
        modified_at=now,
        content=original.raw,
    )
    return replace(_begun(mailbox, arrived, to, now), body=Body(), attachments=(attachment,))


def _resent(mailbox: Mailbox, to: Sequence[Address], message_id: str, now: Instant) -> bytes:
    """The block of fields that goes before the header of what is redirected."""
    fields = (
        text_field(LOOP, mailbox.address),
        address_field("Resent-From", (Address(mailbox.address, mailbox.name),)),
        address_field("Resent-To", to),
        f"Resent-Date: {date_text(now)}\r\n",
        f"Resent-Message-ID: {message_id}\r\n",
    )
    return "".join(fields).encode()
