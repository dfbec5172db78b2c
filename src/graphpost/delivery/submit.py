"""Submit: a message becomes durable, with its deliveries, in one transaction.

When `submit` returns, the message is on disk: in Sent Items (or in no folder when no copy is wanted) and in the queue.
Nothing after that point is reported to the client: failures come back as mail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from graphpost.clock import SECOND, Clock, Instant
from graphpost.config import DeliverySettings
from graphpost.delivery.lane import Job
from graphpost.delivery.routing import Router
from graphpost.delivery.worker import Worker
from graphpost.ids import Numbers, random_bytes
from graphpost.mail.address import domain_of, to_wire
from graphpost.mail.mailbox import NO_FOLDER, SENT_ITEMS, Mailbox
from graphpost.mail.message import Address, Item, Message
from graphpost.mail.thread import conversation_of, new_index
from graphpost.maillog import MailLog
from graphpost.store import contents, deliveries, messages
from graphpost.store.blobs import Blobs
from graphpost.store.contents import Content
from graphpost.store.deliveries import Delivery, Recipient
from graphpost.store.store import Store, Tx

ROW_OVERHEAD: Final = 512  # what an item takes beside its texts, for `size`
NOBODY: Final = Address("")
KEPT_IN_MEMORY: Final = 16_384  # larger messages are read back when their turn comes
IN_THREAD: Final = 262_144  # contents above this are hashed and written outside the event loop


class Submission(Struct, frozen=True, kw_only=True):
    """What somebody sends.

    `message` is complete: `from_` and `sender` set, every address valid; an empty internet_message_id, date and
    conversation index are filled in here.  `contents` are the bytes its ContentRefs name (ids from `Numbers`).
    """

    mailbox: Mailbox
    message: Message
    contents: Mapping[int, bytes]
    save: bool = True
    request_id: str = ""


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

    async def submit(self, submission: Submission) -> Item:
        """Make it durable and return the item as stored.  Raises StoreError; then nothing was kept."""
        now = self._clock.now()
        item = self._item(submission, now)
        kept = await self._prepare(submission.contents) if submission.contents else []
        queued = self._deliveries(item, submission, now)
        try:
            await self._store.write(_adding(item, kept, queued))
        except BaseException:
            self._worker.unreserve(queued)
            raise
        self._log.accepted(
            submission.request_id,
            submission.mailbox.address,
            item.message_id,
            queued[0].sender if queued else "",
            sum([len(delivery.recipients) for delivery in queued]),
            item.size,
            (self._clock.now() - now) / SECOND,
        )
        held = {content.content_id: content for content in kept}
        is_small = item.size <= KEPT_IN_MEMORY
        for delivery in queued:
            if delivery.owner:
                self._worker.hand_over(Job(delivery, item, held) if is_small else Job(delivery))
        return item

    def _item(self, submission: Submission, now: Instant) -> Item:
        message = submission.message
        number = self._numbers.next()
        index = message.conversation_index
        conversation = conversation_of(index)
        if conversation is None:
            conversation = random_bytes(16)
            index = new_index(now, conversation)
        if not message.internet_message_id or not message.date or index is not message.conversation_index:
            message = replace(
                message,
                internet_message_id=message.internet_message_id
                or new_message_id(number, submission.mailbox.address),
                date=message.date or now,
                conversation_index=index,
            )
        return Item(
            mailbox_id=submission.mailbox.mailbox_id,
            message_id=number,
            folder_id=SENT_ITEMS if submission.save else NO_FOLDER,
            message=message,
            created_at=now,
            modified_at=now,
            received_at=now,
            sent_at=now,
            size=ROW_OVERHEAD + len(message.body.content) + sum(map(len, submission.contents.values())),
            conversation_id=conversation,
        )

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

    def _deliveries(self, item: Item, submission: Submission, now: Instant) -> list[Delivery]:
        """One delivery per destination, leased to the worker where it has room."""
        message, groups = item.message, dict[str, list[Recipient]]()
        for address in unique(message.recipients):
            destination = self._router.destination(address)
            group = groups.get(destination)
            if group is None:
                groups[destination] = [Recipient(address)]
            else:
                group.append(Recipient(address))
        expires_at = now + int(self._settings.expiry_seconds * SECOND)
        queued = []
        for position, (destination, recipients) in enumerate(groups.items()):
            owner, attempts, due_at = self._worker.reserve(destination, now)
            queued.append(
                Delivery(
                    mailbox_id=item.mailbox_id,
                    message_id=item.message_id,
                    position=position,
                    destination=destination,
                    due_at=due_at,
                    owner=owner,
                    attempts=attempts,
                    created_at=now,
                    expires_at=expires_at,
                    sender=to_wire((message.sender or message.from_ or NOBODY).address),
                    recipients=tuple(recipients),
                    subject=message.subject[:255],
                    internet_message_id=message.internet_message_id,
                    siblings=len(groups),
                    wants_success=message.is_delivery_receipt_requested or False,
                    hidden=not submission.save,
                )
            )
        return queued


def unique(addresses: Iterable[Address]) -> list[str]:
    """Each address once, as SMTP has it, the first spelling kept; letter case does not make two of one.

    Lower case, not casefolded: straße and strasse are two people.
    """
    found: dict[str, str] = {}
    for address in addresses:
        spelled = to_wire(address.address)
        found.setdefault(spelled.lower(), spelled)
    return list(found.values())


def new_message_id(number: int, address: str) -> str:
    """A Message-ID in the sender's domain; the random part keeps queue numbers from being guessed from it."""
    return f"<{number:016x}.{random_bytes(4).hex()}@{domain_of(address)}>"


def _adding(item: Item, kept: list[Content], queued: list[Delivery]) -> Callable[[Tx], None]:
    def add(tx: Tx) -> None:
        messages.add(tx, item)
        if kept:
            contents.add(tx, item.mailbox_id, item.message_id, kept)
        for delivery in queued:
            deliveries.add(tx, delivery)

    return add
