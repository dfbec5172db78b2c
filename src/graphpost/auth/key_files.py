"""The files of the signing keys: made, listed, retired.

The directory has one PEM file per key, with a certificate that says when it was made, for its owner alone to read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from graphpost.auth.protocol import base64url
from graphpost.clock import SECOND, Instant, from_datetime, to_datetime
from graphpost.errors import ConfigurationError
from graphpost.files import replace_file

READ_SECONDS: Final = 20.0  # a running server looks at the files so often
SIGNS_AFTER: Final = (
    60 * SECOND
)  # a key signs when it is so old: every server, and who asks for keys, has it by then
_BITS: Final = 2048
_VALID: Final = timedelta(days=3650)
_EARLY: Final = timedelta(minutes=5)  # certificates begin so long before they are made


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A key's file; `created_at` is when the key was made."""

    kid: str
    path: Path
    created_at: Instant


def list_keys(directory: Path) -> list[KeptKey]:
    """The keys of a directory, in the order in which they take each other's place."""
    return [_kept(path) for path in sorted(directory.glob("*.pem"))]


def signing_index(created: Sequence[Instant], now: Instant) -> int:
    """Which of the keys that were made then signs: the newest that is old enough, or the oldest."""
    old = [index for index, at in enumerate(created) if at + SIGNS_AFTER <= now]
    return old[-1] if old else 0


def add_key(directory: Path, now: Instant) -> Path:
    """Make a key, which signs when it is old enough; the file it is in."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    while (path := directory / f"signing-{now // SECOND:012d}.pem").exists():
        now += SECOND
    replace_file(path, pem + _certify(key, now))
    return path


def retire_key(directory: Path, kid: str, now: Instant, lifetime: Instant) -> Path:
    """Remove a key; the file it was in.

    ConfigurationError for the one that signs, and while tokens of a `lifetime` that it signed may still be good: until
    the next newer key has signed for so long, in every server.
    """
    keys = list_keys(directory)
    found = next((index for index, key in enumerate(keys) if key.kid == kid), None)
    if found is None:
        raise ConfigurationError("kid", f"there is no key {kid}")
    signs = signing_index([key.created_at for key in keys], now)
    if found == signs:
        is_last = found == len(keys) - 1
        advice = "add another key first" if is_last else "the next key does so in a minute"
        raise ConfigurationError("kid", f"{kid} signs; {advice}")
    if found < signs:
        since = keys[found + 1].created_at + SIGNS_AFTER + int(READ_SECONDS * SECOND)
        left = since + lifetime - now
        if left > 0:
            raise ConfigurationError(
                "kid", f"tokens that {kid} signed are good for another {left // SECOND} seconds"
            )
    keys[found].path.unlink()
    return keys[found].path


def thumbprint(certificate: x509.Certificate) -> str:
    """SHA-1, as Entra names keys."""
    der = certificate.public_bytes(Encoding.DER)
    return base64url(hashlib.sha1(der, usedforsecurity=False).digest())


def made_at(certificate: x509.Certificate) -> Instant:
    return from_datetime(certificate.not_valid_before_utc + _EARLY)


def _kept(path: Path) -> KeptKey:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError("issuer", f"{path}: not a readable signing key") from error
    return KeptKey(thumbprint(certificate), path, made_at(certificate))


def _certify(key: rsa.RSAPrivateKey, now: Instant) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Graphpost token signing")])
    start = to_datetime(now) - _EARLY
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _VALID)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
