"""What comes back about a message: delivery reports, receipts, bounces in words.

Read are delivery-status (RFC 3464, 6533) and disposition notifications (RFC 8098), and, of bounces that are neither,
what their returned copy and their first lines say.  All of it is a stranger's word: reading is bounded, raises nothing,
and what is found has to be matched with something that was sent (`delivery.arrival.noticing`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

from graphpost.errors import MimeError
from graphpost.mail.charset import decode_unlabelled
from graphpost.mail.encoding import decode
from graphpost.mail.scan import Node, ParseLimits, read_fields, scan

State = Literal["delayed", "relayed", "expanded", "delivered", "bounced", "processed", "deleted", "read"]

LONGEST: Final = 1_048_576  # octets of a report that are looked at
_MOST: Final = 1000  # recipients in one report
_LIMITS: Final = ParseLimits(depth=10, parts=100, header_bytes=65_536)
_PART: Final = 262_144  # octets of one part
_WORDS: Final = 500  # characters of what was said that are kept
_STATUS_TYPES: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
_NOTIFICATION_TYPES: Final = frozenset(
    {"message/disposition-notification", "message/global-disposition-notification"}
)
_COPY_TYPES: Final = frozenset(
    {"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"}
)
_ACTIONS: Final[dict[str, State]] = {
    "failed": "bounced",
    "delayed": "delayed",
    "delivered": "delivered",
    "relayed": "relayed",
    "expanded": "expanded",
}
_DISPOSITIONS: Final[dict[str, State]] = {
    "displayed": "read",
    "deleted": "deleted",
    "processed": "processed",
    "dispatched": "processed",
}
_ID: Final = re.compile(r"<[^<>\s]{1,900}>")
_STATUS: Final = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")
_RETURNED_ID: Final = re.compile(
    r"^[> \t]{0,9}message-id:[ \t]{0,9}(<[^<>\s]{1,900}>)", re.IGNORECASE | re.MULTILINE
)
_COPY_BEGINS: Final = re.compile(
    r"^(?:-{3}|[> \t]{0,9}(?:return-path|received|message-id|from|subject):)", re.IGNORECASE | re.MULTILINE
)
_ADDRESS: Final = re.compile(r"[^\s<>()\[\]\",;:@]{1,64}@[^\s<>()\[\]\",;:@]{1,255}")
_ESCAPED: Final = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_POSTMEN: Final = re.compile(r"mailer-daemon|postmaster|mail delivery|microsoftexchange", re.IGNORECASE)


class Told(Struct, frozen=True):
    """What is said of one recipient; '' for an address when the report does not say."""

    state: State
    address: str = ""
    original: str = ""  # the address as we wrote it, when that is another
    status: str = ""
    text: str = ""


class Returned(Struct, frozen=True):
    """A report: which message it is about, as far as it says, and what it says of whom."""

    told: tuple[Told, ...]
    envelope_id: str = ""
    message_id: str = ""


def read_returned(data: bytes) -> Returned | None:
    """The report that these bytes are; None when they are none, or say of nobody what became of the message."""
    try:
        root = scan(data[:LONGEST], _LIMITS)
    except MimeError:
        return None
    leaves = list(_leaves(root, data))
    for node in leaves:
        if node.content_type.value in _STATUS_TYPES:
            return _delivery_report(data, node, leaves)
        if node.content_type.value in _NOTIFICATION_TYPES:
            return _notification(data, node)
    return _bounce(data, root, leaves)


def _leaves(node: Node, data: bytes) -> Iterator[Node]:
    if not node.children:
        yield node
    for child in node.children:
        yield from _leaves(child, data)


def _delivery_report(data: bytes, node: Node, leaves: list[Node]) -> Returned | None:
    groups = _groups(_octets(data, node))
    if not groups:
        return None
    told = [found for group in groups if (found := _of_recipient(group)) is not None]
    return (
        Returned(
            tuple(told[:_MOST]),
            envelope_id=groups[0].get("original-envelope-id", "").strip(),
            message_id=_copied_id(data, leaves),
        )
        if told
        else None
    )


def _of_recipient(group: dict[str, str]) -> Told | None:
    state = _ACTIONS.get(group.get("action", "").partition("(")[0].strip().lower())
    if state is None:
        return None
    status = _STATUS.search(group.get("status", ""))
    return Told(
        state,
        address=_typed(group.get("final-recipient", "")),
        original=_typed(group.get("original-recipient", "")),
        status=status[0] if status else "",
        text=_shortened(group.get("diagnostic-code", "")),
    )


def _notification(data: bytes, node: Node) -> Returned | None:
    groups = _groups(_octets(data, node))
    if not groups:
        return None
    group = groups[0]
    kind = group.get("disposition", "").partition(";")[2].partition("/")[0].strip().lower()
    state, about = _DISPOSITIONS.get(kind), _ID.search(group.get("original-message-id", ""))
    if state is None or about is None:
        return None
    address, original = _typed(group.get("final-recipient", "")), _typed(group.get("original-recipient", ""))
    return Returned(
        (Told(state, address, original, text=_shortened(group["disposition"])),), message_id=about[0]
    )


def _bounce(data: bytes, root: Node, leaves: list[Node]) -> Returned | None:
    """What a mail system says in words: which copy it returns, and whom it names before that."""
    if not _POSTMEN.search(root.first.get("from", "")) and "x-failed-recipients" not in root.first:
        return None
    texts = [node for node in leaves if node.content_type.value == "text/plain"]
    words = decode_unlabelled(_octets(data, texts[0])) if texts else ""
    found = _RETURNED_ID.search(words)
    message_id = _copied_id(data, leaves) or (found[1] if found else "") or _answered_id(root)
    if not message_id:
        return None
    begins = _COPY_BEGINS.search(words)
    said = words[: begins.start()] if begins else words
    named = _ADDRESS.findall(root.first.get("x-failed-recipients", "")[:_PART] or said[:65_536])
    status = _STATUS.search(said)
    is_late = status is not None and status[0].startswith("4") and "x-failed-recipients" not in root.first
    made = Told(
        "delayed" if is_late else "bounced", status=status[0] if status else "", text=_shortened(said)
    )
    addresses = list(dict.fromkeys(address.strip(".").lower() for address in named))[:_MOST]
    told = [Told(made.state, address, status=made.status, text=made.text) for address in addresses]
    return Returned(tuple(told) or (made,), message_id=message_id)


def _answered_id(root: Node) -> str:
    found = _ID.search(root.first.get("in-reply-to", ""))
    return found[0] if found else ""


def _copied_id(data: bytes, leaves: list[Node]) -> str:
    """The Message-ID of the copy that is returned; a copy may be a header that does not end."""
    for node in leaves:
        if node.content_type.value in _COPY_TYPES:
            for name, value in _fields(_octets(data, node)):
                if name.lower() == "message-id" and (found := _ID.search(value)):
                    return found[0]
    return ""


def _octets(data: bytes, node: Node) -> bytes:
    """A part's content, its transfer encoding undone."""
    raw = data[node.start : min(node.end, node.start + _PART)]
    encoding = node.first.get("content-transfer-encoding", "").strip().lower()
    return b"".join(decode(iter((raw,)), encoding)) if encoding in ("base64", "quoted-printable") else raw


def _groups(octets: bytes) -> list[dict[str, str]]:
    """Fields by lower-case name, in groups between blank lines."""
    text = octets.replace(b"\r\n", b"\n").strip(b"\n")
    blocks = re.split(rb"\n[ \t]*\n", text, maxsplit=_MOST + 1)
    found = []
    for block in blocks[: _MOST + 1]:
        fields: dict[str, str] = {}
        for name, value in _fields(block.strip(b"\n") + b"\n\n"):
            fields.setdefault(name.lower(), value)
        if fields:
            found.append(fields)
    return found


def _fields(octets: bytes) -> list[tuple[str, str]]:
    try:
        return read_fields(octets + b"\n\n", 0, len(octets) + 2, _PART + 2)[0]
    except MimeError:
        return []


def _typed(value: str) -> str:
    """The address of `rfc822; …` or `utf-8; …` (RFC 6533 §3)."""
    kind, separator, text = value.partition(";")
    text = (text if separator else kind).strip().strip("<>")
    if kind.strip().lower() == "utf-8":
        text = _ESCAPED.sub(_character, text)
    return text if "@" in text and len(text) <= 400 else ""


def _character(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return chr(number) if 0x20 < number < 0x110000 and not 0xD800 <= number < 0xE000 else ""


def _shortened(text: str) -> str:
    words = " ".join(text[: 4 * _WORDS].split())[:_WORDS]
    return "".join(c if c.isprintable() else "?" for c in words)
