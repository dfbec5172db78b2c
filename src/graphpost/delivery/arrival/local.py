"""Delivery to mailboxes of this server.

Nothing is written here: the filings are part of the transaction that settles the delivery, so that a message is in an
Inbox exactly when its delivery is done, however the process ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from graphpost.clock import Instant
from graphpost.delivery.arrival.arriving import Arrival, Arrivals
from graphpost.delivery.filing import Filer, Filing
from graphpost.delivery.quotas import Quotas
from graphpost.errors import MimeError, StoreError
from graphpost.mail.mailbox import Directory, Mailbox
from graphpost.transport.courier import Deferred, Delivered, Envelope, Failed, Outcome, Reply

IN_MEMORY: Final = 1 << 20  # octets of a message; a larger one goes through a file
LARGE_AT_ONCE: Final = 2


class LocalDelivery:
    """Finds mailboxes in the directory, follows their rules, and prepares what is to be filed."""

    def __init__(
        self,
        arrivals: Arrivals,
        filer: Filer,
        directory: Callable[[], Directory],
        quotas: Quotas,
        hostname: str,
    ) -> None:
        self._arrivals = arrivals
        self._filer = filer
        self._directory = directory
        self._quotas = quotas
        self._hostname = hostname
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def deliver(
        self, envelope: Envelope, now: Instant
    ) -> tuple[tuple[Outcome, ...], tuple[Filing, ...]]:
        """One outcome per recipient; a mailbox named by several of its addresses gets the message once."""
        boxes = [self._directory().find_recipient(address) for address in envelope.recipients]
        found = {box.mailbox_id: box for box in boxes if box is not None}
        try:
            full = await self._full(found.values(), envelope)
            for number in full:
                del found[number]
            places = list(found.values())
            if envelope.data.size <= IN_MEMORY:
                filings = await self._arrivals.filings(
                    places, envelope.sender, envelope.data.size, lambda: self._arrival(envelope), now
                )
            else:
                filings = await self._large_filings(places, envelope, now) if places else ()
        except MimeError as error:
            reply = Reply(554, "5.6.0", f"the message cannot be filed: {error}", self._hostname)
            return (Failed(reply),) * len(boxes), ()
        except StoreError as error:
            reply = Reply(452, "4.3.1", f"the message cannot be filed at the moment: {error}", self._hostname)
            return (Deferred(reply),) * len(boxes), ()
        outcomes = (self._outcome(*each, full) for each in zip(envelope.recipients, boxes, strict=True))
        return tuple(outcomes), filings

    async def _full(self, boxes: Iterable[Mailbox], envelope: Envelope) -> set[int]:
        """Which of the mailboxes have no room for it."""
        return {
            box.mailbox_id
            for box in boxes
            if self._quotas.bound(box)
            and not await self._quotas.takes(box, envelope.data.size, is_report=not envelope.sender)
        }

    async def _large_filings(
        self, boxes: Sequence[Mailbox], envelope: Envelope, now: Instant
    ) -> tuple[Filing, ...]:
        async with self._large:
            content, mapped = await asyncio.to_thread(self._filer.large_content, envelope.data)
            try:
                arrival = Arrival(envelope.sender, mapped, content, envelope.is_foreign)
                return await self._arrivals.filings(
                    boxes, envelope.sender, envelope.data.size, lambda: arrival, now
                )
            finally:
                mapped.close()

    def _arrival(self, envelope: Envelope) -> Arrival:
        data = b"".join(envelope.data)
        return Arrival(envelope.sender, data, self._filer.content(data), envelope.is_foreign)

    def _outcome(self, address: str, box: Mailbox | None, full: Collection[int]) -> Outcome:
        if box is None:
            return Failed(Reply(550, "5.1.1", f"there is no mailbox {address} here", self._hostname))
        if box.mailbox_id in full:
            return Failed(Reply(552, "5.2.2", f"the mailbox {box.address} is full", self._hostname))
        return Delivered(Reply(250, "2.1.5", f"filed in the mailbox {box.address}", self._hostname))
