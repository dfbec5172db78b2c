"""Identifiers: numbers inside, and the opaque texts Graph shows for them.

Inside, every row has a 63-bit number that grows with time: microseconds since 2020 and twelve bits that tell processes
apart.  Outside, ids look like Exchange's (`AAMk…`, base64url, case-sensitive, 152 characters for a message) because
clients store them in columns of that width and paste them into paths unescaped.  A text that is none of ours raises
ValueError; one that is ours but names nothing is for the caller to find out.
"""

from __future__ import annotations

import os
import secrets
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

NEWEST: Final = 2**63 - 1
_BASE: Final = 1_577_836_800_000_000  # 2020-01-01 in microseconds
_ITEM: Final = b"\x00\x03\x24\x00"
_ITEM_MARK: Final = b"\x00\x46\x00"
_FOLDER_MARK: Final = b"\x00\x2e\x00"
_CONVERSATION: Final = b"\x00\x04\x24\x00"
_CONVERSATION_MARK: Final = b"\x00\x10\x00"
_IMMUTABLE: Final = b"\x00\x09\x00\x2e\x00"
_ATTACHMENT_MARK: Final = b"\x01\x12\x00\x10\x00"
_PROVIDER: Final = (
    b"\x00" * 4 + bytes.fromhex("a7f1b7c05e1d4c5b9d3e0f6a2b8c4d10") + b"\x07\x00"
)  # 22 bytes, ours


class Numbers:
    """Hands out strictly growing 63-bit numbers; safe to share between threads."""

    def __init__(self, now: Callable[[], int], node: int | None = None) -> None:
        self._now = now
        self._node = secrets.randbelow(4096) if node is None else node & 4095
        self._last = 0
        self._lock = Lock()

    def next(self) -> int:
        with self._lock:
            self._last = max(self._last + 1, self._now() - _BASE)
            return self._last << 12 | self._node


def number_at(instant: int) -> int:
    """A number that is not above any that is handed out from then on, nor below those of before."""
    return min(max(0, instant - _BASE) << 12, NEWEST)


def instant_of(number: int) -> int:
    """When a number was handed out, about."""
    return (number >> 12) + _BASE


class Random:
    """Random bytes from the system, fetched many at a time: every fetch gives up the interpreter lock, which under load
    costs more than all else that a request does."""

    def __init__(self, fetched: int = 8192) -> None:
        self._fetched = fetched
        self._pool = b""
        self._used = 0
        self._lock = Lock()

    def take(self, count: int) -> bytes:
        with self._lock:
            start, self._used = self._used, self._used + count
            if self._used > len(self._pool):
                self._pool, start, self._used = os.urandom(self._fetched), 0, count
            return self._pool[start : start + count]


random_bytes: Final = Random().take


def new_guid() -> str:
    """A random GUID (RFC 9562, version 4) in its usual form."""
    digits = random_bytes(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


@dataclass(frozen=True, slots=True)
class ItemId:
    """What a message id names.  `moves` is None in an immutable id: it resolves wherever the message is."""

    mailbox: str  # object id, lower case
    message_id: int
    moves: int | None
    attachment_id: int | None = None


def message_id_text(mailbox: str, message_id: int, moves: int, *, immutable: bool = False) -> str:
    """A message's id as Graph shows it; `mailbox` is the object id (36 characters)."""
    if immutable:
        return _text(_IMMUTABLE + mailbox.encode() + message_id.to_bytes(8, "big"))
    return _text(_item(mailbox, message_id, moves))


def attachment_id_text(mailbox: str, message_id: int, moves: int, attachment_id: int) -> str:
    return _text(_item(mailbox, message_id, moves) + _ATTACHMENT_MARK + attachment_id.to_bytes(8, "big"))


def folder_id_text(mailbox: str, folder_id: int) -> str:
    return _text(
        _ITEM
        + mailbox.encode()
        + _FOLDER_MARK
        + _PROVIDER
        + bytes(8)
        + folder_id.to_bytes(8, "big")
        + bytes(8)
    )


def conversation_id_text(mailbox: str, conversation: bytes) -> str:
    """`conversation` is the 16-byte GUID that the conversation index holds too."""
    return _text(_CONVERSATION + mailbox.encode() + _CONVERSATION_MARK + conversation)


def change_key_text(message_id: int, version: int) -> str:
    """A changeKey: new for every version; not a secret, not a clock."""
    number = (message_id & (2**63 - 1)).to_bytes(8, "big")
    key = b"\x09\x00\x00\x00\x16\x00\x00\x00" + _PROVIDER[4:12] + number + version.to_bytes(6, "big")
    return urlsafe_b64encode(key).decode().replace("-", "+").replace("_", "/")


def parse_item_id(text: str) -> ItemId:
    """The message (and attachment) a text names; ValueError when it is not one of our ids."""
    data = _bytes(text)
    if data.startswith(_IMMUTABLE) and len(data) == len(_IMMUTABLE) + 44:
        return ItemId(_mailbox(data[5:41]), _number(data[41:49]), None)
    if not data.startswith(_ITEM) or data[40:43] != _ITEM_MARK or data[43:65] != _PROVIDER:
        raise ValueError("not an item id")
    item = ItemId(_mailbox(data[4:40]), _number(data[89:97]), int.from_bytes(data[97:101], "big"))
    if len(data) == 113:
        return item
    if len(data) == 126 and data[113:118] == _ATTACHMENT_MARK:
        return ItemId(item.mailbox, item.message_id, item.moves, _number(data[118:126]))
    raise ValueError("not an item id")


def parse_folder_id(text: str) -> tuple[str, int]:
    """(mailbox object id, folder number) of a folder's id; ValueError when it is not one of ours."""
    data = _bytes(text)
    if (
        len(data) != 89
        or not data.startswith(_ITEM)
        or data[40:43] != _FOLDER_MARK
        or data[43:65] != _PROVIDER
    ):
        raise ValueError("not a folder id")
    return _mailbox(data[4:40]), _number(data[73:81])


def parse_conversation_id(text: str) -> bytes:
    """The conversation's 16-byte GUID; ValueError when it is not one of our ids."""
    data = _bytes(text)
    if len(data) != 59 or not data.startswith(_CONVERSATION) or data[40:43] != _CONVERSATION_MARK:
        raise ValueError("not a conversation id")
    return data[43:]


def _item(mailbox: str, message_id: int, moves: int) -> bytes:
    entry = _PROVIDER + bytes(24) + message_id.to_bytes(8, "big") + moves.to_bytes(4, "big") + bytes(12)
    return _ITEM + mailbox.encode() + _ITEM_MARK + entry


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode()


def _bytes(text: str) -> bytes:
    try:
        raw = text.encode("ascii")
        data = urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
    except (UnicodeEncodeError, ValueError) as error:
        raise ValueError("not base64url") from error
    if urlsafe_b64encode(data).rstrip(b"=") != raw.rstrip(b"="):
        raise ValueError("not base64url")
    return data


def _mailbox(data: bytes) -> str:
    text = data.decode("ascii")
    if str(uuid.UUID(text)) != text:
        raise ValueError("not a mailbox GUID")
    return text


def _number(data: bytes) -> int:
    """A number of a message, folder or attachment: 63 bits, as the databases have them."""
    number = int.from_bytes(data, "big")
    if number >= 2**63:
        raise ValueError("not a number of ours")
    return number
