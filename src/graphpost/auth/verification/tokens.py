"""Access tokens checked, and whom they speak for.

The issuer that a token names says which keys may have signed it, so that no issuer can speak for another.  `verify` trusts nothing in a token before its signature is right, and takes the algorithm from the kind of the key, not
from the token.  It raises Unauthenticated in Graph's words (a challenge without claims: a client would answer one by
asking for another token).  What was verified is remembered by the SHA-256 of the token until it expires, because
verifying costs more than the rest of a request.  Standards: RFC 7515, 7519, 6750, and 8725 for what is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from graphpost.auth.access import Principal
from graphpost.auth.authority import GRAPH
from graphpost.auth.key_watch import WatchedKeys
from graphpost.auth.verification.issuers import NewcomerError, NobodyHereError
from graphpost.auth.verification.jwks import RemoteKeys
from graphpost.auth.verification.provisioning import Newcomer
from graphpost.clock import SECOND, Clock, Instant
from graphpost.errors import Unauthenticated, Unavailable
from graphpost.store.directory.accounts import GRAPH_APPLICATION

GRAPH_AUDIENCES: Final = frozenset({GRAPH, f"{GRAPH}/", GRAPH_APPLICATION})
LEEWAY: Final = 300 * SECOND
MAX_TOKEN: Final = 16_384  # characters
_REMEMBERED: Final = 8192
_WRONG: Final = 1024  # tokens with a wrong signature that are remembered
_WRONG_SECONDS: Final = 60

_EMPTY: Final = "Access token is empty."
_NO_DOTS: Final = "IDX14100: JWT is not well formed, there are no dots (.)."
_UNREADABLE: Final = "CompactToken parsing failed with error code: 80049217"
_INVALID: Final = "Access token validation failure."
_AUDIENCE: Final = "Access token validation failure. Invalid audience."
_EXPIRED: Final = "Lifetime validation failed, the token is expired."
_NONCE: Final = (
    "Access token validation failure. The token was made for Microsoft's own Graph (its header has a nonce), and nobody "
    "else can check its signature: ask for one with the audience of this server."
)
_NOBODY: Final = "Access token validation failure. User account is disabled or does not exist."
_NO_KEYS: Final = "The keys of the token's issuer cannot be fetched at the moment. Please try again later."
_NOT_YET: Final = "Access token has expired or is not yet valid."


class KeySource(Protocol):
    """Where the keys of an issuer are found."""

    def find_key(self, kid: str) -> RSAKey | ECKey | None:
        """The key of that id, or None."""
        ...


class TrustedIssuer(Protocol):
    """An issuer whose tokens are believed.  `tenant_id` is what `tid` has to be, or '' when it has none."""

    @property
    def tenant_id(self) -> str: ...

    @property
    def keys(self) -> KeySource: ...

    @property
    def leeway(self) -> Instant:
        """How far its clock may be from ours."""
        ...

    def is_issuer(self, text: str) -> bool:
        """Whether that is its name."""
        ...

    def is_for_us(self, claims: Mapping[str, Any]) -> bool:
        """Whether the audience is this server."""
        ...

    def is_access_token(self, claims: Mapping[str, Any]) -> bool:
        """Whether the token was made to be shown here."""
        ...

    def principal(self, claims: Mapping[str, Any]) -> Principal:
        """Whom the claims speak for; NobodyHereError, or ValueError when they say nothing of it."""
        ...


@dataclass(frozen=True, slots=True)
class OwnIssuer:
    """The embedded issuer, under whichever of the server's names (host names, any port) it made the token."""

    tenant_id: str
    hosts: frozenset[str]
    keys: KeySource
    leeway: Instant = LEEWAY

    def is_issuer(self, text: str) -> bool:
        try:
            parts = urlsplit(text)
            paths = (f"/{self.tenant_id}/", f"/{self.tenant_id}/v2.0")
            return parts.scheme in ("https", "http") and parts.hostname in self.hosts and parts.path in paths
        except ValueError:
            return False

    def is_for_us(self, claims: Mapping[str, Any]) -> bool:
        audience = claims.get("aud")
        return isinstance(audience, str) and audience in GRAPH_AUDIENCES

    def is_access_token(self, claims: Mapping[str, Any]) -> bool:
        return not str(claims.get("iss", "")).endswith(
            "/v2.0"
        )  # which its ID tokens have, for their applications

    def principal(self, claims: Mapping[str, Any]) -> Principal:
        delegated = "scp" in claims
        object_id, client_id = claims.get("oid"), claims.get("appid") or claims.get("azp")
        if not isinstance(object_id, str) or not object_id or not isinstance(client_id, str):
            raise ValueError("neither user nor application")
        return Principal(
            kind="user" if delegated or claims.get("idtyp") == "user" else "application",
            tenant_id=self.tenant_id,
            object_id=object_id,
            client_id=client_id,
            permissions=_names(claims.get("scp")) if delegated else _names(claims.get("roles")),
            token_id=str(claims.get("uti", "")),
        )


def own_issuer(tenant_id: str, names: Collection[str], keys: KeySource) -> OwnIssuer:
    """The embedded issuer of a server with these names."""
    return OwnIssuer(tenant_id, frozenset(name.casefold() for name in names), keys)


class UnknownKeyError(Unauthenticated):
    """The token names a key that its issuer, `keys`, is not known to have; it may be new."""

    def __init__(self, message: str, headers: dict[str, str], keys: RemoteKeys | WatchedKeys) -> None:
        super().__init__(message, headers=headers)
        self.keys = keys


class UnknownPersonError(Unauthenticated):
    """The token is right, and whom it speaks for may have a mailbox made."""

    def __init__(self, message: str, headers: dict[str, str], newcomer: Newcomer) -> None:
        super().__init__(message, headers=headers)
        self.newcomer = newcomer


class TokenVerifier:
    """Checks bearer tokens.  `authorization_uri` goes into the challenge of a 401.

    `people` is asked for the present directory: what is remembered of a token holds while nobody comes, goes, or
    changes, and while no issuer loses a key.
    `provide` makes a mailbox for who may have one.
    """

    def __init__(
        self,
        issuers: Sequence[TrustedIssuer],
        clock: Clock,
        *,
        authorization_uri: str = "https://login.microsoftonline.com/common/oauth2/authorize",
        people: Callable[[], object] = lambda: None,
        provide: Callable[[Newcomer], Awaitable[bool]] | None = None,
    ) -> None:
        self._issuers = tuple(issuers)
        self._clock = clock
        self._people = people
        self._provide = provide
        self._seen = people()
        self._remembered: dict[bytes, tuple[Principal, Instant]] = {}
        self._wrong: dict[bytes, Instant] = {}
        for issuer in self._issuers:
            if isinstance(issuer.keys, RemoteKeys | WatchedKeys):
                issuer.keys.lost = self._remembered.clear
        self._challenge = {
            "WWW-Authenticate": f'Bearer realm="", authorization_uri="{authorization_uri}", '
            f'client_id="{GRAPH_APPLICATION}"'
        }

    def find_cached(self, token: str) -> Principal | None:
        """Whom a token speaks for, when it was verified before and has not expired."""
        found = self._remembered.get(_digest(token))
        if found is None or found[1] <= self._clock.now() or self._seen is not self._people():
            return None
        return found[0]

    async def admit(self, token: str) -> Principal:
        """As `verify`; an issuer whose keys do not have the token's is asked for new ones, and newcomers are provided for.

        Raises Unavailable when nothing can be said of an issuer's tokens because it does not answer, or too many new
        people come at once, and StoreError.
        """
        try:
            return await self._admit(token)
        except UnknownPersonError as unknown:
            if self._provide is None or not await self._provide(unknown.newcomer):
                raise
        return self.verify(token)

    async def _admit(self, token: str) -> Principal:
        try:
            return self.verify(token)
        except UnknownKeyError as unknown:
            await unknown.keys.refresh()
            if unknown.keys.is_stale:
                raise Unavailable(_NO_KEYS, headers={"Retry-After": "60"}) from unknown
        return self.verify(token)

    def verify(self, token: str) -> Principal:
        """Whom a token speaks for; Unauthenticated unless everything about it is right."""
        if not token.strip():
            raise self._refused(_EMPTY)
        if "." not in token:
            raise self._refused(_NO_DOTS)
        if len(token) > MAX_TOKEN or not token.isascii() or token.count(".") != 2:
            raise self._refused(_UNREADABLE)
        if self._wrong and self._is_known_wrong(token):
            raise self._refused(_INVALID)
        claims, issuer = self._verified(token)
        expires_at = self._check_claims(claims, issuer)
        principal = self._principal(claims, issuer)
        self._remember(_digest(token), principal, expires_at)
        return principal

    def _verified(self, token: str) -> tuple[dict[str, Any], TrustedIssuer]:
        try:
            parts = jws.extract_compact(token.encode(), registry=_REGISTRY)
            header, claimed = parts.headers(), json.loads(parts.payload or b"")
        except (JoseError, ValueError, RecursionError) as error:
            raise self._refused(_UNREADABLE) from error
        if not isinstance(claimed, dict):
            raise self._refused(_UNREADABLE)
        issuer = self._issuer(claimed.get("iss"))
        kid = None if "crit" in header else header.get("kid")  # we process no critical header
        if issuer is None or not isinstance(kid, str):
            raise self._refused(_INVALID)
        if isinstance(issuer.keys, RemoteKeys) and "nonce" in header:
            raise self._refused(_NONCE)
        key = issuer.keys.find_key(kid)
        if key is not None:
            self._check_signature(parts, key, token)
            return claimed, issuer
        if isinstance(issuer.keys, RemoteKeys | WatchedKeys):
            raise UnknownKeyError(_INVALID, self._challenge, issuer.keys)
        raise self._refused(_INVALID)

    def _issuer(self, name: object) -> TrustedIssuer | None:
        if not isinstance(name, str):
            return None
        return next((issuer for issuer in self._issuers if issuer.is_issuer(name)), None)

    def _check_signature(self, parts: jws.CompactSignature, key: RSAKey | ECKey, token: str) -> None:
        try:
            is_right = jws.validate_compact(parts, key, registry=_registry_of(key))
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise self._refused(_INVALID) from error
        if not is_right:
            while len(self._wrong) >= _WRONG:
                del self._wrong[next(iter(self._wrong))]
            self._wrong[_digest(token)] = self._clock.now() + _WRONG_SECONDS * SECOND
            raise self._refused(_INVALID)

    def _is_known_wrong(self, token: str) -> bool:
        """Whether its signature was wrong a moment ago: a client that does not notice asks again and again."""
        digest = _digest(token)
        until = self._wrong.get(digest)
        if until is not None and until <= self._clock.now():
            del self._wrong[digest]
            return False
        return until is not None

    def _check_claims(self, claims: dict[str, Any], issuer: TrustedIssuer) -> Instant:
        if issuer.tenant_id and claims.get("tid") != issuer.tenant_id:
            raise self._refused(_INVALID)
        if not issuer.is_for_us(claims):
            raise self._refused(_AUDIENCE)
        if not issuer.is_access_token(claims):
            raise self._refused(_INVALID)
        now = self._clock.now()
        expires_at = self._instant(claims, "exp")
        if expires_at + issuer.leeway <= now:
            raise self._refused(_EXPIRED)
        if "nbf" in claims and self._instant(claims, "nbf") - issuer.leeway > now:
            raise self._refused(_NOT_YET)
        return expires_at

    def _instant(self, claims: dict[str, Any], name: str) -> Instant:
        value = claims.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 2**40:
            raise self._refused(_INVALID)
        return int(value * SECOND)

    def _principal(self, claims: dict[str, Any], issuer: TrustedIssuer) -> Principal:
        try:
            return issuer.principal(claims)
        except NewcomerError as error:
            raise UnknownPersonError(_NOBODY, self._challenge, error.newcomer) from error
        except NobodyHereError as error:
            raise self._refused(_NOBODY) from error
        except ValueError as error:
            raise self._refused(_INVALID) from error

    def _remember(self, digest: bytes, principal: Principal, expires_at: Instant) -> None:
        if self._seen is not (people := self._people()):
            self._remembered.clear()
            self._seen = people
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
