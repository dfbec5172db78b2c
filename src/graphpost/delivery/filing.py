"""Filing: a message that arrived as MIME becomes an item of a mailbox's Inbox.

The bytes are kept once, as the item's raw content; its properties and attachments are read from them.  Preparing may
write a blob (call it outside the event loop for large messages); adding is part of the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from mmap import ACCESS_READ, mmap
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.config import LimitSettings
from graphpost.delivery.items import mentioning
from graphpost.ids import Numbers
from graphpost.mail.mailbox import INBOX, NO_FOLDER, WELL_KNOWN, Mailbox
from graphpost.mail.message import Item, Message
from graphpost.mail.parse import Buffer, ParseLimits, parse, rooted
from graphpost.mail.thread import conversation_named, conversation_of, conversation_of_topic, new_index
from graphpost.maillog import MailLog
from graphpost.store import contents
from graphpost.store.blobs import Blob, Blobs
from graphpost.store.contents import Content
from graphpost.store.mailbox import folders, messages, preferences
from graphpost.store.queue import deliveries
from graphpost.store.queue.deliveries import Delivery
from graphpost.store.store import Tx

_NAMES: Final = {number: name for name, (number, _) in WELL_KNOWN.items()}
_LASTING: Final = frozenset({NO_FOLDER, *_NAMES})  # folders that are never deleted


class Reply(Struct, frozen=True):
    """What is sent to a sender by itself, once."""

    to: str
    filing: Filing


class Filing(Struct, frozen=True):
    """An item and its content, ready to be added."""

    item: Item
    contents: list[Content]
    mailbox: str  # its address, for the log
    queued: tuple[Delivery, ...] = ()  # of what is not kept, but sent on
    reply: Reply | None = None  # added with it, unless that sender had one

    @property
    def place(self) -> str:
        """The folder, for the log: its well-known name or its number."""
        return _NAMES.get(self.item.folder_id) or f"{self.item.folder_id:x}"


class Filer:
    """Prepares filings for one store."""

    def __init__(self, blobs: Blobs, numbers: Numbers, limits: LimitSettings, inline_limit: int) -> None:
        self._blobs = blobs
        self._numbers = numbers
        self._limits = ParseLimits(
            depth=limits.mime_depth, parts=limits.mime_parts, header_bytes=limits.header_bytes
        )
        self.inline_limit = inline_limit

    def number(self) -> int:
        """A new number for an item."""
        return self._numbers.next()

    def content(self, data: Buffer, before: bytes = b"") -> Content:
        """Bytes as a content of their own: `before`, and then `data`."""
        return contents.prepare(self._blobs, self._numbers.next(), data, self.inline_limit, before)

    def large_content(self, chunks: Iterable[bytes]) -> tuple[Content, mmap]:
        """Bytes that are too many for memory as a content, durable, and a map to read them from."""
        number, parts = self._numbers.next(), self._blobs.parts
        name = f"{number:016x}"
        part = parts.open(name)
        try:
            part.rewind(0)
            part.append(chunks)
            part.sync()
            blob = Blob(part.sha256, part.size)
            with parts.path(name).open("rb") as file:
                mapped = mmap(file.fileno(), 0, access=ACCESS_READ)
        except BaseException:
            parts.remove(name)
            raise
        finally:
            part.close()
        self._blobs.adopt(name, blob)
        return Content(number, blob.size, blob.sha256), mapped

    def read(self, data: Buffer, content: Content) -> Message:
        """The message that these bytes are, which are kept as that content.  Raises MimeError."""
        return rooted(parse(data, self._limits), content.content_id)

    def prepare(
        self,
        mailbox: Mailbox,
        data: Buffer,
        now: Instant,
        folder_id: int = INBOX,
        content: Content | None = None,
        *,
        is_foreign: bool = False,
        message: Message | None = None,
    ) -> Filing:
        """The item that these bytes (CRLF line ends) make in the mailbox.  Raises MimeError when they make none.

        `content` is where the bytes are kept already, `message` what was read of them (`read`).
        """
        number, content = self.number(), content or self.content(data)
        message = message or self.read(data, content)
        if message.mentions:
            message = mentioning(mailbox, message, now)
        index = conversation_index(message, now)
        item = Item(
            mailbox_id=mailbox.mailbox_id,
            message_id=number,
            folder_id=folder_id,
            message=replace(message, conversation_index=index, is_foreign=is_foreign),
            created_at=now,
            modified_at=now,
            received_at=now,
            sent_at=message.date or now,
            is_read=False,
            size=len(data),
            conversation_id=conversation_of(index) or b"",
        )
        return Filing(item, [content], mailbox.address)


def say(filing: Filing, log: MailLog) -> None:
    """A line for what was added."""
    if not filing.queued:
        log.filed(filing.item.message_id, filing.mailbox, filing.place)
    elif not filing.queued[0].sender:
        log.answered(filing.item.message_id, filing.mailbox)
    else:
        count = sum(len(delivery.recipients) for delivery in filing.queued)
        log.sent_on(filing.item.message_id, filing.mailbox, count)


def add(tx: Tx, filing: Filing) -> None:
    """Put the filed message into its mailbox: into the Inbox, when its folder is gone meanwhile."""
    item = filing.item
    if item.folder_id not in _LASTING and folders.hold(tx, item.mailbox_id, item.folder_id) is None:
        item = replace(item, folder_id=INBOX)
    messages.add(tx, item)
    contents.add(tx, item.mailbox_id, item.message_id, filing.contents)
    for delivery in filing.queued:
        deliveries.add(tx, delivery)
    reply = filing.reply
    if reply is not None and preferences.note_answer(tx, item.mailbox_id, reply.to, item.created_at):
        add(tx, reply.filing)


def conversation_index(message: Message, now: Instant) -> bytes:
    """The message's own Thread-Index when it is one, else a new one.

    Its conversation is that of the latest message of ours which it answers, and otherwise its topic's (MS-OXCMSG).
    """
    if conversation_of(message.conversation_index) is not None:
        return message.conversation_index
    answered = (message.in_reply_to, *reversed(message.references))
    return new_index(now, conversation_named(answered) or conversation_of_topic(message.subject))
