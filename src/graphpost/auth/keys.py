"""The keys that sign tokens: RSA keys in files only the owner may read.

The directory has one PEM file per key; the last by name signs, all of them verify, so a key is retired by adding a new
one and removing the old one a token's lifetime later.  The first start makes the first key.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from graphpost.auth.protocol import base64url
from graphpost.clock import SECOND, Instant, from_datetime, to_datetime
from graphpost.errors import ConfigurationError
from graphpost.files import make_directory, replace_file

_BITS: Final = 2048
_VALID: Final = timedelta(days=3650)
_EARLY: Final = timedelta(minutes=5)  # certificates begin so long before they are made


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`kid` and `x5t` are the SHA-1 thumbprint of the certificate, as Entra has them."""

    kid: str
    key: RSAKey
    certificate: str  # base64 DER
    seed: bytes  # private: what other secrets of this server are derived from


class SigningKeys:
    """The keys of a directory.  `find_key` is what a token verifier asks."""

    def __init__(self, keys: Mapping[str, SigningKey], current: SigningKey) -> None:
        self._keys = dict(keys)
        self.current = current

    def find_key(self, kid: str) -> RSAKey | None:
        """The key a token's header names."""
        found = self._keys.get(kid)
        return found.key if found else None

    def public(self) -> list[SigningKey]:
        """Every key that verifies, the current one last."""
        return list(self._keys.values())

    def derive(self, purpose: str) -> bytes:
        """32 secret bytes for another purpose, the same as long as the current key is."""
        return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose.encode()).derive(
            self.current.seed
        )


def open_keys(directory: Path, now: Instant) -> SigningKeys:
    """Read the keys of a directory, making the first one; ConfigurationError when a file is no key."""
    make_directory(directory)
    files = sorted(directory.glob("*.pem"))
    if not files:
        files = [add_key(directory, now)]
    keys = [_read(path) for path in files]
    return SigningKeys({key.kid: key for key in keys}, keys[-1])


def add_key(directory: Path, now: Instant) -> Path:
    """Make a key that signs from the next start on; the file it is in."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    while (path := directory / f"signing-{now // SECOND:012d}.pem").exists():
        now += SECOND
    replace_file(path, pem + _certify(key, now))
    return path


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A key's file; `created_at` is when the key was made."""

    kid: str
    path: Path
    created_at: Instant


def list_keys(directory: Path) -> list[KeptKey]:
    """The keys of a directory; the last one signs."""
    return [_kept(path) for path in sorted(directory.glob("*.pem"))]


def retire_key(directory: Path, kid: str, now: Instant, lifetime: Instant) -> Path:
    """Remove a key; the file it was in.

    ConfigurationError for the one that signs, and while tokens of a `lifetime` that it signed may still be good: until
    the next newer key is that old.
    """
    keys = list_keys(directory)
    found = next((index for index, key in enumerate(keys) if key.kid == kid), None)
    if found is None:
        raise ConfigurationError("kid", f"there is no key {kid}")
    if found == len(keys) - 1:
        raise ConfigurationError("kid", f"{kid} signs; add another key first")
    left = keys[found + 1].created_at + lifetime - now
    if left > 0:
        raise ConfigurationError(
            "kid", f"tokens that {kid} signed are good for another {left // SECOND} seconds"
        )
    keys[found].path.unlink()
    return keys[found].path


def _kept(path: Path) -> KeptKey:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError("issuer", f"{path}: not a readable signing key") from error
    created_at = from_datetime(certificate.not_valid_before_utc + _EARLY)
    return KeptKey(_thumbprint(certificate.public_bytes(Encoding.DER)), path, created_at)


def _thumbprint(der: bytes) -> str:
    return base64url(hashlib.sha1(der, usedforsecurity=False).digest())


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


def _read(path: Path) -> SigningKey:
    try:
        text = path.read_bytes()
        # importing it checks it, which takes 40 ms: once is enough
        private = load_pem_private_key(text, password=None, unsafe_skip_rsa_key_validation=True)
        der = x509.load_pem_x509_certificate(text).public_bytes(Encoding.DER)
        kid = _thumbprint(der)
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        key = RSAKey.import_key(pem, {"kid": kid, "use": "sig"})
    except (OSError, ValueError, TypeError, JoseError) as error:
        raise ConfigurationError("issuer", f"{path}: not a readable signing key") from error
    seed = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return SigningKey(kid, key, b64encode(der).decode(), seed)


def to_jwk(key: SigningKey, issuer: str) -> dict[str, Any]:
    """The public half as the JWKS of Entra has it."""
    public = key.key.as_dict(private=False)
    return {
        "kty": "RSA",
        "use": "sig",
        "kid": key.kid,
        "x5t": key.kid,
        "n": public["n"],
        "e": public["e"],
        "x5c": [key.certificate],
        "issuer": issuer,
    }
