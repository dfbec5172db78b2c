"""Every route, with every token and every right that is wrong for it: the exact status and code, no cell left out.

The rows are the table of routes, in both versions and under every path it has; the columns are below.  What stands behind
the routes is replaced, so that a cell says either how it was refused or that it was let in.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey
from tests.graph.desk import KEY, NOW, OTHER_KEY, TENANT, Desk, Keys, StillClock, make_request

from graphpost.auth.access import Permission
from graphpost.auth.verification.issuers import foreign_issuer
from graphpost.auth.verification.tokens import TokenVerifier, own_issuer
from graphpost.clock import SECOND
from graphpost.config import LogSettings, TrustedIssuerSettings
from graphpost.config.permissions import PERMISSIONS
from graphpost.graph.api import GraphApi
from graphpost.graph.call import Call, Reply
from graphpost.graph.routes import ROUTES, Route, expand_template
from graphpost.mail.mailbox import Application, Directory, Group, Mailbox
from graphpost.mail.rights import Given
from graphpost.maillog import MailLog

Verdict = tuple[int, str]
IN: Final[Verdict] = (204, "")
STRANGER: Final[Verdict] = (401, "InvalidAuthenticationToken")
DENIED: Final[Verdict] = (403, "ErrorAccessDenied")
NOBODY: Final[Verdict] = (404, "ErrorInvalidUser")


def person(number: int, name: str, **more: Any) -> Mailbox:
    object_id = f"aaaaaaaa-0000-4000-8000-{number:012}"
    return Mailbox(mailbox_id=number, object_id=object_id, address=f"{name}@contoso.com", **more)


ADELE, ALEX = person(1, "adele", aliases=("a@contoso.com",)), person(2, "alex")
OPENED, SENT_AS = person(3, "opened"), person(4, "sent-as")  # Adele has rights to them
OFF, OPENED_OFF = person(5, "off", enabled=False), person(6, "opened-off", enabled=False)
TEAM = person(7, "team", kind="shared")
BOXES = (ADELE, ALEX, OPENED, SENT_AS, OFF, OPENED_OFF, TEAM)
RIGHTS = [
    Given(mailbox_id=OPENED.mailbox_id, holder=ADELE.object_id, rights=frozenset({"FullAccess"})),
    Given(mailbox_id=OPENED_OFF.mailbox_id, holder="group:readers", rights=frozenset({"FullAccess"})),
    Given(
        mailbox_id=SENT_AS.mailbox_id,
        holder=ADELE.object_id,
        rights=frozenset({"SendAs", "SendOnBehalf"}),
    ),
]
GROUPS = [
    Group(name="Readers", members=frozenset({ADELE.address})),
    Group(name="Others", members=frozenset({ALEX.address})),
]


def application(number: int, *scope: str, enabled: bool = True) -> Application:
    ids = [f"{letter * 8}-0000-4000-8000-{number:012}" for letter in "cd"]
    return Application(client_id=ids[0], object_id=ids[1], mailbox_scope=scope, enabled=enabled)


APP, DISABLED = application(1), application(2, enabled=False)
BY_ADDRESS, BY_GROUP = application(3, ALEX.address, OPENED.object_id), application(4, "group:Others")
BY_DOMAIN, BY_NOTHING = application(5, "domain:else.example"), application(6, "group:no such group")
BY_PERMISSION = msgspec.structs.replace(
    application(7), permission_scopes=dict.fromkeys(PERMISSIONS, ("domain:else.example",))
)
APPS = (APP, DISABLED, BY_ADDRESS, BY_GROUP, BY_DOMAIN, BY_NOTHING, BY_PERMISSION)
DIRECTORY = Directory.of(BOXES, APPS, GROUPS, RIGHTS)
FOREIGN_KEY = RSAKey.generate_key(2048, {"kid": "f1"})
FOREIGN, CONFINED = "https://login.else.example/realm", "https://login.confined.example/realm"

# Tokens

ALL: Final = " ".join(sorted(PERMISSIONS))
UNSHARED: Final = " ".join(sorted(name for name in PERMISSIONS if not name.endswith(".Shared")))


def part(value: Any) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims(**more: Any) -> dict[str, Any]:
    now = NOW // SECOND
    return {
        "iss": f"https://localhost:8443/{TENANT}/",
        "aud": "https://graph.microsoft.com",
        "tid": TENANT,
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "appid": APP.client_id,
        **more,
    }


# Entra signs with a nonce in the header, which joserfc does not know.
_REGISTRY: Final = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)


def signed(found: dict[str, Any], key: ECKey = KEY, **header: Any) -> str:
    protected = {"alg": "ES256", "kid": "k1", "typ": "JWT", **header}
    return jws.serialize_compact(protected, json.dumps(found).encode(), key, registry=_REGISTRY)


def user(scopes: str = ALL, box: Mailbox | None = ADELE, app: Application = APP, **more: Any) -> str:
    return signed(claims(oid=box.object_id if box else "nobody", scp=scopes, appid=app.client_id, **more))


def app(roles: str = ALL, which: Application = APP, **more: Any) -> str:
    found = claims(oid=which.object_id, appid=which.client_id, roles=roles.split(), idtyp="app", **more)
    return signed(found)


def foreign(issuer: str = FOREIGN, **more: Any) -> str:
    now = NOW // SECOND
    found = {"iss": issuer, "aud": "graphpost", "iat": now, "exp": now + 300, "azp": APP.client_id}
    found |= {"preferred_username": ADELE.address, "scope": ALL, **more}
    return jwt.encode({"alg": "RS256", "kid": "f1", "typ": "JWT"}, found, FOREIGN_KEY)


def unsigned() -> str:
    found = claims(oid=ADELE.object_id, scp=ALL)
    return f"{part({'alg': 'none', 'kid': 'k1', 'typ': 'JWT'})}.{part(found)}."


def public_key_as_secret() -> str:
    """Signed with what everybody knows, for who takes a public key for a secret."""
    head = f"{part({'alg': 'HS256', 'kid': 'k1'})}.{part(claims(oid=ADELE.object_id, scp=ALL))}"
    signature = hmac.digest(KEY.as_pem(private=False), head.encode(), "sha256")
    return f"{head}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def with_nonce() -> str:
    """As Entra signs what is for Graph: the header that was signed had the digest of the nonce instead."""
    digest = hashlib.sha256(b"nonce").hexdigest()
    _, body, signature = signed(claims(oid=ADELE.object_id, scp=ALL), nonce=digest).split(".")
    return f"{part({'alg': 'ES256', 'kid': 'k1', 'typ': 'JWT', 'nonce': 'nonce'})}.{body}.{signature}"


def swapped() -> str:
    """One token's signature under another's claims."""
    header, _, signature = user().split(".")
    return f"{header}.{part(claims(oid=ALEX.object_id, scp=ALL))}.{signature}"


NOW_SECONDS = NOW // SECOND
STRANGERS: Final[dict[str, str]] = {
    "none": "",
    "blank": " ",
    "garbage": "not-a-token",
    "dotted": "a.b.c",
    "expired": user(exp=NOW_SECONDS - 3600),
    "not yet": user(nbf=NOW_SECONDS + 3600),
    "without an end": signed({k: v for k, v in claims(oid=ADELE.object_id, scp=ALL).items() if k != "exp"}),
    "wrong audience": user(aud="https://outlook.example"),
    "wrong issuer": user(iss="https://elsewhere.example/"),
    "another tenant": user(iss="https://localhost:8443/99999999-2222-3333-4444-555555555555/"),
    "wrong key": signed(claims(oid=ADELE.object_id, scp=ALL), OTHER_KEY),
    "unknown key": signed(claims(oid=ADELE.object_id, scp=ALL), kid="k9"),
    "alg none": unsigned(),
    "alg HS256": public_key_as_secret(),
    "another's signature": swapped(),
    "a nonce in its header": with_nonce(),
    "disabled application": user(app=DISABLED),
    "disabled application by itself": app(which=DISABLED),
    "unknown application": user(app=application(9)),
    "disabled user": user(box=OFF),
    "unknown user": user(box=None),
    "shared mailbox as user": user(box=TEAM),
    "foreign, nobody here": foreign(preferred_username="nobody@contoso.com"),
    "foreign, disabled user": foreign(preferred_username=OFF.address),
    "foreign, shared mailbox": foreign(preferred_username=TEAM.address),
    "foreign, unknown application": foreign(azp="invoices"),
    "foreign, wrong audience": foreign(aud="else"),
    "foreign, expired": foreign(exp=NOW_SECONDS - 3600),
    "foreign, people of another domain": foreign(CONFINED),
    "foreign, in our name": foreign(f"https://localhost:8443/{TENANT}/"),
}


@dataclass(frozen=True)
class Place:
    """A row: a route in one version under one of its paths."""

    version: str
    route: Route
    path: str

    @property
    def permission(self) -> Permission | None:
        return self.route.permission

    @property
    def is_of_mailbox(self) -> bool:
        """Whether the path names somebody whose mailbox it is about."""
        return "{user}" in self.path and self.permission is not None and not self.permission.directory

    @property
    def is_me(self) -> bool:
        return self.path.startswith("/me") and "{user}" not in self.path

    @property
    def takes_shared(self) -> bool:
        return any(name.endswith(".Shared") for name in (self.permission or Permission((), ())).delegated)


@dataclass(frozen=True)
class Wrong:
    """A column: a token, whom `{user}` names, and the verdict that each place must give."""

    token: Callable[[Place], str]
    verdict: Callable[[Place], Verdict]
    user: str = ADELE.address
    words: str = ""  # in the message of a refusal


def always(token: str) -> Callable[[Place], str]:
    return lambda place: token


def stranger(place: Place) -> Verdict:
    return IN if place.route.is_open else STRANGER


def unpermitted(place: Place) -> Verdict:
    if place.permission is None:
        return IN  # the service's own documents; and a batch, whose parts are looked at one by one
    return (403, "Authorization_RequestDenied") if place.permission.directory else DENIED


def nothing_permitted(place: Place) -> Verdict:
    return IN if place.permission is None else (403, "NoPermissionsInAccessToken")


def closed(refusal: Verdict) -> Callable[[Place], Verdict]:
    """What is refused wherever somebody's mailbox is named."""
    return lambda place: refusal if place.is_of_mailbox else IN


def of_application(refusal: Verdict) -> Callable[[Place], Verdict]:
    def verdict(place: Place) -> Verdict:
        return (400, "BadRequest") if place.is_me else closed(refusal)(place)

    return verdict


def all_but(place: Place, kind: str, *, only_shared: bool = False) -> str:
    """Every permission but those that open the place (to others)."""
    permission = place.permission or Permission((), ())
    opening = permission.delegated if kind == "user" else permission.application
    taken = {name for name in opening if not only_shared or name.endswith(".Shared")}
    return " ".join(sorted(PERMISSIONS - taken))


def only_where_nothing_is_shared(place: Place) -> Verdict:
    return DENIED if place.is_of_mailbox and not place.takes_shared else IN


RAOP: Final = (
    "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings."
)
PLAIN: Final = "Access is denied. Check credentials and try again."
WRONGS: Final[dict[str, Wrong]] = {
    **{name: Wrong(always(token), stranger) for name, token in STRANGERS.items()},
    # The token's permissions
    "user, nothing that opens anything": Wrong(always(user("Calendars.Read")), unpermitted),
    "application, nothing that opens anything": Wrong(always(app("Calendars.Read")), unpermitted),
    "user, all but the permission": Wrong(lambda place: user(all_but(place, "user")), unpermitted),
    "application, all but the permission": Wrong(
        lambda place: app(all_but(place, "application")), unpermitted
    ),
    "user, the permission in lower case": Wrong(always(user(ALL.lower())), unpermitted),
    "user, no permission": Wrong(always(user("")), nothing_permitted),
    "application, no permission": Wrong(always(app("")), nothing_permitted),
    "foreign, nothing that opens anything": Wrong(always(foreign(scope="openid")), unpermitted),
    # The mailbox
    "user, no right": Wrong(always(user()), closed(DENIED), ALEX.address, PLAIN),
    "user, no right, by object id": Wrong(always(user()), closed(DENIED), ALEX.object_id, PLAIN),
    "user, the right to send alone": Wrong(always(user()), closed(DENIED), SENT_AS.address, PLAIN),
    "foreign, no right": Wrong(always(foreign()), closed(DENIED), ALEX.address, PLAIN),
    "user, Full Access without .Shared": Wrong(always(user(UNSHARED)), closed(DENIED), OPENED.address, PLAIN),
    "user, Full Access, all but the .Shared of the place": Wrong(
        lambda place: user(all_but(place, "user", only_shared=True)), closed(DENIED), OPENED.address, PLAIN
    ),
    "user, Full Access, what is not shared": Wrong(
        always(user()), only_where_nothing_is_shared, OPENED.address, PLAIN
    ),
    "user, Full Access of somebody else": Wrong(
        always(user(box=ALEX)), closed(DENIED), OPENED.address, PLAIN
    ),
    "user, disabled mailbox without a right": Wrong(always(user()), closed(DENIED), OFF.address, PLAIN),
    "user, disabled mailbox with Full Access": Wrong(
        always(user()),
        lambda place: (
            closed((404, "MailboxNotEnabledForRESTAPI"))(place)
            if place.takes_shared
            else only_where_nothing_is_shared(place)
        ),
        OPENED_OFF.address,
    ),
    "user, nobody": Wrong(always(user()), closed(NOBODY), "nobody@contoso.com"),
    "user, an alias": Wrong(always(user()), closed(NOBODY), ADELE.aliases[0]),
    "user, me by name": Wrong(always(user()), closed(NOBODY), "me"),
    "application, nobody": Wrong(always(app()), of_application(NOBODY), "nobody@contoso.com"),
    "application, no mailbox of its own": Wrong(always(app()), of_application(IN)),
    "application, disabled mailbox": Wrong(
        always(app()), of_application((404, "MailboxNotEnabledForRESTAPI")), OFF.address
    ),
    **{
        f"application, outside its scope by {name}": Wrong(
            always(app(which=which)), of_application(DENIED), words=RAOP
        )
        for name, which in {
            "address": BY_ADDRESS,
            "group": BY_GROUP,
            "domain": BY_DOMAIN,
            "nothing": BY_NOTHING,
            "permission": BY_PERMISSION,
        }.items()
    },
}


# The table


def places() -> Iterator[Place]:
    for route in ROUTES:
        for version in route.versions:
            for path in expand_template(route.template):
                yield Place(version, route, path)


async def let_in(call: Call) -> Reply:
    return Reply(204)


class Gate:
    """The API with nothing behind it."""

    def __init__(self, folder: Path) -> None:
        keys = folder / "keys.json"
        keys.write_text(json.dumps({"keys": [{**FOREIGN_KEY.as_dict(private=False), "use": "sig"}]}))
        clock, log = StillClock(), MailLog(LogSettings(), io.StringIO(), lambda: NOW)
        issuers = [
            foreign_issuer(
                TrustedIssuerSettings(
                    kind="oidc",
                    issuer=issuer,
                    jwks_uri=keys.as_uri(),
                    audiences=["graphpost"],
                    user_claim="preferred_username",
                    domains=domains,
                ),
                TENANT,
                lambda: DIRECTORY,
                clock,
                log,
            )
            for issuer, domains in ((FOREIGN, []), (CONFINED, ["else.example"]))
        ]
        own = own_issuer(TENANT, ["localhost"], Keys())
        verifier = TokenVerifier([own, *issuers], clock, people=lambda: DIRECTORY)
        services = replace(Desk().services, directory=lambda: DIRECTORY, verifier=verifier)
        self.verifier = verifier
        self.api = GraphApi(services, [replace(route, handler=let_in) for route in ROUTES])

    async def ask(self, place: Place, wrong: Wrong, *, in_batch: bool = False) -> tuple[Verdict, str]:
        """What is answered, and the words of the refusal; in a batch, the batch's token is the part's."""
        path = re.sub(r"\{\w+\}", "x", place.path.replace("{user}", wrong.user))
        request = make_request(place.route.method, f"/{place.version}{path}", b"", "", None)
        token = wrong.token(place)
        if token:
            request = msgspec.structs.replace(request, headers={"authorization": f"Bearer {token}"})
        principal = await self.verifier.admit(token) if in_batch else None
        reply = await self.api.handle(request, principal)
        if reply.status == IN[0]:
            return IN, ""
        assert isinstance(reply.body, bytes)
        error = json.loads(reply.body)["error"]
        return (reply.status, error["code"]), error["message"]


async def faults(folder: Path, columns: Iterable[str], *, in_batch: bool = False) -> tuple[int, list[Any]]:
    """How many cells were asked, and those that do not say what they have to."""
    gate, found, asked = Gate(folder), list[Any](), 0
    for name in columns:
        wrong = WRONGS[name]
        for place in places():
            asked += 1
            (got, words), wanted = await gate.ask(place, wrong, in_batch=in_batch), wrong.verdict(place)
            if got != wanted or (wanted[0] == 403 and wrong.words not in words):
                found.append((name, place.version, place.route.method, place.path, got, wanted, words))
    return asked, found


def rows() -> int:
    """How many rows there have to be, counted from the table of routes alone."""
    paths = sum(len(route.versions) * len(list(expand_template(route.template))) for route in ROUTES)
    assert paths == len(set(places()))
    return paths


def test_every_cell_is_refused_as_it_must_be(tmp_path: Path) -> None:
    asked, found = asyncio.run(faults(tmp_path, WRONGS))
    assert found == []
    assert asked == rows() * len(WRONGS)


def test_every_cell_says_the_same_in_a_batch(tmp_path: Path) -> None:
    late = {"disabled", "unknown user", "unknown application", "shared mailbox as user", "foreign, unknown"}
    columns = [
        name for name in WRONGS if name not in STRANGERS or any(name.startswith(each) for each in late)
    ]
    asked, found = asyncio.run(faults(tmp_path, columns, in_batch=True))
    assert [cell for cell in found if cell[2:4] != ("POST", "/$batch")] == []
    assert asked == rows() * len(columns)


def test_every_row_is_refused_to_somebody_and_every_column_refuses_somewhere() -> None:
    for place in places():
        refused = [name for name, wrong in WRONGS.items() if wrong.verdict(place) != IN]
        least = 0 if place.route.is_open else len(STRANGERS)
        assert len(refused) >= least + (8 if place.permission is not None else 0), place
        assert len(refused) >= least + (24 if place.is_of_mailbox else 0), place
    for name, wrong in WRONGS.items():
        if name != "application, no mailbox of its own":
            assert sum(wrong.verdict(place) != IN for place in places()) > 20, name


def test_what_is_right_is_let_in(tmp_path: Path) -> None:
    """The table would be worth nothing if the gate were shut."""
    for token, whose in ((user(), ADELE), (foreign(), ADELE), (app(), OFF), (app(which=BY_ADDRESS), ALEX)):
        right = Wrong(always(token), lambda place: IN, whose.address if whose is not OFF else ALEX.address)
        gate = Gate(tmp_path)
        for place in places():
            if not (place.is_me and whose is not ADELE and place.permission is not None):
                assert asyncio.run(gate.ask(place, right))[0] == IN, place
