"""Access tokens: what is believed, and everything that is not."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from tests.auth.world import CLIENT, NAMES, ORIGIN, START, TENANT, SetClock

from graphpost.auth.keys import SigningKeys
from graphpost.auth.verification.tokens import MAX_TOKEN, TokenVerifier, own_issuer
from graphpost.clock import SECOND
from graphpost.errors import Unauthenticated

NOW = START // SECOND
OID = "33333333-0000-4000-8000-000000000001"
STRANGER = RSAKey.generate_key(2048)
UNREADABLE = "CompactToken parsing failed with error code: 80049217"
GRAPH_ID = "00000003-0000-0000-c000-000000000000"
INVALID = "Access token validation failure."
AUDIENCE = "Access token validation failure. Invalid audience."
EXPIRED = "Lifetime validation failed, the token is expired."
EARLY = "Access token has expired or is not yet valid."


def claims(**changes: Any) -> dict[str, Any]:
    """A user's claims; None leaves one out."""
    usual = {
        "aud": "https://graph.microsoft.com",
        "iss": f"{ORIGIN}/{TENANT}/",
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 3600,
        "appid": CLIENT,
        "oid": OID,
        "tid": TENANT,
        "scp": "Mail.Send User.Read",
        "uti": "u",
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}


@pytest.fixture
def verifier(keys: SigningKeys, clock: SetClock) -> TokenVerifier:
    return TokenVerifier([own_issuer(TENANT, NAMES, keys)], clock)


def sign(keys: SigningKeys, body: dict[str, Any], alg: str = "RS256", key: Any = None, **header: Any) -> str:
    head = {"typ": "JWT", "alg": alg, "kid": keys.current.kid} | header
    head = {name: value for name, value in head.items() if value is not None}
    registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
    return jwt.encode(head, body, key or keys.current.key, registry=registry)


def b64(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def refused(verifier: TokenVerifier, token: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        verifier.verify(token)
    assert caught.value.status == 401
    assert caught.value.code == "InvalidAuthenticationToken"
    challenge = caught.value.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="", authorization_uri="')
    assert "claims" not in challenge
    assert verifier.find_cached(token) is None
    return caught.value.message


def test_a_users_token_has_scopes(verifier: TokenVerifier, keys: SigningKeys) -> None:
    principal = verifier.verify(sign(keys, claims()))
    assert (principal.kind, principal.object_id, principal.client_id) == ("user", OID, CLIENT)
    assert principal.permissions == {"Mail.Send", "User.Read"}
    assert (principal.tenant_id, principal.token_id) == (TENANT, "u")


def test_an_applications_token_has_roles(verifier: TokenVerifier, keys: SigningKeys) -> None:
    principal = verifier.verify(sign(keys, claims(scp=None, roles=["Mail.Send", 5], idtyp="app")))
    assert principal.kind == "application"
    assert principal.permissions == {"Mail.Send"}


def test_scopes_make_it_a_users_token_even_beside_roles(verifier: TokenVerifier, keys: SigningKeys) -> None:
    principal = verifier.verify(sign(keys, claims(roles=["Mail.ReadWrite"])))
    assert principal.kind == "user"
    assert "Mail.ReadWrite" not in principal.permissions


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "00000003-0000-0000-c000-000000000000"},
        {"iss": f"https://graph.microsoft.com/{TENANT}/"},
        {"iss": f"https://MAIL.contoso.test:444/{TENANT}/"},
        {"exp": NOW - 299},
        {"nbf": NOW + 300},
        {"nbf": None},
        {"appid": None, "azp": CLIENT},
        {"scp": ""},
        {"scp": None},
    ],
)
def test_what_is_right_is_accepted(
    verifier: TokenVerifier, keys: SigningKeys, change: dict[str, Any]
) -> None:
    verifier.verify(sign(keys, claims(**change)))


def test_the_headers_of_graphs_own_tokens_are_accepted(verifier: TokenVerifier, keys: SigningKeys) -> None:
    verifier.verify(sign(keys, claims(), nonce="x" * 300, x5t=keys.current.kid))
    verifier.verify(sign(keys, claims(), alg="PS256"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iss": "https://evil.test/" + TENANT + "/"}, INVALID),
        ({"iss": f"{ORIGIN}/22222222-2222-3333-4444-555555555555/"}, INVALID),
        ({"iss": f"{ORIGIN}/{TENANT}/v2.0"}, INVALID),
        ({"iss": f"https://localhost@evil.test/{TENANT}/"}, INVALID),
        ({"iss": f"ftp://localhost/{TENANT}/"}, INVALID),
        ({"iss": "https://["}, INVALID),
        ({"iss": None}, INVALID),
        ({"iss": [f"{ORIGIN}/{TENANT}/"]}, INVALID),
        ({"tid": "22222222-2222-3333-4444-555555555555"}, INVALID),
        ({"tid": None}, INVALID),
        ({"aud": "https://vault.azure.net"}, AUDIENCE),
        ({"aud": CLIENT}, AUDIENCE),
        ({"aud": CLIENT, "iss": f"{ORIGIN}/{TENANT}/v2.0"}, AUDIENCE),
        ({"aud": GRAPH_ID, "iss": f"{ORIGIN}/{TENANT}/v2.0"}, INVALID),
        ({"aud": None}, AUDIENCE),
        ({"aud": ["https://graph.microsoft.com"]}, AUDIENCE),
        ({"exp": NOW - 300}, EXPIRED),
        ({"exp": None}, INVALID),
        ({"exp": str(NOW + 3600)}, INVALID),
        ({"exp": True}, INVALID),
        ({"exp": 2**60}, INVALID),
        ({"exp": float("nan")}, INVALID),
        ({"nbf": NOW + 301}, EARLY),
        ({"nbf": "now"}, INVALID),
        ({"oid": None}, INVALID),
        ({"oid": ""}, INVALID),
        ({"oid": 7}, INVALID),
        ({"appid": None}, INVALID),
        ({"appid": [CLIENT]}, INVALID),
    ],
)
def test_wrong_claims_are_refused(
    verifier: TokenVerifier, keys: SigningKeys, change: dict[str, Any], message: str
) -> None:
    assert refused(verifier, sign(keys, claims(**change))) == message


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "Access token is empty."),
        ("  ", "Access token is empty."),
        ("opaque", "IDX14100: JWT is not well formed, there are no dots (.)."),
        ("a.b", UNREADABLE),
        ("a.b.c", UNREADABLE),
        ("a.b.c.d.e", UNREADABLE),
        ("..", UNREADABLE),
        ("\u00e4.b.c", UNREADABLE),
        (f"{b64([])}.{b64({})}.AA", UNREADABLE),
        (f"{b64(b'[' * 3000)}.{b64({})}.AA", UNREADABLE),
        (f"{b64({'typ': 'JWT'})}.{b64(claims())}.AA", UNREADABLE),
        (f"{b64({'alg': 'none'})}.{b64(claims())}.", INVALID),
        (f"{b64({'alg': 'RS256', 'kid': ['x']})}.{b64(claims())}.AA", INVALID),
        ("a.b." + "c" * MAX_TOKEN, UNREADABLE),
    ],
)
def test_what_is_no_token_is_refused(verifier: TokenVerifier, token: str, message: str) -> None:
    assert refused(verifier, token) == message


def test_a_token_of_another_key_is_refused(verifier: TokenVerifier, keys: SigningKeys) -> None:
    assert refused(verifier, sign(keys, claims(), key=STRANGER)) == INVALID
    assert (
        refused(verifier, sign(keys, claims(), key=STRANGER, jwk=STRANGER.as_dict(private=False))) == INVALID
    )


@pytest.mark.parametrize("kid", [None, "", "unknown", "../signing"])
def test_an_unknown_key_is_refused(verifier: TokenVerifier, keys: SigningKeys, kid: str | None) -> None:
    assert refused(verifier, sign(keys, claims(), kid=kid)) == INVALID


def test_no_other_algorithm_is_accepted(verifier: TokenVerifier, keys: SigningKeys) -> None:
    for alg in ("RS384", "RS512", "PS384", "PS512"):
        assert refused(verifier, sign(keys, claims(), alg)) == INVALID
    public = OctKey.import_key(keys.current.key.as_pem(private=False).replace(b"-", b"_"))
    assert refused(verifier, sign(keys, claims(), "HS256", public)) == INVALID
    ec = ECKey.generate_key("P-256")
    assert refused(verifier, sign(keys, claims(), "ES256", ec)) == INVALID
    none = f"{b64({'alg': 'none', 'kid': keys.current.kid})}.{b64(claims())}."
    assert refused(verifier, none) == INVALID


def test_the_algorithm_belongs_to_the_kind_of_the_key(keys: SigningKeys, clock: SetClock) -> None:
    ec = ECKey.generate_key("P-256")

    class Source:
        def find_key(self, kid: str) -> ECKey | None:
            return ec if kid == "ec" else None

    verifier = TokenVerifier([own_issuer(TENANT, ["idp.test"], Source())], clock)
    body = claims(iss=f"https://idp.test/{TENANT}/")
    assert verifier.verify(sign(keys, body, "ES256", ec, kid="ec")).kind == "user"
    assert refused(verifier, sign(keys, body, "RS256", kid="ec")) == INVALID


def test_a_changed_token_is_refused(verifier: TokenVerifier, keys: SigningKeys) -> None:
    header, payload, signature = sign(keys, claims()).split(".")
    more = b64(claims(scp="Mail.ReadWrite"))
    assert refused(verifier, f"{header}.{more}.{signature}") == INVALID
    assert refused(verifier, f"{header}.{payload}.{signature[:-4]}") == INVALID
    assert refused(verifier, f"{header}.{payload}.{signature}==") == INVALID
    assert refused(verifier, f"{header}.{payload}.") in (INVALID, UNREADABLE)


@pytest.mark.parametrize("crit", [["exp"], ["b64"], "x", []])
def test_critical_headers_nobody_knows_are_refused(
    verifier: TokenVerifier, keys: SigningKeys, crit: Any
) -> None:
    head = b64({"alg": "RS256", "kid": keys.current.kid, "crit": crit})
    signed = f"{head}.{b64(claims())}"
    algorithm = jws.JWSRegistry(algorithms=["RS256"]).get_alg("RS256")
    signature = b64(algorithm.sign(signed.encode(), keys.current.key))
    assert refused(verifier, f"{signed}.{signature}") in (INVALID, UNREADABLE)


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b"[" * 9000, b"\xff", b"null"])
def test_a_signed_payload_that_is_no_object_is_refused(
    verifier: TokenVerifier, keys: SigningKeys, payload: bytes
) -> None:
    head = {"alg": "RS256", "kid": keys.current.kid}
    assert refused(verifier, jws.serialize_compact(head, payload, keys.current.key)) == UNREADABLE


def test_what_was_verified_is_remembered_until_it_expires(
    verifier: TokenVerifier, keys: SigningKeys, clock: SetClock
) -> None:
    token = sign(keys, claims())
    assert verifier.find_cached(token) is None
    principal = verifier.verify(token)
    assert verifier.find_cached(token) is principal
    clock.pass_seconds(3599)
    assert verifier.find_cached(token) is principal
    clock.pass_seconds(1)
    assert verifier.find_cached(token) is None
    assert verifier.verify(token) == principal
    assert verifier.find_cached(token) is None
    clock.pass_seconds(300)
    assert refused(verifier, token) == EXPIRED


def test_the_memory_of_tokens_is_bounded(
    keys: SigningKeys, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphpost.auth.verification.tokens._REMEMBERED", 3)
    verifier = TokenVerifier([own_issuer(TENANT, NAMES, keys)], clock)
    tokens = [sign(keys, claims(uti=str(n))) for n in range(5)]
    for token in tokens:
        verifier.verify(token)
    assert [verifier.find_cached(token) is not None for token in tokens] == [False, False, True, True, True]


class Counting:
    """Keys that count how often they are asked for: before each signature that is looked at."""

    def __init__(self, key: RSAKey) -> None:
        self.key, self.asked = key, 0

    def find_key(self, kid: str) -> RSAKey | None:
        self.asked += 1
        return self.key


def test_a_wrong_signature_is_looked_at_once_a_minute(keys: SigningKeys, clock: SetClock) -> None:
    counting = Counting(STRANGER)
    verifier = TokenVerifier([own_issuer(TENANT, NAMES, counting)], clock)
    token = sign(keys, claims())
    assert [refused(verifier, token) for _ in range(5)] == [INVALID] * 5
    assert counting.asked == 1
    clock.pass_seconds(60)
    counting.key = keys.current.key
    assert verifier.verify(token).object_id == OID


def test_the_memory_of_wrong_signatures_is_bounded(
    keys: SigningKeys, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphpost.auth.verification.tokens._WRONG", 2)
    counting = Counting(STRANGER)
    verifier = TokenVerifier([own_issuer(TENANT, NAMES, counting)], clock)
    tokens = [sign(keys, claims(uti=str(n))) for n in range(3)]
    for token in (*tokens, *reversed(tokens)):
        assert refused(verifier, token) == INVALID
    assert counting.asked == 4
    assert len(verifier._wrong) == 2


@given(
    st.text()
    | st.from_regex(r"[A-Za-z0-9_=-]{0,40}\.[A-Za-z0-9_=-]{0,40}\.[A-Za-z0-9_=-]{0,40}", fullmatch=True)
)
def test_no_text_does_anything_but_be_refused(text: str) -> None:
    class Nothing:
        def find_key(self, kid: str) -> RSAKey | None:
            return STRANGER

    verifier = TokenVerifier([own_issuer(TENANT, NAMES, Nothing())], SetClock())
    assert verifier.find_cached(text) is None
    with pytest.raises(Unauthenticated):
        verifier.verify(text)
