"""A message out of a MIME body: its bytes are kept, its properties read, its author checked.

The bytes are stored as they came but for what `mail.relay.normalise` mends.  A message without From gets the mailbox's.
"""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from msgspec.structs import replace

from graphpost.auth.access import check_sender
from graphpost.errors import BadRequest, MimeError
from graphpost.graph.call import Call
from graphpost.graph.payload import read_mime
from graphpost.graph.recipients import check_addresses, check_recipients
from graphpost.mail.address import domain_of, parse_address_list, to_wire
from graphpost.mail.mailbox import Mailbox
from graphpost.mail.message import Attachment, ContentRef, Message
from graphpost.mail.parse import ParseLimits, parse
from graphpost.mail.relay import normalise
from graphpost.mail.text import preview
from graphpost.mail.thread import new_index
from graphpost.mail.word import encode_words

_AUTHORS: Final = ("from", "sender")


def read_mime_message(call: Call) -> tuple[Message, dict[int, bytes]]:
    """The message and the content that holds its bytes; every fault of it is raised here."""
    now = call.services.clock.now()
    message_id = f"<{uuid4().hex}@{domain_of(call.box.address)}>"
    try:
        data = normalise(read_mime(call.body), message_id=message_id, date=now)
        message = parse(data, _limits(call))
        if not any(header.name.lower() == "from" for header in message.headers):
            data = _from_line(call.box) + data
            message = parse(data, _limits(call))
    except MimeError as error:
        raise BadRequest("The MIME content is not valid.", "ErrorMimeContentInvalid") from error
    check_addresses(message, call.services.limits.address_length)
    check_recipients(message, call.services.limits.recipients)
    _check_authors(call, message)
    content_id = call.services.numbers.next()
    return _placed(message, content_id, now), {content_id: data}


def _limits(call: Call) -> ParseLimits:
    limits = call.services.limits
    return ParseLimits(depth=limits.mime_depth, parts=limits.mime_parts, header_bytes=limits.header_bytes)


def _check_authors(call: Call, message: Message) -> None:
    """Every address of every From and Sender field must be one the principal may send as.

    All of them, and not only the first: which one a reader shows is the reader's choice.
    """
    for header in message.headers:
        if header.name.lower() in _AUTHORS and header.value.strip():
            for address in [a.address for a in parse_address_list(header.value)] or [""]:
                check_sender(call.principal, call.box, address)


def _from_line(mailbox: Mailbox) -> bytes:
    address = f"<{to_wire(mailbox.address)}>"
    lines = [*encode_words(mailbox.name), address] if mailbox.name else [address]
    return ("From: " + "\r\n ".join(lines) + "\r\n").encode()


def _placed(message: Message, content_id: int, now: int) -> Message:
    """The message with its slices naming the stored content, and with what every stored message has."""
    return replace(
        message,
        raw=ContentRef(content_id),
        attachments=tuple(_placed_attachment(attachment, content_id) for attachment in message.attachments),
        preview=message.preview or preview(message.body),
        conversation_index=message.conversation_index or new_index(now, uuid4().bytes),
    )


def _placed_attachment(attachment: Attachment, content_id: int) -> Attachment:
    if attachment.content is None:
        return attachment
    return replace(attachment, content=replace(attachment.content, content_id=content_id))
