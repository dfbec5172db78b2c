"""DKIM keys: made, read from their files, and published as DNS records.

The records are those of RFC 6376, 3.6.1, and RFC 8463, 4.1.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Final, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from graphpost.errors import GraphpostError
from graphpost.transport.dkim import Key, PrivateKey

PublicKey = RSAPublicKey | Ed25519PublicKey
Algorithm = Literal["rsa", "ed25519"]
LEAST_BITS: Final = 1024  # RFC 8301: verifiers refuse less
BITS: Final = 2048
_STRING: Final = 255  # octets of a character-string in DNS (RFC 1035, 3.3.14)


class DkimKeyError(GraphpostError):
    """A key file that cannot be used; says why, without its content."""


def make_key(algorithm: Algorithm) -> bytes:
    """A new private key in PEM."""
    private: PrivateKey
    if algorithm == "rsa":
        private = generate_private_key(public_exponent=65537, key_size=BITS)
    else:
        private = Ed25519PrivateKey.generate()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_key(path: Path, selector: str) -> Key:
    """The key in a PEM file.  Raises DkimKeyError, also when there is no file."""
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise DkimKeyError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise DkimKeyError(f"{path} is not a private key in PEM without a password") from error
    if isinstance(private, RSAPrivateKey):
        if private.key_size < LEAST_BITS:
            raise DkimKeyError(f"{path} has {private.key_size} bits; nobody accepts less than {LEAST_BITS}")
        return Key(selector, private)
    if isinstance(private, Ed25519PrivateKey):
        return Key(selector, private)
    raise DkimKeyError(f"{path} is neither an RSA nor an Ed25519 key")


def record_name(domain: str, selector: str) -> str:
    """Where the public half is published."""
    return f"{selector}._domainkey.{domain}"


def record_text(key: Key) -> str:
    """What the TXT record there says."""
    public = key.private.public_key()
    if isinstance(key.private, RSAPrivateKey):
        data = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"v=DKIM1; k=rsa; p={b64encode(data).decode()}"
    return f"v=DKIM1; k=ed25519; p={b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()}"


def public_bytes(public: PublicKey) -> bytes:
    """A public key as bytes that are the same for the same key."""
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def zone_line(domain: str, key: Key) -> str:
    """The record as a line of a zone file, in strings as long as they may be."""
    text = record_text(key)
    strings = " ".join(f'"{text[at : at + _STRING]}"' for at in range(0, len(text), _STRING))
    return f"{record_name(domain, key.selector)}. IN TXT ( {strings} )"
