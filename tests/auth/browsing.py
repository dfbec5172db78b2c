"""A browser without a screen: keeps cookies, reads forms, sends them back, follows nothing by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

from tests.auth.world import ORIGIN, World

from graphpost.auth.issuer.issuer import IssuerReply


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.scripts: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self.action = values.get("action") or ""
        if tag == "input" and values.get("name"):
            self.fields[values["name"] or ""] = values.get("value") or ""
        if tag == "script":
            self.scripts.append(values.get("src"))


@dataclass
class Page:
    reply: IssuerReply
    path: str
    text: str
    action: str
    fields: dict[str, str]
    scripts: list[str | None]

    @property
    def step(self) -> str:
        return self.fields.get("step", "")

    @property
    def location(self) -> str:
        return dict(self.reply.headers).get("Location", "")

    @property
    def answer(self) -> dict[str, str]:
        """What a redirect brings back."""
        parts = urlsplit(self.location)
        return dict(parse_qsl(parts.query or parts.fragment))


@dataclass
class TextBrowser:
    world: World
    cookies: dict[str, str] = field(default_factory=dict)
    origin: str = ORIGIN

    def open(self, target: str) -> Page:
        return self._send("GET", target, {})

    def submit(self, page: Page, origin: str | None = "", **fields: str) -> Page:
        """Send the page's form with these fields; `origin` None leaves the header out."""
        path, _, old = page.path.partition("?")
        query = page.action.removeprefix("?") if page.action.startswith("?") else old
        return self._send("POST", f"{path}?{query}", {**page.fields, **fields}, origin)

    def _send(self, method: str, target: str, form: dict[str, str], origin: str | None = "") -> Page:
        headers = {"cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        if method == "POST" and origin is not None:
            headers["origin"] = origin or self.origin
        reply = self.world.ask(method, target, form=form, headers=headers, origin=self.origin)
        for name, value in reply.headers:
            if name == "Set-Cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        text = reply.body.decode()
        found = _Form()
        found.feed(text)
        return Page(reply, target, text, found.action, found.fields, found.scripts)
