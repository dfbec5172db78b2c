"""Mail that nobody wrote: receipts, automatic replies, reports.

It leaves a mailbox with the null reverse path, so that nothing answers it and nobody is told when it fails; no copy of
it is kept.  It is filed, in no folder and with its delivery, by the transaction of what caused it (RFC 3834 §3.3).
"""

from __future__ import annotations

from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.delivery.filing import Filer, Filing
from graphpost.delivery.queueing import AutomaticDeliveries
from graphpost.mail.mailbox import NO_FOLDER, Mailbox
from graphpost.mail.message import Address


class AutomaticMail:
    """Makes filings of such mail for one store."""

    def __init__(self, filer: Filer, deliveries: AutomaticDeliveries) -> None:
        self._filer = filer
        self._deliveries = deliveries

    def filing(self, mailbox: Mailbox, data: bytes, to: str, now: Instant) -> Filing:
        """These bytes, a message of the mailbox's, on their way to an address; due at once."""
        filing = self._filer.prepare(mailbox, data, now, NO_FOLDER)
        return replace(filing, queued=self._deliveries.of(filing.item, (Address(to),), None, now))
