"""Trace fields: ours put on top, what others may not say taken out.

RFC 5321 §4.4 (both fields), RFC 8601 §5 (Authentication-Results that bear our name are ours to write), and Received counted
to find mail that goes round in circles (RFC 5321 §6.3).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from graphpost.clock import Instant
from graphpost.mail.compose import RESERVED
from graphpost.mail.field import date_text

_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*)(?:\n|\Z)")
_RESULTS: Final = b"authentication-results"
_RECEIVED: Final = b"received"
_RESERVED: Final = tuple(prefix.encode() for prefix in RESERVED)  # x-ms-exchange-…


class Peer(Struct, frozen=True):
    """Who brings a message: `address` '' over a Unix socket, `helo` what it calls itself, `tls` '' in clear text."""

    address: str
    helo: str
    protocol: str  # RFC 3848, RFC 6531: SMTP, ESMTP, ESMTPS, ESMTPSA, LMTP, UTF8SMTP …
    tls: str = ""


def header_of(chunks: Iterator[bytes], limit: int) -> bytes:
    """The header section with the line end of its last field, as far as `limit` octets; all of it when nothing follows."""
    header = b""
    for chunk in chunks:
        if not header and chunk.startswith(b"\r\n"):
            return b""
        seen = max(0, len(header) - 3)
        header += chunk
        end = header.find(b"\r\n\r\n", seen)
        if end >= 0:
            return header[: end + 2]
        if len(header) > limit:
            return header[:limit]
    return header


def hops(header: bytes) -> int:
    """How many hosts it came by."""
    return sum(name.lower() == _RECEIVED for name, _ in fields(header))


def without_claims(header: bytes, hostname: str, *, trusted: bool) -> bytes:
    """The header without what only we may say: Authentication-Results in our name (RFC 8601 §5), and, unless its bringer is
    `trusted`, the fields by which Exchange's own hosts tell each other whom they believe; the rest of it to the octet.
    """
    lower = header.lower()
    if _RESULTS not in lower and (trusted or _RESERVED[0][:14] not in lower):
        return header
    kept, position = [], 0
    for name, whole in fields(header):
        position += len(whole)
        lower = name.lower()
        is_forged = lower == _RESULTS and names_us(whole.partition(b":")[2], hostname)
        if not is_forged and (trusted or not lower.startswith(_RESERVED)):
            kept.append(whole)
    return b"".join(kept) + header[position:]


def fields(header: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and octets of each field, up to a line that is none."""
    position = 0
    while match := _FIELD.match(header, position):
        position = match.end()
        yield match[1], match[0]


def names_us(value: bytes, hostname: str) -> bool:
    """Whether the authserv-id of such a field is ours; what cannot be read is taken for it."""
    text = value.decode("utf-8", "replace")
    plain, depth, position = [], 0, 0
    while position < len(text):
        c = text[position]
        if c == "\\":
            position += 1
            plain.append(text[position : position + 1] if not depth else "")
        elif c == "(":
            depth += 1
        elif c == ")":
            depth -= 1
        elif not depth and c == ";":
            break
        elif not depth and c != '"':
            plain.append(c)
        position += 1
    if depth != 0:
        return True
    words = "".join(plain).split()
    return not words or words[0].rstrip(".").lower() == hostname.lower()


def is_field(header: bytes) -> bool:
    """Whether it begins with a field."""
    return _FIELD.match(header) is not None


def return_path(sender: str) -> bytes:
    """Where failures were to go, for whoever reads the message later."""
    return f"Return-Path: <{sender}>\r\n".encode()


def received(peer: Peer, recipient: str, hostname: str, number: int, now: Instant) -> bytes:
    """That it came, from whom, how and when.

    `recipient` is the only one, or '': of several none may learn of the others.
    """
    encrypted = f" (using {peer.tls})" if peer.tls else ""
    for_ = f"\r\n\tfor <{recipient}>" if recipient else ""
    text = (
        f"Received: from {peer.helo or 'unknown'} ({literal(peer.address)}){encrypted}\r\n"
        f"\tby {hostname} with {peer.protocol} id {number:016x}{for_};\r\n\t{date_text(now)}\r\n"
    )
    return text.encode()


def literal(address: str) -> str:
    """An address as in a Received field (RFC 5321 §4.1.3)."""
    if not address:
        return "local"
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    return f"[IPv6:{parsed}]" if parsed.version == 6 else f"[{parsed}]"
