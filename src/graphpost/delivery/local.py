"""Delivery to mailboxes of this server.

Nothing is written here: the filings are part of the transaction that settles the delivery, so that a message is in an
Inbox exactly when its delivery is done, however the process ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from graphpost.clock import Instant
from graphpost.delivery.filing import Filer, Filing
from graphpost.delivery.noticing import Noticing
from graphpost.delivery.ruling import Followed, Ruler, followed
from graphpost.errors import MimeError, StoreError
from graphpost.mail.mailbox import Directory, Mailbox
from graphpost.store.store import Store
from graphpost.transport.courier import Deferred, Delivered, Envelope, Failed, Outcome, Reply

IN_THREAD: Final = 262_144


class LocalDelivery:
    """Finds mailboxes in the directory, follows their rules, and prepares what is to be filed."""

    def __init__(
        self,
        store: Store,
        filer: Filer,
        ruler: Ruler,
        noticing: Noticing,
        directory: Callable[[], Directory],
        hostname: str,
    ) -> None:
        self._store = store
        self._filer = filer
        self._ruler = ruler
        self._noticing = noticing
        self._directory = directory
        self._hostname = hostname

    async def deliver(
        self, envelope: Envelope, now: Instant
    ) -> tuple[tuple[Outcome, ...], tuple[Filing, ...]]:
        """One outcome per recipient; a mailbox named by several of its addresses gets the message once."""
        boxes = [self._directory().find_address(address) for address in envelope.recipients]
        found = {box.mailbox_id: box for box in boxes if box is not None}
        try:
            filings = await self._filings(envelope, list(found.values()), now)
        except MimeError as error:
            reply = Reply(554, "5.6.0", f"the message cannot be filed: {error}", self._hostname)
            return (Failed(reply),) * len(boxes), ()
        except StoreError as error:
            reply = Reply(452, "4.3.1", f"the message cannot be filed at the moment: {error}", self._hostname)
            return (Deferred(reply),) * len(boxes), ()
        return tuple(map(self._outcome, envelope.recipients, boxes)), filings

    async def _filings(self, envelope: Envelope, boxes: list[Mailbox], now: Instant) -> tuple[Filing, ...]:
        """What the message becomes in each mailbox.  A file may be written and synced, and rules look through bodies."""
        numbers = [box.mailbox_id for box in boxes]
        rules = await self._store.read(lambda tx: {number: followed(tx, number) for number in numbers})
        if not envelope.sender:
            await self._noticing.notice("", b"".join(envelope.data), boxes, now)
        is_long = envelope.data.size > min(IN_THREAD, self._filer.inline_limit)
        if is_long or not all(each.is_nothing for each in rules.values()):
            return await asyncio.to_thread(self._filings_now, envelope, boxes, rules, now)
        return self._filings_now(envelope, boxes, rules, now)

    def _filings_now(
        self, envelope: Envelope, boxes: list[Mailbox], rules: Mapping[int, Followed], now: Instant
    ) -> tuple[Filing, ...]:
        data = b"".join(envelope.data)
        made: list[Filing] = []
        for box in boxes:
            arrived, what = self._filer.prepare(box, data, now), rules[box.mailbox_id]
            made += self._ruler.arrived(box, arrived, data, what, envelope.sender, now)
        return tuple(made)

    def _outcome(self, address: str, box: Mailbox | None) -> Outcome:
        if box is None:
            return Failed(Reply(550, "5.1.1", f"there is no mailbox {address} here", self._hostname))
        return Delivered(Reply(250, "2.1.5", f"filed in the mailbox {box.address}", self._hostname))
