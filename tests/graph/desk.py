"""A GraphApi with real tokens, a real directory, and a submitter that writes down what it is given."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, cast

from joserfc import jws
from joserfc.jwk import ECKey

from graphpost.auth.access import Principal
from graphpost.auth.verification.tokens import TokenVerifier, TrustedIssuer, own_issuer
from graphpost.clock import SECOND
from graphpost.config import AccountSettings, LimitSettings
from graphpost.delivery.acceptance.submissions import Submission
from graphpost.delivery.quotas import Quotas
from graphpost.graph.api import GraphApi
from graphpost.graph.call import Reply, Request, Services
from graphpost.ids import Numbers
from graphpost.mail.mailbox import SENT_ITEMS, Application, Directory, Mailbox
from graphpost.mail.message import Item

NOW = 1_790_000_000 * SECOND
TENANT = "11111111-2222-3333-4444-555555555555"
ADELE = Mailbox(
    mailbox_id=1,
    object_id="aaaaaaaa-0000-4000-8000-000000000001",
    address="AdeleV@contoso.com",
    name="Adele Vance",
    aliases=("adele@contoso.com",),
)
ALEX = Mailbox(mailbox_id=2, object_id="aaaaaaaa-0000-4000-8000-000000000002", address="AlexW@contoso.com")
ALEX_ELSEWHERE = Mailbox(
    mailbox_id=3,
    object_id="aaaaaaaa-0000-4000-8000-000000000003",
    address="AlexW@M365x765140.OnMicrosoft.com",
    name="Alex Wilber",
)
MAILBOXES = (ADELE, ALEX, ALEX_ELSEWHERE)
APP = Application(
    client_id="cccccccc-0000-4000-8000-000000000001",
    object_id="dddddddd-0000-4000-8000-000000000001",
    application_permissions=("Mail.Send",),
    delegated_permissions=("Mail.Send",),
)
SCOPED = Application(
    client_id="cccccccc-0000-4000-8000-000000000002",
    object_id="dddddddd-0000-4000-8000-000000000002",
    mailbox_scope=("AlexW@contoso.com",),
)
KEY = ECKey.generate_key("P-256", {"kid": "k1"})
OTHER_KEY = ECKey.generate_key("P-256", {"kid": "k1"})


class StillClock:
    """A clock that stands."""

    def now(self) -> int:
        return NOW

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here waits")


class Keys:
    def find_key(self, kid: str) -> ECKey | None:
        return KEY if kid == "k1" else None


@dataclass
class Outbox:
    """A submitter that keeps submissions; `failure` is raised instead, when it is set."""

    submissions: list[Submission] = field(default_factory=list)
    failure: Exception | None = None

    async def submit(self, submission: Submission) -> Item:
        if self.failure is not None:
            raise self.failure
        self.submissions.append(submission)
        return Item(
            mailbox_id=submission.mailbox.mailbox_id,
            message_id=len(self.submissions),
            folder_id=SENT_ITEMS if submission.save else 0,
            message=submission.message,
        )


@dataclass
class NoStore:
    """Keeps nothing; counts who joined a commit."""

    joined: int = 0

    async def join(self) -> None:
        self.joined += 1


class Desk:
    """Somebody at the API: `post` and `send` are synchronous, for tests."""

    def __init__(self, **limits: Any) -> None:
        self.outbox = Outbox()
        self.directory = Directory.of(MAILBOXES, [APP, SCOPED])
        issuers: list[TrustedIssuer] = [own_issuer(TENANT, ["localhost"], Keys())]
        clock = StillClock()
        self.verifier = TokenVerifier(issuers, clock)
        self.store = NoStore()
        self.services = Services(
            store=cast(Any, self.store),
            blobs=cast(Any, None),
            directory=lambda: self.directory,
            verifier=self.verifier,
            submitter=self.outbox,
            numbers=Numbers(clock.now, node=1),
            clock=clock,
            limits=LimitSettings(**limits),
            tenant_id=TENANT,
            notifier=cast(Any, None),
            quotas=Quotas(cast(Any, None), AccountSettings(), clock, cast(Any, None)),
        )
        self.api = GraphApi(self.services)

    def send(self, request: Request) -> Reply:
        return asyncio.run(self.api.handle(request))

    def post(
        self,
        path: str,
        body: Any = b"",
        *,
        token: str = "user",
        content_type: str | None = "application/json",
        method: str = "POST",
        query: str = "",
        **headers: str,
    ) -> Reply:
        """Send a body: bytes as they are, anything else as JSON.  `token` names one of `token_named`."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send(make_request(method, path, data, token, content_type, query, headers))

    @property
    def last(self) -> Submission:
        return self.outbox.submissions[-1]


def make_request(
    method: str,
    path: str,
    body: bytes,
    token: str,
    content_type: str | None,
    query: str = "",
    headers: dict[str, str] | None = None,
) -> Request:
    named = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
    if content_type is not None:
        named["content-type"] = content_type
    if token:
        named["authorization"] = f"Bearer {token_named(token)}"
    return Request(
        method=method,
        path=path,
        query_string=query,
        headers=named,
        body=body,
        origin="https://localhost:8443",
        request_id="0f0e0d0c-0b0a-4908-8706-050403020100",
    )


EVERYTHING = "Mail.Send Mail.ReadWrite User.Read.All MailboxSettings.ReadWrite"
_TOKENS: dict[str, str] = {}


def token_named(name: str) -> str:
    """One of the tokens that `wrong_requests` names; an address stands for that user's, `scp:…` for Adele's with these, `roles:…`
    for the application's."""
    if name not in _TOKENS:
        _TOKENS[name] = _make_token(name)
    return _TOKENS[name]


def _make_token(name: str) -> str:
    now = NOW // SECOND
    claims: dict[str, Any] = {
        "iss": f"https://localhost:8443/{TENANT}/",
        "aud": "https://graph.microsoft.com",
        "tid": TENANT,
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "appid": APP.client_id,
    }
    user = {"oid": ADELE.object_id, "scp": "Mail.Send User.Read"}
    application = {"oid": APP.object_id, "roles": ["Mail.Send"], "idtyp": "app"}
    key = KEY
    match name:
        case "garbage":
            return "not-a-token"
        case "dotted":
            return "a.b.c"
        case "app":
            claims |= application
        case "app-without-permission":
            claims |= application | {"roles": ["User.Read.All"]}
        case "app-out-of-scope":
            claims |= application | {"oid": SCOPED.object_id, "appid": SCOPED.client_id}
        case "user-without-permission":
            claims |= user | {"scp": "User.Read Mail.ReadWrite"}
        case "expired":
            claims |= user | {"exp": now - 3600}
        case "not-yet":
            claims |= user | {"nbf": now + 3600}
        case "audience":
            claims |= user | {"aud": "https://outlook.example"}
        case "issuer":
            claims |= user | {"iss": "https://elsewhere.example/"}
        case "forged":
            claims |= user
            key = OTHER_KEY
        case "user-with-nothing":
            claims |= user | {"scp": "Calendars.Read"}
        case "user-with-everything":
            claims |= user | {"scp": EVERYTHING}
        case "alex-with-everything":
            claims |= user | {"scp": EVERYTHING, "oid": ALEX.object_id}
        case "user-with-settings":
            claims |= user | {"scp": "MailboxSettings.Read"}
        case "user-advanced":
            claims |= user | {"scp": "Mail.Send Mail.ReadWrite Mail-Advanced.ReadWrite"}
        case "app-with-nothing":
            claims |= application | {"roles": ["Calendars.Read"]}
        case "app-with-everything":
            roles = ["Mail.Send", "Mail.ReadWrite", "User.Read.All", "MailboxSettings.ReadWrite"]
            claims |= application | {"roles": roles}
        case "empty":
            claims |= user | {"scp": ""}
        case "user":
            claims |= user
        case _ if name.startswith("roles:"):
            claims |= application | {"roles": name.removeprefix("roles:").split()}
        case _ if name.startswith("scp:"):
            claims |= user | {"scp": name.removeprefix("scp:")}
        case _:
            box = next(box for box in MAILBOXES if box.owns(name))
            claims |= user | {"oid": box.object_id}
    protected = {"alg": "ES256", "kid": "k1", "typ": "JWT"}
    return jws.serialize_compact(protected, json.dumps(claims).encode(), key, algorithms=["ES256"])


def error_of(reply: Reply) -> tuple[int, str, str]:
    """Status, code and message of an error."""
    assert isinstance(reply.body, bytes), reply
    error = json.loads(reply.body)["error"]
    return reply.status, error["code"], error["message"]


USER = Principal(
    kind="user",
    tenant_id=TENANT,
    object_id=ADELE.object_id,
    client_id=APP.client_id,
    permissions=frozenset({"Mail.Send"}),
)
