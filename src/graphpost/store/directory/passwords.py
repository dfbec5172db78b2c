"""How passwords and secrets are kept: scrypt, or SHA-256 of generated ones.

A password or a secret somebody chose is hashed with scrypt (about 50 ms and 16 MB; call it from a thread).  A generated
secret has 256 random bits, so a plain digest is as good and costs nothing.  Comparing takes constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from typing import Final

_COST: Final = 2**14
_BLOCK: Final = 8
_SALT_BYTES: Final = 16
_GENERATED: Final = "gps~"  # marks what generate_secret made
MAX_PASSWORD: Final = 1024  # characters; longer ones are wrong without being hashed


def generate_secret() -> str:
    """A new client secret of 256 random bits."""
    return _GENERATED + secrets.token_urlsafe(32)


def hash_password(password: str) -> str:
    """The text to keep for a password or chosen secret."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"scrypt${b64encode(salt).decode()}${b64encode(_scrypt(password, salt)).decode()}"


def hash_generated(secret: str) -> str:
    """The text to keep for a secret that generate_secret made.

    For applications only: a person's password that is compared faster than an unknown person's tells who there is.
    """
    return f"sha256${hashlib.sha256(secret.encode()).hexdigest()}"


def is_password(password: str, kept: str) -> bool:
    """Whether the password is the one kept; takes as long for an unknown account (`kept` == '')."""
    kind, _, rest = (kept or _NOBODY).partition("$")
    if len(password) > MAX_PASSWORD:
        return False
    if kind == "sha256":
        given = hashlib.sha256(password.encode("utf-8", "surrogatepass")).hexdigest()
        return hmac.compare_digest(given, rest)
    salt, _, digest = rest.partition("$")
    right = hmac.compare_digest(_scrypt(password, b64decode(salt)), b64decode(digest))
    return right and bool(kept)


def is_slow(kept: str) -> bool:
    """Whether comparing with this hash takes long."""
    return not kept.startswith("sha256$")


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=_COST, r=_BLOCK, p=1, maxmem=64 * 1024 * 1024
    )


_NOBODY: Final = f"scrypt${b64encode(bytes(_SALT_BYTES)).decode()}${b64encode(bytes(64)).decode()}"
