"""Tokens of other issuers: the shapes of four clouds and of Keycloak, and everything that is not believed."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from graphpost.auth.access import Principal
from graphpost.auth.verification.clouds import CLOUDS
from graphpost.auth.verification.issuers import authorization_uri, find_claim, foreign_issuer
from graphpost.auth.verification.jwks import BETWEEN_SECONDS, STALE_SECONDS, KeysUnavailableError, read_keys
from graphpost.auth.verification.tokens import TokenVerifier
from graphpost.clock import SECOND
from graphpost.config import LogSettings, TrustedIssuerSettings
from graphpost.errors import GraphError, Unauthenticated, Unavailable
from graphpost.graph.standing import requester_of
from graphpost.mail.mailbox import Application, Directory, Mailbox
from graphpost.maillog import MailLog
from graphpost.testing.clock import JumpingClock

OURS = "11111111-2222-3333-4444-555555555555"
TENANT = "99999999-2222-3333-4444-555555555555"
APP = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
OID = "bbbbbbbb-0000-4000-8000-000000000001"
KEYCLOAK = "https://id.contoso.test/realms/staff"
API = "https://mail.contoso.test"
GRAPH = "00000003-0000-0000-c000-000000000000"
KEY, NEW_KEY, STRANGER = (RSAKey.generate_key(2048, {"kid": kid}) for kid in ("k1", "k2", "k1"))
EC = ECKey.generate_key("P-256", {"kid": "ec"})
INVALID = "Access token validation failure."
AUDIENCE = "Access token validation failure. Invalid audience."
NOBODY = "Access token validation failure. User account is disabled or does not exist."
ADELE = Mailbox(mailbox_id=1, object_id="cccccccc-0000-4000-8000-000000000001", address="adele@contoso.test", aliases=("av@contoso.test",))  # fmt: skip
GUEST = Mailbox(mailbox_id=2, object_id=OID, address="guest@partner.test")
INVOICES = Application(client_id=APP, object_id="dddddddd-0000-4000-8000-000000000001")


class Provider:
    """An issuer's documents, by their URIs; what is not there fails."""

    def __init__(self, **documents: Any) -> None:
        self.documents: dict[str, Any] = documents
        self.asked: list[str] = []

    def serve(self, uri: str, *keys: Any) -> None:
        self.documents[uri] = {"keys": [{**key.as_dict(private=False), "use": "sig"} for key in keys]}

    async def fetch(self, uri: str) -> dict[str, Any]:
        self.asked.append(uri)
        if uri not in self.documents:
            raise KeysUnavailableError(f"{uri}: nothing there")
        found: dict[str, Any] = self.documents[uri]
        return found


class Gate:
    """A verifier with these issuers; `directory` may be swapped."""

    def __init__(self, *settings: TrustedIssuerSettings) -> None:
        self.clock, self.provider = JumpingClock(), Provider()
        self.directory = Directory.of([ADELE, GUEST], [INVOICES])
        log = MailLog(LogSettings(), open(os.devnull, "w"), self.clock.now)  # noqa: SIM115
        self.issuers = [
            foreign_issuer(each, OURS, lambda: self.directory, self.clock, log, self.provider)
            for each in settings
        ]
        self.verifier = TokenVerifier(self.issuers, self.clock, people=lambda: self.directory)

    def admit(self, token: str) -> Principal:
        return asyncio.run(self.verifier.admit(token))

    def refused(self, token: str) -> str:
        with pytest.raises(GraphError) as caught:
            self.admit(token)
        assert isinstance(caught.value, Unauthenticated), caught.value
        assert caught.value.code == "InvalidAuthenticationToken"
        return caught.value.message

    def sign(self, claims: dict[str, Any], key: Any = KEY, alg: str = "RS256", **header: Any) -> str:
        now = self.clock.now() // SECOND
        usual = {"iat": now, "nbf": now, "exp": now + 3600}
        head = {"typ": "JWT", "alg": alg, "kid": key.kid} | header
        body = {name: value for name, value in (usual | claims).items() if value is not None}
        registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
        return jwt.encode({k: v for k, v in head.items() if v is not None}, body, key, registry=registry)


def entra(cloud: Any = "global", **settings: Any) -> Gate:
    gate = Gate(TrustedIssuerSettings(kind="entra", tenant_id=TENANT, cloud=cloud, **settings))
    gate.provider.serve(CLOUDS[gate.issuers[0].settings.cloud].keys_uri(TENANT), KEY, EC)
    return gate


def keycloak(**settings: Any) -> Gate:
    usual = {"audiences": ["graphpost"], "roles_claim": "resource_access.graphpost.roles"}
    gate = Gate(TrustedIssuerSettings(kind="oidc", issuer=KEYCLOAK, **(usual | settings)))
    certs = f"{KEYCLOAK}/protocol/openid-connect/certs"
    gate.provider.documents[f"{KEYCLOAK}/.well-known/openid-configuration"] = {
        "issuer": KEYCLOAK,
        "jwks_uri": certs,
    }
    gate.provider.serve(certs, KEY, EC)
    return gate


def v1(cloud: Any = "global", **changes: Any) -> dict[str, Any]:
    """A version 1 access token for Graph, of a user."""
    return {
        "aud": f"https://{CLOUDS[cloud].graph}",
        "iss": f"https://{CLOUDS[cloud].v1[0]}/{TENANT}/",
        "tid": TENANT,
        "appid": APP,
        "appidacr": "1",
        "oid": "eeeeeeee-0000-4000-8000-000000000009",
        "upn": "adele@contoso.test",
        "scp": "Mail.Send User.Read",
        "ver": "1.0",
        "uti": "u1",
        **changes,
    }


def v2(cloud: Any = "global", **changes: Any) -> dict[str, Any]:
    """A version 2 access token for an API of one's own, of an application."""
    return {
        "aud": API,
        "iss": f"https://{CLOUDS[cloud].login[0]}/{TENANT}/v2.0",
        "tid": TENANT,
        "azp": APP,
        "azpacr": "1",
        "oid": "eeeeeeee-0000-4000-8000-000000000008",
        "sub": "eeeeeeee-0000-4000-8000-000000000008",
        "roles": ["Mail.Send"],
        "idtyp": "app",
        "ver": "2.0",
        **changes,
    }


def staff(**changes: Any) -> dict[str, Any]:
    """Keycloak's access token of a user."""
    return {
        "iss": KEYCLOAK,
        "aud": ["graphpost", "account"],
        "typ": "Bearer",
        "azp": APP,
        "sub": "5d1c7ed4-0000-4000-8000-000000000001",
        "preferred_username": "adele@contoso.test",
        "scope": "openid email Mail.Send Mail.ReadWrite",
        "realm_access": {"roles": ["offline_access"]},
        "resource_access": {"graphpost": {"roles": ["Mail.Send"]}},
        "nbf": None,
        "jti": "onrtac:1",
        **changes,
    }


def service(**changes: Any) -> dict[str, Any]:
    """Keycloak's access token of a client's service account."""
    return staff(
        preferred_username=f"service-account-{APP}",
        scope="openid email",
        clientHost="192.0.2.1",
        client_id=APP,
        **changes,
    )


def test_somebody_who_signed_in_under_an_applications_name_is_not_the_application() -> None:
    """Where people register themselves they choose their names; a session is what an application has not."""
    gate = keycloak(applications=[APP])
    assert gate.admit(gate.sign(service())).kind == "application"
    assert gate.refused(gate.sign(service(sid="5f9a4f47"))) == NOBODY


@pytest.mark.parametrize("cloud", CLOUDS)
def test_each_clouds_tokens_are_accepted_where_it_is_configured(cloud: Any) -> None:
    gate = entra(cloud, audiences=[API])
    user, application = gate.admit(gate.sign(v1(cloud))), gate.admit(gate.sign(v2(cloud)))
    assert (user.kind, user.object_id, user.client_id) == ("user", ADELE.object_id, APP)
    assert (user.permissions, user.tenant_id, user.token_id) == ({"Mail.Send", "User.Read"}, OURS, "u1")
    assert (application.kind, application.object_id) == ("application", INVOICES.object_id)
    assert application.permissions == {"Mail.Send"}
    assert gate.admit(gate.sign(v1(cloud, aud=GRAPH))).kind == "user"


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("other", CLOUDS)
def test_a_clouds_tokens_are_refused_where_another_is_configured(cloud: Any, other: Any) -> None:
    if cloud == other:
        return
    gate = entra(cloud)
    expected = AUDIENCE if gate.issuers[0].is_issuer(v1(other)["iss"]) else INVALID
    assert gate.refused(gate.sign(v1(other))) == expected


def test_every_name_of_an_authority_is_its_own() -> None:
    for cloud, names in CLOUDS.items():
        gate = entra(cloud, audiences=[API])
        for login in names.login:
            claims = v2(cloud, iss=f"https://{login}/{TENANT}/v2.0")
            assert gate.admit(gate.sign(claims)).kind == "application"


def test_a_person_is_found_by_object_id_first_then_by_name() -> None:
    gate = entra()
    assert gate.admit(gate.sign(v1(oid=OID))).object_id == GUEST.object_id
    assert (
        gate.admit(gate.sign(v1(upn=None, preferred_username="AV@contoso.test"))).object_id == ADELE.object_id
    )
    assert gate.refused(gate.sign(v1(upn="nobody@contoso.test"))) == NOBODY
    assert gate.refused(gate.sign(v1(upn=["adele@contoso.test"]))) == NOBODY


def test_an_application_is_known_by_its_client_id() -> None:
    gate = entra(audiences=[API])
    assert gate.refused(gate.sign(v2(azp="aaaaaaaa-0000-4000-8000-00000000000f"))) == NOBODY
    assert gate.refused(gate.sign(v2(azp=None))) == NOBODY
    assert gate.admit(gate.sign(v2(azp=APP.upper()))).object_id == INVOICES.object_id


def test_that_another_issuer_decided_on_the_permissions_is_remembered_beyond_the_token() -> None:
    gate = entra(audiences=[API])
    for claims in (v1(), v2(roles=["Mail.Send"])):
        assert requester_of(gate.admit(gate.sign(claims))).permissions >= {"Mail.Send"}


def test_however_a_token_writes_its_client_it_is_one_application() -> None:
    gate = entra()
    assert {gate.admit(gate.sign(v1(appid=each))).client_id for each in (APP, APP.upper())} == {APP}


def test_keycloaks_people_and_service_accounts_are_accepted() -> None:
    gate = keycloak()
    user, application = gate.admit(gate.sign(staff())), gate.admit(gate.sign(service()))
    assert (user.kind, user.object_id, user.token_id) == ("user", ADELE.object_id, "onrtac:1")
    assert user.permissions == {"openid", "email", "Mail.Send", "Mail.ReadWrite"}
    assert (application.kind, application.object_id) == ("application", INVOICES.object_id)
    assert application.permissions == {"Mail.Send"}
    assert gate.admit(gate.sign(staff(sub=APP, preferred_username=None))).kind == "application"  # RFC 9068
    assert gate.admit(gate.sign(staff(), EC, "ES256")).kind == "user"


def test_roles_of_a_user_open_nothing_and_scopes_of_an_application_neither() -> None:
    gate = keycloak()
    assert "Mail.Send" not in gate.admit(gate.sign(staff(scope="openid"))).permissions
    assert gate.admit(gate.sign(service(resource_access={}))).permissions == frozenset()
    assert gate.admit(gate.sign(staff(scope="", resource_access={}))).kind == "user"


@pytest.mark.parametrize("claim", ["upn", "preferred_username"])
def test_roles_that_a_person_was_assigned_do_not_make_an_application_of_a_token(claim: str) -> None:
    """As in an id token, or an access token without scopes."""
    gate = entra(audiences=[API])
    person = {claim: "adele@contoso.test"}
    who = gate.admit(gate.sign(v2(roles=["Mail.Send"], idtyp=None, **person)))
    assert (who.kind, who.permissions) == ("user", frozenset())
    assert gate.admit(gate.sign(v2(roles=["Mail.Send"], idtyp=None))).kind == "application"
    assert gate.refused(gate.sign(v2(roles=["Mail.Send"], idtyp=None, unique_name="adele"))) == NOBODY


@pytest.mark.parametrize(
    ("more", "is_good"), [(0.5, True), (-3600.5, False), (float("nan"), False), (1e300, False)]
)
def test_times_may_have_fractions(more: float, is_good: bool) -> None:
    """RFC 7519 §2, NumericDate."""
    gate = entra()
    token = gate.sign(v1(exp=gate.clock.now() // SECOND + more, nbf=gate.clock.now() / SECOND))
    if is_good:
        assert gate.admit(token)
    else:
        assert gate.refused(token)


def test_a_permission_may_have_its_resource_in_front() -> None:
    gate = keycloak(audiences=["graphpost", API])
    assert "Mail.Send" in gate.admit(gate.sign(staff(scope=f"{API}/Mail.Send"))).permissions


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"aud": "account"}, AUDIENCE),
        ({"aud": []}, AUDIENCE),
        ({"aud": None}, AUDIENCE),
        ({"aud": [["graphpost"]]}, AUDIENCE),
        ({"typ": "ID"}, INVALID),
        ({"typ": "Refresh"}, INVALID),
        ({"at_hash": "x"}, INVALID),
        ({"iss": KEYCLOAK + "/"}, INVALID),
        ({"iss": "https://evil.test/realms/staff"}, INVALID),
        ({"iss": [KEYCLOAK]}, INVALID),
        ({"exp": 1}, "Lifetime validation failed, the token is expired."),
        ({"exp": "never"}, INVALID),
        ({"nbf": 2**39}, "Access token has expired or is not yet valid."),
        ({"azp": "other"}, NOBODY),
        ({"azp": 5}, NOBODY),
        ({"preferred_username": "nobody"}, NOBODY),
        ({"preferred_username": "service-account-other"}, NOBODY),
    ],
)
def test_what_is_not_for_us_or_of_nobody_here_is_refused(changes: dict[str, Any], message: str) -> None:
    gate = keycloak(applications=[APP])
    assert gate.refused(gate.sign(staff(**changes))) == message


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        (v1(tid=OURS), INVALID),
        (v1(tid=None), INVALID),
        (v1(iss=f"https://sts.windows.net/{OURS}/"), INVALID),
        (v1(iss=f"https://sts.windows.net.evil.test/{TENANT}/"), INVALID),
        (v1(iss=f"http://sts.windows.net/{TENANT}/"), INVALID),
        (v1(aud="https://outlook.office.com"), AUDIENCE),
    ],
)
def test_another_tenants_tokens_are_refused(claims: dict[str, Any], message: str) -> None:
    gate = entra()
    assert gate.refused(gate.sign(claims)) == message


def test_a_token_for_microsofts_own_graph_says_why_it_cannot_be_checked() -> None:
    gate = entra()
    assert "its header has a nonce" in gate.refused(gate.sign(v1(), nonce="AQABAAAAAAD"))


@pytest.mark.parametrize(
    ("key", "header"),
    [
        (STRANGER, {}),
        (OctKey.import_key("a shared secret of 32 octets or so", {"kid": "k1"}), {"alg": "HS256"}),
        (EC, {"kid": "k1", "alg": "ES256"}),
        (KEY, {"kid": "ec"}),
        (KEY, {"kid": None}),
        (KEY, {"crit": ["jku"], "jku": "https://evil.test/keys"}),
    ],
)
def test_what_the_issuers_key_did_not_sign_is_refused(key: Any, header: dict[str, Any]) -> None:
    gate = entra()
    assert gate.refused(gate.sign(v1(), key, **header)) in (INVALID, "CompactToken parsing failed with error code: 80049217")  # fmt: skip


def test_no_issuer_speaks_for_another_even_with_a_key_of_its_name() -> None:
    settings = [
        TrustedIssuerSettings(kind="entra", tenant_id=TENANT),
        TrustedIssuerSettings(
            kind="oidc", issuer=KEYCLOAK, audiences=["graphpost"], jwks_uri="https://k.test"
        ),
    ]
    gate = Gate(*settings)
    gate.provider.serve(CLOUDS["global"].keys_uri(TENANT), KEY)
    gate.provider.serve("https://k.test", STRANGER)
    assert gate.admit(gate.sign(v1())).kind == gate.admit(gate.sign(staff(), STRANGER)).kind == "user"
    assert gate.refused(gate.sign(v1(), STRANGER)) == gate.refused(gate.sign(staff(), KEY)) == INVALID


def test_an_issuer_may_be_confined_to_domains_and_applications() -> None:
    gate = entra(domains=["partner.test"])
    assert gate.refused(gate.sign(v1())) == NOBODY
    assert gate.admit(gate.sign(v1(oid=OID))).object_id == GUEST.object_id
    gate = entra(applications=["aaaaaaaa-0000-4000-8000-00000000000f"])
    assert gate.refused(gate.sign(v1())) == NOBODY


def test_a_new_key_is_fetched_when_a_token_names_it_and_an_old_one_goes() -> None:
    gate = entra()
    uri = CLOUDS["global"].keys_uri(TENANT)
    old = gate.sign(v1())
    gate.admit(old)
    gate.provider.serve(uri, NEW_KEY)
    asyncio.run(gate.clock.advance(BETWEEN_SECONDS))
    assert gate.admit(gate.sign(v1(), NEW_KEY)).kind == "user"
    assert gate.provider.asked == [uri, uri]
    assert gate.refused(gate.sign(v1(uti="another"))) == INVALID


def test_made_up_keys_cost_the_issuer_two_questions_a_minute() -> None:
    gate = entra()
    for number in range(50):
        gate.refused(gate.sign(v1(), kid=f"made-up-{number}"))
    assert len(gate.provider.asked) == 1
    asyncio.run(gate.clock.advance(BETWEEN_SECONDS))
    gate.refused(gate.sign(v1(), kid="made-up"))
    assert len(gate.provider.asked) == 2


def test_keys_stay_good_for_a_day_when_the_issuer_does_not_answer() -> None:
    gate = entra()
    gate.admit(gate.sign(v1()))
    gate.provider.documents.clear()
    asyncio.run(gate.clock.advance(STALE_SECONDS))
    assert gate.admit(gate.sign(v1())).kind == "user"
    asyncio.run(gate.clock.advance(1))
    with pytest.raises(Unavailable) as caught:
        gate.admit(gate.sign(v1()))
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "60")


def test_keys_are_kept_fresh_without_anybody_asking() -> None:
    gate = entra()

    async def watched() -> list[int]:
        watching = asyncio.create_task(gate.issuers[0].keys.watch())
        counts = []
        for seconds in (0.0, 3599.0, 1.0, 0.0, 60.0):
            await gate.clock.advance(seconds)
            counts.append(len(gate.provider.asked))
            if seconds == 1.0:
                gate.provider.documents.clear()
        watching.cancel()
        return counts

    assert asyncio.run(watched())[:3] == [1, 1, 2]


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.test", "jwks_uri": "https://evil.test/keys"},
        {"issuer": KEYCLOAK, "jwks_uri": "https://[::1"},
        {"issuer": KEYCLOAK, "jwks_uri": "https://id.contoso.test/\ud800"},
        {"issuer": KEYCLOAK, "jwks_uri": "https://id.contoso.test/\x1b[2J"},
        {"issuer": KEYCLOAK},
        {"issuer": KEYCLOAK, "jwks_uri": "http://id.contoso.test/keys"},
        {"issuer": KEYCLOAK, "jwks_uri": "file:///etc/passwd"},
        {"issuer": KEYCLOAK, "jwks_uri": ["https://id.contoso.test"]},
    ],
)
def test_a_discovery_document_that_is_not_the_issuers_own_is_not_followed(document: dict[str, Any]) -> None:
    gate = keycloak()
    gate.provider.documents[f"{KEYCLOAK}/.well-known/openid-configuration"] = document
    with pytest.raises(KeysUnavailableError):
        asyncio.run(gate.issuers[0].keys.fetch())


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "RSA", "kid": "a"},
        {"kty": "oct", "kid": "a", "k": "c2VjcmV0"},
        {**KEY.as_dict(private=False), "use": "enc"},
        {**KEY.as_dict(private=False), "alg": "RSA-OAEP"},
        {**KEY.as_dict(private=False), "kid": ""},
        {**KEY.as_dict(private=False), "kid": 5},
        {"kty": "RSA", "kid": "a", "e": "AQAB", "n": KEY.as_dict(private=False)["n"][:171]},  # 1,024 bits
        {**ECKey.generate_key("P-384").as_dict(private=False), "kid": "a"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "a"},
        "key",
        None,
    ],
)
def test_keys_that_do_not_sign_what_we_accept_are_passed_over(entry: Any) -> None:
    good = KEY.as_dict(private=False)
    assert list(read_keys({"keys": [entry, good]})) == ["k1"]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["keys", "kty", "kid", "n", "e", "crv", "x", "y"]), inner, max_size=4)))  # fmt: skip
def test_any_document_is_read_without_a_fault(document: Any) -> None:
    assert read_keys(document if isinstance(document, dict) else {"keys": document}) is not None


@given(st.dictionaries(st.sampled_from([*staff(), "idtyp", "groups"]), st.none() | st.integers() | st.lists(st.text(max_size=3), max_size=2) | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2) | st.text(max_size=9), max_size=8))  # fmt: skip
def test_any_claims_under_a_right_signature_are_somebody_or_refused(changes: dict[str, Any]) -> None:
    gate = _gate()
    try:
        principal = gate.admit(gate.sign(staff(**changes)))
    except Unauthenticated:
        return
    assert principal.object_id in (ADELE.object_id, INVOICES.object_id, GUEST.object_id)


_made: list[Gate] = []


def _gate() -> Gate:
    if not _made:
        _made.append(keycloak())
    return _made[0]


def test_a_claim_is_found_by_its_name_or_inside_others() -> None:
    claims = {"a.b": 1, "a": {"b": 2, "c": {"d": [3]}}, "e": "text"}
    found = [find_claim(claims, path) for path in ("a.b", "a.c.d", "e", "e.f", "x", "")]
    assert found == [1, [3], "text", None, None, None]


def test_what_is_remembered_of_a_token_ends_when_the_directory_changes() -> None:
    gate = entra()
    token = gate.sign(v1())
    gate.admit(token)
    assert gate.verifier.find_cached(token) is not None
    gate.directory = Directory.of([GUEST], [INVOICES])
    assert gate.verifier.find_cached(token) is None
    assert gate.refused(token) == NOBODY


def test_the_leeway_of_an_issuer_is_its_own() -> None:
    gate = entra(leeway_seconds=10.0)
    now = gate.clock.now() // SECOND
    assert gate.admit(gate.sign(v1(exp=now - 9))).kind == "user"
    assert "expired" in gate.refused(gate.sign(v1(exp=now - 10)))


@pytest.mark.parametrize(
    ("settings", "uri"),
    [
        ({"kind": "entra", "cloud": "dod"}, "https://login.microsoftonline.us/common/oauth2/authorize"),
        (
            {"kind": "entra", "cloud": "china"},
            "https://login.partner.microsoftonline.cn/common/oauth2/authorize",
        ),
        ({"kind": "oidc", "issuer": KEYCLOAK}, KEYCLOAK),
    ],
)
def test_a_challenge_names_whom_to_ask(settings: dict[str, Any], uri: str) -> None:
    assert authorization_uri(TrustedIssuerSettings(**settings)) == uri


def test_keys_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [KEY.as_dict(private=False)]}))
    settings = TrustedIssuerSettings(
        kind="oidc", issuer=KEYCLOAK, audiences=["graphpost"], jwks_uri=file.as_uri()
    )
    clock, directory = JumpingClock(), Directory.of([ADELE], [INVOICES])
    log = MailLog(LogSettings(), open(os.devnull, "w"), clock.now)  # noqa: SIM115
    people: Callable[[], Directory] = lambda: directory  # noqa: E731
    issuer = foreign_issuer(settings, OURS, people, clock, log)
    assert list(asyncio.run(issuer.keys.fetch())) == ["k1"]
    file.write_text("[]")
    with pytest.raises(KeysUnavailableError, match="no JSON object"):
        asyncio.run(issuer.keys.fetch())
    file.unlink()
    with pytest.raises(KeysUnavailableError, match="No such file"):
        asyncio.run(issuer.keys.fetch())
