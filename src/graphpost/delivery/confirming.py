"""Confirming to who asked for it that a message is in a mailbox (RFC 3461).

The report is sent with the null reverse path, by the transaction that files the message.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from graphpost.clock import Instant
from graphpost.delivery.automatic import AutomaticMail
from graphpost.delivery.filing import Filing
from graphpost.delivery.reports import Reporter
from graphpost.mail.answerable import fields_of, is_doubtful, suppresses
from graphpost.mail.mailbox import NO_FOLDER, Mailbox
from graphpost.mail.report import RecipientFact
from graphpost.transport.wire import from_xtext

_FILED = "2.1.5"  # RFC 3463: the destination address is valid


class Asked(Struct, frozen=True):
    """Who asked, in the words of the envelope: `envelope_id` and the recipients' ORCPT ('' for none) in xtext."""

    sender: str
    envelope_id: str
    recipients: tuple[tuple[str, str], ...]  # address and ORCPT


class Confirmer:
    """Writes such reports for one host."""

    def __init__(self, reporter: Reporter, automatic: AutomaticMail) -> None:
        self._reporter = reporter
        self._automatic = automatic

    def filing(
        self, mailbox: Mailbox, filings: Sequence[Filing], asked: Asked, header: bytes, now: Instant
    ) -> Filing | None:
        """The report on what was filed in a mailbox; None when nothing was, or its author wants none."""
        filed = next(
            (
                each.item
                for each in filings
                if each.item.mailbox_id == mailbox.mailbox_id and each.item.folder_id != NO_FOLDER
            ),
            None,
        )
        if filed is None or not asked.sender or is_doubtful(filed.message):
            return None
        if suppresses(fields_of(filed.message.headers), "DR"):
            return None
        facts = tuple(
            RecipientFact(
                address=address,
                original=_original(original),
                action="delivered",
                status=_FILED,
                last_attempt_at=now,
            )
            for address, original in asked.recipients
        )
        data = self._reporter.delivered(
            filed, asked.sender, from_xtext(asked.envelope_id), facts, header, now
        )
        return self._automatic.filing(mailbox, data, asked.sender, now)


def _original(text: str) -> str:
    """`rfc822; address`, of an ORCPT; what is not ASCII stays in the form of RFC 6533."""
    kind, _, address = text.partition(";")
    return f"{kind}; {address if kind.lower() == 'utf-8' else from_xtext(address)}" if address else ""
