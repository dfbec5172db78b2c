"""Client assertions, right by default and wrong on request."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from tests.auth.world import CLIENT, ORIGIN, START, TENANT

from graphpost.clock import SECOND

NOW = START // SECOND
ENDPOINT = f"{ORIGIN}/{TENANT}/oauth2/v2.0/token"
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def make_assertion(
    pem: Path,
    alg: str = "PS256",
    *,
    padded: bool = False,
    header: dict[str, Any] | None = None,
    claims: dict[str, Any] | None = None,
) -> str:
    """A None in `claims` or `header` leaves that member out."""
    text = pem.read_bytes()
    key = load_pem_private_key(text, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    der = x509.load_pem_x509_certificate(text).public_bytes(Encoding.DER)
    thumb = (
        {"x5t": hashlib.sha1(der).digest()} if alg == "RS256" else {"x5t#S256": hashlib.sha256(der).digest()}
    )
    head: dict[str, Any] = {"alg": alg, "typ": "JWT", **{k: encode(v, padded) for k, v in thumb.items()}}
    body: dict[str, Any] = {
        "aud": ENDPOINT,
        "iss": CLIENT,
        "sub": CLIENT,
        "jti": "one",
        "nbf": NOW,
        "iat": NOW,
        "exp": NOW + 600,
    }
    parts = [_without_none(head | (header or {})), _without_none(body | (claims or {}))]
    signed = ".".join(encode(json.dumps(part).encode(), padded) for part in parts)
    return f"{signed}.{encode(_sign(key, alg, signed.encode()), padded)}"


def encode(data: bytes, padded: bool = False) -> str:
    text = urlsafe_b64encode(data).decode()
    return text if padded else text.rstrip("=")


def _sign(key: rsa.RSAPrivateKey, alg: str, data: bytes) -> bytes:
    if alg == "RS256":
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(
        data, padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size), hashes.SHA256()
    )


def _without_none(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
