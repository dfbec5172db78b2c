"""Tokens made: access tokens with Graph's own claims, and id_tokens."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from joserfc import jwt

from graphpost.auth.authority import Authority
from graphpost.auth.issuer.scopes import OPENID
from graphpost.auth.keys import SigningKeys
from graphpost.auth.protocol import base64url
from graphpost.clock import SECOND, Clock, Instant
from graphpost.mail.mailbox import Application, Mailbox

BEFORE = 300  # seconds a token is valid before it was made: other people's clocks


@dataclass(frozen=True, slots=True)
class Client:
    """An application that proved itself: `method` is '0' (public), '1' (secret) or '2' (certificate)."""

    application: Application
    method: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What the request says about the token it wants."""

    origin: str
    audience: str
    capabilities: tuple[str, ...] = ()
    token_id: str = field(default_factory=lambda: secrets.token_urlsafe(16))


class Mint:
    """Signs tokens; the lifetime is in seconds."""

    def __init__(self, authority: Authority, keys: SigningKeys, clock: Clock, seconds: int) -> None:
        self._authority = authority
        self._keys = keys
        self._clock = clock
        self.seconds = seconds

    def application_token(self, client: Client, asked: Asked) -> str:
        """An access token for the application itself: its application permissions are `roles`."""
        application = client.application
        claims = self._access_claims(client, asked) | {
            "idtyp": "app",
            "oid": application.object_id,
            "sub": application.object_id,
        }
        if application.application_permissions:
            claims["roles"] = list(application.application_permissions)
        return self._sign(claims)

    def user_token(self, client: Client, asked: Asked, user: Mailbox, scopes: Iterable[str]) -> str:
        """An access token for an application acting for a user: `scp` has the permission names and OpenID's."""
        claims = self._access_claims(client, asked) | {
            "idtyp": "user",
            "name": user.name,
            "oid": user.object_id,
            "scp": " ".join(sorted(scopes, key=lambda name: (name in OPENID, name))),
            "sub": self._subject(client.application, user),
            "unique_name": user.address,
            "upn": user.address,
        }
        return self._sign(claims)

    def id_token(self, client: Client, origin: str, user: Mailbox, nonce: str, signed_in_at: Instant) -> str:
        """Who signed in, for the application; has a nonce exactly when the authorization request had one."""
        now = self._clock.now() // SECOND
        claims: dict[str, Any] = {
            "ver": "2.0",
            "iss": self._authority.id_token_issuer(origin),
            "aud": client.application.client_id,
            "iat": now,
            "nbf": now - BEFORE,
            "exp": now + self.seconds,
            "name": user.name,
            "email": user.address,
            "preferred_username": user.address,
            "oid": user.object_id,
            "sub": self._subject(client.application, user),
            "tid": self._authority.tenant_id,
            "uti": secrets.token_urlsafe(16),
        }
        if nonce:
            claims["nonce"] = nonce
        if signed_in_at:
            claims["auth_time"] = signed_in_at // SECOND
        return self._sign(claims)

    def client_info(self, user: Mailbox) -> str:
        """What MSAL makes an account id of."""
        info = msgspec.json.encode({"uid": user.object_id, "utid": self._authority.tenant_id})
        return base64url(info)

    def _access_claims(self, client: Client, asked: Asked) -> dict[str, Any]:
        now = self._clock.now() // SECOND
        claims: dict[str, Any] = {
            "aud": asked.audience,
            "iss": self._authority.issuer(asked.origin),
            "iat": now,
            "nbf": now - BEFORE,
            "exp": now + self.seconds,
            "app_displayname": client.application.name,
            "appid": client.application.client_id,
            "appidacr": client.method,
            "tid": self._authority.tenant_id,
            "uti": asked.token_id,
            "ver": "1.0",
        }
        if asked.capabilities:
            claims["xms_cc"] = list(asked.capabilities)
        return claims

    def _subject(self, application: Application, user: Mailbox) -> str:
        """Pairwise: the same person is somebody else for every application."""
        return base64url(hashlib.sha256(f"{application.client_id}|{user.object_id}".encode()).digest())

    def _sign(self, claims: dict[str, Any]) -> str:
        key = self._keys.current
        header = {"typ": "JWT", "alg": "RS256", "x5t": key.kid, "kid": key.kid}
        return jwt.encode(header, claims, key.key, algorithms=["RS256"])
