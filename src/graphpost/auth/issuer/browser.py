"""The browser's side of signing in: cookies, sessions, and forms of our own.

Two cookies: one names the browser from its first page on, one is the sign-in.  A third is the sign-in too, is sent from
frames on other sites as well, and is looked at only where no page can be shown: a single-page application asks by such a
frame, with `prompt=none`, whether somebody is signed in.  So no page of ours is ever a stranger's to click on.

A form carries an HMAC over the first two and over what it is for (step and parameters), so that neither another site nor
another page of ours can have it sent.  The Origin header is checked too where the browser sends one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final

from graphpost.auth.issuer.realm import Realm
from graphpost.auth.protocol import IssuerRequest
from graphpost.clock import Instant
from graphpost.mail.mailbox import Mailbox
from graphpost.store.directory import grants
from graphpost.store.directory.grants import Facts, Grant, grant_id_of

SESSION_SECONDS: Final = 43_200
_MAX_COOKIE: Final = 200
_FORMS: Final = "graphpost forms"


@dataclass(slots=True)
class Browser:
    """One request's browser.  `cookies` are the Set-Cookie headers its answer shall have."""

    realm: Realm
    request: IssuerRequest
    name: str
    session: str
    user: Mailbox | None = None
    signed_in_at: Instant = 0
    cookies: list[tuple[str, str]] = field(default_factory=list)

    async def sign_in(self, user: Mailbox) -> None:
        """Make this browser the user's, under a new session."""
        old, secret, now = self.session, secrets.token_urlsafe(32), self.realm.now()
        await self.realm.keep(
            Grant(
                grant_id=grant_id_of(secret),
                kind="session",
                object_id=user.object_id,
                expires_at=self.realm.after(SESSION_SECONDS),
                facts=Facts(signed_in_at=now),
            )
        )
        if old:
            await self.realm.store.write(lambda tx: grants.remove(tx, "session", old))
        self.user, self.session, self.signed_in_at = user, secret, now
        self._remember(secret, SESSION_SECONDS)

    async def sign_out(self) -> None:
        """End the session, if there is one; a frame on another site has none to end."""
        old = self.session
        if not old:
            return
        await self.realm.store.write(lambda tx: grants.remove(tx, "session", old))
        self.user, self.session = None, ""
        self._remember("", 0)

    def _remember(self, secret: str, seconds: int) -> None:
        self.cookies.append(_cookie(self.request, "session", secret, seconds))
        if _is_secure(self.request):  # else there is no SameSite=None
            self.cookies.append(_cookie(self.request, "silent", secret, seconds, "None"))

    def form_token(self, purpose: str) -> str:
        """What a form for that purpose carries."""
        if not self.name:
            self.name = secrets.token_urlsafe(32)
            self.cookies.append(_cookie(self.request, "browser", self.name, None))
        return self._code(self.realm.keys.derive(_FORMS), purpose)

    def _code(self, key: bytes, purpose: str) -> str:
        text = "\0".join((self.name, self.session if self.user else "", purpose))
        return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    @property
    def is_from_here(self) -> bool:
        """Whether no page of another origin made the browser send this."""
        return self.request.headers.get("origin") in (None, self.request.origin)

    def is_own_form(self, purpose: str) -> bool:
        """Whether the form that was sent is one we showed this browser for that purpose."""
        if not self.name or not self.is_from_here:
            return False
        given = self.request.form.get("form_token", "").encode("utf-8", "surrogatepass")
        codes = [self._code(key, purpose) for key in self.realm.keys.derive_all(_FORMS)]
        return any(hmac.compare_digest(given, code.encode()) for code in codes)


async def open_browser(realm: Realm, request: IssuerRequest, *, is_silent: bool = False) -> Browser:
    """The browser of a request, and its user when signed in, not expired, and not disabled.

    `is_silent`: whatever the answer is, it is no page.
    """
    cookies = _cookies(request)
    secret = cookies.get(_name(request, "session"), "")
    if is_silent and not secret:
        secret = cookies.get(_name(request, "silent"), "")
    browser = Browser(realm, request, cookies.get(_name(request, "browser"), ""), secret)
    if browser.session:
        session = await realm.store.read(lambda tx: grants.find(tx, "session", browser.session))
        if session and session.state == grants.OPEN and session.expires_at > realm.now():
            browser.user = realm.find_user(session.object_id)
            browser.signed_in_at = session.facts.signed_in_at
            request.trail.user, request.trail.has_user_proof = browser.user, browser.user is not None
    return browser


def _cookies(request: IssuerRequest) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in request.headers.get("cookie", "").split(";"))
    return {name: value for name, _, value in pairs if len(value) <= _MAX_COOKIE}


def _name(request: IssuerRequest, name: str) -> str:
    """__Host- ties a cookie to this host and to TLS; without TLS (loopback only) there is no such tie."""
    return f"__Host-graphpost-{name}" if _is_secure(request) else f"graphpost-{name}"


def _is_secure(request: IssuerRequest) -> bool:
    return request.origin.startswith("https:")


def _cookie(
    request: IssuerRequest, name: str, value: str, seconds: int | None, site: str = "Lax"
) -> tuple[str, str]:
    secure = "; Secure" if _is_secure(request) else ""
    age = "" if seconds is None else f"; Max-Age={seconds}"
    return "Set-Cookie", f"{_name(request, name)}={value}; Path=/; HttpOnly; SameSite={site}{secure}{age}"
