"""Whatever is sent, the issuer answers, and never with 5xx."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.auth.world import ADELE, CLIENT, ORIGIN, PUBLIC, REDIRECT, SECRET, TENANT, World, authorize_url

from graphpost.auth.authority import Authority
from graphpost.auth.issuer.assertions import parse_assertion
from graphpost.auth.issuer.scopes import parse_scopes
from graphpost.auth.protocol import OAuthError
from graphpost.store.directory.accounts import is_safe_redirect

PATHS = (
    "oauth2/v2.0/token",
    "oauth2/token",
    "oauth2/v2.0/devicecode",
    "oauth2/v2.0/authorize",
    "oauth2/deviceauth",
)
NAMES = st.sampled_from(
    [
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "scope",
        "resource",
        "code",
        "redirect_uri",
        "code_verifier",
        "refresh_token",
        "device_code",
        "username",
        "password",
        "claims",
        "client_info",
        "response_type",
        "response_mode",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "login_hint",
        "step",
        "form_token",
        "user_code",
        "decision",
    ]
)
VALUES = st.text(max_size=60) | st.sampled_from(
    [
        *(
            "client_credentials",
            "authorization_code",
            "refresh_token",
            "password",
            "code",
            "S256",
            "none",
            "signin",
        ),
        *(
            "consent",
            "form_post",
            ".default",
            "openid",
            "Mail.Send",
            CLIENT,
            PUBLIC,
            REDIRECT,
            ADELE,
            "{}",
            "1",
        ),
        *(
            "urn:ietf:params:oauth:grant-type:device_code",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        *("a.b.c", "e30.e30.e30", "https://[", "https://localhost/.default", "\x00", "\r\nX: y"),
    ]
)
FIELDS = st.dictionaries(NAMES, VALUES, max_size=10)
HERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@HERE
@given(
    st.sampled_from(PATHS),
    st.sampled_from(["GET", "POST"]),
    FIELDS,
    FIELDS,
    st.dictionaries(st.sampled_from(["authorization", "cookie", "origin", "client-request-id"]), VALUES),
)
def test_every_request_is_answered(
    world: World, path: str, method: str, query: dict[str, str], form: dict[str, str], headers: dict[str, str]
) -> None:
    from graphpost.auth.issuer.issuer import IssuerRequest

    request = IssuerRequest(method, f"/{TENANT}/{path}", query, form, headers, ORIGIN, "192.0.2.1")
    reply = world.run(world.issuer.handle(request))
    assert reply is not None
    assert reply.status in (200, 302, 303, 400, 401, 403, 405)
    for name, value in reply.headers:
        assert (name + value).isprintable()
        assert (name + value).isascii()
        assert name != "Location" or value.startswith((REDIRECT, "http://localhost"))


@HERE
@given(st.text(max_size=80), st.text(max_size=80))
def test_state_and_hint_stay_text(world: World, state: str, hint: str) -> None:
    reply = world.ask("GET", authorize_url(state=state, login_hint=hint))
    assert reply.body.count(b"<input") == 4
    assert b"<script" not in reply.body


@given(st.text() | st.binary().map(lambda data: data.hex()))
def test_any_text_is_an_assertion_or_refused(text: str) -> None:
    with suppress(OAuthError):
        assert parse_assertion(text).header["alg"] in ("RS256", "PS256")


@given(st.text())
def test_any_text_is_scopes_or_refused(text: str) -> None:
    authority = Authority(TENANT, frozenset(), frozenset({"localhost"}))
    with suppress(OAuthError):
        assert parse_scopes(text, authority, ORIGIN).audience


@given(st.text())
def test_a_safe_redirect_fits_into_a_header(uri: str) -> None:
    if is_safe_redirect(uri):
        assert uri.isascii()
        assert uri.isprintable()


def test_secrets_are_not_repeated_in_an_answer(world: World) -> None:
    for secret in (SECRET, "wrong" * 10):
        _, body = world.token(
            grant_type="refresh_token", client_id=CLIENT, client_secret=secret, refresh_token=secret
        )
        assert secret not in str(body)
