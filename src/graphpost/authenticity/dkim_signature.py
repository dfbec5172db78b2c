"""What a DKIM-Signature field and a key record say (RFC 6376, 3.5 and 3.6.1).

Both are a stranger's: every fault has a name, and ends as one of the results of RFC 8601, 2.7.1.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from graphpost.authenticity.spf import is_askable
from graphpost.authenticity.tags import TagError, parse_tags, without_blanks
from graphpost.errors import GraphpostError
from graphpost.mail.address import domain_of
from graphpost.transport.dkim_keys import LEAST_BITS, PublicKey

Result = Literal["none", "pass", "fail", "policy", "neutral", "temperror", "permerror"]
FIELD_BYTES: Final = 32_768  # of a signature
KEY_BYTES: Final = 8192  # of a key record
MOST_BITS: Final = 8192
EXPONENT_BITS: Final = 64  # a longer one makes verification slow, and is of use to nobody else
_NUMBER: Final = re.compile(r"[0-9]{1,20}")
_CANON: Final = ("simple", "relaxed")


class DkimError(GraphpostError):
    """A signature that does not hold; `result` is what it is then."""

    def __init__(self, result: Result, reason: str) -> None:
        super().__init__(reason)
        self.result = result


@dataclass(frozen=True, slots=True)
class Signature:
    """A DKIM-Signature.  `unsigned` is the field as it is, without its signature; times are seconds since the epoch."""

    unsigned: bytes
    algorithm: str
    domain: str
    selector: str
    identity: str
    signature: bytes
    body_hash: bytes
    header_is_relaxed: bool
    body_is_relaxed: bool
    names: tuple[str, ...]
    length: int | None
    expires: int | None

    @property
    def key_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"

    def check(self, now: int) -> None:
        """Raise DkimError when it is of no use, whatever the message is."""
        if self.algorithm not in ("rsa-sha256", "ed25519-sha256"):
            raise DkimError("policy", f"{self.algorithm[:30]} is not accepted")
        if "from" not in self.names:
            raise DkimError("permerror", "From is not signed")
        if self.expires is not None and self.expires < now:
            raise DkimError("permerror", "the signature has expired")
        if not is_askable(self.key_name):
            raise DkimError("permerror", "there can be no such key")
        within = domain_of(self.identity)
        if within != self.domain and not within.endswith(f".{self.domain}"):
            raise DkimError("permerror", "i= is not within d=")


def parse_signature(field: bytes) -> Signature:
    """Raises DkimError with `neutral` when it cannot be read."""
    if len(field) > FIELD_BYTES:
        raise DkimError("neutral", "the signature is too long")
    try:
        tags = parse_tags(field.partition(b":")[2].decode("utf-8"))
        return _read_signature(tags, _without_signature(field))
    except UnicodeDecodeError:
        raise DkimError("neutral", "the signature is not text") from None
    except KeyError as error:
        raise DkimError("neutral", f"{error.args[0]}= is missing") from None
    except TagError as error:
        raise DkimError("neutral", str(error)) from None


def _read_signature(tags: dict[str, str], unsigned: bytes) -> Signature:
    if tags["v"] != "1":
        raise DkimError("neutral", "it is of another version")
    header, _, body = without_blanks(tags.get("c", "")).lower().partition("/")
    header, body = header or "simple", body or "simple"
    if header not in _CANON or body not in _CANON:
        raise DkimError("neutral", "c= is not known")
    if "dns/txt" not in without_blanks(tags.get("q", "dns/txt")).lower().split(":"):
        raise DkimError("neutral", "q= is not known")
    domain = domain_of(f"@{without_blanks(tags['d'])}")
    return Signature(
        unsigned=unsigned,
        algorithm=without_blanks(tags["a"]).lower(),
        domain=domain,
        selector=without_blanks(tags["s"]).lower(),
        identity=without_blanks(tags.get("i", f"@{domain}")),
        signature=_decoded("b", tags["b"]),
        body_hash=_decoded("bh", tags["bh"]),
        header_is_relaxed=header == "relaxed",
        body_is_relaxed=body == "relaxed",
        names=tuple(without_blanks(tags["h"]).lower().split(":")),
        length=_number("l", tags),
        expires=_number("x", tags),
    )


def _decoded(name: str, value: str) -> bytes:
    try:
        return b64decode(without_blanks(value), validate=True)
    except (binascii.Error, ValueError):
        raise DkimError("neutral", f"{name}= is not base64") from None


def _number(name: str, tags: dict[str, str]) -> int | None:
    text = tags.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise DkimError("neutral", f"{name}= is not a number")
    return int(text)


def _without_signature(field: bytes) -> bytes:
    """The field with an empty b= (RFC 6376, 3.7), and without its line end."""
    name, _, value = field.partition(b":")
    pieces = value.removesuffix(b"\r\n").split(b";")
    for at, piece in enumerate(pieces):
        tag, equals, _ = piece.partition(b"=")
        if equals and tag.strip(b" \t\r\n") == b"b":
            pieces[at] = tag + equals
    return name + b":" + b";".join(pieces)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A public key as it is published.  `only_itself`: no identity below the domain may use it."""

    public: PublicKey
    only_itself: bool
    is_test: bool

    def check(self, signature: Signature) -> None:
        """Raise DkimError unless it may have made that signature."""
        if signature.algorithm.partition("-")[0] != (
            "rsa" if isinstance(self.public, RSAPublicKey) else "ed25519"
        ):
            raise DkimError("permerror", "the key is for another algorithm")
        if self.only_itself and domain_of(signature.identity) != signature.domain:
            raise DkimError("permerror", "the key is not for domains below its own")
        if isinstance(self.public, RSAPublicKey):
            if not LEAST_BITS <= self.public.key_size <= MOST_BITS:
                raise DkimError("policy", f"a key of {self.public.key_size} bits is not accepted")
            if self.public.public_numbers().e.bit_length() > EXPONENT_BITS:
                raise DkimError("policy", "a key with so long an exponent is not accepted")

    def verifies(self, signature: bytes, data: bytes, digest: bytes) -> bool:
        """Whether the signature is that of the data; `digest` is its SHA-256."""
        try:
            if isinstance(self.public, RSAPublicKey):
                self.public.verify(signature, data, PKCS1v15(), hashes.SHA256())
            else:
                self.public.verify(signature, digest)
        except InvalidSignature:
            return False
        return True


def parse_key(text: bytes) -> KeyRecord:
    """The key in a TXT record.  Raises DkimError with `permerror`."""
    if len(text) > KEY_BYTES:
        raise DkimError("permerror", "the key record is too long")
    try:
        tags = parse_tags(text.decode("utf-8"))
    except (UnicodeDecodeError, TagError):
        raise DkimError("permerror", "the key record cannot be read") from None
    if tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags:
        raise DkimError("permerror", "the key record is none of DKIM's")
    if not tags["p"]:
        raise DkimError("permerror", "the key is revoked")
    if "h" in tags and "sha256" not in without_blanks(tags["h"]).split(":"):
        raise DkimError("permerror", "the key is for another hash")
    if not {"*", "email"} & set(without_blanks(tags.get("s", "*")).split(":")):
        raise DkimError("permerror", "the key is not for mail")
    flags = without_blanks(tags.get("t", "")).split(":")
    return KeyRecord(_public(tags.get("k", "rsa"), tags["p"]), "s" in flags, "y" in flags)


def _public(kind: str, text: str) -> PublicKey:
    try:
        data = b64decode(without_blanks(text), validate=True)
        key = Ed25519PublicKey.from_public_bytes(data) if kind == "ed25519" else load_der_public_key(data)
    except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm):
        raise DkimError("permerror", "the key cannot be read") from None
    if kind not in ("rsa", "ed25519") or not isinstance(key, RSAPublicKey | Ed25519PublicKey):
        raise DkimError("permerror", "the key is of a kind that is not known")
    return key
