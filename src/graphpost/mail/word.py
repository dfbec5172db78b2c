"""RFC 2047 encoded words: header text that is not ASCII or would be misread.

Reading is lenient (spaces inside words, words inside quoted strings, characters split between words); writing
is strict: UTF-8, whole characters in each word, at most 75 characters a word, only what a phrase allows.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

from graphpost.mail.charset import decode_text

WORD_LENGTH: Final = 75
_WORD: Final = re.compile(r"=\?([^?\s]{1,80})\?([bBqQ])\?([^?]*)\?=")
_ESCAPE: Final = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64: Final = bytes(
    c for c in range(256) if c not in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)
_PLAIN_Q: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q: Final = tuple(chr(c) if c in _PLAIN_Q else "_" if c == 32 else f"={c:02X}" for c in range(256))


def decode_words(text: str) -> str:
    """The text with its encoded words decoded; white space between two of them is not part of it."""
    if "=?" not in text:
        return text
    out: list[str] = []
    pending = b""  # octets of neighbouring words of one character set, decoded together
    charset = ""
    end = 0
    for match in _WORD.finditer(text):
        gap = text[end : match.start()]
        follows = bool(pending) and not gap.strip()
        if not follows or match[1].lower() != charset:
            out.append(decode_text(pending, charset))
            pending = b""
        if not follows:
            out.append(gap)
        charset = match[1].lower()
        pending += _octets(match[2], match[3])
        end = match.end()
    out.append(decode_text(pending, charset))
    out.append(text[end:])
    return "".join(out)


def encode_words(text: str, length: int = WORD_LENGTH) -> list[str]:
    """The text as encoded words of at most `length` (from 30 on) characters, to be separated by white space only."""
    if not text:
        return []
    data = text.encode("utf-8", "replace")
    quoted = sum(len(_Q[octet]) for octet in data)
    if quoted <= 4 * ((len(data) + 2) // 3):
        return [f"=?utf-8?Q?{chunk}?=" for chunk in _q_chunks(text, length)]
    return [
        f"=?utf-8?B?{binascii.b2a_base64(chunk, newline=False).decode()}?="
        for chunk in _chunks(text, (length - 12) // 4 * 3)
    ]


def _octets(kind: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if kind in "bB":
        data = data.translate(None, _NOT_BASE64)
        usable = len(data) - (len(data) % 4 == 1)
        return binascii.a2b_base64(data[:usable] + b"=" * (-usable % 4))
    return _ESCAPE.sub(lambda m: bytes((int(m[1], 16),)), data.replace(b"_", b" "))


def _q_chunks(text: str, length: int) -> list[str]:
    chunks: list[str] = []
    current: list[str] = []
    room = length - len("=?utf-8?Q??=")
    for character in text:
        piece = "".join(_Q[octet] for octet in character.encode("utf-8", "replace"))
        if len(piece) > room:
            chunks.append("".join(current))
            current = []
            room = length - len("=?utf-8?Q??=")
        current.append(piece)
        room -= len(piece)
    chunks.append("".join(current))
    return chunks


def _chunks(text: str, limit: int) -> list[bytes]:
    """UTF-8 in pieces of at most `limit` octets, cut between characters."""
    data = text.encode("utf-8", "replace")
    chunks = []
    start = 0
    while start < len(data):
        end = min(start + limit, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        chunks.append(data[start:end])
        start = end
    return chunks
