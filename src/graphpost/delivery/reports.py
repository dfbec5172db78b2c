"""Reports: a conclusion's failures, delays and successes as mail for the sender's Inbox (RFC 3464)."""

from __future__ import annotations

from collections.abc import Sequence

from graphpost.clock import Instant
from graphpost.delivery.filing import Filer, Filing
from graphpost.delivery.routing import LOCAL
from graphpost.delivery.settle import Conclusion
from graphpost.mail.mailbox import Mailbox
from graphpost.mail.message import Address, Item
from graphpost.mail.report import (
    NdrFacts,
    RecipientFact,
    delay_report,
    non_delivery_report,
    success_report,
)
from graphpost.store.deliveries import Recipient, Saying

NOTHING = Saying(0, "", "", "")


class Reporter:
    """Writes reports in the name of this host."""

    def __init__(self, filer: Filer, hostname: str) -> None:
        self._filer = filer
        self._hostname = hostname
