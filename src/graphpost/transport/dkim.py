"""DKIM signatures (RFC 6376, RFC 8463): a message in, header fields out.

Canonicalisation is relaxed/relaxed, and the body is read as a stream, so that a message of any size takes one pass and
no memory.  Several keys sign with that one pass: a domain in the middle of a rotation, or one with an Ed25519 key beside
its RSA key.  Fields that say who wrote what to whom are listed once more than they occur: nobody can add another one.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from graphpost.clock import SECOND, Instant
from graphpost.errors import MimeError

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

PrivateKey = RSAPrivateKey | Ed25519PrivateKey
HEADER_BYTES: Final = 1_048_576  # more than that before the body is no message of ours
# Signed, and nobody may add one, whether there is one or not.
SEALED: Final = ("from", "reply-to", "subject", "date", "message-id", "to", "cc")
# Signed and sealed when there is one: a list or relay may add its own otherwise.
SIGNED: Final = (
    *SEALED,
    "sender", "mime-version", "content-type", "content-transfer-encoding", "in-reply-to", "references", "importance",
    "list-id", "list-unsubscribe", "list-unsubscribe-post", "auto-submitted", "disposition-notification-to",
)  # fmt: skip
_MOST_HELD: Final = 4096  # octets of a body that may yet be left out
_NAME: Final = re.compile(rb"([!-9;-~]+)[ \t]*:")
_BLANKS: Final = re.compile(rb"[ \t]+")
_FOLD: Final = re.compile(rb"\r\n(?=[ \t])")
_ENDS: Final = b"\r\n" * 8192
_ENDS_REVERSED: Final = re.compile(rb"(?:\n\r)*")
_PER_LINE: Final = 70


@dataclass(frozen=True, slots=True)
class Key:
    """A private key and the selector that its public half is published under."""

    selector: str
    private: PrivateKey

    @property
    def algorithm(self) -> str:
        return "rsa-sha256" if isinstance(self.private, RSAPrivateKey) else "ed25519-sha256"

    def sign(self, digested: bytes) -> bytes:
        """The signature over those bytes, whose SHA-256 is what is signed."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(digested, PKCS1v15(), hashes.SHA256())
        return self.private.sign(sha256(digested).digest())  # RFC 8463, 3


class Signer:
    """Signs for one domain with each of its keys.  `domain` is an A-label."""

    def __init__(self, domain: str, keys: Sequence[Key]) -> None:
        self.domain = domain
        self._keys = tuple(keys)

    def sign(self, message: Iterable[bytes], now: Instant) -> bytes:
        """The DKIM-Signature fields to put before the message, each with its CRLF.

        The message is as it goes over the wire, with CRLF line ends.  Raises MimeError when it has no header section.
        """
        header, rest = split(iter(message))
        body = RelaxedBody()
        for chunk in rest:
            body.update(chunk)
        fields = read_fields(header)
        names = signed_names(fields)
        digested = b"".join(chosen(fields, names))
        return b"".join(self._field(key, names, digested, body.digest(), now) for key in self._keys)

    def _field(self, key: Key, names: Sequence[str], digested: bytes, body: bytes, now: Instant) -> bytes:
        lines = [
            f"v=1; a={key.algorithm}; c=relaxed/relaxed; d={self.domain};",
            f"s={key.selector}; t={now // SECOND};",
            *_wrapped("h=", ":", names),
            f"bh={b64encode(body).decode()};",
            "b=",
        ]
        value = " " + "\r\n\t".join(lines)
        unsigned = relaxed(b"DKIM-Signature:" + value.encode("ascii")).removesuffix(b"\r\n")
        signature = b64encode(key.sign(digested + unsigned)).decode()
        pieces = [signature[at : at + _PER_LINE] for at in range(0, len(signature), _PER_LINE)]
        return ("DKIM-Signature:" + value + "\r\n\t".join(pieces) + "\r\n").encode("ascii")


class SimpleBody:
    """The SHA-256 of a body in simple form (RFC 6376, 3.4.3), fed in pieces of any size."""

    def __init__(self) -> None:
        self._digest = sha256()
        self._length = 0
        self._ends = 0  # line ends that may yet turn out to end the body
        self._half = b""  # what may be half of one

    def update(self, chunk: bytes) -> None:
        """The next piece of the body."""
        data = self._half + chunk
        self._half = b"\r" if data.endswith(b"\r") else b""
        data = data[: len(data) - len(self._half)]
        tail = data[len(data.rstrip(b"\r\n")) :]
        found = _ENDS_REVERSED.match(tail[::-1])
        ends = found.end() // 2 if found else 0
        solid = data[: len(data) - 2 * ends]
        if solid:
            self._add(solid)
        self._ends += ends

    def _add(self, data: bytes) -> None:
        self._length += 2 * self._ends + len(data)
        _update_ends(self._digest, self._ends)
        self._digest.update(data)
        self._ends = 0

    @property
    def length(self) -> int:
        """Octets in this form."""
        return self._length + (2 * self._ends + 1 if self._half else 0) + 2

    def digest(self) -> bytes:
        """The hash of all that was fed: without empty lines at its end, with one line end always."""
        end = self._digest.copy()
        if self._half:
            _update_ends(end, self._ends)
        end.update(self._half + b"\r\n")
        return end.digest()


class RelaxedBody:
    """The SHA-256 of a body in relaxed form (RFC 6376, 3.4.4), fed in pieces of any size."""

    def __init__(self) -> None:
        self._digest = sha256()
        self._is_empty = True
        self._length = 0
        self._held = b""  # blanks and line ends that may yet turn out to end a line, or the body
        self._ends = 0  # whole line ends before those

    def update(self, chunk: bytes) -> None:
        """The next piece of the body."""
        data = self._held + chunk
        solid = data.rstrip(b" \t\r\n")
        self._held = data[len(solid) :]
        if solid:
            self._add(_relaxed_lines(solid))
        self._hold()

    def _add(self, data: bytes) -> None:
        self._is_empty = False
        self._length += 2 * self._ends + len(data)
        _update_ends(self._digest, self._ends)
        self._digest.update(data)
        self._ends = 0

    @property
    def length(self) -> int:
        """Octets in this form."""
        return 0 if self._is_empty else self._length + 2

    def _hold(self) -> None:
        """Keep of what is held only what matters: how many line ends, and what follows the last one."""
        cut = self._held.rfind(b"\r\n")
        if cut < 0:
            self._held = _BLANKS.sub(b" ", self._held)
            if len(self._held) > _MOST_HELD:  # bare CR or LF, which no message has
                self._add(self._held)
                self._held = b""
            return
        self._ends += self._held.count(b"\r\n")
        self._held = _BLANKS.sub(b" ", self._held[cut + 2 :])

    def digest(self) -> bytes:
        """The hash of all that was fed: without empty lines at its end, with one line end if there is anything."""
        end = self._digest.copy()
        if not self._is_empty:
            end.update(b"\r\n")
        return end.digest()


def _update_ends(digest: Hash, count: int) -> None:
    """As many line ends; a body may have millions of them."""
    while count > 0:
        digest.update(_ENDS[: 2 * count])
        count -= len(_ENDS) // 2


def split(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The header section, with the line end of its last field, and the body in pieces."""
    header = b""
    for chunk in chunks:
        header += chunk
        if header.startswith(b"\r\n"):
            break
        end = header.find(b"\r\n\r\n")
        if end >= 0:
            return header[: end + 2], _after(header[end + 4 :], chunks)
        if len(header) > HEADER_BYTES:
            break
    raise MimeError("the message has no header, or no end of it")


def _after(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from chunks


def raw_fields(header: bytes) -> list[tuple[str, bytes]]:
    """The fields of a header section, in order: name in lower case, and the field as it is, with its line ends."""
    found: list[tuple[str, list[bytes]]] = []
    name = ""
    for line in header.split(b"\r\n")[:-1]:
        if line[:1] in (b" ", b"\t"):
            if name:
                found[-1][1].append(line)
            continue
        match = _NAME.match(line)
        name = (
            match[1].decode("ascii").lower() if match else ""
        )  # what is no field has no continuation either
        if name:
            found.append((name, [line]))
    return [(name, b"\r\n".join(lines) + b"\r\n") for name, lines in found]


def read_fields(header: bytes) -> list[tuple[str, bytes]]:
    """The fields of a header section, in order: name in lower case, and the field in relaxed form."""
    return [(name, relaxed(field)) for name, field in raw_fields(header)]


def signed_names(fields: Sequence[tuple[str, bytes]]) -> list[str]:
    """The h= tag: every occurrence of what is signed, and one more."""
    present = [name for name, _ in fields]
    names = []
    for name in SIGNED:
        occurrences = present.count(name)
        if occurrences or name in SEALED:
            names += [name] * (occurrences + 1)
    return names


def chosen(fields: Sequence[tuple[str, bytes]], names: Sequence[str]) -> Iterator[bytes]:
    """The fields that the names stand for: of one name the last first, none when there are no more."""
    left: dict[str, list[bytes]] = {}
    for name, field in fields:
        left.setdefault(name, []).append(field)
    for name in names:
        if left.get(name):
            yield left[name].pop()


def relaxed(field: bytes) -> bytes:
    """A field in relaxed form (RFC 6376, 3.4.2), with its line end."""
    name, _, value = field.partition(b":")
    unfolded = _BLANKS.sub(b" ", _FOLD.sub(b"", value)).strip(b" \t\r\n")
    return name.rstrip(b" \t").lower() + b":" + unfolded + b"\r\n"


def _relaxed_lines(data: bytes) -> bytes:
    return _BLANKS.sub(b" ", data).replace(b" \r\n", b"\r\n")


def _wrapped(tag: str, separator: str, words: Sequence[str]) -> Iterator[str]:
    """The tag's words, in lines of bearable length."""
    line = tag
    for at, word in enumerate(words):
        piece = word + (separator if at < len(words) - 1 else ";")
        if len(line) + len(piece) > _PER_LINE:
            yield line
            line = ""
        line += piece
    yield line
