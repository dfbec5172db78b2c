"""Confirming to who asked for it that a message is in a mailbox (RFC 3461).

The report is sent with the null reverse path, by the transaction that files the message.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from graphpost.clock import Instant
from graphpost.delivery.filing import Filing
from graphpost.delivery.responses.automatic import AutomaticMail
from graphpost.delivery.responses.reports import Reporter, original_recipient
from graphpost.mail.answerable import fields_of, is_doubtful, suppresses
from graphpost.mail.mailbox import NO_FOLDER, Mailbox
from graphpost.mail.report import RecipientFact
from graphpost.transport.wire import from_xtext

_FILED = "2.1.5"  # RFC 3463: the destination address is valid


class Asked(Struct, frozen=True):
    """Who asked, in the words of the envelope: `envelope_id` and the recipients' ORCPT ('' for none) in xtext."""

    sender: str
    envelope_id: str
    recipients: tuple[tuple[Mailbox, str, str], ...]  # whose, address and ORCPT


class Confirmer:
    """Writes such reports for one host."""

    def __init__(self, reporter: Reporter, automatic: AutomaticMail) -> None:
        self._reporter = reporter
        self._automatic = automatic

    def filing(self, filings: Sequence[Filing], asked: Asked, header: bytes, now: Instant) -> Filing | None:
        """The report on what was filed for these recipients; None when nothing was, or its author wants none.

        It is one for all of them, in the name of the first: of the sender we have only a stranger's word, and one
        message to many mailboxes must not become many to whom it names.
        """
        filed = {
            each.item.mailbox_id: each.item for each in reversed(filings) if each.item.folder_id != NO_FOLDER
        }
        told = [each for each in asked.recipients if each[0].mailbox_id in filed]
        if not told or not asked.sender:
            return None
        mailbox = told[0][0]
        item = filed[mailbox.mailbox_id]
        if is_doubtful(item.message) or suppresses(fields_of(item.message.headers), "DR"):
            return None
        facts = tuple(
            RecipientFact(
                address=address,
                original=original_recipient(original),
                action="delivered",
                status=_FILED,
                last_attempt_at=now,
            )
            for _, address, original in told
        )
        data = self._reporter.delivered(item, asked.sender, from_xtext(asked.envelope_id), facts, header, now)
        return self._automatic.filing(mailbox, data, asked.sender, now)
