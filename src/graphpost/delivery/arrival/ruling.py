"""Ruling: what a mailbox's rules make of mail that is to be filed in its Inbox.

They are read before a message is filed, and followed outside the transaction, because looking through bodies takes time;
what they lead to, the message in its folder, copies, what is sent on, is filed in one transaction with the settling
of the delivery (docs/decisions/018).  Reports of ours are not looked at: they never come this way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.delivery.arrival.forwarding import Forwarder
from graphpost.delivery.filing import Filer, Filing
from graphpost.delivery.queueing import AutomaticDeliveries
from graphpost.delivery.responses.absence import Absence
from graphpost.delivery.responses.receipts import Receipts
from graphpost.mail.address import to_wire
from graphpost.mail.mailbox import Mailbox
from graphpost.mail.message import Inference, Item
from graphpost.mail.parse import Buffer
from graphpost.mail.preferences import AutomaticReplies
from graphpost.mail.rules import Rule, Verdict, verdict
from graphpost.mail.traits import Traits
from graphpost.store.mailbox import folders, preferences
from graphpost.store.store import Tx

MOST_HOPS: Final = 50  # Received fields; what has come by so many hosts goes round in circles (RFC 5321 §6.3)


class Followed(Struct, frozen=True):
    """What is followed in a mailbox: rules without an error, and the senders that are classified."""

    rules: tuple[Rule, ...] = ()
    senders: Mapping[str, Inference] = {}
    replies: AutomaticReplies | None = None  # when they are on

    @property
    def is_nothing(self) -> bool:
        return not self.rules and not self.senders and self.replies is None


def followed(tx: Tx, mailbox_id: int) -> Followed:
    """What is followed in a mailbox at the moment."""
    rules, overrides, replies = preferences.on_arrival(tx, mailbox_id)
    return Followed(
        tuple(rule for rule in rules if rule.is_enabled and not _has_error(tx, mailbox_id, rule)),
        {key: each.classify_as for key, each in overrides.items()},
        replies,
    )


def _has_error(tx: Tx, mailbox_id: int, rule: Rule) -> bool:
    return any(folders.get(tx, mailbox_id, number) is None for number in rule.actions.folders)


class Ruler:
    """Follows rules for one store, and answers for its mailboxes."""

    def __init__(
        self,
        filer: Filer,
        deliveries: AutomaticDeliveries,
        receipts: Receipts,
        absence: Absence,
    ) -> None:
        self._receipts = receipts
        self._absence = absence
        self._filer = filer
        self._forwarder = Forwarder(filer, deliveries)

    def arrived(
        self,
        mailbox: Mailbox,
        filing: Filing,
        data: Buffer,
        what: Followed,
        envelope_sender: str,
        now: Instant,
    ) -> Sequence[Filing]:
        """All that is filed for a message that arrived: what rules make of it, and what the mailbox answers by itself."""
        made: Sequence[Filing] = (filing,)
        if what.rules or what.senders:
            made = self.filings(mailbox, filing, data, what, envelope_sender, now)
        if filing.item.message.is_read_receipt_requested:
            made = self._receipts.owed(mailbox, made, envelope_sender, now)
        if what.replies is not None:
            made = self._absence.answered(mailbox, made, what.replies, envelope_sender, now)
        return made

    def filings(
        self,
        mailbox: Mailbox,
        arrived: Filing,
        data: Buffer,
        what: Followed,
        envelope_sender: str,
        now: Instant,
    ) -> list[Filing]:
        """What is filed instead of the message as it arrived; nothing of it when a rule deletes it for good."""
        message = arrived.item.message
        traits = Traits(message, len(data), (mailbox.address, *mailbox.aliases))
        found = verdict(what.rules, traits)
        filing = replace(arrived, item=_marked(arrived.item, found, what.senders))
        made = [] if found.is_gone else [_placed(filing, found.folder)]
        for folder in found.copies:
            copy = replace(filing, item=replace(filing.item, message_id=self._filer.number()))
            made.append(_placed(copy, folder))
        if envelope_sender and _may_go_on(traits):
            made += self._forwarder.filings(mailbox, arrived, data, found, now)
        return made


def _may_go_on(traits: Traits) -> bool:
    """Whether rules may send it on: what one has sent on, here or elsewhere, goes no further."""
    return not traits.passed_by and traits.hops <= MOST_HOPS


def _placed(filing: Filing, folder: int | None) -> Filing:
    return filing if folder is None else replace(filing, item=replace(filing.item, folder_id=folder))


def _marked(item: Item, found: Verdict, senders: Mapping[str, Inference]) -> Item:
    message = item.message
    author = message.from_ or message.sender
    classified = senders.get(to_wire(author.address).lower()) if author is not None else None
    message = replace(
        message,
        importance=found.importance or message.importance,
        categories=tuple(dict.fromkeys(message.categories + found.categories)),
        inference=classified or message.inference,
    )
    return replace(item, message=message, is_read=found.is_read)
