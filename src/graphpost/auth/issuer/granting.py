"""The token endpoint: a grant in, tokens out.

RFC 6749, 7636 (PKCE), 8628 (device), 7523 (assertions).
What a single-page application was given is redeemed by a page, and its refresh tokens end a day after the sign-in.
Refresh tokens rotate.  A token that was exchanged already is taken again for a minute, because clients that run in
several processes share one, and answers get lost; after that using it ends everything that came of the sign-in, and so
does a second redemption of a code.  Entra would go on; a copied token is the worse thing here.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from graphpost.auth import protocol
from graphpost.auth.authority import GRAPH
from graphpost.auth.issuer.clients import authenticate, authenticate_holder
from graphpost.auth.issuer.minting import Asked, Client
from graphpost.auth.issuer.realm import Realm
from graphpost.auth.issuer.scopes import (
    DEFAULT,
    Granted,
    check_client_credentials,
    default_of,
    names_of,
    parse_scopes,
    resolve,
)
from graphpost.auth.protocol import IssuerReply, IssuerRequest, OAuthError, base64url, json_reply
from graphpost.clock import SECOND, Instant
from graphpost.mail.mailbox import Mailbox
from graphpost.store.directory import consents, grants
from graphpost.store.directory.grants import Facts, Grant, Kind, grant_id_of

_SHORT: Final = {"urn:ietf:params:oauth:grant-type:device_code": "device_code"}
REUSE_GRACE: Final = 60 * SECOND
POLL_SECONDS: Final = 5
SPA_SECONDS: Final = 86_400  # as Entra has it
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


async def answer_token(realm: Realm, request: IssuerRequest, version: int) -> IssuerReply:
    """The answer of /oauth2/v2.0/token, or of /oauth2/token (version 1: `resource` instead of `scope`)."""
    if request.method != "POST":
        raise OAuthError(protocol.ONLY_POST, method=request.method)
    grant_type = _needed(request, "grant_type")
    handler = _GRANTS.get(grant_type)
    action = request.trail.action = f"token {_SHORT.get(grant_type, grant_type)}" if handler else "token"
    if handler is None or (grant_type == "password" and not realm.settings.password_grant):
        raise OAuthError(protocol.GRANT_TYPE, grant=grant_type)
    answer = await handler(realm, request, version)
    realm.done(request, action)
    return json_reply(answer if version == 2 else _as_version_1(realm, request, answer))


async def _client_credentials(realm: Realm, request: IssuerRequest, version: int) -> dict[str, Any]:
    text = _scope_text(request, version)
    if not text:
        raise OAuthError(protocol.MISSING, name="scope" if version == 2 else "resource")
    client = await authenticate(realm, request, proof_needed=True)
    requested = parse_scopes(text, realm.authority, request.origin)
    check_client_credentials(requested, text)
    request.trail.permissions = " ".join(client.application.application_permissions)
    token = realm.mint.application_token(client, _asked(request, requested.audience))
    return _answer(realm, token)


async def _authorization_code(realm: Realm, request: IssuerRequest, version: int) -> dict[str, Any]:
    client, grant = await _held(realm, request, "code", "code")
    if grant.state == grants.OPEN and grant.expires_at <= realm.now():
        raise OAuthError(protocol.CODE_EXPIRED)
    if request.form.get("redirect_uri", "") != grant.facts.redirect_uri:
        raise OAuthError(protocol.REDIRECT_DIFFERS, uri=request.form.get("redirect_uri", ""))
    _check_verifier(grant.facts, request.form.get("code_verifier", ""), client)
    await _use_up(realm, grant)
    return await _user_answer(realm, request, client, grant)


async def _device_code(realm: Realm, request: IssuerRequest, version: int) -> dict[str, Any]:
    code = request.form.get("device_code") or request.form.get("code")
    if not code:
        raise OAuthError(protocol.MISSING, name="device_code")
    client = await authenticate(realm, request)
    grant = await realm.store.read(lambda tx: grants.find(tx, "device", code))
    if grant is None or not _is_of(realm, request, client, grant):
        raise OAuthError(protocol.BAD_DEVICE_CODE)
    if grant.state == grants.DENIED:
        raise OAuthError(protocol.DEVICE_DECLINED)
    if grant.state in (grants.OPEN, grants.APPROVED) and grant.expires_at <= realm.now():
        raise OAuthError(protocol.DEVICE_EXPIRED)
    if grant.state == grants.OPEN:
        await _pending(realm, grant)
    await _use_up(realm, grant)
    return await _user_answer(realm, request, client, grant)


async def _pending(realm: Realm, grant: Grant) -> None:
    now = realm.now()
    if grant.used_at and now - grant.used_at < (POLL_SECONDS - 1) * SECOND:
        raise OAuthError(protocol.SLOW_DOWN)  # and nothing is written for who does not wait
    await realm.store.write(lambda tx: grants.note_poll(tx, grant, now))
    raise OAuthError(protocol.PENDING)


async def _refresh_token(realm: Realm, request: IssuerRequest, version: int) -> dict[str, Any]:
    client, grant = await _held(realm, request, "refresh", "refresh_token")
    now = realm.now()
    if grant.state == grants.REVOKED:
        raise OAuthError(protocol.REVOKED)
    if grant.expires_at <= now:
        raise OAuthError(protocol.SPA_EXPIRED if grant.facts.is_spa else protocol.REFRESH_EXPIRED)
    if grant.state == grants.USED and now - grant.used_at > REUSE_GRACE:
        await realm.store.write(lambda tx: grants.revoke_family(tx, grant.family))
        raise OAuthError(protocol.REVOKED)
    granted = await _narrowed(realm, request, version, client, grant)
    if grant.state == grants.OPEN and not await realm.store.write(lambda tx: grants.use(tx, grant, now)):
        await _check_not_revoked(realm, _needed(request, "refresh_token"))
    return await _user_answer(realm, request, client, grant, granted)


async def _check_not_revoked(realm: Realm, secret: str) -> None:
    """Somebody was faster: exchanging it as well is within the grace, but it may have been revoked."""
    grant = await realm.store.read(lambda tx: grants.find(tx, "refresh", secret))
    if grant is None or grant.state == grants.REVOKED:
        raise OAuthError(protocol.REVOKED)


async def _password(realm: Realm, request: IssuerRequest, version: int) -> dict[str, Any]:
    """The application is given the password itself, so no consent page is asked for."""
    username, password = _needed(request, "username"), _needed(request, "password")
    client = await authenticate(realm, request)
    text = _scope_text(request, version)
    if not text:
        raise OAuthError(protocol.MISSING, name="scope")
    requested = parse_scopes(text, realm.authority, request.origin)
    granted = resolve(requested, client.application)
    user = await realm.sign_in(request, username, password)
    grant = Grant(
        grant_id="",
        kind="code",
        client_id=client.application.client_id,
        object_id=user.object_id,
        family=secrets.token_hex(16),
        expires_at=0,
        facts=Facts(scopes=granted.answer, resource=requested.audience, signed_in_at=realm.now()),
    )
    return await _user_answer(realm, request, client, grant)


Handler = Callable[[Realm, IssuerRequest, int], Awaitable[dict[str, Any]]]
_GRANTS: Final[dict[str, Handler]] = {
    "client_credentials": _client_credentials,
    "authorization_code": _authorization_code,
    "refresh_token": _refresh_token,
    "urn:ietf:params:oauth:grant-type:device_code": _device_code,
    "device_code": _device_code,
    "password": _password,
}


async def _held(realm: Realm, request: IssuerRequest, kind: Kind, name: str) -> tuple[Client, Grant]:
    """Who redeems, and the grant that the parameter of that name stands for, in whatever state."""
    secret = _needed(request, name)
    grant = await realm.store.read(lambda tx: grants.find(tx, kind, secret))
    client = await authenticate_holder(realm, request, name, grant)
    if grant is None or not _is_of(realm, request, client, grant):
        raise OAuthError(protocol.BAD_GRANT, name=name)
    return client, grant


def _is_of(realm: Realm, request: IssuerRequest, client: Client, grant: Grant) -> bool:
    """Whether a grant is the client's; whoever has it speaks for its user, or stole it."""
    if grant.client_id != client.application.client_id:
        return False
    request.trail.user = realm.directory().find(grant.object_id)
    return True


async def _use_up(realm: Realm, grant: Grant) -> None:
    """Redeem a code, once; a second time ends what the first one gave."""
    now = realm.now()
    if grant.state == grants.REVOKED:
        raise OAuthError(protocol.CODE_REDEEMED if grant.used_at else protocol.REVOKED)
    used = grant.state != grants.USED and await realm.store.write(lambda tx: grants.use(tx, grant, now))
    if not used:
        await realm.store.write(lambda tx: grants.revoke_family(tx, grant.family))
        raise OAuthError(protocol.CODE_REDEEMED)


async def _narrowed(
    realm: Realm, request: IssuerRequest, version: int, client: Client, grant: Grant
) -> tuple[str, ...]:
    """The scopes of a refreshed token: those asked for, within what the user let the application have."""
    text = _scope_text(request, version)
    if not text:
        return grant.facts.scopes
    requested = parse_scopes(text, realm.authority, request.origin)
    granted: Granted = resolve(requested, client.application)
    consented = await realm.store.read(lambda tx: consents.scopes_of(tx, grant.client_id, grant.object_id))
    allowed = names_of(grant.facts.scopes) | consented
    if requested.is_default:
        return tuple(s for s in granted.answer if s.endswith(DEFAULT) or names_of([s]) <= allowed)
    if not granted.names <= allowed:
        raise OAuthError(protocol.CONSENT, client=client.application.client_id)
    return granted.answer


async def _user_answer(
    realm: Realm,
    request: IssuerRequest,
    client: Client,
    grant: Grant,
    asked_for: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    """Tokens for a user.  A refresh token comes with offline_access, and always for a refresh token."""
    user = realm.find_user(grant.object_id)
    if user is None:
        raise OAuthError(protocol.USER_DISABLED)
    request.trail.has_user_proof = True
    scopes = grant.facts.scopes if asked_for is None else asked_for
    registered = {name.casefold() for name in client.application.delegated_permissions}
    names = {name for name in names_of(scopes) if name.casefold() in registered}
    openid = {"openid", "profile", "email"} & set(scopes)
    request.trail.user, request.trail.permissions = user, " ".join(sorted(names))
    audience = grant.facts.resource or GRAPH
    token = realm.mint.user_token(client, _asked(request, audience), user, names | openid)
    answer = _answer(realm, token) | {"scope": " ".join(scopes)}
    if "openid" in scopes:
        nonce = grant.facts.nonce if grant.kind == "code" else ""
        answer["id_token"] = realm.mint.id_token(
            client, request.origin, user, nonce, grant.facts.signed_in_at
        )
    if "offline_access" in scopes or grant.kind == "refresh":
        answer["refresh_token"] = await _new_refresh_token(realm, grant, user, scopes)
    if request.form.get("client_info") == "1":
        answer["client_info"] = realm.mint.client_info(user)
    return answer


async def _new_refresh_token(realm: Realm, grant: Grant, user: Mailbox, scopes: tuple[str, ...]) -> str:
    secret = secrets.token_urlsafe(48)
    facts = msgspec.structs.replace(
        grant.facts, scopes=tuple(dict.fromkeys((*grant.facts.scopes, *scopes))), challenge="", nonce=""
    )
    made = Grant(
        grant_id=grant_id_of(secret),
        kind="refresh",
        client_id=grant.client_id,
        object_id=user.object_id,
        family=grant.family,
        expires_at=_end_of(realm, grant),
        facts=facts,
    )
    if not await realm.keep(made, after=grant.grant_id):
        raise OAuthError(protocol.REVOKED)
    return secret


def _end_of(realm: Realm, grant: Grant) -> Instant:
    """When a new refresh token ends: a page's, which others may have got hold of, when the one before would have."""
    seconds = realm.settings.refresh_token_seconds
    if not grant.facts.is_spa:
        return realm.after(seconds)
    return grant.expires_at if grant.kind == "refresh" else realm.after(min(seconds, SPA_SECONDS))


def _check_verifier(facts: Facts, verifier: str, client: Client) -> None:
    if not facts.challenge:
        if verifier:
            raise OAuthError(protocol.VERIFIER_WRONG)
        if client.method == "0":
            raise OAuthError(protocol.PKCE_REQUIRED)
        return
    if not verifier:
        raise OAuthError(protocol.VERIFIER_MISSING)
    if not _VERIFIER.fullmatch(verifier):
        raise OAuthError(protocol.VERIFIER_WRONG)
    made = verifier
    if facts.challenge_method == "S256":
        made = base64url(hashlib.sha256(verifier.encode()).digest())
    if not hmac.compare_digest(made, facts.challenge):
        raise OAuthError(protocol.VERIFIER_WRONG)


def _needed(request: IssuerRequest, name: str) -> str:
    value = request.form.get(name)
    if not value:
        raise OAuthError(protocol.MISSING, name=name)
    return value


def _scope_text(request: IssuerRequest, version: int) -> str:
    """The scopes asked for; version 1 names a resource and always signs in."""
    resource = request.form.get("resource")
    if version == 2 or not resource:
        return request.form.get("scope", "")
    if request.form.get("grant_type") == "client_credentials":
        return f"{resource.rstrip('/')}/{DEFAULT}"
    return default_of(resource)


def _asked(request: IssuerRequest, audience: str) -> Asked:
    asked = Asked(request.origin, audience, _capabilities(request.form.get("claims", "")))
    request.trail.token_id = asked.token_id
    return asked


def _capabilities(text: str) -> tuple[str, ...]:
    """The client capabilities of a claims parameter: cp1 is the only one there is."""
    try:
        values = json.loads(text or "{}")["access_token"]["xms_cc"]["values"]
        return ("cp1",) if any(str(value).casefold() == "cp1" for value in values) else ()
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()


def _answer(realm: Realm, token: str) -> dict[str, Any]:
    seconds = realm.mint.seconds - 1  # a client that starts counting when it has read this is not late
    return {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}


def _as_version_1(realm: Realm, request: IssuerRequest, answer: dict[str, Any]) -> dict[str, Any]:
    """Version 1 writes its numbers as texts, and names the resource."""
    now = realm.now() // SECOND
    texts = {name: str(answer[name]) for name in ("expires_in", "ext_expires_in")}
    resource = request.form.get("resource", GRAPH)
    return {
        **answer,
        **texts,
        "expires_on": str(now + realm.mint.seconds),
        "not_before": str(now - 300),
        "resource": resource,
    }
