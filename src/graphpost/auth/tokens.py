"""Access tokens checked, and whom they speak for.

`verify` trusts nothing in a token before its signature is right, and takes the algorithm from the kind of the key, not
from the token.  It raises Unauthenticated in Graph's words (a challenge without claims: a client would answer one by
asking for another token).  What was verified is remembered by the SHA-256 of the token until it expires, because
verifying costs more than the rest of a request.  Standards: RFC 7515, 7519, 6750, and 8725 for what is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from graphpost.auth.access import Principal
from graphpost.auth.authority import GRAPH
from graphpost.clock import SECOND, Clock, Instant
from graphpost.errors import Unauthenticated
from graphpost.store.accounts import GRAPH_APPLICATION

GRAPH_AUDIENCES: Final = frozenset({GRAPH, f"{GRAPH}/", GRAPH_APPLICATION})
MAX_TOKEN: Final = 16_384  # characters
_REMEMBERED: Final = 8192

_EMPTY: Final = "Access token is empty."
_NO_DOTS: Final = "IDX14100: JWT is not well formed, there are no dots (.)."
_UNREADABLE: Final = "CompactToken parsing failed with error code: 80049217"
_INVALID: Final = "Access token validation failure."
_AUDIENCE: Final = "Access token validation failure. Invalid audience."
_EXPIRED: Final = "Lifetime validation failed, the token is expired."
_NOT_YET: Final = "Access token has expired or is not yet valid."


class KeySource(Protocol):
    """Where the keys of an issuer are found."""

    def find_key(self, kid: str) -> RSAKey | ECKey | None:
        """The key of that id, or None."""
        ...


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """An issuer whose tokens are believed, for one tenant and these audiences."""

    is_issuer: Callable[[str], bool]
    tenant_id: str
    keys: KeySource
    audiences: frozenset[str] = GRAPH_AUDIENCES


def own_issuer(tenant_id: str, names: Collection[str], keys: KeySource) -> TrustedIssuer:
    """The embedded issuer, under whichever of the server's names (host names, any port) it made the token."""
    hosts = frozenset(name.casefold() for name in names)
    path = f"/{tenant_id}/"

    def is_issuer(text: str) -> bool:
        try:
            parts = urlsplit(text)
            return parts.scheme in ("https", "http") and parts.hostname in hosts and parts.path == path
        except ValueError:
            return False

    return TrustedIssuer(is_issuer, tenant_id, keys)


class TokenVerifier:
    """Checks bearer tokens.  `authorization_uri` goes into the challenge of a 401."""

    def __init__(
        self,
        issuers: Sequence[TrustedIssuer],
        clock: Clock,
        leeway_seconds: int = 300,
        *,
        authorization_uri: str = "https://login.microsoftonline.com/common/oauth2/authorize",
    ) -> None:
        self._issuers = tuple(issuers)
        self._clock = clock
        self._leeway = leeway_seconds * SECOND
        self._remembered: dict[bytes, tuple[Principal, Instant]] = {}
        self._challenge = {
            "WWW-Authenticate": f'Bearer realm="", authorization_uri="{authorization_uri}", '
            f'client_id="{GRAPH_APPLICATION}"'
        }

    def find_cached(self, token: str) -> Principal | None:
        """Whom a token speaks for, when it was verified before and has not expired."""
        found = self._remembered.get(_digest(token))
        if found is None or found[1] <= self._clock.now():
            return None
        return found[0]

    def verify(self, token: str) -> Principal:
        """Whom a token speaks for; Unauthenticated unless everything about it is right."""
        if not token.strip():
            raise self._refused(_EMPTY)
        if "." not in token:
            raise self._refused(_NO_DOTS)
        if len(token) > MAX_TOKEN or not token.isascii() or token.count(".") != 2:
            raise self._refused(_UNREADABLE)
        claims, issuer = self._verified(token)
        expires_at = self._check_claims(claims, issuer)
        principal = self._principal(claims)
        self._remember(_digest(token), principal, expires_at)
        return principal

    def _verified(self, token: str) -> tuple[dict[str, Any], TrustedIssuer]:
        try:
            header = jws.extract_compact(token.encode(), registry=_REGISTRY).headers()
        except (JoseError, ValueError, RecursionError) as error:
            raise self._refused(_UNREADABLE) from error
        kid = None if "crit" in header else header.get("kid")  # we process no critical header
        for issuer in self._issuers:
            key = issuer.keys.find_key(kid) if isinstance(kid, str) else None
            if key is not None:
                return self._claims(token, key), issuer
        raise self._refused(_INVALID)

    def _claims(self, token: str, key: RSAKey | ECKey) -> dict[str, Any]:
        try:
            payload = jws.deserialize_compact(token, key, registry=_registry_of(key)).payload
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise self._refused(_INVALID) from error
        try:
            claims = json.loads(payload or b"")
        except (ValueError, RecursionError) as error:
            raise self._refused(_UNREADABLE) from error
        if not isinstance(claims, dict):
            raise self._refused(_UNREADABLE)
        return claims

    def _check_claims(self, claims: dict[str, Any], issuer: TrustedIssuer) -> Instant:
        iss, tid, aud = claims.get("iss"), claims.get("tid"), claims.get("aud")
        if not isinstance(iss, str) or not issuer.is_issuer(iss) or tid != issuer.tenant_id:
            raise self._refused(_INVALID)
        if not isinstance(aud, str) or aud not in issuer.audiences:
            raise self._refused(_AUDIENCE)
        now = self._clock.now()
        expires_at = self._instant(claims, "exp")
        if expires_at + self._leeway <= now:
            raise self._refused(_EXPIRED)
        if "nbf" in claims and self._instant(claims, "nbf") - self._leeway > now:
            raise self._refused(_NOT_YET)
        return expires_at

    def _instant(self, claims: dict[str, Any], name: str) -> Instant:
        value = claims.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**40:
            raise self._refused(_INVALID)
        return value * SECOND

    def _principal(self, claims: dict[str, Any]) -> Principal:
        delegated = "scp" in claims
        names = _names(claims.get("scp")) if delegated else _names(claims.get("roles"))
        object_id, client_id = claims.get("oid"), claims.get("appid") or claims.get("azp")
        if not isinstance(object_id, str) or not object_id or not isinstance(client_id, str):
            raise self._refused(_INVALID)
        return Principal(
            kind="user" if delegated or claims.get("idtyp") == "user" else "application",
            tenant_id=claims["tid"],
            object_id=object_id,
            client_id=client_id,
            permissions=names,
            token_id=str(claims.get("uti", "")),
        )

    def _remember(self, digest: bytes, principal: Principal, expires_at: Instant) -> None:
        self._remembered.pop(digest, None)
        while len(self._remembered) >= _REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[digest] = (principal, expires_at)

    def _refused(self, message: str) -> Unauthenticated:
        return Unauthenticated(message, headers=self._challenge)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _names(value: object) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset(value.split())
    return (
        frozenset(name for name in value if isinstance(name, str)) if isinstance(value, list) else frozenset()
    )


class _Registry(JWSRegistry):
    """Graph's own tokens have a longer header than the library expects, with a `nonce` in it."""

    max_header_length = 4096


_REGISTRY: Final = _Registry(algorithms=["RS256", "PS256", "ES256"], strict_check_header=False)
_RSA: Final = _Registry(algorithms=["RS256", "PS256"], strict_check_header=False)
_EC: Final = _Registry(algorithms=["ES256"], strict_check_header=False)


def _registry_of(key: RSAKey | ECKey) -> JWSRegistry:
    return _EC if isinstance(key, ECKey) else _RSA
