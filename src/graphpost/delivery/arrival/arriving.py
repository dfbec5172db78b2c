"""Arriving: what a message becomes in the mailboxes that it has come to.

The same for mail that was sent here and for mail that another host brought: the rules of each mailbox are followed, and
what is to be filed is prepared.  Nothing is written but large contents; filing is the caller's transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from graphpost.clock import Instant
from graphpost.delivery.arrival.noticing import Noticing
from graphpost.delivery.arrival.ruling import Followed, Ruler, followed
from graphpost.delivery.filing import Filer, Filing
from graphpost.mail.mailbox import Mailbox
from graphpost.mail.parse import Buffer
from graphpost.store.contents import Content
from graphpost.store.store import Store

IN_THREAD: Final = 262_144


class Arrival(Struct, frozen=True):
    """A message with its envelope's sender, and where its bytes are kept: once for all mailboxes."""

    sender: str
    data: Buffer
    content: Content
    is_foreign: bool = False


class Arrivals:
    """Prepares filings for one store."""

    def __init__(self, store: Store, filer: Filer, ruler: Ruler, noticing: Noticing) -> None:
        self._store = store
        self._filer = filer
        self._ruler = ruler
        self._noticing = noticing

    async def filings(
        self,
        boxes: Sequence[Mailbox],
        sender: str,
        size: int,
        read: Callable[[], Arrival],
        now: Instant,
    ) -> tuple[Filing, ...]:
        """What the message becomes in each mailbox.

        `read` gives it, in a thread when it is long: a file may be written and synced, and rules look through bodies.
        Raises MimeError and StoreError.
        """
        if not boxes:
            return ()
        numbers = [box.mailbox_id for box in boxes]
        rules = await self._store.read(lambda tx: {number: followed(tx, number) for number in numbers})
        if not sender:  # it may be a report on what was sent from here
            came = await asyncio.to_thread(read)
            await self._noticing.notice("", came.data, boxes, now)
            return await asyncio.to_thread(self._filings_now, boxes, lambda: came, rules, now)
        is_long = size > min(IN_THREAD, self._filer.inline_limit)
        if is_long or not all(each.is_nothing for each in rules.values()):
            return await asyncio.to_thread(self._filings_now, boxes, read, rules, now)
        return self._filings_now(boxes, read, rules, now)

    def _filings_now(
        self,
        boxes: Sequence[Mailbox],
        read: Callable[[], Arrival],
        rules: Mapping[int, Followed],
        now: Instant,
    ) -> tuple[Filing, ...]:
        came = read()
        message = self._filer.read(
            came.data, came.content
        )  # once: its parts may be many, and so the mailboxes
        made: list[Filing] = []
        for box in boxes:
            arrived = self._filer.prepare(
                box, came.data, now, content=came.content, is_foreign=came.is_foreign, message=message
            )
            made += self._ruler.arrived(box, arrived, came.data, rules[box.mailbox_id], came.sender, now)
        return tuple(made)
