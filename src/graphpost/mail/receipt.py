"""Receipts: what became of a message at its reader's (RFC 8098).

A receipt goes to one address, and only when it is safe to send it unasked: to where the message itself came from (§2.1).
Its envelope sender is the null address, which is for whoever sends it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Final, Literal

from graphpost.clock import Instant
from graphpost.mail.address import is_valid_address, parse_address_list, to_wire
from graphpost.mail.answerable import Fields, is_automatic, is_read_by_nobody, suppresses
from graphpost.mail.field import address_field, date_text, ids_field, message_id_text, one_line, text_field
from graphpost.mail.message import Address
from graphpost.mail.part import CRLF, Part, multipart, text_part
from graphpost.mail.report import status_field, typed_address
from graphpost.mail.thread import topic

Disposition = Literal["displayed", "processed", "deleted"]
"""Read by its owner; marked as read by a rule; deleted and never read (§3.2.6.2)."""

_HEADLINES: Final[dict[Disposition, str]] = {
    "displayed": "Read",
    "processed": "Read",
    "deleted": "Not read",
}
_SAID: Final[dict[Disposition, str]] = {
    "displayed": "was read on",
    "processed": "was marked as read by a rule, not by a person, on",
    "deleted": "was deleted without being read on",
}
_MODES: Final[dict[Disposition, str]] = {
    "displayed": "manual-action",
    "processed": "automatic-action",
    "deleted": "manual-action",
}
_REQUIRED: Final = re.compile(r"=\s*required\s*(?:,|;|$)", re.IGNORECASE)
_KINDS: Final[dict[Disposition, str]] = {"displayed": "RN", "processed": "RN", "deleted": "NRN"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptFacts:
    """Everything a receipt says."""

    message_id: str  # the receipt's own
    date: Instant
    reader: Address  # the mailbox, by the address that the message was sent to
    recipient: str  # who asked
    reporting_ua: str  # a host name
    disposition: Disposition
    sent_at: Instant
    subject: str = ""
    original_message_id: str = ""
    references: tuple[str, ...] = ()
    conversation_index: bytes = b""


def asked_by(fields: Fields, return_path: str) -> str:
    """The address that may be sent a receipt; '' when nobody asked, or it is not safe to answer unasked.

    Not safe: several addresses, another than that of the Return-Path, automatic mail and lists, addresses nobody reads.
    Nor is there one where something is required of it (RFC 8098 §2.2), because none of that is known here.
    """
    if _REQUIRED.search(fields.get("disposition-notification-options", "")):
        return ""
    asked = {to_wire(each.address) for each in parse_address_list(fields.get(_ASKING, ""))}
    if len(asked) != 1 or not return_path:
        return ""
    (address,) = asked
    if address.lower() != to_wire(return_path).lower() or not is_valid_address(address):
        return ""
    return "" if is_automatic(fields) or is_read_by_nobody(address) else address


_ASKING: Final = "disposition-notification-to"


def is_suppressed(fields: Fields, disposition: Disposition) -> bool:
    """Whether the author wants no receipt of that kind."""
    return suppresses(fields, _KINDS[disposition])


def receipt(facts: ReceiptFacts) -> bytes:
    """The message that tells who asked."""
    parts = [text_part(_words(facts), "plain"), _notification_part(facts)]
    whole = multipart("report", parts, f"{facts.message_id}\n", ";\r\n\treport-type=disposition-notification")
    header = _header(facts) + whole.header + "MIME-Version: 1.0\r\n\r\n"
    pieces = [piece for piece in whole.pieces if isinstance(piece, bytes)]
    return header.encode("utf-8", "replace") + b"".join(pieces) + CRLF


def _header(facts: ReceiptFacts) -> str:
    fields = [
        address_field("From", (facts.reader,)),
        address_field("To", (Address(facts.recipient),)),
        text_field("Subject", f"{_HEADLINES[facts.disposition]}: {facts.subject}"),
        text_field("Thread-Topic", topic(facts.subject)),
        f"Date: {date_text(facts.date)}\r\n",
        f"Message-ID: {message_id_text(facts.message_id)}\r\n",
        "Auto-Submitted: auto-replied\r\n",
        "X-Auto-Response-Suppress: All\r\n",
    ]
    if facts.conversation_index:
        fields.append(f"Thread-Index: {b64encode(facts.conversation_index[:500]).decode()}\r\n")
    if facts.original_message_id:
        fields.append(ids_field("In-Reply-To", (facts.original_message_id,)))
        fields.append(ids_field("References", facts.references))
    return "".join(fields)


def _words(facts: ReceiptFacts) -> str:
    lines = (
        "Your message",
        "",
        f"   To: {one_line(facts.reader.address)}",
        f"   Subject: {one_line(facts.subject)}",
        f"   Sent: {date_text(facts.sent_at)}",
        "",
        f"{_SAID[facts.disposition]} {date_text(facts.date)}.",
    )
    return "\r\n".join(lines) + "\r\n"


def _notification_part(facts: ReceiptFacts) -> Part:
    mode = f"{_MODES[facts.disposition]}/MDN-sent-automatically"
    data = (
        status_field("Reporting-UA", f"{facts.reporting_ua}; Graphpost")
        + status_field("Final-Recipient", typed_address(facts.reader.address))
        + status_field("Original-Message-ID", message_id_text(facts.original_message_id))
        + status_field("Disposition", f"{mode}; {facts.disposition}")
    ).encode("ascii", "replace")
    return Part("Content-Type: message/disposition-notification\r\n", (data,), searched=(data,))
