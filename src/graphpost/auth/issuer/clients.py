"""Applications at the token endpoint: which one asks, and its proof."""

from __future__ import annotations

from base64 import b64decode
from urllib.parse import unquote_plus

from graphpost.auth import protocol
from graphpost.auth.issuer.assertions import LEEWAY, TYPE, check_claims, check_signature, parse_assertion
from graphpost.auth.issuer.minting import Client
from graphpost.auth.issuer.realm import Realm
from graphpost.auth.protocol import IssuerRequest, OAuthError
from graphpost.mail.mailbox import Application
from graphpost.store.directory import accounts, grants
from graphpost.store.directory.accounts import Credential
from graphpost.store.directory.grants import Grant, grant_id_of
from graphpost.store.directory.passwords import is_slow


def find_application(realm: Realm, client_id: str) -> Application:
    """The application of a client id (a GUID in any letter case); OAuthError when unknown or disabled."""
    application = realm.directory().applications.get(client_id.casefold())
    if application is None:
        raise OAuthError(protocol.APPLICATION, client=client_id, tenant=realm.authority.tenant_id)
    if not application.enabled:
        raise OAuthError(protocol.APPLICATION_DISABLED, client=client_id)
    return application


async def authenticate(realm: Realm, request: IssuerRequest, *, proof_needed: bool = False) -> Client:
    """The client that asks.  Without a secret or assertion it must be public, and proof not needed.

    What is sent is checked even where nothing was needed.  No page of any origin is such a client.
    """
    form = request.form
    basic_id, basic_secret = _basic(request)
    client_id = form.get("client_id") or basic_id
    if not client_id:
        raise OAuthError(protocol.MISSING, name="client_id")
    if basic_id and (basic_id.casefold() != client_id.casefold() or form.get("client_secret")):
        raise OAuthError(protocol.MALFORMED)
    application = find_application(realm, client_id)
    request.trail.client_id = application.client_id
    if "origin" in request.headers:
        raise OAuthError(protocol.CROSS_ORIGIN, origin=request.headers["origin"])
    secret = form.get("client_secret") or basic_secret
    if form.get("client_assertion"):
        if secret:
            raise OAuthError(protocol.MALFORMED)
        await _check_assertion(realm, request, application)
        request.trail.has_client_proof = True
        return Client(application, "2")
    if secret:
        await _check_secret(realm, application, secret, request.remote)
        request.trail.has_client_proof = True
        return Client(application, "1")
    if proof_needed or not application.public:
        raise OAuthError(protocol.NO_CREDENTIAL)
    return Client(application, "0")


async def authenticate_holder(realm: Realm, request: IssuerRequest, name: str, grant: Grant | None) -> Client:
    """The client that redeems a grant, which came by the parameter of that name.

    What went to a page is redeemed by a page (a request has an Origin) and without proof; all else by others.
    """
    is_page, is_spa = "origin" in request.headers, grant is not None and grant.facts.is_spa
    if not (is_page or is_spa):
        return await authenticate(realm, request)
    client_id = request.form.get("client_id")
    if not client_id:
        raise OAuthError(protocol.MISSING, name="client_id")
    application = find_application(realm, client_id)
    request.trail.client_id = application.client_id
    if grant is None and application.spa_redirect_uris:
        raise OAuthError(protocol.BAD_GRANT, name=name)
    if not is_spa:
        raise OAuthError(protocol.CROSS_ORIGIN, origin=request.headers["origin"])
    if not is_page:
        raise OAuthError(protocol.SAME_ORIGIN)
    proofs = ("client_secret", "client_assertion")
    if "authorization" in request.headers or any(request.form.get(proof) for proof in proofs):
        raise OAuthError(protocol.PUBLIC_SECRET)
    return Client(application, "0")


def _basic(request: IssuerRequest) -> tuple[str, str]:
    """Client id and secret of HTTP Basic, each form-encoded (RFC 6749 section 2.3.1)."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.casefold() != "basic":
        return "", ""
    try:
        user, colon, secret = b64decode(value.strip(), validate=True).decode().partition(":")
    except ValueError as error:
        raise OAuthError(protocol.MALFORMED) from error
    if not colon:
        raise OAuthError(protocol.MALFORMED)
    return unquote_plus(user), unquote_plus(secret)


async def _check_secret(realm: Realm, application: Application, secret: str, remote: str) -> None:
    kept = [c for c in await _credentials(realm, application) if c.kind == "secret"]
    kept.sort(key=lambda credential: is_slow(credential.value))
    if not kept and application.public:
        raise OAuthError(protocol.PUBLIC_SECRET)
    # Elsewhere it goes on working while somebody guesses here.
    account = f"application {application.client_id} from {remote}"
    try:
        right = await realm.find_client_secret(account, remote, secret, [c.value for c in kept])
    except OAuthError as error:
        raise OAuthError(protocol.CLIENT_LOCKED, client=application.client_id) from error
    if right is None:
        raise OAuthError(protocol.WRONG_SECRET, client=application.client_id)
    if 0 < kept[right].expires_at <= realm.now():
        raise OAuthError(protocol.EXPIRED_SECRET, client=application.client_id)


async def _check_assertion(realm: Realm, request: IssuerRequest, application: Application) -> None:
    kind = request.form.get("client_assertion_type", "")
    if kind != TYPE:
        raise OAuthError(protocol.ASSERTION_TYPE, kind=kind)
    assertion = parse_assertion(request.form["client_assertion"])
    kept = await _credentials(realm, application)
    if not kept and application.public:
        raise OAuthError(protocol.PUBLIC_SECRET)
    check_signature(assertion, kept, realm.now())
    expires_at = check_claims(assertion, application.client_id, realm.authority, request.origin, realm.now())
    used = Grant(
        grant_id=grant_id_of(f"{application.client_id}|{assertion.claims['jti']}"),
        kind="assertion",
        client_id=application.client_id,
        expires_at=expires_at + LEEWAY,
    )
    if not await realm.store.write(lambda tx: grants.add(tx, used)):
        raise OAuthError(protocol.ASSERTION_REPLAY)


async def _credentials(realm: Realm, application: Application) -> list[Credential]:
    return await realm.store.read(lambda tx: accounts.credentials(tx, application.client_id))
