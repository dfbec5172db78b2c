"""A tenant with people and applications, its issuer and its verifier, for tests to ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from graphpost.auth.guesses import Guesses
from graphpost.auth.issuer.issuer import Issuer, IssuerReply, IssuerRequest
from graphpost.auth.keys import SigningKeys
from graphpost.auth.verification.tokens import TokenVerifier, own_issuer
from graphpost.clock import SECOND, Clock, Instant
from graphpost.config import ApplicationSettings, Config, IssuerSettings, MailboxSettings
from graphpost.ids import Numbers
from graphpost.mail.mailbox import Directory
from graphpost.store.audit import Actor
from graphpost.store.directory import accounts
from graphpost.store.directory.declared import apply_settings
from graphpost.store.store import Store

T = TypeVar("T")
TENANT = "11111111-2222-3333-4444-555555555555"
DOMAIN = "contoso.test"
CLIENT = "aaaaaaaa-0000-4000-8000-000000000001"  # confidential: secret and certificate, and public flows
PUBLIC = "aaaaaaaa-0000-4000-8000-000000000002"
PRIVATE = "aaaaaaaa-0000-4000-8000-000000000003"  # confidential only
PAGE = "aaaaaaaa-0000-4000-8000-000000000004"  # a single-page application, with a server behind it
SECRET = "a secret somebody chose"
PASSWORD = "correct horse battery staple"
ADELE = "AdeleV@contoso.test"
NAMES = ("localhost", "mail.contoso.test", "login.microsoftonline.com", "graph.microsoft.com")
ORIGIN = "https://localhost:8443"
PAGE_REDIRECT = "https://page.contoso.test/"
REDIRECT = "https://app.contoso.test/signed-in"
START: Instant = 1_767_225_600 * SECOND


class SetClock:
    """A clock that stands still until it is set."""

    def __init__(self, start: Instant = START) -> None:
        self._now = start

    def now(self) -> Instant:
        return self._now

    def pass_seconds(self, seconds: float) -> None:
        self._now += int(seconds * SECOND)

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here sleeps")


def declared(certificates: list[str]) -> Config:
    """The accounts of the tests."""
    return Config(
        mailboxes=[
            MailboxSettings(
                address=ADELE, name="Adele Vance", aliases=["adele@contoso.test"], password=PASSWORD
            ),
            MailboxSettings(address="alex@contoso.test", name="Alex Wilber", password=PASSWORD),
            MailboxSettings(address="nopassword@contoso.test"),
        ],
        applications=[
            ApplicationSettings(
                client_id=CLIENT,
                name="Invoices",
                secrets=[SECRET],
                certificates=certificates,
                public=True,
                redirect_uris=[REDIRECT, "http://localhost:53682/", "msal://auth"],
                application_permissions=["Mail.Send", "Mail.ReadWrite", "User.Read.All"],
                delegated_permissions=["Mail.Send", "Mail.ReadWrite", "User.Read"],
            ),
            ApplicationSettings(
                client_id=PUBLIC,
                name="Phone",
                public=True,
                redirect_uris=["http://localhost"],
                delegated_permissions=["Mail.Send"],
            ),
            ApplicationSettings(
                client_id=PRIVATE,
                name="Backend",
                secrets=[SECRET],
                redirect_uris=[REDIRECT],
                delegated_permissions=["Mail.Send"],
            ),
            ApplicationSettings(
                client_id=PAGE,
                name="Letters",
                secrets=[SECRET],
                redirect_uris=[REDIRECT],
                spa_redirect_uris=[PAGE_REDIRECT, "http://localhost:3000/app"],
                application_permissions=["Mail.Send"],
                delegated_permissions=["Mail.Send", "User.Read"],
            ),
        ],
    )


@dataclass
class World:
    runner: asyncio.Runner
    store: Store
    clock: Clock
    keys: SigningKeys
    issuer: Issuer
    verifier: TokenVerifier
    current: Directory
    guesses: Guesses
    told: list[tuple[Actor, int, str]] = field(default_factory=list)  # of what the audit log has

    def note(self, actor: Actor, status: int, code: str) -> None:
        self.told.append((actor, status, code))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def read(self, fn: Any) -> Any:
        return self.run(self.store.read(fn))

    def write(self, fn: Any) -> Any:
        answer = self.run(self.store.write(fn))
        self.reload()
        return answer

    def reload(self) -> None:
        self.current = self.run(self.store.read(accounts.load_directory))

    def ask(self, method: str, target: str, **request: Any) -> IssuerReply:
        """Send a request; `target` is path and query."""
        parts = urlsplit(target)
        request.setdefault("origin", ORIGIN)
        request.setdefault("remote", "192.0.2.1")
        reply = self.run(
            self.issuer.handle(IssuerRequest(method, parts.path, dict(parse_qsl(parts.query)), **request))
        )
        assert reply is not None, target
        assert reply.status < 500
        return reply

    def token(
        self, *, tenant: str = TENANT, headers: dict[str, str] | None = None, **form: str
    ) -> tuple[int, Any]:
        """Ask the token endpoint."""
        reply = self.ask("POST", f"/{tenant}/oauth2/v2.0/token", form=form, headers=headers or {})
        assert dict(reply.headers)["Cache-Control"] == "no-store"
        return reply.status, json.loads(reply.body)


def make_world(
    runner: asyncio.Runner, store: Store, clock: Clock, keys: SigningKeys, settings: IssuerSettings
) -> World:
    world: list[World] = []
    guesses = Guesses(clock)
    issuer = Issuer(
        store,
        clock,
        lambda: world[0].current,
        settings,
        TENANT,
        [DOMAIN, "fabrikam.test"],
        keys,
        guesses=guesses,
        names=NAMES,
        note=lambda *of: world[0].note(*of),
    )
    verifier = TokenVerifier([own_issuer(TENANT, NAMES, keys)], clock)
    world.append(World(runner, store, clock, keys, issuer, verifier, Directory.of([]), guesses))
    return world[0]


def authorize_url(**changes: str | None) -> str:
    """An authorization request; None leaves a parameter out."""
    params: dict[str, str | None] = {
        "client_id": CLIENT,
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "scope": "openid profile offline_access https://graph.microsoft.com/Mail.Send",
        "state": "st ate&1",
        "nonce": "n-0S6",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
        **changes,
    }
    query = urlencode({name: value for name, value in params.items() if value is not None})
    return f"/{TENANT}/oauth2/v2.0/authorize?{query}"


VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # of RFC 7636, appendix B


def seed(world: World, certificates: list[str]) -> None:
    numbers = Numbers(world.clock.now, node=1)
    config = declared(certificates)
    world.run(apply_settings(world.store, config, numbers, world.clock.now()))
    world.reload()
