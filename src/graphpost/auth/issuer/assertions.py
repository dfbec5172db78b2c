"""Client assertions: JWTs signed by an application's certificate.

Read as it was received: azure-identity's asynchronous client leaves the base64 padding in and signs over it, so
nothing is stripped before the signature is checked.  RS256 and PS256 only.  Standards: RFC 7523, RFC 7515.
"""

from __future__ import annotations

import binascii
import hashlib
import json
from base64 import b64decode, urlsafe_b64decode
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from graphpost.auth import protocol
from graphpost.auth.authority import Authority
from graphpost.auth.protocol import OAuthError, base64url
from graphpost.clock import SECOND, Instant
from graphpost.store.directory.accounts import Credential

TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LEEWAY: Final = 300 * SECOND
MAX_ASSERTION: Final = 32_768
_LONGEST: Final = 86_400 * SECOND  # a lifetime beyond a day would fill the memory of used ids
_ALGORITHMS: Final = ("RS256", "PS256")


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion whose shape is right; nothing of it is proved yet."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def parse_assertion(text: str) -> Assertion:
    """Take an assertion apart; OAuthError when it is none."""
    try:
        if len(text) > MAX_ASSERTION:
            raise ValueError("too long")
        header, payload, signature = text.encode("ascii").split(b".")
        assertion = Assertion(
            json.loads(_decode(header)),
            json.loads(_decode(payload)),
            header + b"." + payload,
            _decode(signature),
        )
    except (ValueError, RecursionError) as error:
        raise OAuthError(protocol.ASSERTION_FORM) from error
    if not isinstance(assertion.header, dict) or not isinstance(assertion.claims, dict):
        raise OAuthError(protocol.ASSERTION_FORM)
    if assertion.header.get("alg") not in _ALGORITHMS or "crit" in assertion.header:
        raise OAuthError(protocol.ASSERTION_FORM)
    return assertion


def check_signature(assertion: Assertion, credentials: list[Credential], now: Instant) -> None:
    """Raise OAuthError unless one of the certificates signed it.

    The header's thumbprint, where there is one, says which; a certificate that comes along (x5c) is not looked at.
    """
    fitting = [c for c in credentials if c.kind == "certificate" and _is_named(assertion.header, c)]
    signer = next((c for c in fitting if _is_signed_by(assertion, c)), None)
    if signer is None:
        raise OAuthError(protocol.ASSERTION_SIGNATURE)
    if signer.expires_at and signer.expires_at <= now:
        raise OAuthError(protocol.EXPIRED_CERTIFICATE)


def check_claims(
    assertion: Assertion, client_id: str, authority: Authority, origin: str, now: Instant
) -> Instant:
    """Raise OAuthError unless it is about this client, for this issuer, and now; the instant it expires."""
    claims = assertion.claims
    if _text(claims, "iss").casefold() != client_id or _text(claims, "sub").casefold() != client_id:
        raise OAuthError(protocol.ASSERTION_SUBJECT)
    audiences = claims.get("aud")
    listed = audiences if isinstance(audiences, list) else [audiences]
    if not any(isinstance(a, str) and authority.is_token_endpoint(a, origin) for a in listed):
        raise OAuthError(protocol.ASSERTION_AUDIENCE)
    expires_at = _instant(claims, "exp")
    not_before = _instant(claims, "nbf") if "nbf" in claims else now
    if not_before - LEEWAY > now or expires_at + LEEWAY <= now or expires_at > now + _LONGEST:
        raise OAuthError(protocol.ASSERTION_TIME)
    if not _text(claims, "jti"):
        raise OAuthError(protocol.ASSERTION_FORM)
    return expires_at


def _is_named(header: dict[str, Any], credential: Credential) -> bool:
    der = b64decode(credential.value)
    named = {
        "x5t": hashlib.sha1(der, usedforsecurity=False).digest(),
        "x5t#S256": hashlib.sha256(der).digest(),
    }
    return all(
        str(header[name]).rstrip("=") == base64url(digest) for name, digest in named.items() if name in header
    )


def _is_signed_by(assertion: Assertion, credential: Credential) -> bool:
    public = x509.load_der_x509_certificate(b64decode(credential.value)).public_key()
    if not isinstance(public, RSAPublicKey):
        return False
    key = RSAKey.import_key(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    algorithm = JWSRegistry(algorithms=_ALGORITHMS).get_alg(assertion.header["alg"])
    return algorithm.verify(assertion.signed, assertion.signature, key)


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _instant(claims: dict[str, Any], name: str) -> Instant:
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 2**40:
        raise OAuthError(protocol.ASSERTION_TIME)
    return int(value * SECOND)


def _decode(part: bytes) -> bytes:
    try:
        return urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
