"""A message out of a MIME body: bytes kept, properties read, author checked.

The bytes are stored as they came but for what `mail.relay.normalise` mends.  A message without From gets the mailbox's.
"""

from __future__ import annotations

import re
from typing import Final

from graphpost.auth.access import check_sender
from graphpost.errors import BadRequest, MimeError
from graphpost.graph.call import Call
from graphpost.graph.payload import read_mime
from graphpost.graph.recipients import check_addresses, check_recipients
from graphpost.ids import new_guid
from graphpost.mail.address import domain_of, parse_address_list
from graphpost.mail.field import address_field
from graphpost.mail.message import Address, Message
from graphpost.mail.parse import ParseLimits, parse, rooted
from graphpost.mail.relay import normalise

# A From or Sender field with its folded lines, wherever it stands before the first empty line.
_AUTHOR: Final = re.compile(
    rb"^(from|sender)[ \t]*:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", re.IGNORECASE | re.MULTILINE
)


def read_mime_message(call: Call) -> tuple[Message, dict[int, bytes]]:
    """The message and the content that holds its bytes; every fault of it is raised here."""
    now, limits = call.services.clock.now(), call.services.limits
    given = read_mime(call.body)
    try:
        data = _authored(call, normalise(given, message_id=_new_id(call), date=now))
        message = parse(data, ParseLimits(limits.mime_depth, limits.mime_parts, limits.header_bytes))
    except MimeError as error:
        raise BadRequest("The MIME content is not valid.", "ErrorMimeContentInvalid") from error
    check_addresses(message, limits.address_length)
    check_recipients(message, limits.recipients)
    content_id = call.services.numbers.next()
    return rooted(message, content_id), {content_id: data}


def _new_id(call: Call) -> str:
    return f"<{new_guid()}@{domain_of(call.box.address)}>"


def _authored(call: Call, data: bytes) -> bytes:
    """The data with a From field, after checking that the principal may send as every address named.

    Every address of every From and Sender field counts: which one a reader shows is the reader's choice.
    """
    fields = _AUTHOR.findall(data, 0, _header_end(data))
    for name, raw in fields:
        value = raw.decode("utf-8", "replace").strip()
        if value or name.lower() == b"from":
            for address in [author.address for author in parse_address_list(value)] or [""]:
                check_sender(call.principal, call.box, address)
    if any(name.lower() == b"from" for name, _ in fields):
        return data
    return address_field("From", [Address(call.box.address, call.box.name)]).encode() + data


def _header_end(data: bytes) -> int:
    end = data.find(b"\r\n\r\n")
    return len(data) if end < 0 else end
