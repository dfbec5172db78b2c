"""The message that answers another: recipients, quote, thread, attachments."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.delivery.acceptance.accepting import Source
from graphpost.graph.bodies.zones import zone_named
from graphpost.ids import random_bytes
from graphpost.mail.address import is_valid_address, to_wire
from graphpost.mail.compose import thread_index_field
from graphpost.mail.field import address_field, ids_field, text_field
from graphpost.mail.mailbox import Mailbox
from graphpost.mail.message import Address, Answers, Attachment, Body, Item, Message, Verb
from graphpost.mail.quote import long_time, prefixed, quoted
from graphpost.mail.text import preview
from graphpost.mail.thread import ancestry, answering_index, usable_id

_CID: Final = re.compile(r"cid:([^\"'\s<>)]+)", re.IGNORECASE)
_FIELD: Final = re.compile(rb"^([!-9;-~]+)[ \t]*:", re.MULTILINE)
_UTC: Final = "UTC"


@dataclass(frozen=True, slots=True)
class Manner:
    """One of the ways to answer; `name` is the operation that sends it at once."""

    name: Verb
    prefix: str
    forwards: bool = False
    to_all: bool = False


REPLY: Final = Manner("reply", "RE:")
REPLY_ALL: Final = Manner("replyAll", "RE:", to_all=True)
FORWARD: Final = Manner("forward", "FW:", forwards=True)


def begun(manner: Manner, mailbox: Mailbox, item: Item, now: Instant) -> Message:
    """An answer with recipients, subject and thread, and nothing in it yet."""
    original = item.message
    to, cc = recipients(manner, mailbox, original)
    references = ancestry(original.internet_message_id, original.references, original.in_reply_to)
    return Message(
        subject=prefixed(manner.prefix, original.subject),
        to=to,
        cc=cc,
        in_reply_to=usable_id(original.internet_message_id),
        references=references,
        conversation_index=answering_index(
            original.conversation_index, item.conversation_id, now, random_bytes(1)[0]
        ),
        is_delivery_receipt_requested=False,
        answers=Answers(item.message_id, manner.name),
    )


def recipients(
    manner: Manner, mailbox: Mailbox, original: Message
) -> tuple[tuple[Address, ...], tuple[Address, ...]]:
    """To and Cc: who asked for the answers (else the author), and with replyAll everybody else but the mailbox."""
    if manner.forwards:
        return (), ()
    author = original.from_ or original.sender
    asking = _reachable(original.reply_to) or _reachable([author] if author is not None else [])
    if not manner.to_all:
        return _once(asking, set()), ()
    own = {_key(address) for address in (mailbox.address, *mailbox.aliases)}
    seen = set(own)
    to = _once([*asking, *_reachable(original.to)], seen)
    cc = _once(_reachable(original.cc), seen)
    return (to, cc) if to or cc else (_once(asking, set()), ())


def quote(item: Item, comment: str, zone_name: str) -> Body:
    """The body of an answer that has none of its own; the time is in that zone, or in UTC."""
    zone = zone_named(zone_name or _UTC) or zone_named(_UTC)
    assert zone is not None
    return quoted(item.message, long_time(item.message.date or item.sent_at, zone), comment)


def completed(
    manner: Manner, answer: Message, original: Message, fields: dict[str, Any], body: Body
) -> Message:
    """The answer with its body, what the client set, and the original's attachments before the client's own."""
    given = fields.pop("attachments", ())
    kept = taken_along(manner, original, body, is_quoted="body" not in fields)
    numbered = [replace(each, attachment_id=n) for n, each in enumerate((*kept, *given), 1)]
    fields = {"body": body, "preview": preview(body), **fields, "attachments": tuple(numbered)}
    return replace(answer, **fields)


def taken_along(manner: Manner, original: Message, body: Body, *, is_quoted: bool) -> list[Attachment]:
    """The original's attachments that go into the answer: the images its body shows; all, when it is passed on."""
    if not original.attachments:
        return []
    shown = {unquote(name) for name in _CID.findall(body.content)} if body.kind == "html" else set()
    return [
        each
        for each in original.attachments
        if (each.content_id and each.content_id in shown)
        or (manner.forwards and (is_quoted or not each.is_inline))
    ]


def source_of(item: Item, kept: Iterable[Attachment]) -> Source | None:
    """Where the bytes of attachments are that an answer has from the original."""
    own = {each.content.content_id for each in item.message.attachments if each.content is not None}
    shared = [each for each in kept if each.content is not None and each.content.content_id in own]
    if not shared:
        return None
    numbers = sorted({each.content.content_id for each in shared if each.content is not None})
    return Source(message_id=item.message_id, contents=tuple(numbers), size=sum(each.size for each in shared))


def amended(answer: Message, data: bytes) -> bytes:
    """Normalised MIME as an answer: before its header stand the fields that an answer has and it has not.

    What is signed is the body, or fields that are there: signatures survive.
    """
    end = data.find(b"\r\n\r\n")
    present = {name.lower() for name in _FIELD.findall(data[: end if end >= 0 else len(data)])}
    fields = []
    if present.isdisjoint((b"to", b"cc", b"bcc")):
        fields += [address_field("To", answer.to), address_field("Cc", answer.cc)]
    if b"subject" not in present:
        fields.append(text_field("Subject", answer.subject))
    if present.isdisjoint((b"in-reply-to", b"references")):
        fields += [
            ids_field("In-Reply-To", answer.in_reply_to.split()),
            ids_field("References", answer.references),
        ]
    if b"thread-index" not in present:
        fields.append(thread_index_field(answer.conversation_index))
    return "".join(fields).encode() + data


def _reachable(addresses: Iterable[Address]) -> list[Address]:
    return [each for each in addresses if is_valid_address(each.address)]


def _once(addresses: Iterable[Address], seen: set[str]) -> tuple[Address, ...]:
    """Those not seen yet, each once."""
    found = []
    for each in addresses:
        key = _key(each.address)
        if key not in seen:
            seen.add(key)
            found.append(each)
    return tuple(found)


def _key(address: str) -> str:
    return to_wire(address).lower()
