"""A message out of a MIME body: bytes kept, properties read, author checked.

The bytes are stored as they came but for what `mail.relay.normalise` mends.  A message without From gets the mailbox's.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from graphpost.errors import BadRequest, MimeError
from graphpost.graph.bodies.payload import read_mime
from graphpost.graph.call import Call
from graphpost.graph.sending.outgoing import (
    check_mime,
    check_mime_authors,
    mime_authors,
    own_address,
    party_of,
)
from graphpost.ids import new_guid
from graphpost.mail.address import domain_of
from graphpost.mail.field import address_field
from graphpost.mail.message import Message
from graphpost.mail.parse import ParseLimits, parse, rooted
from graphpost.mail.relay import normalise

Amend = Callable[[bytes], bytes]


def as_it_is(data: bytes) -> bytes:
    return data


def read_mime_message(call: Call, amend: Amend = as_it_is) -> tuple[Message, dict[int, bytes]]:
    """A message to be sent, and the content that holds its bytes; every fault of it is raised here.

    `amend` may add to the header.
    """
    message, contents = _read(call, amend, checked=True)
    check_mime(party_of(call), message)
    return message, contents


def read_mime_draft(call: Call, amend: Amend = as_it_is) -> tuple[Message, dict[int, bytes]]:
    """A message to be kept: anything that is one.  Who it goes to and comes from is looked at when it is sent."""
    return _read(call, amend, checked=False)


def _read(call: Call, amend: Amend, *, checked: bool) -> tuple[Message, dict[int, bytes]]:
    now, limits = call.services.clock.now(), call.services.limits
    given = read_mime(call.body)
    try:
        data = normalise(given, message_id=_new_id(call), date=now)
        sender = check_mime_authors(party_of(call), data) if checked else None
        data = amend(_authored(call, data))
        message = parse(data, ParseLimits(limits.mime_depth, limits.mime_parts, limits.header_bytes))
    except MimeError as error:
        raise BadRequest("The MIME content is not valid.", "ErrorMimeContentInvalid") from error
    if sender is not None:
        message = replace(message, sender=sender)
    content_id = call.services.numbers.next()
    return rooted(message, content_id), {content_id: data}


def _new_id(call: Call) -> str:
    return f"<{new_guid()}@{domain_of(call.box.address)}>"


def _authored(call: Call, data: bytes) -> bytes:
    """The data with a From field: the mailbox's, when it has none."""
    if any(name.lower() == b"from" for name, _ in mime_authors(data)):
        return data
    return address_field("From", [own_address(call.box)]).encode() + data
