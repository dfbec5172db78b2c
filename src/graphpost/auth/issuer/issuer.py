"""The embedded issuer: OAuth 2.0 and OpenID Connect in Entra ID's shape.

MSAL and azure-identity work with it unchanged.
One request goes in, one reply comes out, and None for a path that is not the issuer's.  Every path begins with a
tenant: `common`, `organizations`, the tenant's id or one of its domains, in any letter case.  Refusals are answered as
AADSTS errors and never with 5xx; a store that fails is the caller's to answer.

What clients ask, and only that, a page of another origin may ask and read as well (the CORS protocol, Fetch Standard
section 3.3): none of it looks at a cookie, so everybody may, and which tokens a page gets the token endpoint decides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import urlencode

from graphpost.auth.authority import Authority
from graphpost.auth.guesses import Guesses
from graphpost.auth.issuer.browser import open_browser
from graphpost.auth.issuer.device import answer_device_code, answer_device_page
from graphpost.auth.issuer.granting import answer_token
from graphpost.auth.issuer.minting import Mint
from graphpost.auth.issuer.realm import Realm
from graphpost.auth.issuer.redirects import find_place
from graphpost.auth.issuer.showing import show, show_file
from graphpost.auth.issuer.signin import answer_authorize
from graphpost.auth.keys import SigningKeys, to_jwk
from graphpost.auth.protocol import (
    MALFORMED,
    MISSING_QUERY,
    NO_METHOD,
    IssuerReply,
    IssuerRequest,
    OAuthError,
    error_reply,
    json_reply,
)
from graphpost.auth.throttle import Throttle
from graphpost.auth.trail import SIGN_OUT, Note, nobody
from graphpost.clock import Clock
from graphpost.config import IssuerSettings
from graphpost.mail.mailbox import Directory
from graphpost.store.store import Store

__all__ = ["Issuer", "IssuerReply", "IssuerRequest"]

_PUBLIC: Final = (("Cache-Control", "max-age=86400, private"),)
_KEYS: Final = (("Cache-Control", "max-age=3600, private"),)
_SHARED: Final = ("Access-Control-Allow-Origin", "*")
_PREFLIGHT: Final = (
    _SHARED,
    ("Access-Control-Allow-Methods", "GET, POST"),
    ("Access-Control-Allow-Headers", "*"),
    ("Access-Control-Max-Age", "7200"),
)


class Issuer:
    """Answers the identity endpoints under the server's own origin.

    `guesses` counts wrong passwords, secrets and codes.  `names` are the host names clients use; that of a request's origin is always one of them.  `note` is told of sign-ins,
    consents and tokens, given and refused.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        directory: Callable[[], Directory],
        settings: IssuerSettings,
        tenant_id: str,
        domains: Sequence[str],
        keys: SigningKeys,
        *,
        guesses: Guesses,
        names: Sequence[str] = (),
        note: Note = nobody,
    ) -> None:
        authority = Authority(
            tenant_id.lower(),
            frozenset(d.casefold() for d in domains),
            frozenset(n.casefold() for n in names),
        )
        mint = Mint(authority, keys, clock, settings.access_token_seconds)
        self._realm = Realm(
            store,
            clock,
            directory,
            settings,
            authority,
            keys,
            mint,
            guesses,
            Throttle(clock),
            note=note,
        )

    async def handle(self, request: IssuerRequest) -> IssuerReply | None:
        """The answer to a request, or None when its path is none of the issuer's."""
        tenant, slash, rest = request.path.removeprefix("/").partition("/")
        name = _name(rest)
        handler = _ENDPOINTS.get(name)
        user = rest.casefold().startswith("userrealm/")
        file = tenant == "common" and rest.startswith("oauth2/pages/")
        if not slash or not (handler or user or file):
            return None
        if file:
            return show_file(rest.removeprefix("oauth2/pages/"))
        if name not in _SHARED_ENDPOINTS:
            return await self._answer(request, tenant, rest, handler)
        if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
            return IssuerReply(204, headers=[*_PREFLIGHT])
        reply = await self._answer(request, tenant, rest, handler)
        reply.headers.append(_SHARED)
        return reply

    async def _answer(
        self, request: IssuerRequest, tenant: str, rest: str, handler: Endpoint | None
    ) -> IssuerReply:
        try:
            _check_text(request)
            named = self._realm.authority.tenant(tenant)
            if handler:
                return await handler(self._realm, request, named)
            realm = self._realm.authority.user_realm(request.origin, rest[len("userrealm/") :])
            return json_reply(realm)
        except OAuthError as error:
            self._realm.refused(request, error)
            return error_reply(error, self._realm.now(), request)


async def _discovery(realm: Realm, request: IssuerRequest, tenant: str) -> IssuerReply:
    _check_get(request)
    return json_reply(realm.authority.discovery(request.origin, tenant), headers=_PUBLIC)


async def _keys(realm: Realm, request: IssuerRequest, tenant: str) -> IssuerReply:
    _check_get(request)
    issuer = realm.authority.id_token_issuer(request.origin)
    return json_reply({"keys": [to_jwk(key, issuer) for key in realm.keys.public()]}, headers=_KEYS)


async def _instance(realm: Realm, request: IssuerRequest, tenant: str) -> IssuerReply:
    _check_get(request)
    endpoint = request.query.get("authorization_endpoint")
    if not endpoint:
        raise OAuthError(MISSING_QUERY, name="authorization_endpoint")
    return json_reply(realm.authority.instance_discovery(request.origin, endpoint), headers=_PUBLIC)


async def _logout(realm: Realm, request: IssuerRequest, tenant: str) -> IssuerReply:
    """Ends the session here, and goes on to where the application wants, if that is an address of one of ours.

    A state is brought back there (OpenID Connect RP-Initiated Logout 1.0).
    """
    browser = await open_browser(realm, request)
    if browser.user is not None:
        realm.done(request, SIGN_OUT)
    await browser.sign_out()
    params = request.query or request.form
    uri, state = params.get("post_logout_redirect_uri", ""), params.get("state", "")
    if uri and any(find_place(uri, application) for application in realm.directory().applications.values()):
        if state:
            uri += ("&" if "?" in uri else "?") + urlencode({"state": state})
        return IssuerReply(303, b"", "", [("Location", uri), ("Cache-Control", "no-store"), *browser.cookies])
    return show("signed_out", browser)


async def _device_page(realm: Realm, request: IssuerRequest, tenant: str) -> IssuerReply:
    return await answer_device_page(realm, request)


Endpoint = Callable[[Realm, IssuerRequest, str], Awaitable[IssuerReply]]
Versioned = Callable[[Realm, IssuerRequest, int], Awaitable[IssuerReply]]


def _version(number: int, answer: Versioned) -> Endpoint:
    async def endpoint(realm: Realm, request: IssuerRequest, tenant: str) -> IssuerReply:
        return await answer(realm, request, number)

    return endpoint


_ENDPOINTS: Final[dict[str, Endpoint]] = {
    "v2.0/.well-known/openid-configuration": _discovery,
    ".well-known/openid-configuration": _discovery,
    "discovery/v2.0/keys": _keys,
    "discovery/keys": _keys,
    "discovery/instance": _instance,
    "oauth2/v2.0/authorize": _version(2, answer_authorize),
    "oauth2/authorize": _version(1, answer_authorize),
    "oauth2/v2.0/token": _version(2, answer_token),
    "oauth2/token": _version(1, answer_token),
    "oauth2/v2.0/devicecode": _version(2, answer_device_code),
    "oauth2/devicecode": _version(1, answer_device_code),
    "oauth2/deviceauth": _device_page,
    "oauth2/v2.0/logout": _logout,
    "oauth2/logout": _logout,
}

_SHARED_ENDPOINTS: Final = frozenset(
    name for name, endpoint in _ENDPOINTS.items() if endpoint in (_discovery, _keys, _instance)
) | {"oauth2/v2.0/token", "oauth2/token"}


def is_shared(path: str) -> bool:
    """Whether a page of another origin may read what is answered there, by whomever."""
    return _name(path.removeprefix("/").partition("/")[2]) in _SHARED_ENDPOINTS


def _name(rest: str) -> str:
    """The name of an endpoint, from what follows the tenant in its path."""
    return rest.rstrip("/").casefold()


def _check_text(request: IssuerRequest) -> None:
    """Refuse text that no encoding can write (lone surrogates), before it reaches a page or the store."""
    try:
        "".join((request.path, *request.query.values(), *request.form.values())).encode()
    except UnicodeEncodeError as error:
        raise OAuthError(MALFORMED) from error


def _check_get(request: IssuerRequest) -> None:
    if request.method not in ("GET", "HEAD"):
        raise OAuthError(NO_METHOD, method=request.method)
