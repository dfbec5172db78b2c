"""Content-transfer-encodings as streams: chunks in, chunks out.

The whole is never in memory.  Decoding is lenient and never raises: octets that do not belong are skipped, a
broken end gives what is there.  Encoding is RFC 2045: lines of 76 characters and CRLF.  An encoding's name is
'' (none), 'base64', 'quoted-printable' or 'uuencode'.
"""

from __future__ import annotations

import binascii
import re
import struct
from collections.abc import Iterable, Iterator
from typing import Final

LINE: Final = 76
_LINE_BYTES: Final = 57
_BLOCK_LINES: Final = 840
_BLOCK: Final = _LINE_BYTES * _BLOCK_LINES  # 64 KB when encoded
_CUT: Final = struct.Struct(
    f"{LINE}s" * _BLOCK_LINES
).unpack  # a block's lines, four times as fast as slicing
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOISE: Final = bytes(octet for octet in range(256) if octet not in _ALPHABET + b"=")
_PADDING: Final = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n)")
_QP_HOLD: Final = 65_536


class Base64Lines(bytes):
    """Whole lines of base64, each ended by CRLF: on its way to the wire there is nothing in them to look for."""

    __slots__ = ()


def decode(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The octets meant."""
    if encoding == "base64":
        return _decode_base64(chunks)
    if encoding == "quoted-printable":
        return _decode_quoted(chunks)
    if encoding == "uuencode":
        return _decode_uu(chunks)
    return iter(chunks)


def decoded_size(chunks: Iterable[bytes], encoding: str) -> int:
    """How many octets `decode` gives; one pass, nothing kept, base64 not even decoded."""
    if encoding == "base64":
        return _base64_decoded_size(chunks)
    return sum(map(len, decode(chunks, encoding)))


def encode_base64(chunks: Iterable[bytes]) -> Iterator[Base64Lines]:
    """Base64 in lines of 76 characters, each ended by CRLF; nothing for nothing."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk if rest else chunk
        usable = len(data) - len(data) % _LINE_BYTES
        for start in range(0, usable, _BLOCK):
            yield _lines(data[start : min(start + _BLOCK, usable)])
        rest = data[usable:]
    if rest:
        yield _lines(rest)


def base64_size(size: int) -> int:
    """How many octets `encode_base64` makes of that many."""
    characters = 4 * ((size + 2) // 3)
    return characters + 2 * ((characters + LINE - 1) // LINE)


def encode_quoted(data: bytes) -> bytes:
    """Quoted-printable of text whose line ends are CRLF and whose last line is ended."""
    return binascii.b2a_qp(data, quotetabs=False, istext=True)


def canonical(data: bytes) -> bytes:
    """The octets with CRLF line ends and without NUL; a bare CR or LF is a line end too."""
    if b"\0" in data:
        data = data.replace(b"\0", b"")
    ends = data.count(b"\r\n")
    if data.count(b"\n") == ends and data.count(b"\r") == ends:
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def canonical_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """`canonical` of a stream."""
    pending = b""
    for chunk in chunks:
        data = pending + chunk.replace(b"\0", b"")
        pending = b"\r" if data.endswith(b"\r") else b""
        yield canonical(data[:-1] if pending else data)
    if pending:
        yield b"\r\n"


def _lines(data: bytes) -> Base64Lines:
    encoded = binascii.b2a_base64(data, newline=False)
    pieces: list[bytes]
    if len(data) == _BLOCK:
        pieces = [*_CUT(encoded), b""]
    else:
        pieces = [encoded[start : start + LINE] for start in range(0, len(encoded), LINE)]
        pieces.append(b"")
    return Base64Lines(b"\r\n".join(pieces))


def _decode_base64(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        data = rest + chunk.translate(None, _NOISE)
        pieces = data.split(b"=")  # padding ends a run; another may follow
        for piece in pieces[:-1]:
            yield _base64_run(piece)
        usable = len(pieces[-1]) & ~3
        if usable:
            yield binascii.a2b_base64(pieces[-1][:usable])
        rest = pieces[-1][usable:]
    yield _base64_run(rest)


def _base64_decoded_size(chunks: Iterable[bytes]) -> int:
    size = run = 0
    for chunk in chunks:
        first, *others = chunk.translate(None, _NOISE).split(b"=")
        run += len(first)
        for other in others:
            size += run * 3 // 4
            run = len(other)
    return size + run * 3 // 4


def _base64_run(data: bytes) -> bytes:
    """Decode what may lack its padding; a lone last character holds no octet."""
    if len(data) % 4 == 1:
        data = data[:-1]
    return binascii.a2b_base64(data + b"=" * (-len(data) % 4)) if data else b""


def _decode_quoted(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        data = rest + chunk if rest else chunk
        cut = data.rfind(b"\n") + 1
        if not cut and len(data) > _QP_HOLD:
            escape = data.rfind(b"=", len(data) - 2)
            cut = escape if escape >= 0 else len(data)
        if cut:
            yield _quoted_run(data[:cut])
        rest = data[cut:]
    if rest:
        yield _quoted_run(rest)


def _quoted_run(data: bytes) -> bytes:
    return binascii.a2b_qp(_PADDING.sub(b"", data))


def _decode_uu(chunks: Iterable[bytes]) -> Iterator[bytes]:
    inside = False
    for line in _split_lines(chunks):
        if not inside:
            inside = line.startswith(b"begin ")
        elif line.rstrip() == b"end":
            return
        else:
            yield _uu_line(line)


def _uu_line(line: bytes) -> bytes:
    line = line.rstrip(b"\r\n")
    if not line:
        return b""
    octets = (line[0] - 32) & 63
    wanted = 1 + (octets * 4 + 2) // 3  # some writers pad, others do not
    cleaned = bytes(c if 32 <= c <= 96 else 32 for c in line[:wanted])
    try:
        return binascii.a2b_uu(cleaned)
    except binascii.Error:
        return b""


def _split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    pending: list[bytes] = []
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        pending.append(first)
        for other in others:
            yield b"".join(pending)
            pending = [other]
    yield b"".join(pending)
