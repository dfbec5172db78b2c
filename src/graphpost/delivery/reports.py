"""Reports: a conclusion's failures, delays and successes as mail for the sender's Inbox (RFC 3464)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graphpost.clock import Instant
from graphpost.delivery.filing import Filer, Filing
from graphpost.delivery.settle import Conclusion
from graphpost.ids import Numbers
from graphpost.mail.mailbox import Mailbox
from graphpost.mail.message import Item
from graphpost.mail.report import (
    NdrFacts,
    RecipientFact,
    delay_report,
    non_delivery_report,
    success_report,
)
from graphpost.store.deliveries import Recipient


class Reporter:
    """Writes reports in the name of this host."""

    def __init__(self, filer: Filer, numbers: Numbers, hostname: str) -> None:
        self._filer = filer
        self._numbers = numbers
        self._hostname = hostname

    def filings(
        self, conclusion: Conclusion, mailbox: Mailbox | None, item: Item, headers: bytes, now: Instant
    ) -> Iterator[Filing]:
        """The reports this conclusion calls for; none when the sender has no mailbox any more."""
        if mailbox is None:
            return
        for action, writer, recipients in (
            ("failed", non_delivery_report, conclusion.failed),
            ("delayed", delay_report, conclusion.delayed),
            ("relayed", success_report, conclusion.relayed if conclusion.delivery.wants_success else ()),
        ):
            if recipients:
                local = conclusion.delivery.destination == "local"
                facts = self._facts("delivered" if local and action == "relayed" else action, conclusion, recipients, item, headers, now)
                yield self._filer.prepare(mailbox, writer(facts), now)

    def _facts(
        self, action: str, conclusion: Conclusion, recipients: Iterable[Recipient], item: Item, headers: bytes, now: Instant
    ) -> NdrFacts:
        raise AssertionError
