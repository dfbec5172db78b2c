"""Messages that came as MIME: what is stored, and what goes over the wire.

Stored is what the client sent, with CRLF line ends, without NUL and reserved fields, with Date and
Message-ID.  Over the wire goes what is stored but Bcc, and with the Sender that a message on behalf of somebody needs.  Nothing else is touched: signed parts keep their
signature, fields their order and folding.  Lines over 998 octets are passed on as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from graphpost.clock import Instant
from graphpost.errors import MimeError
from graphpost.mail.compose import RESERVED
from graphpost.mail.encoding import canonical
from graphpost.mail.field import date_text, message_id_text
from graphpost.mail.scan import message_start

Reader = Callable[[int], Iterator[bytes]]
"""Gives the stored octets from an offset on, in chunks; may be called again."""

_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*)(?:\n|\Z)")
_RESERVED: Final = tuple(prefix.encode() for prefix in RESERVED)
_HIDDEN: Final = (b"bcc", b"resent-bcc")
_LONGEST_HEADER: Final = 1_048_576
_END: Final = b"\r\n\r\n"


def normalise(data: bytes, *, message_id: str, date: Instant) -> bytes:
    """What is stored for a MIME submission; MimeError when it does not begin with a header field.

    `message_id` and `date` are used where the message has none.  Blank lines and an mbox `From ` line before the header
    go; a line in the header that is no field begins the body, as `parse` takes it, and gets its empty line.
    """
    data = canonical(data)
    data = data[message_start(data) :]
    if not data.endswith(b"\r\n"):
        data += b"\r\n"
    end = data.find(_END)
    header = data if end < 0 else data[: end + 2]
    kept, present, position = [], set(), 0
    while match := _FIELD.match(header, position):
        position = match.end()
        name = match[1].lower()
        if name.startswith(_RESERVED) or (name in (b"date", b"message-id") and not match[2].strip()):
            continue
        present.add(name)
        kept.append(match[0])
    if not position:
        raise MimeError("there is no header field")
    if b"message-id" not in present:
        kept.append(f"Message-ID: {message_id_text(message_id)}\r\n".encode())
    if b"date" not in present:
        kept.append(f"Date: {date_text(date)}\r\n".encode())
    body = data[position:]
    return b"".join(kept) + (body if body.startswith(b"\r\n") else b"\r\n" + body)


def read_header(chunks: Iterator[bytes]) -> bytes:
    """The octets up to and with the empty line; MimeError when it does not come within a megabyte."""
    header = b""
    for chunk in chunks:
        seen = max(0, len(header) - 3)
        header += chunk
        end = header.find(_END, seen)
        if end >= 0:
            return header[: end + 4]
        if len(header) > _LONGEST_HEADER:
            raise MimeError("the header does not end")
    return header


def without_bcc(header: bytes) -> bytes:
    """The header without Bcc and Resent-Bcc, folded ones too; all else as it is."""
    kept, position = [], 0
    while match := _FIELD.match(header, position):
        position = match.end()
        if match[1].lower() not in _HIDDEN:
            kept.append(match[0])
    return b"".join(kept) + header[position:]


def _names_sender(header: bytes) -> bool:
    position = 0
    while match := _FIELD.match(header, position):
        if match[1].lower() == b"sender" and match[2].strip():
            return True
        position = match.end()
    return False


class Relayed:
    """A stored message ready for the wire; iterating gives its chunks, as often as wanted."""

    def __init__(self, size: int, chunks: Reader, header: bytes, sender: bytes = b"") -> None:
        self._chunks = chunks
        self._skipped = len(header)
        self._header = without_bcc(header)
        if sender and not _names_sender(header):
            self._header = sender + self._header
        self._is_8bit: bool | None = None
        self.size = size - len(header) + len(self._header)

    @property
    def is_8bit(self) -> bool:
        """Whether any octet is above 127; the first time this is asked, the content is read."""
        if self._is_8bit is None:
            self._is_8bit = any(not chunk.isascii() for chunk in self)
        return self._is_8bit

    def __iter__(self) -> Iterator[bytes]:
        stream = self._chunks(self._skipped)
        yield self._header + next(stream, b"")
        yield from stream


def outgoing(size: int, chunks: Reader, header: bytes = b"", sender: bytes = b"") -> Relayed:
    """What goes over the wire of `size` stored octets.

    `header` are its first octets up to and with the empty line; they are read when not given.  `sender` is the field that
    goes before it when it has none of that name.
    """
    return Relayed(size, chunks, header or read_header(chunks(0)), sender)
