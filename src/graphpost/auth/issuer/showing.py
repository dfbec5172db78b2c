"""The issuer's pages shown: everything escaped, under a strict policy."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, Final
from unicodedata import category
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from graphpost.auth.issuer.browser import Browser
from graphpost.auth.protocol import NO_STORE, IssuerReply

FILES: Final = {"style.css": "text/css; charset=utf-8", "continue.js": "text/javascript; charset=utf-8"}
FILES_PATH: Final = "/common/oauth2/pages/"
LONGEST_NAME: Final = 120  # characters of a name that are shown: what counts stands below it
JOINERS: Final = "\u200c\u200d"  # which Persian and emoji are written with

DESCRIPTIONS: Final = {
    "Mail.Send": "Send mail as you",
    "Mail.Send.Shared": "Send mail on behalf of others",
    "Mail.ReadWrite": "Read and write your mail",
    "Mail.ReadWrite.Shared": "Read and write mail you can access",
    "Mail-Advanced.ReadWrite": "Change the content of your mail, also of what was received",
    "Mail-Advanced.ReadWrite.Shared": "Change the content of mail you can access, also of what was received",
    "Mail.Read": "Read your mail",
    "Mail.Read.Shared": "Read mail you can access",
    "Mail.ReadBasic": "Read your mail, except its contents",
    "MailboxSettings.Read": "Read your mailbox settings",
    "MailboxSettings.ReadWrite": "Read and write your mailbox settings",
    "User.Read": "Sign you in and read your profile",
    "User.ReadBasic.All": "Read everybody's basic profile",
    "User.Read.All": "Read everybody's full profile",
    "openid": "Sign you in",
    "profile": "View your basic profile",
    "email": "View your email address",
    "offline_access": "Keep access to what you have given it access to",
}


def show(
    page: str,
    browser: Browser | None,
    status: int = 200,
    *,
    form_target: str = "",
    script: bool = False,
    **facts: Any,
) -> IssuerReply:
    """A page.  `form_target` is a redirect URI that a form on it may lead to."""
    text = _pages().get_template(f"{page}.html").render(files=FILES_PATH, **facts)
    headers = [*NO_STORE, *_policy(form_target, script)]
    if browser is not None:
        headers += browser.cookies
    return IssuerReply(status, text.encode(), "text/html; charset=utf-8", headers)


def show_file(name: str) -> IssuerReply | None:
    """A style sheet or script of the pages."""
    kind = FILES.get(name)
    if kind is None:
        return None
    data = resources.files("graphpost.auth.issuer").joinpath("pages", name).read_bytes()
    headers = [("Cache-Control", "public, max-age=3600"), ("X-Content-Type-Options", "nosniff")]
    return IssuerReply(200, data, kind, headers)


def describe(scopes: list[str]) -> list[tuple[str, str]]:
    """(name, what it lets an application do) of permission names."""
    return [(name, DESCRIPTIONS.get(name, name)) for name in scopes]


def _policy(form_target: str, script: bool) -> list[tuple[str, str]]:
    """Referrer-Policy is not stricter because browsers then send `Origin: null` with our own forms."""
    target = f" {_source(form_target)}" if form_target else ""
    policy = (
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self'{target}" + ("; script-src 'self'" if script else "")
    )
    return [
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "same-origin"),
    ]


def _source(uri: str) -> str:
    """A redirect URI as a source of the policy; IPv6 addresses cannot be written there."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or ":" in (parts.hostname or ""):
        return f"{parts.scheme}:"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


@cache
def _pages() -> Environment:
    pages = Environment(
        loader=PackageLoader("graphpost.auth.issuer", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    pages.filters["plain"] = plain
    pages.filters["name"] = name
    return pages


def plain(text: str) -> str:
    """Without characters that are not seen themselves but change how others are: a name shows as what it is."""
    spaced = " ".join(text.split())
    return "".join(c for c in spaced if category(c) not in ("Cc", "Cf") or c in JOINERS)


def name(text: str) -> str:
    """A name as plain text, cut where it is longer than names are."""
    whole = plain(text)
    return whole if len(whole) <= LONGEST_NAME else whole[: LONGEST_NAME - 1] + "…"
