"""MIME parts being written: texts, files, messages, multiparts.

A part is pieces that stream: octets, or a `Streamed` content.  Sizes are known without generating anything,
but that an attached message is read once beforehand: it must not be encoded (RFC 2046 5.2.1), so its line
ends are made CRLF and 8-bit octets looked for.  Boundaries hold `=_`, which neither base64 nor
quoted-printable can; what is written as it is gets searched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

from graphpost.mail.contenttype import is_media_type, parse_parametrised
from graphpost.mail.encoding import (
    base64_size,
    canonical_chunks,
    decode,
    encode_base64,
    encode_quoted,
)
from graphpost.mail.field import one_line, parameters
from graphpost.mail.message import Attachment, ContentRef

Opener = Callable[[ContentRef], Iterator[bytes]]

CRLF: Final = b"\r\n"
LONGEST_LINE: Final = 998
UNKNOWN_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Streamed:
    """A content that is opened anew each time it is read; `as_it_is` is an attached message, else base64."""

    ref: ContentRef
    contents: Opener
    size: int
    as_it_is: bool = False

    def __iter__(self) -> Iterator[bytes]:
        decoded = decode(self.contents(self.ref), self.ref.encoding)
        return canonical_chunks(decoded) if self.as_it_is else encode_base64(decoded)


Piece = bytes | Streamed


class Part(NamedTuple):
    """`header` are its Content-* fields; the line end after `pieces` belongs to whatever follows."""

    header: str
    pieces: tuple[Piece, ...]
    is_8bit: bool = False
    searched: tuple[Piece, ...] = ()  # what could hold a boundary


def text_part(content: str, subtype: str) -> Part:
    """Text as 7bit when it is that, else quoted-printable or base64, whichever is smaller."""
    encoding, data = encode_text(content)
    return Part(text_header(subtype, encoding), (data,), searched=(data,) if encoding == "7bit" else ())


def text_header(subtype: str, encoding: str) -> str:
    return f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n'


def encode_text(content: str) -> tuple[str, bytes]:
    """(encoding's name, octets without a line end that is not the content's)."""
    if "\n" in content or "\r" in content:
        content = content.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    if "\0" in content:
        content = content.replace("\0", "")
    data = content.encode("utf-8", "replace")
    if content.isascii() and (len(data) <= LONGEST_LINE or max(map(len, data.split(CRLF))) <= LONGEST_LINE):
        return "7bit", data
    quoted = encode_quoted(data + CRLF)[:-2]
    if len(quoted) <= base64_size(len(data)) - 2:
        return "quoted-printable", quoted
    return "base64", b"".join(encode_base64((data,)))[:-2]


def attachment_part(attachment: Attachment, contents: Opener, *, inline: bool) -> Part | None:
    """The part of an attachment; None for one without content (a reference)."""
    if attachment.content is None:
        return None
    if attachment.kind == "item":
        return _message_part(attachment, attachment.content, contents)
    names = [("name", attachment.name)] if one_line(attachment.name) else []
    header = (
        f"Content-Type: {_media_type(attachment.content_type)}{parameters(names)}\r\n"
        f"{_disposition(attachment, inline)}{_content_id(attachment)}Content-Transfer-Encoding: base64\r\n"
    )
    size = base64_size(attachment.size)
    return Part(header, (Streamed(attachment.content, contents, size),))


def multipart(subtype: str, children: list[Part], seed: str, extra: str = "") -> Part:
    """Parts in one; the boundary follows from `seed`."""
    searched = tuple(piece for child in children for piece in child.searched)
    boundary = _boundary(seed + subtype, searched)
    pieces: list[Piece] = []
    for place, child in enumerate(children):
        opening = f"{'' if place == 0 else CRLF.decode()}--{boundary}\r\n{child.header}\r\n"
        pieces.append(opening.encode("ascii"))
        pieces.extend(child.pieces)
    pieces.append(f"\r\n--{boundary}--".encode("ascii"))
    header = f'Content-Type: multipart/{subtype};\r\n\tboundary="{boundary}"{extra}\r\n'
    is_8bit = any(child.is_8bit for child in children)
    if is_8bit:
        header += "Content-Transfer-Encoding: 8bit\r\n"
    return Part(header, tuple(pieces), is_8bit, searched)


def _message_part(attachment: Attachment, ref: ContentRef, contents: Opener) -> Part:
    size, is_8bit = 0, False
    for chunk in Streamed(ref, contents, 0, as_it_is=True):
        size += len(chunk)
        is_8bit = is_8bit or not chunk.isascii()
    streamed = Streamed(ref, contents, size, as_it_is=True)
    encoding = "8bit" if is_8bit else "7bit"
    header = (
        f"Content-Type: message/rfc822\r\n{_disposition(attachment, False)}{_content_id(attachment)}"
        f"Content-Transfer-Encoding: {encoding}\r\n"
    )
    return Part(header, (streamed,), is_8bit, (streamed,))


def _disposition(attachment: Attachment, inline: bool) -> str:
    names = [("filename", attachment.name)] if one_line(attachment.name) else []
    return f"Content-Disposition: {'inline' if inline else 'attachment'}{parameters(names)}\r\n"


def _content_id(attachment: Attachment) -> str:
    kept = "".join(c for c in attachment.content_id if "!" <= c <= "~" and c not in "<>")[:900]
    return f"Content-ID: <{kept}>\r\n" if kept else ""


def _media_type(text: str) -> str:
    """The type and its parameters; composite types, which must not be base64, and nonsense become octets."""
    value, given = parse_parametrised(one_line(text))
    if not is_media_type(value) or value.startswith(("multipart/", "message/")):
        return UNKNOWN_TYPE
    kept = [
        (name, text) for name, text in given.items() if name not in ("name", "boundary") and name.isalnum()
    ]
    return value + parameters((name, text) for name, text in kept if name.isascii() and len(name) <= 40)


def _boundary(seed: str, searched: Iterable[Piece]) -> str:
    attempt = 0
    while True:
        digest = blake2b(f"{attempt}{seed}".encode("utf-8", "replace"), digest_size=12).hexdigest()
        boundary = f"=_{digest}"
        if not any(_occurs(boundary.encode(), piece) for piece in searched):
            return boundary
        attempt += 1


def _occurs(needle: bytes, piece: Piece) -> bool:
    if isinstance(piece, bytes):
        return needle in piece
    tail = b""
    for chunk in piece:
        window = tail + chunk
        if needle in window:
            return True
        tail = window[-len(needle) :]
    return False
