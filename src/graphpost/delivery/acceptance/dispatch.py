"""The dispatcher: sends what has waited among the drafts, when its time has come.

A draft is sent as it is at that moment, by the same transaction that ends its waiting: of several processes one does it,
and a process that dies has done it or not.  What can no longer be sent stays a draft, and a report in the Inbox says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from graphpost.clock import SECOND, Clock
from graphpost.delivery import filing
from graphpost.delivery.acceptance.submit import Submitter
from graphpost.delivery.filing import Filing
from graphpost.delivery.queue.attempt import header_of, outgoing
from graphpost.delivery.responses.reports import Reporter
from graphpost.errors import (
    ContentLost,
    GraphError,
    GraphpostError,
    MimeError,
    PreconditionFailed,
    StoreError,
)
from graphpost.mail.mailbox import DELETED_ITEMS, RECOVERABLE, Directory, Mailbox
from graphpost.mail.message import Item, Message
from graphpost.mail.relay import read_header
from graphpost.maillog import MailLog
from graphpost.store import contents
from graphpost.store.audit import Actor
from graphpost.store.blobs import Blobs
from graphpost.store.contents import Content
from graphpost.store.mailbox import deferrals, folders, messages
from graphpost.store.mailbox.deferrals import Deferral
from graphpost.store.store import Store, Tx

LOOK_SECONDS: Final = 1.0
AT_ONCE: Final = 50  # sent together, so that they share their commits
PUT_OFF: Final = 60 * SECOND  # what fails for a reason of ours is tried again after that

Check = Callable[[Deferral, Item, bytes], tuple[Mailbox, Message]]
"""The mailbox, and the draft as it may be sent; the bytes are its MIME's header.  Raises GraphError when it may not."""
Refused = Callable[[Actor, Mailbox, int, GraphpostError], object]
"""Told of who had asked for it, whose it is, the number of the draft, and why it was not sent."""
Held = dict[int, Content]
ACTION: Final = "deferred send"


def _nobody(actor: Actor, mailbox: Mailbox, message_id: int, error: GraphpostError) -> None:
    """Where there is no audit log."""


class Dispatcher:
    """Runs in every process; they need not know of each other."""

    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        submitter: Submitter,
        reporter: Reporter,
        directory: Callable[[], Directory],
        check: Check,
        clock: Clock,
        log: MailLog,
        refused: Refused = _nobody,
    ) -> None:
        self._refused = refused
        self._store = store
        self._blobs = blobs
        self._submitter = submitter
        self._reporter = reporter
        self._directory = directory
        self._check = check
        self._clock = clock
        self._log = log

    async def run(self) -> None:
        """Look for what is due, for ever."""
        while True:
            try:
                await self.once()
            except Exception as error:  # the next look may succeed
                self._log.problem("dispatch", error)
            await self._clock.sleep(LOOK_SECONDS)

    async def once(self) -> None:
        """Send all that is due now."""
        now = self._clock.now()
        while due := await self._store.read(lambda tx: deferrals.due(tx, now, AT_ONCE)):
            done = await asyncio.gather(*map(self._dispatch, due))
            if not all(done):
                return  # what is left is for the next look

    async def _dispatch(self, row: Deferral) -> bool:
        """Whether the row is dealt with."""
        try:
            await self._tried(row)
        except PreconditionFailed:  # it was changed meanwhile, or another process was quicker
            return False
        except StoreError as error:
            self._log.problem("dispatch", error)
            return False
        except Exception as error:  # a defect of ours: neither lost, nor in the way of others
            self._log.problem(f"dispatch {row.message_id:016x}", error)
            await self._store.write(lambda tx: deferrals.postpone(tx, row, self._clock.now() + PUT_OFF))
        return True

    async def _tried(self, row: Deferral) -> None:
        item, held = await self._store.read(lambda tx: _read(tx, row))
        if item is None:
            await self._store.write(lambda tx: deferrals.take(tx, row))
            return
        try:
            header = await asyncio.to_thread(self._header, item, held) if item.message.raw else b""
            mailbox, message = self._check(row, item, header)
        except (GraphError, ContentLost, MimeError) as error:
            await self._refuse(row, item, held, error)
            return
        await self._submitter.send_deferred(mailbox, row, item, message)

    def _header(self, item: Item, held: Held) -> bytes:
        assert item.message.raw is not None
        return read_header(contents.opener(self._blobs, held)(item.message.raw))

    async def _refuse(self, row: Deferral, item: Item, held: Held, error: GraphpostError) -> None:
        """Let it be a draft, and tell its owner why."""
        mailbox = self._directory().by_id.get(row.mailbox_id)
        if mailbox is None:
            self._log.problem(f"dispatch {row.message_id:016x}", "its mailbox is gone")
            await self._store.write(lambda tx: deferrals.take(tx, row))
            return
        report = await asyncio.to_thread(self._report, mailbox, row, item, held, str(error))
        if await self._store.write(lambda tx: _tell(tx, row, report)):
            self._log.unsent(row.message_id, mailbox.address, str(error))
            self._log.filed(report.item.message_id, report.mailbox, "inbox")
            self._refused(self._actor(row), mailbox, row.message_id, error)

    def _actor(self, row: Deferral) -> Actor:
        """Who asked for it: from where is in the record of the request."""
        who = row.requester
        person = self._directory().find(who.object_id) if who.kind == "user" else None
        return Actor(
            who.kind,
            who.client_id,
            who.object_id if who.kind == "user" else "",
            "" if person is None else person.address,
            action=ACTION,
            request_id=row.request_id,
        )

    def _report(self, mailbox: Mailbox, row: Deferral, item: Item, held: Held, reason: str) -> Filing:
        try:
            header = header_of(outgoing(item, held, contents.opener(self._blobs, held)))
        except (GraphpostError, OSError, msgspec.MsgspecError, ValueError):
            header = b""  # what cannot be read is no reason to say nothing
        return self._reporter.unsent(mailbox, item, header, row.created_at, reason, self._clock.now())


def _read(tx: Tx, row: Deferral) -> tuple[Item | None, Held]:
    """The draft and its contents; None when there is nothing to send any more."""
    item = messages.get(tx, row.mailbox_id, row.message_id)
    if item is None or not item.is_draft or not _is_kept(tx, item):
        return None, {}
    held = contents.of_message(tx, item.mailbox_id, item.message_id) if item.message.raw else {}
    return item, held


def _is_kept(tx: Tx, item: Item) -> bool:
    """Whether it is in a folder that is not deleted; a whole folder may have been."""
    above = folders.ancestors(tx, item.mailbox_id, item.folder_id)
    return bool(above) and {DELETED_ITEMS, RECOVERABLE}.isdisjoint(above)


def _tell(tx: Tx, row: Deferral, report: Filing) -> bool:
    if not deferrals.take(tx, row):
        return False
    filing.add(tx, report)
    return True
