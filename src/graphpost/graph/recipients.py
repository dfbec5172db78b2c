"""Recipient objects of a body as addresses, each checked; who sends, and whether anybody is written to.

An address that is none, or a list in one address, ends as ErrorInvalidRecipients, which every client knows.  So does
exceeding the limit of recipients: its real code is not known (docs/quirks.md).
"""

from __future__ import annotations

from typing import Any, Final

from graphpost.errors import BadRequest
from graphpost.graph.values import clip, read_array, read_line, read_object, read_string
from graphpost.mail.address import is_valid_address
from graphpost.mail.message import Address, Message

INVALID: Final = "ErrorInvalidRecipients"


def read_recipients(value: Any, name: str, limit: int) -> tuple[Address, ...]:
    """The addresses of a collection; empty recipient objects are skipped.  `limit`: longest address, characters."""
    found = [read_recipient(entry, name, limit) for entry in read_array(value, name)]
    return tuple([address for address in found if address is not None])


def read_recipient(value: Any, name: str, limit: int) -> Address | None:
    """The address of one recipient object; None when it is null or holds nothing."""
    recipient = read_object(value, name)
    if not recipient:
        return None
    email = read_object(recipient.get("emailaddress"), "emailAddress")
    if not email:
        return None
    address = read_string(email.get("address"), "address").strip()
    display = email.get("name")
    shown = read_line(display, "name").strip() if display is not None else ""
    if not is_valid_address(address, limit):
        if not address and not shown:
            return None
        raise unresolved(address or shown)
    return Address(address, shown)


def check_recipients(message: Message, limit: int) -> None:
    """Raise unless somebody, and not more than `limit`, is written to."""
    count = len(message.to) + len(message.cc) + len(message.bcc)
    if not count:
        raise BadRequest(
            "At least one recipient is not valid., A message can't be sent because it contains no recipients.",
            INVALID,
        )
    if count > limit:
        raise BadRequest(
            f"At least one recipient is not valid., A message can't have more than {limit} recipients.",
            INVALID,
        )


def check_addresses(message: Message, limit: int) -> None:
    """Raise unless every recipient of a message read from MIME has an address mail can be sent to."""
    for recipient in message.recipients:
        if not is_valid_address(recipient.address, limit):
            raise unresolved(recipient.address or recipient.name)


def unresolved(text: str) -> BadRequest:
    """The error for a recipient that is none."""
    return BadRequest(
        f"At least one recipient is not valid., Recipient '{clip(text)}' is not resolved. All recipients must be "
        "resolved before a message can be submitted.",
        INVALID,
    )
