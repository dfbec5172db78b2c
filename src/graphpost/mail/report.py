"""Reports about deliveries (RFC 3464), for people and for programs.

A report has three parts: words for the sender, a delivery-status with the remote reply in full, and the
original (whole when small, else its header).  It answers the original (In-Reply-To, References) and is marked
as automatic, so that nothing answers it; its envelope sender is the null address, which is for whoever sends
it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Final, Literal

from graphpost.clock import Instant
from graphpost.mail.encoding import canonical
from graphpost.mail.field import (
    address_field,
    date_text,
    fold,
    ids_field,
    message_id_text,
    one_line,
    text_field,
)
from graphpost.mail.message import Address
from graphpost.mail.part import CRLF, Part, multipart, text_part
from graphpost.mail.thread import topic

Action = Literal["failed", "delayed", "delivered", "relayed"]

RETURNED_WHOLE: Final = 32_768  # octets; of a larger original only the header is returned
_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_WORD: Final = re.compile(r" *[^ ]{1,400}")
_NOT_ASCII: Final = re.compile(r"[^ -~]")
_UNKNOWN: Final[dict[Action, str]] = {
    "failed": "5.0.0",
    "delayed": "4.0.0",
    "delivered": "2.0.0",
    "relayed": "2.0.0",
}
_HEADLINES: Final[dict[Action, str]] = {
    "failed": "Undeliverable",
    "delayed": "Delivery delayed",
    "delivered": "Delivered",
    "relayed": "Relayed",
}
_INTRODUCTIONS: Final[dict[Action, str]] = {
    "failed": "Your message could not be delivered to:",
    "delayed": "Your message could not be delivered yet to:",
    "delivered": "Your message was delivered to:",
    "relayed": "Your message was passed on; the next server will not report its delivery to:",
}
_UNSENT: Final = (
    "Your message was to be sent at a later time. That time has come, and it cannot be sent. It was sent to nobody",
    "and is still among your drafts. The reason:",
)
_REASONS: Final = {  # RFC 3463, without the class
    "1.1": "There is no such address at that destination.",
    "1.2": "The destination's domain does not exist or does not take mail.",
    "1.10": "The destination's domain says that it takes no mail.",
    "2.1": "The recipient's mailbox is disabled.",
    "2.2": "The recipient's mailbox is full.",
    "2.3": "The message is larger than the recipient takes.",
    "3.4": "The message is larger than the destination takes.",
    "4.1": "The destination's server did not answer.",
    "4.4": "The destination's server could not be found.",
    "4.7": "The message could not be delivered in time.",
    "7.1": "The destination refused the message, or you may not send to that address.",
    "7.4": "The destination's server does not offer the encryption that is asked for.",
    "7.5": "The destination's server cannot be reached as safely as is asked for.",
}


@dataclass(frozen=True, slots=True)
class RecipientFact:
    """What became of the message for one recipient.

    `diagnostic` is RFC 3464's (`smtp; 550 5.1.1 …`); '' makes it from `code`, `status` and `text`, the reply's words in
    full (several lines are joined).  `code` 0 means that nobody replied and `text` is what we saw.
    """

    address: str
    action: Action
    status: str
    diagnostic: str = ""
    remote_mta: str = ""
    code: int = 0
    text: str = ""
    last_attempt_at: Instant = 0
    original: str = ""  # Original-Recipient (`rfc822; …`), when the sender gave one


@dataclass(frozen=True, slots=True, kw_only=True)
class NdrFacts:
    """Everything a report says.  `original` is the message as it was sent, or at least its header."""

    message_id: str  # the report's own
    date: Instant
    sender: Address  # in whose name the report comes: the mail system
    recipient: Address  # who is told: the original's sender
    reporting_mta: str
    arrived_at: Instant
    recipients: tuple[RecipientFact, ...]
    original: bytes
    subject: str = ""
    original_message_id: str = ""
    references: tuple[str, ...] = ()
    conversation_index: bytes = b""
    envelope_id: str = ""
    retry_until: Instant = 0


def non_delivery_report(facts: NdrFacts) -> bytes:
    """The message that tells its sender that it will not arrive."""
    return _report(facts, "failed")


def delay_report(facts: NdrFacts) -> bytes:
    """The message that tells the sender that delivery is still being tried."""
    return _report(facts, "delayed")


def success_report(facts: NdrFacts) -> bytes:
    """The message that was asked for: delivered, or relayed to where nobody reports."""
    relayed = all(fact.action == "relayed" for fact in facts.recipients)
    return _report(facts, "relayed" if relayed else "delivered")


def unsent_report(facts: NdrFacts, reason: str) -> bytes:
    """The message that tells its author that it could not be sent at its time, and is still a draft.

    There may be no recipients any more, and then there is no delivery-status.
    """
    said = [*_UNSENT, "", f"  {one_line(reason)}", ""]
    said += [f"  To: {one_line(fact.address)}" for fact in facts.recipients] + [""]
    return _report(facts, "failed", "\r\n".join([*said, *_about(facts)]) + "\r\n")


def _report(facts: NdrFacts, action: Action, words: str = "") -> bytes:
    text, original = text_part(words or _words(facts, action), "plain"), _original_part(facts)
    seed = f"{facts.message_id}\n"
    if facts.recipients:
        parts = [text, _status_part(facts), original]
        whole = multipart("report", parts, seed, ";\r\n\treport-type=delivery-status")
    else:
        whole = multipart("mixed", [text, original], seed)
    header = _header(facts, action) + whole.header + "MIME-Version: 1.0\r\n\r\n"
    pieces = [piece for piece in whole.pieces if isinstance(piece, bytes)]
    return header.encode("utf-8", "replace") + b"".join(pieces) + CRLF


def _header(facts: NdrFacts, action: Action) -> str:
    fields = [
        address_field("From", (facts.sender,)),
        address_field("To", (facts.recipient,)),
        text_field("Subject", f"{_HEADLINES[action]}: {facts.subject}"),
        text_field("Thread-Topic", topic(facts.subject)),
        f"Date: {date_text(facts.date)}\r\n",
        f"Message-ID: {message_id_text(facts.message_id)}\r\n",
        "Auto-Submitted: auto-replied\r\n",
    ]
    if facts.conversation_index:
        fields.append(f"Thread-Index: {b64encode(facts.conversation_index[:500]).decode()}\r\n")
    if facts.original_message_id:
        fields.append(ids_field("In-Reply-To", (facts.original_message_id,)))
        fields.append(ids_field("References", (*facts.references, facts.original_message_id)))
    return "".join(fields)


def _words(facts: NdrFacts, action: Action) -> str:
    lines = [_INTRODUCTIONS[action], ""]
    for fact in facts.recipients:
        lines += _recipient_words(fact)
    if action == "delayed":
        until = f" until {date_text(facts.retry_until)}" if facts.retry_until else ""
        lines += [f"Delivery is tried again{until}. There is no need to send the message again.", ""]
    return "\r\n".join([*lines, *_about(facts)]) + "\r\n"


def _about(facts: NdrFacts) -> list[str]:
    return [
        f"Subject: {one_line(facts.subject)}",
        f"Sent: {date_text(facts.arrived_at)}",
        f"Message-ID: {one_line(facts.original_message_id)}",
        f"Reported by: {one_line(facts.reporting_mta)}",
    ]


def _recipient_words(fact: RecipientFact) -> list[str]:
    lines = [f"  {one_line(fact.address)}"]
    reason = _REASONS.get(_status(fact).partition(".")[2])
    if reason and fact.action in ("failed", "delayed"):
        lines.append(f"    {reason}")
    reply = _reply(fact)
    if reply:
        lines.append(f"    {one_line(fact.remote_mta) or 'The mail system'} said: {reply}")
    return [*lines, ""]


def _reply(fact: RecipientFact) -> str:
    """The other side's words in one line, after its code and status."""
    text = " ".join(fact.text.split())
    status = fact.status if _STATUS.fullmatch(fact.status) else _status(fact)
    return one_line(f"{fact.code} {status} {text}" if fact.code else text)


def _status_part(facts: NdrFacts) -> Part:
    blocks = [
        status_field("Original-Envelope-Id", facts.envelope_id)
        + status_field("Reporting-MTA", f"dns; {facts.reporting_mta}")
        + status_field("Arrival-Date", date_text(facts.arrived_at))
    ]
    blocks += [_recipient_fields(fact, facts.retry_until) for fact in facts.recipients]
    data = "\r\n".join(blocks).encode("ascii", "replace")
    return Part("Content-Type: message/delivery-status\r\n", (data,), searched=(data,))


def _recipient_fields(fact: RecipientFact, retry_until: Instant) -> str:
    said = f"{'smtp' if fact.code else 'X-Graphpost'}; {_reply(fact)}" if _reply(fact) else ""
    diagnostic = " ".join(fact.diagnostic.split()) or said
    retried = fact.action == "delayed" and retry_until
    return (
        (status_field("Original-Recipient", fact.original) if fact.original else "")
        + status_field("Final-Recipient", typed_address(fact.address))
        + status_field("Action", fact.action)
        + status_field("Status", _status(fact))
        + (status_field("Remote-MTA", f"dns; {fact.remote_mta}") if fact.remote_mta else "")
        + status_field("Diagnostic-Code", diagnostic)
        + (status_field("Last-Attempt-Date", date_text(fact.last_attempt_at)) if fact.last_attempt_at else "")
        + (status_field("Will-Retry-Until", date_text(retry_until)) if retried else "")
    )


def status_field(name: str, value: str) -> str:
    """A delivery-status field: ASCII, folded; '' without a value."""
    text = _NOT_ASCII.sub("?", one_line(value))
    words = [
        word if word.startswith(" ") or not place else " " + word
        for place, word in enumerate(_WORD.findall(text))
    ]
    return fold(name, words) if words else ""


def typed_address(address: str) -> str:
    """`rfc822; …`, or RFC 6533's utf-8 form in ASCII."""
    text = one_line(address)
    if text.isascii():
        return f"rfc822; {text}"
    return "utf-8; " + "".join(
        c if "!" <= c <= "~" and c not in "\\+=" else f"\\x{{{ord(c):X}}}" for c in text
    )


def _status(fact: RecipientFact) -> str:
    """The status, of a class that goes with the action (RFC 3464 §2.3.4); what is tried again failed for the moment."""
    if not _STATUS.fullmatch(fact.status):
        return _UNKNOWN[fact.action]
    if fact.action == "delayed":
        return f"4{fact.status[1:]}" if fact.status[0] != "2" else _UNKNOWN["delayed"]
    is_success = fact.status[0] == "2"
    return fact.status if is_success == (fact.action != "failed") else _UNKNOWN[fact.action]


def _original_part(facts: NdrFacts) -> Part:
    original = canonical(facts.original)
    header, separator, body = original.partition(b"\r\n\r\n")
    if separator and body and len(original) <= RETURNED_WHOLE:
        return _raw_part("message/rfc822", original)
    header = header.removesuffix(CRLF) + CRLF
    return _raw_part("message/global-headers" if _is_international(header) else "text/rfc822-headers", header)


def _is_international(header: bytes) -> bool:
    """Whether it needs a type of RFC 6533."""
    if header.isascii():
        return False
    try:
        header.decode()
    except UnicodeDecodeError:
        return False
    return True


def _raw_part(media_type: str, data: bytes) -> Part:
    is_8bit = not data.isascii()
    encoding = "8bit" if is_8bit else "7bit"
    header = f"Content-Type: {media_type}\r\nContent-Transfer-Encoding: {encoding}\r\n"
    return Part(header, (data,), is_8bit, (data,))
