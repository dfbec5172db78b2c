"""A message as RFC 5322 and MIME bytes: the same bytes every time, streamed.

`compose` takes messages written as JSON (`raw` None); those that came as MIME are relayed (`relay`).
Message-ID, Date and boundaries follow from the message alone.  The contract of the mapping:

- From, Sender (when it is somebody else), To, Cc, Reply-To; `To: undisclosed-recipients:;` when there are
  only Bcc recipients. Bcc itself is written only when not for the wire.
- Subject, Thread-Topic, Thread-Index, Date, Message-ID, In-Reply-To, References, Importance (low and high
  only), Sensitivity, Disposition-Notification-To and Return-Receipt-To (to the sender), List-Unsubscribe.
- Custom headers and extended properties in PS_INTERNET_HEADERS, unless the name is written here, belongs to
  transport, or is reserved (X-MS-Exchange-Organization-*, X-MS-Exchange-Forest-*).
- X-Graphpost-Mentions, when somebody is mentioned.
- Not sent: categories (Exchange keeps them from outsiders), the flag, reference attachments (a link belongs
  to the body).
- An HTML body gets a text alternative. Inline attachments with a Content-ID are related to it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from graphpost.mail.field import (
    MENTIONS,
    address_field,
    date_text,
    ids_field,
    is_field_name,
    message_id_text,
    text_field,
)
from graphpost.mail.message import Address, Attachment, Message
from graphpost.mail.part import (
    CRLF,
    Opener,
    Part,
    Piece,
    attachment_part,
    encode_text,
    multipart,
    text_header,
    text_part,
)
from graphpost.mail.text import html_to_text
from graphpost.mail.thread import topic

RESERVED: Final = ("x-ms-exchange-organization-", "x-ms-exchange-forest-")
_SENSITIVITY: Final = {"1": "Personal", "2": "Private", "3": "Company-Confidential"}
_OWN_FIELDS: Final = frozenset(
    [
        *("from", "sender", "to", "cc", "bcc", "reply-to", "subject", "thread-topic", "thread-index", "date"),
        *("message-id", "importance", "mime-version", "disposition-notification-to", "return-receipt-to"),
        *(
            "sensitivity",
            "received",
            "return-path",
            "delivered-to",
            "dkim-signature",
            "authentication-results",
        ),
        *("apparently-to", "errors-to", "x-graphpost-mentions"),
    ]
)
_OWN_PREFIXES: Final = (*RESERVED, "content-", "resent-", "arc-")
_THREAD_FIELDS: Final = frozenset({"in-reply-to", "references"})
_PROPERTY_FIELDS: Final = {
    0x1042: "In-Reply-To",
    0x1039: "References",
    0x1045: "List-Unsubscribe",
    0x36: "Sensitivity",
}
_TAGGED: Final = re.compile(r"(?:string|integer)\s+0x([0-9a-f]{1,8})", re.IGNORECASE)
_NAMED: Final = re.compile(r"string\s+\{00020386-0000-0000-c000-000000000046\}\s+name\s+(\S+)", re.IGNORECASE)


class Composed:
    """A message ready for the wire; iterating gives its chunks, as often as wanted.  A small one is one chunk."""

    __slots__ = ("_pieces", "is_8bit", "size")

    def __init__(self, pieces: tuple[Piece, ...], size: int, is_8bit: bool) -> None:
        self._pieces = pieces
        self.size = size
        self.is_8bit = is_8bit

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from piece


def compose(message: Message, contents: Opener, *, for_wire: bool = True) -> Composed:
    """The message in MIME; `contents` opens what attachments refer to, `for_wire` leaves Bcc out."""
    header = _header(message, for_wire)
    if not message.attachments and message.body.kind == "text":
        encoding, data = encode_text(message.body.content)
        head = f"{header}{text_header('plain', encoding)}MIME-Version: 1.0\r\n\r\n"
        whole = head.encode("utf-8", "replace") + (data if data.endswith(CRLF) else data + CRLF)
        return Composed((whole,), len(whole), not header.isascii())
    part = _body(message, contents)
    head = f"{header}{part.header}MIME-Version: 1.0\r\n\r\n"
    pieces = _merged((head.encode("utf-8", "replace"), *part.pieces, CRLF))
    size = sum(len(piece) if isinstance(piece, bytes) else piece.size for piece in pieces)
    return Composed(pieces, size, part.is_8bit or not header.isascii())


def anew(message: Message) -> Message:
    """A message that came as MIME as one to be composed: its bytes count no more, its properties and slices do."""
    headers = tuple(header for header in message.headers if _custom(header.name, header.value))
    return replace(message, raw=None, headers=headers)


def writes_property(property_id: str) -> bool:
    """Whether an extended property becomes a field of the header."""
    return bool(_field_of(property_id))


def _header(message: Message, for_wire: bool) -> str:
    """Everything but the Content-* fields and MIME-Version."""
    fields = _originators(message)
    fields += _destinations(message, for_wire)
    subject = message.subject
    fields.append(text_field("Subject", subject))
    if subject:
        fields.append(text_field("Thread-Topic", topic(subject)))
    if message.conversation_index:
        fields.append(thread_index_field(message.conversation_index))
    if message.date:
        fields.append(f"Date: {date_text(message.date)}\r\n")
    if message.internet_message_id:
        fields.append(f"Message-ID: {message_id_text(message.internet_message_id)}\r\n")
    extra = _extra_fields(message) if message.extended else {}
    if message.in_reply_to and "in-reply-to" not in extra:
        fields.append(ids_field("In-Reply-To", message.in_reply_to.split()))
    if message.references and "references" not in extra:
        fields.append(ids_field("References", message.references))
    if message.importance != "normal":
        fields.append(f"Importance: {message.importance.capitalize()}\r\n")
    if message.is_read_receipt_requested or message.is_delivery_receipt_requested:
        fields += _receipts(message)
    if message.mentions:
        fields.append(address_field(MENTIONS, [Address(each.mentioned.address) for each in message.mentions]))
    if extra:
        fields += extra.values()
    if message.headers:
        fields += [_custom(h.name, h.value) for h in message.headers if h.name.lower() not in _THREAD_FIELDS]
    return "".join(fields)


def _originators(message: Message) -> list[str]:
    from_, sender = message.from_ or message.sender, message.sender
    if from_ is None:
        return []
    fields = [address_field("From", (from_,))]
    if sender is not None and sender.address.casefold() != from_.address.casefold():
        fields.append(address_field("Sender", (sender,)))
    if message.reply_to:
        fields.append(address_field("Reply-To", message.reply_to))
    return fields


def _destinations(message: Message, for_wire: bool) -> list[str]:
    fields = [address_field("To", message.to)]
    if message.cc:
        fields.append(address_field("Cc", message.cc))
    if message.bcc and not any(fields):
        fields = ["To: undisclosed-recipients:;\r\n"]
    if message.bcc and not for_wire:
        fields.append(address_field("Bcc", message.bcc))
    return fields


def _receipts(message: Message) -> list[str]:
    sender = message.sender or message.from_
    if sender is None:
        return []
    fields = []
    if message.is_read_receipt_requested:
        fields.append(address_field("Disposition-Notification-To", (sender,)))
    if message.is_delivery_receipt_requested:
        fields.append(address_field("Return-Receipt-To", (sender,)))
    return fields


def thread_index_field(index: bytes) -> str:
    """Thread-Index; its base64 is folded, which readers undo."""
    encoded = b64encode(index).decode()
    if len(encoded) <= 60:
        return f"Thread-Index: {encoded}\r\n"
    lines = [encoded[start : start + 60] for start in range(0, len(encoded), 60)]
    return "Thread-Index: " + "\r\n ".join(lines) + "\r\n"


def _extra_fields(message: Message) -> dict[str, str]:
    """Fields that extended properties ask for, by lower-case name."""
    fields: dict[str, str] = {}
    for extended in message.extended:
        name = _field_of(extended.property_id)
        value = extended.value
        if not name or not isinstance(value, str):
            continue
        if name == "Sensitivity":
            written = f"Sensitivity: {_SENSITIVITY[value]}\r\n" if value in _SENSITIVITY else ""
        else:
            written = _custom(name, value)
        if written:
            fields.setdefault(name.lower(), written)
    return fields


@lru_cache(maxsize=256)
def _field_of(property_id: str) -> str:
    """The header field that a MAPI property is; '' when it is none."""
    tagged = _TAGGED.fullmatch(property_id.strip())
    if tagged is not None:
        return _PROPERTY_FIELDS.get(int(tagged[1], 16), "")
    named = _NAMED.fullmatch(property_id.strip())
    return named[1] if named is not None else ""


def _custom(name: str, value: str) -> str:
    """A field the client asked for; '' when it may not have that one."""
    lowered = name.lower()
    if not is_field_name(name) or lowered in _OWN_FIELDS or lowered.startswith(_OWN_PREFIXES):
        return ""
    return text_field(name, value)


def _body(message: Message, contents: Opener) -> Part:
    """The one part that is the whole content."""
    seed = f"{message.internet_message_id}\n{message.date}\n"
    is_html = message.body.kind == "html"
    related: list[Part] = []
    attached: list[Part] = []
    for attachment in message.attachments:
        belongs = is_html and _is_related(attachment)
        part = attachment_part(attachment, contents, inline=attachment.is_inline)
        if part is not None:
            (related if belongs else attached).append(part)
    content = (
        _html(message.body.content, related, seed) if is_html else text_part(message.body.content, "plain")
    )
    return multipart("mixed", [content, *attached], seed) if attached else content


def _html(html: str, related: list[Part], seed: str) -> Part:
    part = text_part(html, "html")
    if related:
        part = multipart("related", [part, *related], seed, ';\r\n\ttype="text/html"')
    return multipart("alternative", [text_part(html_to_text(html), "plain"), part], seed)


def _is_related(attachment: Attachment) -> bool:
    return attachment.is_inline and bool(attachment.content_id) and attachment.kind == "file"


def _merged(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """Neighbouring octets as one piece."""
    merged: list[Piece] = []
    run: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            run.append(piece)
            continue
        merged += (b"".join(run), piece)
        run = []
    merged.append(b"".join(run))
    return tuple(merged)
