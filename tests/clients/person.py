"""A person at a browser, scripted: opens the pages, fills in their forms, says yes."""

from __future__ import annotations

import ssl
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2


class Form(HTMLParser):
    """The first form of a page and what its fields hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = values.get("action", "")
        if tag == "input" and values.get("name"):
            self.fields[values["name"]] = values.get("value", "")


class Person:
    """Somebody with a mailbox and its password."""

    def __init__(self, address: str, password: str, ca_file: Path) -> None:
        self.credentials = {"username": address, "password": password}
        context = ssl.create_default_context(cafile=str(ca_file))
        self.web = httpx2.Client(verify=context, trust_env=False, timeout=60)

    def sign_in(self, url: str) -> dict[str, str]:
        """Open the address an application sends people to; what it gets back at its redirect address."""
        page = self._submit(self.web.get(url), self.credentials)
        if page.status_code == 200:
            page = self._submit(page, {"decision": "allow"})
        if page.status_code == 200:
            return Form(page.text).fields
        return dict(parse_qsl(urlsplit(page.headers["location"]).query))

    def enter_code(self, url: str, code: str) -> None:
        """Let a device in that shows this code."""
        page = self._submit(self.web.get(url), {"user_code": code})
        page = self._submit(page, self.credentials)
        page = self._submit(page, {"decision": "allow"})
        assert "You have signed in" in page.text, page.text

    def _submit(self, page: httpx2.Response, filled: dict[str, str]) -> httpx2.Response:
        assert page.status_code == 200, page.text
        form = Form(page.text)
        target = urljoin(str(page.url), form.action)
        parts = urlsplit(target)
        origin = {"origin": f"{parts.scheme}://{parts.netloc}"}
        return self.web.post(target, data={**form.fields, **filled}, headers=origin)
