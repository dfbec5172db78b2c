"""What must hold of a message that goes out, whichever request sends it."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from graphpost.auth.access import Principal, check_sender
from graphpost.config import LimitSettings
from graphpost.graph.bodies.recipients import check_addresses, check_recipients
from graphpost.graph.bodies.values import too_large
from graphpost.graph.call import Call
from graphpost.mail.address import parse_address_list
from graphpost.mail.mailbox import Mailbox
from graphpost.mail.message import Address, Message

_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)')
_LONGEST_AUTHOR: Final = (
    2000  # characters; a longer one is no author, and looking for quotes in it takes long
)
_ANGLE: Final = re.compile(r"<([^<>]*)>")

# A From or Sender field with its folded lines, wherever it stands before the first empty line.
_AUTHOR: Final = re.compile(
    rb"^(from|sender)[ \t]*:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", re.IGNORECASE | re.MULTILINE
)


class Party(Struct, frozen=True):
    """In whose name a message goes out, from which mailbox, within which limits."""

    principal: Principal
    box: Mailbox
    limits: LimitSettings


def party_of(call: Call) -> Party:
    """Who asks."""
    return Party(call.principal, call.box, call.services.limits)


def check_mime(party: Party, message: Message) -> None:
    """Raise unless a message read from MIME goes to somebody, and to addresses that are some."""
    limits = party.limits
    check_addresses(message, limits.address_length)
    check_recipients(message, limits.recipients)


def check_draft(party: Party, message: Message, header: bytes) -> Message:
    """A draft as it may be sent; `header` is its MIME's when it came as MIME.  Raises as sendMail does."""
    if message.raw is not None:
        check_mime(party, message)
        check_mime_authors(party, header)
        return message
    check_recipients(message, party.limits.recipients)
    check_header_size(message, party.limits.header_bytes)
    return signed(party, message)


def check_header_size(message: Message, limit: int) -> None:
    """Raise when what stands in the header is longer than a header may be (§11), in characters."""
    texts = [message.subject, *(part for header in message.headers for part in (header.name, header.value))]
    texts += [
        part for person in message.recipients + message.reply_to for part in (person.address, person.name)
    ]
    texts += [
        text
        for row in message.extended
        for text in ([row.value] if isinstance(row.value, str) else row.value)
    ]
    if sum(map(len, texts)) > limit:
        raise too_large()


def signed(party: Party, message: Message) -> Message:
    """The message with its from and sender, which the principal must be allowed to use."""
    mailbox = party.box
    for given in (message.from_, message.sender):
        if given is not None:
            check_sender(party.principal, mailbox, given.address)
    if message.from_ is None and message.sender is None:
        own = own_address(mailbox)
        return replace(message, from_=own, sender=own)
    author = message.from_ or message.sender
    assert author is not None
    # Exchange shows the mailbox's name whatever name the client gives an own address.
    author = Address(author.address, mailbox.name or author.name)
    return replace(message, from_=author, sender=author)


def check_mime_authors(party: Party, data: bytes) -> None:
    """Raise unless the principal may send as every address that a From or Sender field of the header names.

    Every address of every field counts: which one a reader shows is the reader's choice.
    """
    for name, raw in mime_authors(data):
        value = raw.decode("utf-8", "replace").strip()
        if value or name.lower() == b"from":
            for address in _addresses(value):
                check_sender(party.principal, party.box, address)


def mime_authors(data: bytes) -> list[tuple[bytes, bytes]]:
    """Name and value of the From and Sender fields, as they are written."""
    end = data.find(b"\r\n\r\n")
    return _AUTHOR.findall(data, 0, len(data) if end < 0 else end)


def _addresses(value: str) -> list[str]:
    """The addresses of a field, and whatever else stands in angle brackets; '' when there is none.

    Of `<a@x> <b@x>`, or a source route, some readers show what others pass over.
    """
    if len(value) > _LONGEST_AUTHOR:
        return [""]
    angles = [angle.strip() for angle in _ANGLE.findall(_QUOTED.sub("", value))]
    return [author.address for author in parse_address_list(value)] + angles or [""]


def own_address(mailbox: Mailbox) -> Address:
    """The mailbox as the author of a message."""
    return Address(mailbox.address, mailbox.name)
