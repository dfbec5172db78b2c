"""Submit: a message becomes durable, with its deliveries, in one transaction.

When `submit` or `submit_draft` returns, the message is on disk: in Sent Items (or in no folder when no copy is wanted)
and in the queue.  Nothing after that point is reported to the client: failures come back as mail.  `keep` makes drafts
durable, which are sent later or never.  What asks for a later time stays in Drafts and waits (`delivery.acceptance.dispatch`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from graphpost.clock import SECOND, Clock, Instant
from graphpost.config import DeliverySettings
from graphpost.delivery.acceptance.accepting import adding, deferring, keeping, noted, sending
from graphpost.delivery.acceptance.capacity import Capacity
from graphpost.delivery.acceptance.rationing import Rations
from graphpost.delivery.acceptance.submissions import Draft, Submission
from graphpost.delivery.items import completed, new_item
from graphpost.delivery.queue.lane import Job
from graphpost.delivery.queue.worker import Worker
from graphpost.delivery.queueing import deliveries_of
from graphpost.delivery.quotas import Quotas
from graphpost.delivery.routing import Router
from graphpost.ids import Numbers
from graphpost.mail.deferral import send_time, settled
from graphpost.mail.dsn import Dsn
from graphpost.mail.mailbox import DRAFTS, NO_FOLDER, SENT_ITEMS, Mailbox
from graphpost.mail.message import Address, Item, Message
from graphpost.maillog import MailLog
from graphpost.store import contents
from graphpost.store.audit import Actor, Entry, Record, entry_of
from graphpost.store.blobs import Blobs
from graphpost.store.contents import Content
from graphpost.store.mailbox.deferrals import NOBODY as UNKNOWN
from graphpost.store.mailbox.deferrals import Deferral, Requester
from graphpost.store.queue.deliveries import Delivery
from graphpost.store.repeats import Once
from graphpost.store.store import Store, Tx

KEPT_IN_MEMORY: Final = 16_384  # larger messages are read back when their turn comes
IN_THREAD: Final = 262_144  # contents above this are hashed and written outside the event loop


class Submitter:
    """Accepts submissions for one store and hands the fresh ones straight to the worker."""

    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        inline_limit: int,
        settings: DeliverySettings,
        router: Router,
        worker: Worker,
        numbers: Numbers,
        clock: Clock,
        log: MailLog,
        rations: Rations | None = None,
        capacity: Capacity | None = None,
        quotas: Quotas,
        audited: Callable[[Instant, Entry], None] | None = None,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._inline_limit = inline_limit
        self._settings = settings
        self._router = router
        self._worker = worker
        self._numbers = numbers
        self._clock = clock
        self._log = log
        self._rations = rations
        self._capacity = capacity
        self._quotas = quotas
        self._audited = audited

    def destination_of(self, address: str) -> str:
        """The destination key for a valid address (`delivery.routing`)."""
        return self._router.destination(address)

    async def submit(self, submission: Submission) -> Item:
        """Make it durable and return the item as stored.

        Raises StoreError, NotFound when its source is gone, Unavailable when the queue is full, and DoneBefore; then
        nothing was kept.
        """
        await asyncio.sleep(0)  # those of one moment are all read, then all submitted (docs/performance.md)
        now = self._clock.now()
        if submission.message.extended and (until := send_time(submission.message, now)) > now:
            return await self._defer(submission, now, until)
        self._check_capacity(submission.message)
        number = self._numbers.next()
        place = SENT_ITEMS if submission.save else NO_FOLDER
        item = new_item(submission.mailbox, submission.message, submission.contents, number, now, place)
        source = submission.source
        if source is not None:
            item = replace(item, size=item.size + source.size)
        if self._quotas.bound(submission.mailbox):
            await self._quotas.check(submission.mailbox, item.size if submission.save else 0)
        kept = await self._prepare(submission.contents) if submission.contents else []
        to = submission.recipients or item.message.recipients
        not_before = await self._rations.due(item.mailbox_id, len(to), now) if self._rations else 0
        queued = self._deliveries(
            item,
            to,
            now,
            not_before,
            hidden=not submission.save,
            dsn=submission.dsn,
            from_nobody=submission.from_nobody,
        )
        record = self._record(submission.actor, submission.mailbox, item, to, number, now)
        fn = adding(item, kept, queued, source)
        await self._write(noted(fn, item, now, submission.once, record), queued, to, not_before)
        self._recorded(now, record)
        is_whole = item.size <= KEPT_IN_MEMORY and source is None
        held = {content.content_id: content for content in kept} if is_whole else None
        self._accepted(submission.mailbox, item, queued, held, submission.request_id)
        return item

    async def submit_draft(
        self,
        mailbox: Mailbox,
        draft: Item,
        message: Message,
        request_id: str,
        requester: Requester = UNKNOWN,
        once: Once | None = None,
        actor: Actor | None = None,
    ) -> Item:
        """Send a stored draft as `message`: it moves to Sent Items, and into the queue; or it stays, when it is to wait.

        `message` is the draft's own, or that with what sending asks for.  Raises PreconditionFailed, with nothing done,
        when the stored draft is no longer the version given, Unavailable when the queue is full, InsufficientStorage when
        the mailbox is; DoneBefore; and StoreError.
        """
        now = self._clock.now()
        if draft.message.extended and (until := send_time(draft.message, now)) > now:
            row = Deferral(
                mailbox_id=draft.mailbox_id,
                message_id=draft.message_id,
                due_at=until,
                created_at=now,
                requester=requester,
                request_id=request_id,
            )
            after = replace(draft, message=settled(draft.message, now), modified_at=now)
            record = self._record(actor, mailbox, after, message.recipients, self._numbers.next(), now)
            fn = noted(deferring(draft, after, row), after, now, once, record)
            item = await self._store.write(fn)
            self._recorded(now, record)
            self._log.scheduled(request_id, mailbox.address, item.message_id, until)
            return item
        self._check_capacity(message)
        await self._quotas.check(mailbox, 0)
        return await self._send_draft(mailbox, draft, message, request_id, once=once, actor=actor)

    async def send_deferred(self, mailbox: Mailbox, row: Deferral, draft: Item, message: Message) -> Item:
        """Send a draft whose time has come, as `submit_draft` does.

        Raises PreconditionFailed, with nothing done, when draft or row are no longer what they were.
        """
        return await self._send_draft(mailbox, draft, message, row.request_id, row)

    async def _send_draft(
        self,
        mailbox: Mailbox,
        draft: Item,
        message: Message,
        request_id: str,
        row: Deferral | None = None,
        once: Once | None = None,
        actor: Actor | None = None,
    ) -> Item:
        now, saves = self._clock.now(), row is None or row.saves
        dated = message if message.raw is not None else replace(message, date=now)
        sent = replace(
            draft,
            message=completed(mailbox, dated, draft.message_id, now),
            folder_id=SENT_ITEMS if saves else NO_FOLDER,
            is_draft=False,
            is_read=True,
            modified_at=now,
            received_at=now,
            sent_at=now,
        )
        to = message.recipients
        not_before = await self._rations.due(sent.mailbox_id, len(to), now) if self._rations else 0
        queued = self._deliveries(sent, message.recipients, now, not_before, hidden=not saves)
        record = self._record(actor, mailbox, sent, message.recipients, self._numbers.next(), now)
        fn = noted(sending(draft, sent, queued, row), sent, now, once, record)
        item = await self._write(fn, queued, to, not_before)
        self._recorded(now, record)
        plain = message.raw is None and not message.attachments and item.size <= KEPT_IN_MEMORY
        self._accepted(mailbox, item, queued, {} if plain else None, request_id)
        return item

    async def keep(self, draft: Draft) -> Item:
        """Make a draft durable.  Raises NotFound when its folder or source is gone, InsufficientStorage, StoreError."""
        return await self._keep(draft, self._clock.now())

    async def _defer(self, submission: Submission, now: Instant, until: Instant) -> Item:
        """Keep what is submitted as a draft that waits for its time."""
        draft = Draft(
            mailbox=submission.mailbox,
            message=settled(submission.message, now),
            contents=submission.contents,
            folder_id=DRAFTS,
            source=submission.source,
        )
        row = Deferral(
            mailbox_id=submission.mailbox.mailbox_id,
            message_id=0,
            due_at=until,
            created_at=now,
            requester=submission.requester,
            saves=submission.save,
            request_id=submission.request_id,
        )
        item = await self._keep(draft, now, row, submission.once, submission.actor)
        self._log.scheduled(submission.request_id, submission.mailbox.address, item.message_id, until)
        return item

    async def _keep(
        self,
        draft: Draft,
        now: Instant,
        row: Deferral | None = None,
        once: Once | None = None,
        actor: Actor | None = None,
    ) -> Item:
        """Make a draft durable; with a row, it waits as that says."""
        number = self._numbers.next()
        item = new_item(draft.mailbox, draft.message, draft.contents, number, now, draft.folder_id)
        size = item.size + (draft.source.size if draft.source is not None else 0)
        item = replace(item, is_draft=True, is_read=draft.is_read, size=size)
        await self._quotas.check(draft.mailbox, size)
        kept = await self._prepare(draft.contents) if draft.contents else []
        row = None if row is None else replace(row, message_id=number)
        record = self._record(actor, draft.mailbox, item, item.message.recipients, number, now)
        await self._store.write(noted(keeping(item, kept, draft.source, row), item, now, once, record))
        self._recorded(now, record)
        return item

    def _check_capacity(self, message: Message) -> None:
        if self._capacity is not None:
            self._capacity.check(message.recipients, self._router.destination)

    async def _write(
        self,
        fn: Callable[[Tx], Item],
        queued: list[Delivery],
        to: Sequence[Address],
        not_before: Instant | None,
    ) -> Item:
        try:
            return await self._store.write(fn)
        except BaseException:
            self._worker.unreserve(queued)
            if self._rations is not None and not_before is not None and queued:
                self._rations.give_back(queued[0].mailbox_id, len(to), not_before)
            raise

    def _accepted(
        self,
        mailbox: Mailbox,
        item: Item,
        queued: list[Delivery],
        held: dict[int, Content] | None,
        request_id: str,
    ) -> None:
        """Tell log, worker and capacity; `held` are the contents when the message is to stay in memory."""
        self._log.accepted(
            request_id,
            mailbox.address,
            item.message_id,
            queued[0].sender if queued else "",
            sum([len(delivery.recipients) for delivery in queued]),
            item.size,
            (self._clock.now() - item.sent_at) / SECOND,
        )
        if self._capacity is not None:
            self._capacity.add(len(queued))
        for delivery in queued:
            if delivery.owner:
                self._worker.hand_over(Job(delivery) if held is None else Job(delivery, item, held))

    async def _prepare(self, given: Mapping[int, bytes]) -> list[Content]:
        """Large contents go to the blob store before the transaction: a file nobody refers to is swept later."""
        sizes = [len(data) for data in given.values()]
        if sum(sizes) > IN_THREAD or max(sizes) > self._inline_limit:  # a file is written and synced
            return await asyncio.to_thread(self._prepare_now, given)
        return self._prepare_now(given)

    def _prepare_now(self, given: Mapping[int, bytes]) -> list[Content]:
        return [
            contents.prepare(self._blobs, content_id, data, self._inline_limit)
            for content_id, data in given.items()
        ]

    def _deliveries(
        self,
        item: Item,
        to: tuple[Address, ...],
        now: Instant,
        not_before: Instant | None,
        *,
        hidden: bool,
        dsn: Dsn | None = None,
        from_nobody: bool = False,
    ) -> list[Delivery]:
        """One delivery per destination, leased to the worker where it has room."""
        return deliveries_of(
            item,
            to,
            None if from_nobody else item.message.sender or item.message.from_,
            self._router.destination,
            self._worker.reserve,
            now,
            now + int(self._settings.expiry_seconds * SECOND),
            hidden=hidden,
            not_before=not_before,
            dsn=dsn,
        )

    def _record(
        self,
        actor: Actor | None,
        mailbox: Mailbox,
        item: Item,
        to: Sequence[Address],
        number: int,
        now: Instant,
    ) -> Entry | None:
        """The audit log's record of a message that is sent, when there is such a log; a fresh one's has its number."""
        if actor is None or self._audited is None:
            return None
        recipients = tuple([each.address for each in to])
        return entry_of(
            Record(mailbox.mailbox_id, number, now, actor, mailbox.address, item.message_id, recipients, 202)
        )

    def _recorded(self, now: Instant, record: Entry | None) -> None:
        if record is not None and self._audited is not None:
            self._audited(now, record)
