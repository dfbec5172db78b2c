"""A message read from MIME: the properties Graph shows.

Never raises for what the bytes say but MimeError (a limit; no header field at all).  Attachments are numbered
from 1 in their order, and their contents refer to content 0, the data itself.  The mapping of fields is
MS-OXCMAIL 2.2.3's.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

from msgspec.structs import replace

from graphpost.clock import to_text
from graphpost.mail.address import parse_address_list
from graphpost.mail.content import Content
from graphpost.mail.date import parse_date
from graphpost.mail.deferral import DELIVERY_TIME
from graphpost.mail.field import MENTIONS
from graphpost.mail.message import (
    Address,
    ContentRef,
    ExtendedProperty,
    Header,
    Importance,
    Mention,
    Message,
)
from graphpost.mail.scan import Buffer, Node, ParseLimits, scan
from graphpost.mail.text import preview
from graphpost.mail.thread import is_index
from graphpost.mail.word import decode_words

__all__ = ["Buffer", "ParseLimits", "parse", "rooted"]

_ID: Final = re.compile(r"<[^<>\s]+>")
_URI: Final = re.compile(r"<([^<>]+)>")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_BREAKS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # all but the tab
_SENSITIVITY: Final = {"personal": "1", "private": "2", "company-confidential": "3"}


def parse(data: Buffer, limits: ParseLimits | None = None) -> Message:
    """The message in the data, which is bytes or a map of them; `raw` refers to all of it."""
    root = scan(data, limits or ParseLimits())
    content = Content(data, parse_date(root.first.get("date", "")) or 0)
    content.collect(root, related=False)
    first = root.first
    from_ = _first_address(first, "from")
    body = content.body
    return Message(
        subject=_CONTROLS.sub(" ", _decoded(first.get("subject", ""))),
        body=body,
        preview=preview(body),
        from_=from_,
        sender=_first_address(first, "sender") or from_,
        to=_addresses(root, "to"),
        cc=_addresses(root, "cc"),
        bcc=_addresses(root, "bcc"),
        reply_to=_addresses(root, "reply-to"),
        importance=_importance(first),
        categories=_categories(first),
        headers=tuple([Header(name, _header_value(value)) for name, value in root.fields]),
        internet_message_id=_message_id(first.get("message-id", "")),
        date=content.date,
        in_reply_to=_message_id(first.get("in-reply-to", "")),
        references=tuple(_ID.findall(first.get("references", ""))),
        conversation_index=_conversation_index(first.get("thread-index", "")),
        is_delivery_receipt_requested=True if first.get("return-receipt-to") else None,
        is_read_receipt_requested=bool(first.get("disposition-notification-to")),
        extended=_extended(first),
        attachments=tuple(content.attachments),
        raw=ContentRef(0),
        mentions=tuple(
            [Mention(mention_id="", mentioned=each) for each in _addresses(root, MENTIONS.lower())]
        ),
        unsubscribe=tuple(uri.strip() for uri in _URI.findall(first.get("list-unsubscribe", ""))),
    )


def rooted(message: Message, content_id: int) -> Message:
    """The parsed message, its slices referring to a stored content instead of the data at hand (content 0)."""
    attachments = tuple(
        replace(attachment, content=replace(attachment.content, content_id=content_id))
        if attachment.content is not None
        else attachment
        for attachment in message.attachments
    )
    raw = replace(message.raw, content_id=content_id) if message.raw is not None else None
    return replace(message, attachments=attachments, raw=raw)


def _decoded(value: str) -> str:
    """A field's value with its encoded words decoded; what they held of line breaks and other controls is blank."""
    text = decode_words(value)
    return text if text is value or text.isprintable() else _CONTROLS.sub(" ", text)


def _header_value(value: str) -> str:
    """Decoded, with its tabs, and on one line: an encoded word may hold what no field can."""
    decoded = decode_words(value)
    return decoded if decoded.isprintable() else _BREAKS.sub(" ", decoded)


def _addresses(root: Node, name: str) -> tuple[Address, ...]:
    if name not in root.first:
        return ()
    values = [value for field, value in root.fields if field.lower() == name]
    return tuple([address for value in values for address in parse_address_list(value)])


def _first_address(first: dict[str, str], name: str) -> Address | None:
    value = first.get(name, "")
    found = parse_address_list(value) if value else []
    return found[0] if found else None


def _importance(first: dict[str, str]) -> Importance:
    """Importance counts before X-Priority, X-MSMail-Priority and Priority (MS-OXCMAIL 2.2.3.2.5)."""
    for name in ("importance", "x-priority", "x-msmail-priority", "priority"):
        word = first.get(name, "").lower()[:20].partition(" ")[0]
        if word in ("high", "1", "2", "urgent"):
            return "high"
        if word in ("low", "4", "5", "non-urgent"):
            return "low"
        if word in ("normal", "3"):
            return "normal"
    return "normal"


def _categories(first: dict[str, str]) -> tuple[str, ...]:
    if "keywords" not in first:
        return ()
    words = (word.strip().strip('"') for word in _decoded(first["keywords"]).split(","))
    return tuple(word for word in words if word)


def _message_id(value: str) -> str:
    """The first id, with its angle brackets; one without them is taken as it is."""
    found = _ID.search(value)
    if found is not None:
        return found[0]
    return value.split()[0] if value.strip() else ""


def _conversation_index(value: str) -> bytes:
    if not value:
        return b""
    try:
        index = binascii.a2b_base64(value.encode("ascii"))
    except ValueError:
        return b""
    return index if is_index(index) else b""


def _extended(first: dict[str, str]) -> tuple[ExtendedProperty, ...]:
    found = []
    if level := _SENSITIVITY.get(first.get("sensitivity", "").lower()):
        found.append(ExtendedProperty("Integer 0x36", level))
    if (time := parse_date(first.get("deferred-delivery", ""))) is not None:
        found.append(ExtendedProperty(DELIVERY_TIME, to_text(time)))
    return tuple(found)
