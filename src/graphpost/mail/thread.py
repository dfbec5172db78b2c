"""Conversations: the conversation index, the topic, and the conversation's GUID.

An index (MS-OXOMSG 2.2.1.3) is a 22-byte header, 01 + the top five bytes of a big-endian FILETIME + a 16-byte
GUID, and five bytes for every reply: a time difference and a level.  Outlook on the desktop writes the top
six bytes of the FILETIME without the constant 01; the first of them is 01 too, so that only the time is read
differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import md5
from typing import Final

from graphpost.clock import Instant

HEADER_LENGTH: Final = 22
CHILD_LENGTH: Final = 5
_LONGEST_INDEX: Final = HEADER_LENGTH + 100 * CHILD_LENGTH
_MOST_REFERENCES: Final = 50
_ID: Final = re.compile(r"<[!-;=?-~]{1,900}>")
_NAMING: Final = re.compile(r"<[0-9a-f]{16}\.[0-9a-f]{8}\.([0-9a-f]{32})@[^<>@\s]{1,255}>")
_FILETIME_EPOCH: Final = 116_444_736_000_000_000  # 1970 in units of 100 ns since 1601
_PREFIX: Final = re.compile(r"(?:[^\W\d_]{1,3}:(?:\s++|$)|(?:re|fwd?):)\s*+", re.IGNORECASE)


def new_index(now: Instant, guid: bytes) -> bytes:
    """The index of a message that begins a conversation; `guid` are the conversation's 16 bytes."""
    if len(guid) != 16:
        raise ValueError("a conversation is named by 16 bytes")
    return b"\x01" + _filetime(now).to_bytes(8, "big")[:5] + guid


def child_index(parent: bytes, now: Instant, salt: int = 0) -> bytes:
    """The index of a reply to or forward of `parent`; ValueError when that is not an index.

    `salt` gives the four bits that tell apart replies made at the same moment.
    """
    if not is_index(parent):
        raise ValueError("not a conversation index")
    elapsed = max(0, _filetime(now) - _begun(parent))
    code, ticks = (0, elapsed >> 18) if elapsed < 1 << 49 else (1, elapsed >> 23)
    level = (len(parent) - HEADER_LENGTH) // CHILD_LENGTH
    child = code << 31 | min(ticks, 0x7FFF_FFFF)
    return parent + child.to_bytes(4, "big") + bytes(((salt & 15) << 4 | min(level, 15),))


def answering_index(parent: bytes, conversation: bytes, now: Instant, salt: int = 0) -> bytes:
    """The index of an answer in a conversation, whatever the answered message has for one.

    A parent that is no index of that conversation, or has grown past all sense, counts as the conversation's first.
    """
    begun = conversation_of(parent)
    if begun is None or (conversation and begun != conversation) or len(parent) > _LONGEST_INDEX:
        parent = new_index(now, conversation or begun or conversation_of_topic(""))
    return child_index(parent, now, salt)


def ancestry(message_id: str, references: Iterable[str], in_reply_to: str = "") -> tuple[str, ...]:
    """The References of an answer (RFC 5322 3.6.4): those of the message answered and its id, which is the last.

    Of a long row the first and the latest stay; what could not stand in the field does not.  () without any.
    """
    own = usable_id(message_id)
    former = [found for each in references if (found := usable_id(each)) and found != own]
    if not former and (parent := usable_id(in_reply_to)) != own:
        former = [parent] if parent else []
    kept = list(dict.fromkeys(former))
    if len(kept) >= _MOST_REFERENCES:
        kept = [kept[0], *kept[2 - _MOST_REFERENCES :]]
    return (*kept, own) if own else tuple(kept)


def usable_id(text: str) -> str:
    """The message id in its angle brackets; '' when it is none that a field could hold."""
    found = text.strip() if "<" in text else f"<{text.strip()}>"
    return found if _ID.fullmatch(found) else ""


def is_index(index: bytes) -> bool:
    """Whether the bytes have the shape of a conversation index."""
    excess = len(index) - HEADER_LENGTH
    return excess >= 0 and excess % CHILD_LENGTH == 0 and index[0] == 1


def conversation_of(index: bytes) -> bytes | None:
    """The conversation's 16-byte GUID; None when it is not an index."""
    return index[6:HEADER_LENGTH] if is_index(index) else None


def topic(subject: str) -> str:
    """The subject without its `RE:`, `FW:`, `AW:` … (MS-OXCMAIL: up to three letters and a colon)."""
    position = 0
    while ":" in subject and (match := _PREFIX.match(subject, position)):
        position = match.end()
    return subject[position:].strip()


def conversation_of_topic(subject: str) -> bytes:
    """The conversation of a message without an index: messages of one topic belong together (MS-OXCMSG)."""
    return md5(topic(subject).upper().encode("utf-16-le", "replace"), usedforsecurity=False).digest()


def conversation_named(message_ids: Iterable[str]) -> bytes | None:
    """The conversation that is named in the first Message-ID that names one: those of Graphpost's messages do."""
    for each in message_ids:
        if found := _NAMING.fullmatch(each):
            return bytes.fromhex(found[1])
    return None


def _filetime(now: Instant) -> int:
    return now * 10 + _FILETIME_EPOCH


def _begun(index: bytes) -> int:
    """When the conversation began, as FILETIME."""
    top = index[1:6] + b"\0\0\0" if index[1] == 1 else index[:6] + b"\0\0"
    return int.from_bytes(top, "big")
