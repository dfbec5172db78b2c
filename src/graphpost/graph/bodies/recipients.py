"""Recipient objects of a body as addresses, each checked.

An address that is none, or a list in one address, ends as ErrorInvalidRecipients, which every client knows.  So does
exceeding the limit of recipients: its real code is not known (docs/quirks.md).
"""

from __future__ import annotations

from typing import Any, Final

from graphpost.errors import BadRequest
from graphpost.graph.bodies.values import clip, flatten, read_array, read_line, read_object, read_string
from graphpost.mail.address import is_valid_address
from graphpost.mail.message import Address, Message

INVALID: Final = "ErrorInvalidRecipients"


def read_recipients(value: Any, name: str, limit: int) -> tuple[Address, ...]:
    """The addresses of a collection; empty recipient objects are skipped.  `limit`: longest address, characters."""
    return tuple(
        [
            address
            for entry in read_array(value, name)
            if (address := read_recipient(entry, name, limit)) is not None
        ]
    )


def read_recipient(value: Any, name: str, limit: int) -> Address | None:
    """The address of one recipient object; None when it is null or holds nothing."""
    address, display = _usual(value) or _any_case(value, name)
    address, display = address.strip(), display.strip()
    if not is_valid_address(address, limit):
        if not address and not display:
            return None
        raise unresolved(address or display)
    return Address(address, display)


def _usual(value: Any) -> tuple[str, str] | None:
    """Address and name of a recipient spelt as the documentation has it: nearly all are, and this is fast."""
    if type(value) is not dict or len(value) != 1:
        return None
    email = value.get("emailAddress")
    if type(email) is not dict:
        return None
    address, display = email.get("address"), email.get("name", "")
    if type(address) is not str or type(display) is not str or len(email) != 1 + ("name" in email):
        return None
    return address, display if display.isprintable() else flatten(display)


def _any_case(value: Any, name: str) -> tuple[str, str]:
    recipient = read_object(value, name) or {}
    email = read_object(recipient.get("emailaddress"), "emailAddress") or {}
    return read_string(email.get("address"), "address"), read_line(email.get("name"), "name")


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
