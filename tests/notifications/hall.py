"""A server of our own with its people, asked over the wire."""

from __future__ import annotations

import json
import ssl
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.conformance.wire import Answer, Wire

from graphpost.cli.env import environment
from graphpost.config import Config, load
from graphpost.testing.server import ServerThread, running_server

QUICK = {
    "notifications.poll_seconds": 0.2,
    "notifications.retry_seconds": [0.2],
    "notifications.timeout_seconds": 30.0,  # nobody is given up because the machine is busy
}
ADELE, ALEX = "adele@example.test", "alex@example.test"


def later(**given: float) -> str:
    """An instant from now on, as clients write it."""
    return (datetime.now(UTC) + timedelta(**given)).isoformat().replace("+00:00", "Z")


@dataclass
class Hall:
    """`ask` is anybody with a token: adele or alex (users), or app."""

    url: str
    data: Path
    environ: dict[str, str]
    server: ServerThread | None = None
    tokens: dict[str, str] = field(default_factory=dict)

    def wire(self) -> Wire:
        return Wire(self.url, ssl.create_default_context(cafile=self.data / "ca/ca.pem"))

    def ask(self, method: str, path: str, body: Any = None, who: str = "adele", **headers: str) -> Answer:
        wire = self.wire()
        fields = {
            "Authorization": f"Bearer {self.token(who)}",
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        data = b"" if body is None else json.dumps(body).encode()
        if body is not None:
            fields["Content-Type"] = "application/json"
        answer = wire.request(method, f"/v1.0{path}", fields, data)
        wire.close()
        return answer

    def subscribe(self, url: str, who: str = "adele", **given: Any) -> Answer:
        """POST a subscription to everything that happens to one's messages."""
        body = {
            "changeType": "created,updated,deleted",
            "notificationUrl": url,
            "resource": "me/messages",
            "expirationDateTime": later(hours=2),
            "clientState": "secret-state",
            **given,
        }
        headers = body.pop("headers", {})
        return self.ask(
            "POST", "/subscriptions", {k: v for k, v in body.items() if v is not None}, who, **headers
        )

    def draft(
        self, subject: str = "x", place: str = "/me/messages", who: str = "adele", **more: Any
    ) -> dict[str, Any]:
        answer = self.ask("POST", place, {"subject": subject, **more}, who)
        assert answer.status == 201, answer
        found = answer.json
        assert isinstance(found, dict)
        return found

    def token(self, who: str) -> str:
        if who not in self.tokens:
            self.tokens[who] = self._token(who)
        return self.tokens[who]

    def _token(self, who: str) -> str:
        form = {
            "client_id": self.environ["CLIENT_ID"],
            "client_secret": self.environ["CLIENT_SECRET"],
            "scope": "https://graph.microsoft.com/.default",
        }
        if who == "app":
            form["grant_type"] = "client_credentials"
        else:
            form |= {
                "grant_type": "password",
                "username": f"{who}@example.test",
                "password": self.environ["USER_PASSWORD"],
            }
        wire = self.wire()
        path = f"/{self.environ['TENANT_ID']}/oauth2/v2.0/token"
        fields = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = wire.request("POST", path, fields, urllib.parse.urlencode(form).encode())
        wire.close()
        assert answer.status == 200, answer
        return str(answer.json["access_token"])


def hall_of(url: str, data: Path) -> Hall:
    """A server in a process of its own, with its embedded default."""
    return Hall(url, data, environment(load(None, data=data, environ={}, flags={})))


@contextmanager
def open_hall(
    data: Path, *, change: Callable[[Config], Config] = lambda config: config, **flags: object
) -> Iterator[Hall]:
    """The server with its embedded default; receivers on this machine are allowed."""
    with running_server(
        data, flags={**QUICK, **{k.replace("__", "."): v for k, v in flags.items()}}, change=change
    ) as server:
        yield Hall(server.url, data, environment(server.config), server)
