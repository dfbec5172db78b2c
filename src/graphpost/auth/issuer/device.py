"""Signing in on another device: its code, and the page to enter it (RFC 8628)."""

from __future__ import annotations

import secrets
from typing import Final

from graphpost.auth import protocol
from graphpost.auth.issuer.browser import Browser, open_browser
from graphpost.auth.issuer.clients import find_application
from graphpost.auth.issuer.granting import POLL_SECONDS
from graphpost.auth.issuer.realm import Realm
from graphpost.auth.issuer.scopes import default_of, listed, parse_scopes, resolve
from graphpost.auth.issuer.showing import describe, show
from graphpost.auth.issuer.signin import is_signed_in_already, sign_in_by_form
from graphpost.auth.protocol import IssuerReply, IssuerRequest, OAuthError, json_reply
from graphpost.auth.trail import DEVICE, DEVICE_CODE, DEVICE_CONSENT
from graphpost.store.directory import consents, grants
from graphpost.store.directory.grants import Facts, Grant, grant_id_of
from graphpost.store.store import Tx

PAGE: Final = "/common/oauth2/deviceauth"
_ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, no digits: nothing to misread, no words
_LENGTH: Final = 9


async def answer_device_code(realm: Realm, request: IssuerRequest, version: int) -> IssuerReply:
    """A device code for the application, and a user code for its user."""
    if request.method != "POST":
        raise OAuthError(protocol.ONLY_POST, method=request.method)
    request.trail.action = DEVICE_CODE
    client_id = request.form.get("client_id")
    if not client_id:
        raise OAuthError(protocol.MISSING, name="client_id")
    application = find_application(realm, client_id)
    request.trail.client_id = application.client_id
    text = request.form.get("scope", "")
    if version == 1 and not text:
        text = default_of(request.form.get("resource", ""))
    if not text.strip():
        raise OAuthError(protocol.MISSING, name="scope")
    requested = parse_scopes(text, realm.authority, request.origin)
    granted = resolve(requested, application)
    if not realm.asking.try_ask(request.remote):
        raise OAuthError(protocol.DEVICE_TOO_MANY)
    device_code, user_code = (
        secrets.token_urlsafe(48),
        "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)),
    )
    await realm.keep(
        Grant(
            grant_id=grant_id_of(device_code),
            kind="device",
            client_id=application.client_id,
            family=grants.device_family(user_code),
            expires_at=realm.after(realm.settings.device_code_seconds),
            facts=Facts(scopes=granted.answer, resource=requested.audience),
        )
    )
    request.trail.permissions = " ".join(listed(granted.answer))
    realm.done(request, DEVICE_CODE)
    return json_reply(_device_answer(request.origin + PAGE, device_code, user_code, realm, version))


def _device_answer(
    page: str, device_code: str, user_code: str, realm: Realm, version: int
) -> dict[str, object]:
    return {
        "user_code": user_code,
        "device_code": device_code,
        "verification_uri" if version == 2 else "verification_url": page,
        "expires_in": realm.settings.device_code_seconds,
        "interval": POLL_SECONDS,
        "message": (
            f"To sign in, use a web browser to open the page {page} and enter the code {user_code} to authenticate."
        ),
    }


async def answer_device_page(realm: Realm, request: IssuerRequest) -> IssuerReply:
    """The page: enter the code, sign in, see who asks for what, decide."""
    if request.method not in ("GET", "POST"):
        raise OAuthError(protocol.NO_METHOD, method=request.method)
    browser = await open_browser(realm, request)
    if request.method == "GET":
        return _code_page(browser)
    request.trail.action = DEVICE
    step, user_code = request.form.get("step", ""), _normal(request.form.get("user_code", ""))
    purpose = f"device-{step}" if step == "code" else f"device-{step}|{user_code}"
    if not browser.is_own_form(purpose):
        if step != "signin" or not is_signed_in_already(browser):
            return _code_page(browser, "This page was too old. Please try again.", 403)
        step = "code"  # who is signed in is asked again; nothing that the form says is done
    guessing = f"device codes from {request.remote}"
    if await realm.guesses.is_blocked(guessing, request.remote):
        realm.refused(request, OAuthError(protocol.LOCKED))
        return _code_page(browser, "Too many codes were tried. Try again in ten minutes.", 400)
    grant = await realm.store.read(lambda tx: grants.find_device(tx, user_code))
    if grant is None or grant.state != grants.OPEN or grant.expires_at <= realm.now():
        await realm.guesses.failed(guessing, request.remote)
        realm.refused(request, OAuthError(protocol.BAD_DEVICE_CODE))
        return _code_page(browser, "That code didn't work. Check the code and try again.", 400)
    request.trail.client_id = grant.client_id
    if step == "signin":
        problem = await sign_in_by_form(realm, browser)
        if problem:
            return _signin_page(realm, browser, grant, user_code, problem)
    if browser.user is None:
        return _signin_page(realm, browser, grant, user_code)
    if step == "consent":
        return await _decide(realm, browser, grant)
    return _consent_page(realm, browser, grant, user_code)


async def _decide(realm: Realm, browser: Browser, grant: Grant) -> IssuerReply:
    user = browser.user
    assert user is not None
    approved = browser.request.form.get("decision") == "allow"
    scopes = frozenset(listed(grant.facts.scopes))

    def write(tx: Tx) -> bool:
        if approved:
            consents.add(tx, grant.client_id, user.object_id, scopes, realm.now())
        return grants.decide_device(tx, grant, user.object_id, approved)

    if not await realm.store.write(write):
        return _code_page(browser, "That code has been used already.", 400)
    trail = browser.request.trail
    trail.action, trail.permissions = DEVICE_CONSENT, " ".join(listed(grant.facts.scopes))
    if approved:
        realm.done(browser.request, DEVICE_CONSENT)
    else:
        realm.refused(browser.request, OAuthError(protocol.DEVICE_DECLINED))
    application = find_application(realm, grant.client_id).name
    return show("device_done", browser, approved=approved, application=application)


def _code_page(browser: Browser, problem: str = "", status: int = 200) -> IssuerReply:
    return show(
        "device", browser, status, action="?", form_token=browser.form_token("device-code"), problem=problem
    )


def _signin_page(
    realm: Realm, browser: Browser, grant: Grant, user_code: str, problem: str = ""
) -> IssuerReply:
    return show(
        "signin",
        browser,
        400 if problem else 200,
        action="?",
        form_token=browser.form_token(f"device-signin|{user_code}"),
        application=find_application(realm, grant.client_id).name,
        username=browser.request.form.get("username", ""),
        user_code=user_code,
        problem=problem,
    )


def _consent_page(realm: Realm, browser: Browser, grant: Grant, user_code: str) -> IssuerReply:
    application = find_application(realm, grant.client_id)
    return show(
        "consent",
        browser,
        action="?",
        form_token=browser.form_token(f"device-consent|{user_code}"),
        application=application.name,
        client_id=application.client_id,
        user=browser.user,
        permissions=describe(listed(grant.facts.scopes)),
        user_code=user_code,
    )


def _normal(user_code: str) -> str:
    """A user code as it was made, however it was typed."""
    return "".join(c for c in user_code.upper()[:40] if c.isalnum())
