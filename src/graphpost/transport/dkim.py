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
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from graphpost.clock import SECOND, Instant
from graphpost.errors import MimeError

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
_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*:(.*?\r\n)(?![ \t])", re.DOTALL)
_BLANKS: Final = re.compile(rb"[ \t]+")
_FOLD: Final = re.compile(rb"\r\n(?=[ \t])")
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
        digested = b"".join(_chosen(fields, names))
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
        unsigned = _relaxed(b"DKIM-Signature", value.encode("ascii") + b"\r\n").removesuffix(b"\r\n")
        signature = b64encode(key.sign(digested + unsigned)).decode()
        pieces = [signature[at : at + _PER_LINE] for at in range(0, len(signature), _PER_LINE)]
        return ("DKIM-Signature:" + value + "\r\n\t".join(pieces) + "\r\n").encode("ascii")


class RelaxedBody:
    """The SHA-256 of a body in relaxed form (RFC 6376, 3.4.4), fed in pieces of any size."""

    def __init__(self) -> None:
        self._digest = sha256()
        self._is_empty = True
        self._held = b""  # blanks and line ends that may yet turn out to end a line, or the body
        self._ends = 0  # whole line ends before those

    def update(self, chunk: bytes) -> None:
        """The next piece of the body."""
        data = self._held + chunk
        solid = data.rstrip(b" \t\r\n")
        self._held = data[len(solid) :]
        if solid:
            lead = b"\r\n" * self._ends
            self._ends = 0
            self._is_empty = False
            self._digest.update(lead + _relaxed_lines(solid))
        self._hold()

    def _hold(self) -> None:
        """Keep of what is held only what matters: how many line ends, and what follows the last one."""
        cut = self._held.rfind(b"\r\n")
        if cut < 0:
            self._held = _BLANKS.sub(b" ", self._held)
            return
        self._ends += self._held.count(b"\r\n")
        self._held = _BLANKS.sub(b" ", self._held[cut + 2 :])

    def digest(self) -> bytes:
        """The hash of all that was fed: without empty lines at its end, with one line end if there is anything."""
        end = self._digest.copy()
        if not self._is_empty:
            end.update(b"\r\n")
        return end.digest()


def split(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The header section, with the line end of its last field, and the body in pieces."""
    header = b""
    for chunk in chunks:
        header += chunk
        end = header.find(b"\r\n\r\n")
        if end >= 0:
            return header[: end + 2], _after(header[end + 4 :], chunks)
        if len(header) > HEADER_BYTES:
            break
    raise MimeError("the message has no end of its header")


def _after(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from chunks


def read_fields(header: bytes) -> list[tuple[str, bytes]]:
    """The fields of a header section, in order: name in lower case, and the field in relaxed form."""
    return [
        (found[1].decode("ascii").lower(), _relaxed(found[1], found[2])) for found in _FIELD.finditer(header)
    ]


def signed_names(fields: Sequence[tuple[str, bytes]]) -> list[str]:
    """The h= tag: every occurrence of what is signed, and one more."""
    present = [name for name, _ in fields]
    names = []
    for name in SIGNED:
        occurrences = present.count(name)
        if occurrences or name in SEALED:
            names += [name] * (occurrences + 1)
    return names


def _chosen(fields: Sequence[tuple[str, bytes]], names: Sequence[str]) -> Iterator[bytes]:
    """The fields that the names stand for: of one name the last first, none when there are no more."""
    left = list(fields)
    for name in names:
        for at in range(len(left) - 1, -1, -1):
            if left[at][0] == name:
                yield left.pop(at)[1]
                break


def _relaxed(name: bytes, value: bytes) -> bytes:
    """A field in relaxed form (RFC 6376, 3.4.2), with its line end."""
    unfolded = _BLANKS.sub(b" ", _FOLD.sub(b"", value)).strip(b" \t\r\n")
    return name.lower() + b":" + unfolded + b"\r\n"


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
