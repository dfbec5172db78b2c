"""Writing header fields: one value in, complete folded lines out.

Nothing written here can begin another field.  Lines are at most 78 characters where there is somewhere to
fold, and never over 998 (RFC 5322 2.1.1).  CR, LF, NUL and other control characters become spaces whatever
the field, which is the last defence: callers refuse them earlier. The result is a str of ASCII, but for
addresses that need SMTPUTF8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from graphpost.clock import SECOND, Instant
from graphpost.mail.address import is_valid_address, to_wire
from graphpost.mail.message import Address
from graphpost.mail.word import WORD_LENGTH, encode_words

MENTIONS: Final = "X-Graphpost-Mentions"  # tells mailboxes of servers like this one who is mentioned
FOLD: Final = 78
_LONGEST: Final = 900  # of an unbreakable piece; leaves room for the name within 998
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]+")
_CHUNK: Final = re.compile(r" *[^ ]+")
_PHRASE: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/^_`{|}~-]+)*")
_NAME: Final = re.compile(r"[!-9;-~]{1,255}")
_NOT_IN_ADDRESS: Final = re.compile(r"[\x00-\x20\x7f<>()\[\]\\,;:\"\ud800-\udfff]+")
_NOT_IN_ID: Final = re.compile(r"[^!-~]+")
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def is_field_name(name: str) -> bool:
    """Whether it can be a header field's name (RFC 5322 ftext, at most 255 characters)."""
    return _NAME.fullmatch(name) is not None


def text_field(name: str, value: str) -> str:
    """A field of free text; what is not printable ASCII, or would be taken for encoded, is encoded (RFC 2047)."""
    value = one_line(value)
    if _is_plain(value) and "=?" not in value:
        if len(value) + len(name) <= FOLD - 2:
            return f"{name}: {value}\r\n"
        chunks = _CHUNK.findall(value)
        if max(map(len, chunks), default=0) <= _LONGEST:
            return fold(name, chunks)
    words = encode_words(value, max(30, WORD_LENGTH - len(name) - 2))
    return fold(name, [" " + word if place else word for place, word in enumerate(words)])


def _is_plain(value: str) -> bool:
    """Whether it is printable ASCII."""
    return value.isascii() and value.isprintable()


def address_field(name: str, addresses: Sequence[Address]) -> str:
    """A field of mailboxes; '' when there is none to name."""
    if len(addresses) == 1:  # nearly every field
        mailbox = mailbox_text(addresses[0])
        if mailbox and len(name) + len(mailbox) <= FOLD - 2:
            return f"{name}: {mailbox}\r\n"
    written = [mailbox for mailbox in map(mailbox_text, addresses) if mailbox]
    if not written:
        return ""
    last = len(written) - 1
    chunks = [
        (" " if place else "") + text + ("," if place < last else "") for place, text in enumerate(written)
    ]
    return fold(name, [piece for chunk in chunks for piece in _split_long(chunk)])


def ids_field(name: str, ids: Iterable[str]) -> str:
    """A field of message ids; '' when there is none."""
    kept = [written for written in map(message_id_text, ids) if written]
    return fold(name, [" " + text if place else text for place, text in enumerate(kept)]) if kept else ""


def message_id_text(message_id: str) -> str:
    """The id without anything that could not be in one; `<` and `>` are added when both are missing."""
    text = message_id[:_LONGEST]
    if not _is_plain(message_id) or " " in message_id:
        text = _NOT_IN_ID.sub("", message_id)[:_LONGEST]
    return f"<{text}>" if text and "<" not in text and ">" not in text else text


def parameters(pairs: Iterable[tuple[str, str]]) -> str:
    """MIME parameters, each on a line of its own: quoted, or RFC 2231 when long or not ASCII."""
    return "".join(_parameter(name, one_line(value)) for name, value in pairs)


def date_text(instant: Instant) -> str:
    """RFC 5322 date and time, in UTC; '' for an instant no calendar has."""
    return _date_text(instant // SECOND)


def one_line(value: str) -> str:
    """The value without control characters and outer white space."""
    return (value if value.isprintable() else _CONTROLS.sub(" ", value)).strip()


def fold(name: str, chunks: Sequence[str]) -> str:
    """Join the chunks, breaking before one that begins with a space where the line would be too long."""
    lines: list[str] = []
    current = f"{name}: "
    for chunk in chunks:
        if len(current) + len(chunk) > FOLD and chunk.startswith(" ") and chunk.strip() and current.strip():
            lines.append(current)
            current = chunk
        elif len(current) + len(chunk) > FOLD and not lines and current == f"{name}: " and len(current) > 40:
            lines.append(f"{name}:")  # a long name: the value begins on the next line
            current = " " + chunk
        else:
            current += chunk
    lines.append(current)
    return "\r\n".join(lines) + "\r\n"


@lru_cache(maxsize=4096)
def mailbox_text(mailbox: Address) -> str:
    """`Name <address>` as it stands in a field; '' when there is no address."""
    address = _address_text(mailbox.address)
    name = one_line(mailbox.name)
    if not address or not name:
        return address
    if _PHRASE.fullmatch(name) and len(name) <= FOLD:
        return f"{name} <{address}>"
    if _is_plain(name) and "=?" not in name and len(name) <= FOLD:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{address}>'
    return f"{' '.join(encode_words(name, 60))} <{address}>"


def _address_text(address: str) -> str:
    """The address for the wire; what is no address is made harmless, not repaired."""
    if is_valid_address(address):
        return to_wire(address)
    local, at, domain = address.rpartition("@")
    if not at:
        return _NOT_IN_ADDRESS.sub("", domain)[:_LONGEST]
    local = _NOT_IN_ADDRESS.sub("", local)[: _LONGEST // 2]
    domain = _NOT_IN_ADDRESS.sub("", to_wire("x@" + domain)[2:])[: _LONGEST // 2]
    return f"{local}@{domain}" if local and domain else ""


def _split_long(chunk: str) -> list[str]:
    """A mailbox too long for a line may be folded between its words, but not inside a quoted name."""
    if len(chunk) < FOLD or '"' in chunk:
        head, separator, tail = chunk.rpartition(" <")
        return [head, separator + tail] if len(chunk) >= FOLD and separator and head.strip() else [chunk]
    return _CHUNK.findall(chunk)


def _parameter(name: str, value: str) -> str:
    if _is_plain(value) and len(value) <= 60:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f';\r\n\t{name}="{escaped}"'
    if _is_plain(value):
        pieces = [value[start : start + 50] for start in range(0, len(value), 50)]
        quoted = [piece.replace("\\", "\\\\").replace('"', '\\"') for piece in pieces]
        return "".join(f';\r\n\t{name}*{number}="{piece}"' for number, piece in enumerate(quoted))
    encoded = quote(value.encode("utf-8", "replace"), safe="!#$&+-.^_`{}~")
    if len(encoded) <= 60:
        return f";\r\n\t{name}*=utf-8''{encoded}"
    return "".join(
        f";\r\n\t{name}*{number}*={chunk}"
        for number, chunk in enumerate(_percent_chunks("utf-8''" + encoded))
    )


def _percent_chunks(encoded: str) -> list[str]:
    """Pieces of at most 60 characters, none ending inside a %XX."""
    chunks = []
    start = 0
    while start < len(encoded):
        end = min(start + 60, len(encoded))
        mark = encoded.rfind("%", end - 2, end)
        if mark >= 0 and end < len(encoded):
            end = mark
        chunks.append(encoded[start:end])
        start = end
    return chunks


@lru_cache(maxsize=64)
def _date_text(seconds: int) -> str:
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day:02d} {_MONTHS[moment.month - 1]} {moment.year:04d} "
        f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} +0000"
    )
