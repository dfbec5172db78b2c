"""A plain client of a server in plain HTTP on loopback: sends, reads, and waits for outcomes."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphpost.config import embedded_defaults

ADELE, ALEX = "adele@example.test", "alex@example.test"
LOOK_AGAIN = 0.02


def eventually(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    """Look until it is so; TimeoutError when it is not in that time."""
    end, tick = time.monotonic() + seconds, threading.Event()
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"it did not become so in {seconds} seconds")
        tick.wait(LOOK_AGAIN)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """The embedded application, or the administrator, of the server on a port and its data directory."""

    port: int
    data: Path
    tokens: dict[str, str] = field(default_factory=dict)

    def ask(
        self, method: str, path: str, body: bytes | str = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("localhost", self.port, timeout=60)
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def token(self) -> str:
        if "app" not in self.tokens:
            made = embedded_defaults(self.data)
            form = {
                "client_id": made.client_id,
                "client_secret": made.client_secret,
                "scope": "https://graph.microsoft.com/.default",
                "grant_type": "client_credentials",
            }
            answer = self.ask(
                "POST",
                f"/{made.tenant_id}/oauth2/v2.0/token",
                urllib.parse.urlencode(form),
                {"Content-Type": "application/x-www-form-urlencoded"},
            )
            self.tokens["app"] = answer.json()["access_token"]
        return self.tokens["app"]

    def graph(self, method: str, path: str, body: Any = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.token()}"}
        if body is None:
            return self.ask(method, "/v1.0" + path, headers=headers)
        headers["Content-Type"] = "application/json"
        return self.ask(method, "/v1.0" + path, json.dumps(body), headers)

    def post(self, *to: str, subject: str = "Lunch", save: bool = True, **properties: Any) -> Answer:
        message = {
            "subject": subject,
            "body": {"contentType": "Text", "content": "Soup."},
            "toRecipients": [{"emailAddress": {"address": address}} for address in to],
            **properties,
        }
        return self.graph("POST", f"/users/{ADELE}/sendMail", {"message": message, "saveToSentItems": save})

    def send(self, *to: str, **properties: Any) -> str:
        """Send it; the queue's id of the message."""
        answer = self.post(*to, **properties)
        assert answer.status == 202, answer.body
        return answer.headers["x-graphpost-message-id"]

    def administer(self, path: str, method: str = "GET") -> Any:
        token = (self.data / "admin.token").read_text().strip()
        answer = self.ask(method, path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status == 200, answer.body
        return answer.json()

    def message(self, queue_id: str) -> Any:
        """The message as the queue shows it."""
        return self.administer(f"/admin/queue/{queue_id}")

    def outcome(self, queue_id: str) -> dict[str, str]:
        """Wait until the message is done; what became of each recipient."""
        eventually(lambda: self.message(queue_id)["state"] == "done")
        return {found["address"]: found["state"] for found in self.message(queue_id)["recipients"]}

    def folder(self, name: str, mailbox: str = ADELE) -> list[Any]:
        """A folder's messages, the oldest first."""
        query = "?$top=1000&$orderby=receivedDateTime&$select=subject,body,from"
        answer = self.graph("GET", f"/users/{mailbox}/mailFolders/{name}/messages{query}")
        assert answer.status == 200, answer.body
        found: list[Any] = answer.json()["value"]
        return found
