"""Receipts for messages that were read, or deleted without it (RFC 8098).

Whether a message will have one is decided when it is filed, because the envelope is known only then: its `receipt_to`
names who is told.  What sends the receipt clears that field in the same transaction, so there is never a second one; a
copy never has it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.config import Config
from graphpost.delivery.filing import Filing
from graphpost.delivery.items import new_message_id
from graphpost.delivery.responses.automatic import AutomaticMail
from graphpost.ids import random_bytes
from graphpost.mail.answerable import fields_of, is_doubtful
from graphpost.mail.mailbox import JUNK, NO_FOLDER, Mailbox
from graphpost.mail.message import Address, Item
from graphpost.mail.receipt import Disposition, ReceiptFacts, asked_by, is_suppressed, receipt
from graphpost.mail.thread import ancestry, answering_index

ReceiptOf = Callable[[Mailbox, Item, Disposition, Instant], Filing | None]
"""The receipt that a message's owner owes for what became of it; None when none is sent."""


class Receipts:
    """`refused_by`: addresses of mailboxes that send none."""

    def __init__(
        self,
        automatic: AutomaticMail,
        hostname: str,
        *,
        enabled: bool = True,
        refused_by: Collection[str] = (),
    ) -> None:
        self._automatic = automatic
        self._hostname = hostname
        self._enabled = enabled
        self._refused_by = refused_by

    @classmethod
    def by_settings(cls, config: Config, automatic: AutomaticMail, hostname: str) -> Receipts:
        """As the server's settings, and those of mailboxes in them, have it."""
        refused_by = [each.address for each in config.mailboxes if not each.read_receipts]
        return cls(automatic, hostname, enabled=config.delivery.read_receipts, refused_by=refused_by)

    def owed(
        self, mailbox: Mailbox, filings: Sequence[Filing], return_path: str, now: Instant
    ) -> list[Filing]:
        """What arrived, of which the message asks for a receipt, and the receipt if a rule has read it."""
        made = list(filings)
        place = next((place for place, each in enumerate(made) if each.item.folder_id != NO_FOLDER), None)
        if place is None or not self._enabled or any(map(mailbox.owns, self._refused_by)):
            return made
        item = made[place].item
        address = asked_by(fields_of(item.message.headers), return_path)
        if not address or mailbox.owns(address) or is_doubtful(item.message):
            return made
        item = replace(item, message=replace(item.message, receipt_to=address))
        if item.is_read:
            made += filter(None, (self.filing(mailbox, item, "processed", now),))
            item = replace(item, message=replace(item.message, receipt_to=""))
        made[place] = replace(made[place], item=item)
        return made

    def filing(self, mailbox: Mailbox, item: Item, disposition: Disposition, now: Instant) -> Filing | None:
        """The receipt to whom the message names; None when it names nobody, or its author wants none of that kind."""
        message = item.message
        wanted = self._enabled and message.receipt_to and message.is_read_receipt_requested
        if not wanted or item.folder_id == JUNK or is_suppressed(fields_of(message.headers), disposition):
            return None
        facts = ReceiptFacts(
            message_id=new_message_id(item.message_id, random_bytes(8), mailbox.address),
            date=now,
            reader=Address(_addressed(mailbox, item), mailbox.name),
            recipient=message.receipt_to,
            reporting_ua=self._hostname,
            disposition=disposition,
            sent_at=item.sent_at,
            subject=message.subject,
            original_message_id=message.internet_message_id,
            references=ancestry(message.internet_message_id, message.references, message.in_reply_to),
            conversation_index=answering_index(message.conversation_index, item.conversation_id, now),
        )
        return self._automatic.filing(mailbox, receipt(facts), message.receipt_to, now)


def _addressed(mailbox: Mailbox, item: Item) -> str:
    """Which of the mailbox's addresses the message was sent to, as far as it says."""
    named = (each.address for each in item.message.to + item.message.cc)
    return next((address for address in named if mailbox.owns(address)), mailbox.address)
