"""The authorization endpoint: sign-in, account, consent, and the code.

RFC 6749 and 7636; OpenID Connect Core.
The request's parameters stay in the address; every form goes back to it and says which step it is.  Until the redirect
URI is known to be the application's, refusals are shown on a page and nothing is redirected.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from graphpost.auth import protocol
from graphpost.auth.issuer.browser import Browser, open_browser
from graphpost.auth.issuer.clients import find_application
from graphpost.auth.issuer.realm import Realm
from graphpost.auth.issuer.redirects import Place, find_place
from graphpost.auth.issuer.scopes import Granted, Requested, default_of, listed, parse_scopes, resolve
from graphpost.auth.issuer.showing import describe, show
from graphpost.auth.protocol import IssuerReply, IssuerRequest, OAuthError, error_body
from graphpost.auth.trail import AUTHORIZE, CODE, CONSENT, SIGN_IN
from graphpost.mail.mailbox import Application
from graphpost.store.directory import consents
from graphpost.store.directory.grants import Facts, Grant, grant_id_of

CODE_SECONDS: Final = 600
_MODES: Final = ("query", "fragment", "form_post")
_PROMPTS: Final = ("", "none", "login", "consent", "select_account")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_MAX_VALUE: Final = 4096


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, and where the answer goes: enough to answer by a redirect."""

    application: Application
    redirect_uri: str
    place: Place
    mode: str
    params: Mapping[str, str]

    @property
    def purpose(self) -> str:
        """Ties a form to these parameters."""
        return hashlib.sha256(urlencode(sorted(self.params.items())).encode()).hexdigest()

    @property
    def is_silent(self) -> bool:
        """Whether it is a page that asks, as from a hidden frame, and the answer a redirect whatever it is."""
        is_quiet = self.params.get("prompt") == "none" and self.mode != "form_post"
        return is_quiet and self.place is Place.PAGE


async def answer_authorize(realm: Realm, request: IssuerRequest, version: int) -> IssuerReply:
    """A page, or the redirect back to the application."""
    if request.method not in ("GET", "POST"):
        raise OAuthError(protocol.NO_METHOD, method=request.method)
    request.trail.action = AUTHORIZE
    step = request.form.get("step", "") if request.method == "POST" else ""
    params = request.form if request.method == "POST" and not step else request.query
    try:
        asking = _asking(realm, params)
    except OAuthError as error:
        realm.refused(request, error)
        return show("error", None, 400, facts=error_body(error, realm.now(), request))
    request.trail.client_id = asking.application.client_id
    browser = await open_browser(realm, request, is_silent=asking.is_silent and request.method == "GET")
    try:
        return await _proceed(realm, browser, asking, step, version)
    except OAuthError as error:
        realm.refused(request, error)
        body = error_body(error, realm.now(), request)
        answer = {name: body[name] for name in ("error", "error_description", "error_uri")}
        return _redirect(browser, asking, answer)


async def _proceed(realm: Realm, browser: Browser, asking: Asking, step: str, version: int) -> IssuerReply:
    params = asking.params
    requested = _check(realm, browser, asking, version)
    granted = resolve(requested, asking.application)
    prompt = params.get("prompt", "")
    if step and not browser.is_own_form(f"{step}|{asking.purpose}"):
        if step != "signin" or prompt == "login" or not is_signed_in_already(browser):
            return _signin_page(browser, asking, "This page was too old. Please try again.", status=403)
        step = ""  # what a visit of the address shows; nothing that the form says is done
    if step == "signin":
        problem = await sign_in_by_form(realm, browser)
        if problem:
            return _signin_page(browser, asking, problem, status=400)
    elif not step:
        page = _first_page(realm, browser, asking, prompt)
        if page is not None:
            return page
    if browser.user is None:
        return _signin_page(browser, asking)
    if step == "consent":
        await _decide(realm, browser, asking, granted)
    elif await _needs_consent(realm, browser, asking, granted):
        return _consent_page(browser, asking, granted)
    return await _code(realm, browser, asking, requested, granted)


def _first_page(realm: Realm, browser: Browser, asking: Asking, prompt: str) -> IssuerReply | None:
    """What has to be shown before anything was sent; None when the user is known and was not to be asked."""
    hint = asking.params.get("login_hint", "")
    other = bool(hint and browser.user and not browser.user.owns(hint.strip()))
    if prompt == "none":
        if browser.user is None or other:
            raise OAuthError(protocol.LOGIN)
        return None
    if prompt == "login" or other or browser.user is None:
        return _signin_page(browser, asking)
    if prompt == "select_account":
        return _account_page(browser, asking)
    return None


def is_signed_in_already(browser: Browser) -> bool:
    """Whether a sign-in's form that is too old (another tab was first, or it is sent again) is of who is signed in now."""
    typed = browser.request.form.get("username", "").strip()
    return browser.user is not None and browser.is_from_here and browser.user.owns(typed)


async def sign_in_by_form(realm: Realm, browser: Browser) -> str:
    """Sign in with what the form has; what to tell the user when that failed."""
    request, form = browser.request, browser.request.form
    request.trail.action, request.trail.has_user_proof = SIGN_IN, False  # whoever was signed in before
    try:
        user = await realm.sign_in(request, form.get("username", ""), form.get("password", ""))
    except OAuthError as error:
        realm.refused(request, error)
        return _WORDS.get(error.fault.number, error.text)
    await browser.sign_in(user)
    realm.done(request, SIGN_IN)
    return ""


_WORDS: Final = {
    protocol.WRONG_PASSWORD.number: "Your account or password is incorrect.",
    protocol.LOCKED.number: "You've tried to sign in too many times. Try again in ten minutes.",
    protocol.USER_DISABLED.number: "Your account has been disabled.",
}


async def _needs_consent(realm: Realm, browser: Browser, asking: Asking, granted: Granted) -> bool:
    assert browser.user is not None
    object_id, client_id = browser.user.object_id, asking.application.client_id
    consented = await realm.store.read(lambda tx: consents.scopes_of(tx, client_id, object_id))
    missing = set(listed(granted.answer)) - consented
    if missing and asking.params.get("prompt") == "none":
        raise OAuthError(protocol.CONSENT_INTERACTION, client=client_id)
    return bool(missing) or asking.params.get("prompt") == "consent"


async def _decide(realm: Realm, browser: Browser, asking: Asking, granted: Granted) -> None:
    assert browser.user is not None
    trail = browser.request.trail
    trail.action, trail.permissions = CONSENT, " ".join(listed(granted.answer))
    if browser.request.form.get("decision") != "allow":
        raise OAuthError(protocol.DECLINED)
    object_id, client_id = browser.user.object_id, asking.application.client_id
    scopes, now = frozenset(listed(granted.answer)), realm.now()
    await realm.store.write(lambda tx: consents.add(tx, client_id, object_id, scopes, now))
    realm.done(browser.request, CONSENT)


async def _code(
    realm: Realm, browser: Browser, asking: Asking, requested: Requested, granted: Granted
) -> IssuerReply:
    assert browser.user is not None
    params, code = asking.params, secrets.token_urlsafe(48)
    await realm.keep(
        Grant(
            grant_id=grant_id_of(code),
            kind="code",
            client_id=asking.application.client_id,
            object_id=browser.user.object_id,
            family=secrets.token_hex(16),
            expires_at=realm.after(CODE_SECONDS),
            facts=Facts(
                scopes=granted.answer,
                redirect_uri=params.get("redirect_uri", ""),
                challenge=params.get("code_challenge", ""),
                challenge_method=params.get("code_challenge_method", "plain"),
                nonce=params.get("nonce", ""),
                resource=requested.audience,
                signed_in_at=browser.signed_in_at,
                is_spa=asking.place is Place.PAGE,
            ),
        )
    )
    browser.request.trail.permissions = " ".join(listed(granted.answer))
    realm.done(browser.request, CODE)
    answer = {"code": code}
    if params.get("client_info") == "1":
        answer["client_info"] = realm.mint.client_info(browser.user)
    return _redirect(browser, asking, answer)


def _asking(realm: Realm, params: Mapping[str, str]) -> Asking:
    """The application and a redirect URI of its own; OAuthError is for a page."""
    if any(len(value) > _MAX_VALUE for value in params.values()):
        raise OAuthError(protocol.MALFORMED)
    if not params.get("client_id"):
        raise OAuthError(protocol.MISSING_QUERY, name="client_id")
    application = find_application(realm, params["client_id"])
    uri = params.get("redirect_uri", "")
    if not uri:
        registered = (*application.redirect_uris, *application.spa_redirect_uris)
        if not registered:
            raise OAuthError(protocol.NO_REDIRECT)
        uri = registered[0]
    place = find_place(uri, application)
    if place is None:
        raise OAuthError(protocol.REDIRECT, uri=uri, client=application.client_id)
    mode = params.get("response_mode") or "query"
    return Asking(application, uri, place, mode if mode in _MODES else "query", params)


def _check(realm: Realm, browser: Browser, asking: Asking, version: int) -> Requested:
    """What else a request may have wrong, answered by a redirect."""
    params = asking.params
    kind, mode = params.get("response_type", ""), params.get("response_mode", "")
    if not kind:
        raise OAuthError(protocol.MISSING_QUERY, name="response_type")
    if kind != "code":
        raise OAuthError(protocol.RESPONSE_TYPE, kind=kind)
    if mode and mode not in _MODES:
        raise OAuthError(protocol.RESPONSE_MODE, mode=mode)
    if params.get("prompt", "") not in _PROMPTS:
        raise OAuthError(protocol.PROMPT, prompt=params.get("prompt", ""))
    challenge, method = params.get("code_challenge", ""), params.get("code_challenge_method", "")
    if method not in ("", "plain", "S256"):
        raise OAuthError(protocol.CHALLENGE_METHOD, method=method)
    if (challenge or method) and not _CHALLENGE.fullmatch(challenge):
        raise OAuthError(protocol.CHALLENGE)
    text = params.get("scope", "")
    if version == 1 and not text:
        text = default_of(params.get("resource", ""))
    if not text.strip():
        raise OAuthError(protocol.MISSING_QUERY, name="scope")
    return parse_scopes(text, realm.authority, browser.request.origin)


def _redirect(browser: Browser, asking: Asking, answer: dict[str, str]) -> IssuerReply:
    """Send the browser back to the application, with the answer where it wants it."""
    if asking.params.get("state"):
        answer["state"] = asking.params["state"]
    if asking.mode == "form_post":
        return show(
            "form_post",
            browser,
            form_target=asking.redirect_uri,
            script=True,
            uri=asking.redirect_uri,
            answer=answer,
        )
    mark = "#" if asking.mode == "fragment" else "&" if "?" in asking.redirect_uri else "?"
    location = asking.redirect_uri + mark + urlencode(answer)
    status = 303 if browser.request.method == "POST" else 302
    return IssuerReply(status, b"", "", [*protocol.NO_STORE, ("Location", location), *browser.cookies])


def _signin_page(browser: Browser, asking: Asking, problem: str = "", status: int = 200) -> IssuerReply:
    typed = browser.request.form.get("username") if problem else None
    return show(
        "signin",
        browser,
        status,
        form_target=asking.redirect_uri,
        action=_action(browser, asking),
        form_token=browser.form_token(f"signin|{asking.purpose}"),
        application=asking.application.name,
        username=typed if typed is not None else asking.params.get("login_hint", ""),
        user_code="",
        problem=problem,
    )


def _account_page(browser: Browser, asking: Asking) -> IssuerReply:
    return show(
        "account",
        browser,
        form_target=asking.redirect_uri,
        action=_action(browser, asking),
        other=_action(browser, asking, prompt="login", login_hint=""),
        form_token=browser.form_token(f"account|{asking.purpose}"),
        application=asking.application.name,
        user=browser.user,
    )


def _consent_page(browser: Browser, asking: Asking, granted: Granted) -> IssuerReply:
    return show(
        "consent",
        browser,
        form_target=asking.redirect_uri,
        action=_action(browser, asking),
        form_token=browser.form_token(f"consent|{asking.purpose}"),
        application=asking.application.name,
        client_id=asking.application.client_id,
        user=browser.user,
        permissions=describe(listed(granted.answer)),
        user_code="",
    )


def _action(browser: Browser, asking: Asking, **changed: str) -> str:
    """The address of this request, whose parameters are kept through every step."""
    return f"?{urlencode({**asking.params, **changed})}"
