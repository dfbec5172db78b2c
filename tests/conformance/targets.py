"""Servers under test: our own, and any other that somebody names."""

from __future__ import annotations

import json
import ssl
import urllib.parse
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from joserfc import jwt
from joserfc.jwk import RSAKey
from tests.conformance.wire import Answer, Wire

from graphpost.auth.keys import open_keys
from graphpost.clock import SECOND, SystemClock
from graphpost.graph.routes import ROUTES
from graphpost.testing.server import ServerThread

TENANT = "11111111-2222-3333-4444-555555555555"
SENDER, HELPER, READER = (f"cccccccc-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
SECRETS = {SENDER: "secret-of-the-sender", HELPER: "secret-of-the-helper", READER: "secret-of-the-reader"}
ADELE, ALEX, ELSEWHERE = "AdeleV@contoso.com", "AlexW@contoso.com", "AlexW@M365x765140.OnMicrosoft.com"
PASSWORDS = {
    ADELE: "correct horse battery adele",
    ALEX: "correct horse battery alex",
    ELSEWHERE: "correct horse battery elsewhere",
}
GRAPH = "https://graph.microsoft.com/"
EVERYBODYS = {"garbage": "not-a-token", "dotted": "a.b.c"}


class Target(Protocol):
    """A server and the tokens it is asked with."""

    wire: Wire

    def token(self, name: str) -> str | None:
        """The token that `wrong_requests` names, or the user's of an address; None when it cannot be had."""
        ...


class GivenTarget:
    """Somebody else's server, with the tokens that were given."""

    def __init__(self, url: str, ca: Path | None, tokens: Mapping[str, Path]) -> None:
        self.wire = Wire(url, ssl.create_default_context(cafile=ca))
        self._tokens = EVERYBODYS | {name: path.read_text().strip() for name, path in tokens.items()}

    def token(self, name: str) -> str | None:
        return self._tokens.get(name) or (self._tokens.get("user") if name == ADELE else None)


class OwnTarget:
    """Our own server, with what only it can be asked: what is stored."""

    def __init__(self, server: ServerThread) -> None:
        self.server = server
        self.trust = ssl.create_default_context(cafile=server.ca_file)
        self.wire = Wire(server.url, self.trust)
        self._tokens: dict[str, str] = dict(EVERYBODYS)

    def token(self, name: str) -> str:
        if name not in self._tokens:
            self._tokens[name] = self._made(name)
        return self._tokens[name]

    def get(self, path: str, token: str = "reader") -> Answer:
        return self.wire.request("GET", path, {"Authorization": f"Bearer {self.token(token)}"})

    def post(self, path: str, body: object, token: str = "user", **headers: str) -> Answer:
        fields = {
            "Authorization": f"Bearer {self.token(token)}",
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self.wire.request("POST", path, fields, json.dumps(body).encode())

    def administer(self, path: str) -> Any:
        token = (self.server.config.data / "admin.token").read_text().strip()
        return self.wire.request("GET", path, {"Authorization": f"Bearer {token}"}).json

    def stored(self) -> dict[str, int]:
        """How much the server holds of what a message leaves behind."""
        store = self.server.store
        counted = ("messages", "contents", "deliveries")

        def run(tx: Any) -> dict[str, int]:
            return {name: tx.one(f"SELECT count(*) FROM {name}")[0] for name in counted}

        found = self.server.call(lambda: store.read(run))
        blobs = [path for path in (self.server.config.data / "blobs").rglob("*") if path.is_file()]
        return found | {"blobs": len(blobs)}

    def stored_at_rest(self) -> dict[str, int]:
        """The same, once nothing is on its way any more."""
        while self.administer("/admin/queue?state=queued")["value"]:
            pass
        return self.stored()

    @property
    def secrets(self) -> list[str]:
        """What nobody may be told."""
        administrators = (self.server.config.data / "admin.token").read_text().strip()
        tokens = [token for name, token in self._tokens.items() if name not in EVERYBODYS]
        return [administrators, *tokens, *PASSWORDS.values(), *SECRETS.values()]

    @cached_property
    def object_ids(self) -> dict[str, str]:
        return {box["address"]: box["object_id"] for box in self.administer("/admin/mailboxes")}

    def _made(self, name: str) -> str:
        asked: dict[str, Callable[[], str]] = {
            "user": lambda: self._users(ADELE, "Mail.Send User.Read"),
            "user-without-permission": lambda: self._users(ADELE, "User.Read Mail.ReadWrite"),
            "app": lambda: self._applications(SENDER),
            "reader": lambda: self._applications(SENDER),
            "app-out-of-scope": lambda: self._applications(HELPER),
            "app-without-permission": lambda: self._applications(READER),
        }
        if name in asked:
            return asked[name]()
        if name in PASSWORDS:
            return self._users(name, "Mail.Send Mail.ReadWrite MailboxSettings.ReadWrite User.Read")
        return self._wrong(name)

    def _users(self, address: str, scopes: str) -> str:
        form = {
            "grant_type": "password",
            "client_id": SENDER,
            "client_secret": SECRETS[SENDER],
            "username": address,
            "password": PASSWORDS[address],
            "scope": " ".join(GRAPH + scope for scope in scopes.split()),
        }
        return self._token(form)

    def _applications(self, client_id: str) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": SECRETS[client_id],
            "scope": f"{GRAPH}.default",
        }
        return self._token(form)

    def _token(self, form: dict[str, str]) -> str:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urllib.parse.urlencode(form).encode()
        answer = self.wire.request("POST", f"/{TENANT}/oauth2/v2.0/token", headers, body)
        assert answer.status == 200, answer.body
        return str(answer.json["access_token"])

    def _wrong(self, name: str) -> str:
        """A token signed by the server's own key (or a forger's) that is right but for one claim."""
        now = SystemClock().now() // SECOND
        key = open_keys(self.server.config.data / "keys", now * SECOND).current
        claims = {
            "iss": f"{self.server.url}/{TENANT}/",
            "aud": GRAPH.rstrip("/"),
            "tid": TENANT,
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "appid": SENDER,
            "oid": self.object_ids[ADELE],
            "scp": "Mail.Send",
            "idtyp": "user",
            "ver": "1.0",
        }
        application = {"idtyp": "app", "oid": "dddddddd-0000-4000-8000-000000000001", "scp": None}
        changed: dict[str, dict[str, object]] = {
            "control": {},  # right in everything, to prove that the others are wrong in one thing
            "user-with-everything": {"scp": " ".join(_every("delegated"))},
            "alex-with-everything": {
                "scp": " ".join(_every("delegated")),
                "oid": self.object_ids[ALEX],
            },
            "user-with-nothing": {"scp": "Calendars.Read"},
            "app-with-everything": {**application, "roles": _every("application")},
            "app-with-nothing": {**application, "roles": ["Calendars.Read"]},
            "app-in-alexs-alone": {**application, "roles": _every("application"), "appid": HELPER},
            "expired": {"exp": now - 3600},
            "not-yet": {"nbf": now + 3600},
            "audience": {"aud": "https://outlook.example"},
            "issuer": {"iss": f"https://elsewhere.example/{TENANT}/"},
            "forged": {},
        }
        signer = RSAKey.generate_key(2048) if name == "forged" else key.key
        header = {"alg": "RS256", "typ": "JWT", "kid": key.kid}
        found = {name: value for name, value in (claims | changed[name]).items() if value is not None}
        return jwt.encode(header, found, signer, algorithms=["RS256"])


def _every(kind: str) -> list[str]:
    """Every permission that opens a route to a user (`delegated`) or to an application."""
    permissions = [route.permission for route in ROUTES if route.permission is not None]
    return sorted({name for each in permissions for name in getattr(each, kind)})
