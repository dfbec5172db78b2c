"""The message as this server knows it: content, attachments, place in a mailbox.

These are plain values without wire names (those live in `graph/schema.py`) and without SQL names (`store/`).  They are
msgspec Structs because a stored message is the MessagePack of `Message`: one encode when it is accepted, one decode
when it is read.  Fields may be added at the end with a default; a field is never renamed or given another meaning.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from graphpost.clock import Instant

BodyKind = Literal["text", "html"]
Importance = Literal["low", "normal", "high"]
FlagStatus = Literal["notFlagged", "complete", "flagged"]
Inference = Literal["focused", "other"]
Verb = Literal["reply", "replyAll", "forward"]
AttachmentKind = Literal["file", "item", "reference"]


class Address(Struct, frozen=True, array_like=True):
    """A mailbox somebody can be written to: `address` is an RFC 5321 Mailbox, `name` the display name or ''."""

    address: str
    name: str = ""


class Body(Struct, frozen=True, array_like=True):
    content: str = ""
    kind: BodyKind = "text"


class ZonedTime(Struct, frozen=True, array_like=True):
    """Graph's dateTimeTimeZone: local time `YYYY-MM-DDTHH:MM:SS[.fffffff]` and a Windows or IANA zone name."""

    date_time: str
    time_zone: str = "UTC"


class Flag(Struct, frozen=True, omit_defaults=True):
    status: FlagStatus = "notFlagged"
    start: ZonedTime | None = None
    due: ZonedTime | None = None
    completed: ZonedTime | None = None


class Header(Struct, frozen=True, array_like=True):
    """One header field: unfolded, decoded value; never holds CR, LF or NUL."""

    name: str
    value: str


class ContentRef(Struct, frozen=True, array_like=True):
    """Where bytes are: a stored content, or a slice of it that has a transfer encoding of its own.

    `length` -1 means to the end.  `encoding` is '' (as it is), 'base64', 'quoted-printable' or 'uuencode': what has
    to be undone to get the bytes meant.  In a freshly parsed message `content_id` is 0: the message itself.
    """

    content_id: int
    offset: int = 0
    length: int = -1
    encoding: str = ""


class ExtendedProperty(Struct, frozen=True, array_like=True):
    """A MAPI property by its Graph id (`String 0x1045`, `SystemTime 0x3FEF`); a tuple when multi-valued."""

    property_id: str
    value: str | tuple[str, ...]


class Extension(Struct, frozen=True, array_like=True):
    """Somebody's own data on a message under a name of theirs; `data` is a JSON object."""

    name: str
    data: str


class Answers(Struct, frozen=True, array_like=True):
    """Which message of its mailbox a message answers, and how."""

    message_id: int
    verb: Verb


class Attachment(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is attached.  `size` is the decoded size in bytes; `content` is None for a reference attachment.

    An item attachment's content is the attached message in MIME (message/rfc822).
    """

    attachment_id: int
    kind: AttachmentKind = "file"
    name: str = ""
    content_type: str = "application/octet-stream"
    size: int = 0
    is_inline: bool = False
    content_id: str = ""  # RFC 2392 Content-ID without angle brackets
    content_location: str = ""
    modified_at: Instant = 0
    content: ContentRef | None = None
    source_url: str = ""
    provider_type: str = ""
    permission: str = ""
    is_folder: bool = False


class Mention(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Somebody whom a message mentions; `created_by` None: the author."""

    mention_id: str  # a GUID
    mentioned: Address
    created_by: Address | None = None
    created_at: Instant = 0
    text: str = ""
    client_reference: str = ""
    application: str = ""
    deep_link: str = ""


class Message(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a message says, whether written here (JSON) or read from MIME.

    `sender_` and `from_` are None only before a draft is given them.  `raw` is set when the message came as MIME:
    those bytes (CRLF line ends, Date and Message-ID present, Bcc still inside) are what is relayed and what `$value`
    shows.  `headers` are the custom headers of a JSON message, or every header of a MIME one, in order.
    """

    subject: str = ""
    body: Body = Body()
    preview: str = ""  # first 255 characters of the body as text
    from_: Address | None = None
    sender: Address | None = None
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    importance: Importance = "normal"
    categories: tuple[str, ...] = ()
    flag: Flag = Flag()
    headers: tuple[Header, ...] = ()
    internet_message_id: str = ""  # with its angle brackets
    date: Instant = 0  # the Date header
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    conversation_index: bytes = b""  # RFC-less Thread-Index: 22 bytes + 5 per reply
    is_delivery_receipt_requested: bool | None = None
    is_read_receipt_requested: bool = False
    inference: Inference = "focused"
    extended: tuple[ExtendedProperty, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    raw: ContentRef | None = None
    unsubscribe: tuple[str, ...] = ()  # the URIs of List-Unsubscribe
    mentions: tuple[Mention, ...] = ()
    is_mentioned: bool = False  # the owner of the mailbox is
    extensions: tuple[Extension, ...] = ()  # stay with this copy: nobody is sent them
    answers: Answers | None = None
    as_sent: Message | None = None  # what still goes out, when it was changed after it was sent
    receipt_to: str = ""  # who is to be told when this is read; '' once that is done
    is_foreign: bool = False  # came from a host that we cannot vouch for: whose it says it is, is not known

    @property
    def has_attachments(self) -> bool:
        """Whether anything but inline parts is attached (Graph's hasAttachments)."""
        return any(not a.is_inline for a in self.attachments)

    @property
    def going_out(self) -> Message:
        """What is delivered: the message as it was when it was sent."""
        return self.as_sent or self

    @property
    def copied(self) -> Message:
        """What a copy has: all but the debt of a receipt."""
        return replace(self, receipt_to="") if self.receipt_to else self

    @property
    def recipients(self) -> tuple[Address, ...]:
        """To, Cc and Bcc, in that order: Graph has no other envelope."""
        return self.to + self.cc + self.bcc


def properties_size(properties: Iterable[ExtendedProperty]) -> int:
    """How many characters extended properties have, with their ids; each value counts as one more."""
    size = 0
    for each in properties:
        values = (each.value,) if isinstance(each.value, str) else each.value
        size += len(each.property_id) + len(values) + sum(map(len, values))
    return size


def marks_size(message: Message) -> int:
    """The same of a message's extended properties and categories."""
    if not (message.extended or message.categories):
        return 0
    names = message.categories
    return properties_size(message.extended) + len(names) + sum(map(len, names))


class Item(Struct, frozen=True, kw_only=True):
    """A message at its place in a mailbox.

    `folder_id` 0 means in no folder: kept only until it is delivered.  `moves` counts changes of place (a folder-bound
    id names it, so that an old id stops resolving); `version` grows with every change (the changeKey).
    """

    mailbox_id: int
    message_id: int
    folder_id: int
    message: Message
    moves: int = 0
    version: int = 1
    created_at: Instant = 0
    modified_at: Instant = 0
    received_at: Instant = 0
    sent_at: Instant = 0
    is_read: bool = True
    is_draft: bool = False
    size: int = 0  # bytes it takes in the mailbox, about
    conversation_id: bytes = b""  # 16 bytes
