"""The keys that sign tokens, as they are in their files.

All of them verify, and the newest that is old enough signs, so a key is retired by adding a new one and removing the old
one a token's lifetime later.  A running server follows its files (`key_watch`), and so do several that share them: every
one has a key before any signs with it.  The first start makes the first key.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from graphpost.auth.key_files import add_key, made_at, signing_index, thumbprint
from graphpost.clock import Instant
from graphpost.errors import ConfigurationError
from graphpost.files import make_directory

Version = tuple[str, int, int]
"""Of a file: its name, its size, and when it was written."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`kid` and `x5t` are the SHA-1 thumbprint of the certificate, as Entra has them."""

    kid: str
    key: RSAKey
    certificate: str  # base64 DER
    seed: bytes  # private: what other secrets of this server are derived from
    created_at: Instant


Read = Mapping[Version, SigningKey]
"""What was in the files, in the order of their names."""


class SigningKeys:
    """The keys of a directory, as they were when it was read last.  `find_key` is what a token verifier asks."""

    def __init__(self, directory: Path, read: Read, now: Instant) -> None:
        self.directory = directory
        self.read = read
        self._keys: dict[str, SigningKey] = {}
        self.current = next(iter(read.values()))
        self.take(read, now)

    def take(self, read: Read, now: Instant) -> bool:
        """Go on with what was read now; whether a key is gone that verified before."""
        keys = list(read.values())
        before, self._keys = self._keys, {key.kid: key for key in keys}
        self.read, self.current = read, keys[signing_index([key.created_at for key in keys], now)]
        return not before.keys() <= self._keys.keys()

    def find_key(self, kid: str) -> RSAKey | None:
        """The key a token's header names."""
        found = self._keys.get(kid)
        return found.key if found else None

    def public(self) -> list[SigningKey]:
        """Every key that verifies, the newest last."""
        return list(self._keys.values())

    def derive(self, purpose: str) -> bytes:
        """32 secret bytes for another purpose, the same as long as the current key is."""
        return _derived(self.current, purpose)

    def derive_all(self, purpose: str) -> Sequence[bytes]:
        """Those of every key: what was made with one of them, here or by another server, is known by that."""
        return [_derived(key, purpose) for key in self._keys.values()]


def open_keys(directory: Path, now: Instant) -> SigningKeys:
    """Read the keys of a directory, making the first one; ConfigurationError when a file is no key."""
    make_directory(directory)
    if not any(directory.glob("*.pem")):
        add_key(directory, now)
    return SigningKeys(directory, read_keys(directory), now)


def read_keys(directory: Path, known: Read | None = None) -> Read:
    """What is in the files now; those that are known as they are, are not read again.

    ConfigurationError when one is no key, or there is none.
    """
    found: dict[Version, SigningKey] = {}
    try:
        for path in sorted(directory.glob("*.pem")):
            state = path.stat()
            version = path.name, state.st_size, state.st_mtime_ns
            found[version] = (known or {}).get(version) or _read(path)
    except OSError as error:
        raise ConfigurationError("issuer", f"{directory}: {error.strerror}") from error
    if not found:
        raise ConfigurationError("issuer", f"{directory}: there is no signing key")
    return found


def _derived(key: SigningKey, purpose: str) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose.encode()).derive(key.seed)


def _read(path: Path) -> SigningKey:
    try:
        text = path.read_bytes()
        # importing it checks it, which takes 40 ms: once is enough
        private = load_pem_private_key(text, password=None, unsafe_skip_rsa_key_validation=True)
        certificate = x509.load_pem_x509_certificate(text)
        kid = thumbprint(certificate)
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        key = RSAKey.import_key(pem, {"kid": kid, "use": "sig"})
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm, JoseError) as error:
        raise ConfigurationError("issuer", f"{path}: not a readable signing key") from error
    seed = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    der = certificate.public_bytes(Encoding.DER)
    return SigningKey(kid, key, b64encode(der).decode(), seed, made_at(certificate))


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
