"""What must hold of a message that goes out, whichever request sends it."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from graphpost.auth.access import Principal, acting_mailbox, find_author, send_as_denied
from graphpost.config import LimitSettings
from graphpost.graph.bodies.recipients import check_addresses, check_recipients
from graphpost.graph.bodies.values import too_large
from graphpost.graph.call import Call
from graphpost.mail.address import parse_address_list
from graphpost.mail.mailbox import Directory, Mailbox
from graphpost.mail.message import Address, Message, marks_size
from graphpost.mail.rights import SEND_AS, SEND_ON_BEHALF
from graphpost.store.audit import Actor

_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)')
_LONGEST_AUTHOR: Final = (
    2000  # characters; a longer one is no author, and looking for quotes in it takes long
)
_ANGLE: Final = re.compile(r"<([^<>]*)>")

# A field with its folded lines, wherever it stands before the first empty line.
_AUTHOR: Final = re.compile(
    rb"^(from|sender)[ \t]*:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", re.IGNORECASE | re.MULTILINE
)
_RESENT: Final = re.compile(
    rb"^resent-(?:from|sender)[ \t]*:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", re.IGNORECASE | re.MULTILINE
)


class Party(Struct, frozen=True):
    """Who sends, from which mailbox, within which limits; the directory knows in whose name they may."""

    principal: Principal
    box: Mailbox
    limits: LimitSettings
    directory: Directory


def party_of(call: Call) -> Party:
    """Who asks."""
    return Party(call.principal, call.box, call.services.limits, call.services.directory())


def check_mime(party: Party, message: Message) -> None:
    """Raise unless a message read from MIME goes to somebody, and to addresses that are some."""
    limits = party.limits
    check_addresses(message, limits.address_length)
    check_recipients(message, limits.recipients)


def check_draft(party: Party, message: Message, header: bytes) -> Message:
    """A draft as it may be sent; `header` is its MIME's when it came as MIME.  Raises as sendMail does."""
    if message.raw is not None:
        check_mime(party, message)
        sender = check_mime_authors(party, header)
        return message if sender is None else replace(message, sender=sender)
    check_recipients(message, party.limits.recipients)
    check_header_size(message, party.limits.header_bytes)
    return signed(party, message)


def check_header_size(message: Message, limit: int) -> None:
    """Raise when what stands in the header is longer than a header may be (§11), in characters."""
    texts = [message.subject, *(part for header in message.headers for part in (header.name, header.value))]
    people = [*message.recipients, *message.reply_to, message.from_, message.sender]
    people += [person for each in message.mentions for person in (each.mentioned, each.created_by)]
    texts += [part for person in people if person is not None for part in (person.address, person.name)]
    if sum(map(len, texts)) + marks_size(message) > limit:
        raise too_large()


def check_marks_size(message: Message, limit: int) -> None:
    """The same of extended properties and categories alone: those of a message are added to, request by request."""
    if marks_size(message) > limit:
        raise too_large()


def signed(party: Party, message: Message) -> Message:
    """The message with its from and sender, which the principal must be allowed to use."""
    mailbox, sender = party.box, message.sender
    author = message.from_ or sender
    if author is None:
        own = own_address(mailbox)
        return replace(message, from_=own, sender=own)
    if not mailbox.owns(author.address) or not (sender is None or mailbox.owns(sender.address)):
        return _in_anothers_name(party, message, author)
    # Exchange shows the mailbox's name whatever name the client gives an own address.
    author = Address(author.address, mailbox.name or author.name)
    return replace(message, from_=author, sender=author)


def _in_anothers_name(party: Party, message: Message, author: Address) -> Message:
    """Who sends is named only when the right says so (Send on Behalf), whatever sender the client gives."""
    owner, right = find_author(party.principal, party.directory, party.box, author.address)
    actor = acting_mailbox(party.principal, party.directory, party.box)
    given = message.sender
    if given is not None and not any(box.owns(given.address) for box in (owner, actor)):
        raise send_as_denied()
    author = Address(author.address, owner.name or author.name)
    sender = own_address(actor) if right == SEND_ON_BEHALF else author
    return replace(message, from_=author, sender=sender)


def check_mime_authors(party: Party, data: bytes) -> Address | None:
    """Raise unless the principal may send as every address that a From or Sender field of the header names, Resent- ones too.

    Every address of every field counts: which one a reader shows is the reader's choice.  The sender that has to be named
    beside them, because a From is only on behalf of somebody, is returned; None when nobody has to, or the header does.
    """
    principal, directory = party.principal, party.directory
    for raw in _RESENT.findall(_header(data)):
        if value := raw.decode("utf-8", "replace").strip():
            for address in _addresses(value):
                find_author(principal, directory, party.box, address)
    actor, needs_sender, has_sender = None, False, False
    for name, raw in mime_authors(data):
        value, is_from = raw.decode("utf-8", "replace").strip(), name.lower() == b"from"
        if not value and not is_from:
            continue
        has_sender = has_sender or not is_from
        for address in _addresses(value):
            owner, right = find_author(principal, directory, party.box, address)
            if right == SEND_ON_BEHALF and not is_from:
                raise send_as_denied()
            if owner is not party.box:
                actor = acting_mailbox(principal, directory, party.box)
            needs_sender = needs_sender or right == SEND_ON_BEHALF
    return own_address(actor) if actor is not None and needs_sender and not has_sender else None


def sender_of(call: Call, message: Message) -> Actor | None:
    """Who asks that a message be sent, by the right to send it in the name that it has."""
    actor, author = call.actor, message.from_
    if actor is None or author is None or author.address == call.box.address:
        return actor
    if call.box.owns(author.address) or author.address.casefold() == actor.person.casefold():
        return actor
    is_as = message.sender is None or message.sender.address == author.address
    return replace(actor, right=SEND_AS if is_as else SEND_ON_BEHALF)


def mime_authors(data: bytes) -> list[tuple[bytes, bytes]]:
    """Name and value of the From and Sender fields, as they are written."""
    return _AUTHOR.findall(_header(data))


def _header(data: bytes) -> bytes:
    end = data.find(b"\r\n\r\n")
    return data if end < 0 else data[:end]


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
