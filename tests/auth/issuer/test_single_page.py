"""Single-page applications at the issuer: their codes and refresh tokens are a page's, and no other client's."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from tests.auth.browsing import TextBrowser
from tests.auth.issuer.test_signin import consented, sign_in
from tests.auth.world import (
    CLIENT,
    ORIGIN,
    PAGE,
    PAGE_REDIRECT,
    PASSWORD,
    PRIVATE,
    PUBLIC,
    REDIRECT,
    SECRET,
    TENANT,
    VERIFIER,
    SetClock,
    World,
    authorize_url,
)

HERE = {"origin": "https://page.contoso.test"}
DAY = 86_400
TOKEN = f"/{TENANT}/oauth2/v2.0/token"


def page_url(**changes: str | None) -> str:
    return authorize_url(**{"client_id": PAGE, "redirect_uri": PAGE_REDIRECT, **changes})


def code_of(browser: TextBrowser, **changes: str | None) -> str:
    return consented(browser, page_url(**changes)).answer["code"]


def redeem(world: World, code: str, headers: dict[str, str] | None = None, **form: str) -> tuple[int, Any]:
    wanted = {
        "grant_type": "authorization_code",
        "client_id": PAGE,
        "redirect_uri": PAGE_REDIRECT,
        "code": code,
        "code_verifier": VERIFIER,
        **form,
    }
    given = {name: value for name, value in wanted.items() if value}
    return world.token(headers=HERE if headers is None else headers, **given)


def refresh(world: World, token: str, headers: dict[str, str] | None = None, **form: str) -> tuple[int, Any]:
    wanted = {"grant_type": "refresh_token", "client_id": PAGE, "refresh_token": token, **form}
    return world.token(headers=HERE if headers is None else headers, **wanted)


def numbers(answer: tuple[int, Any]) -> tuple[int, str, int]:
    status, body = answer
    return status, body["error"], body["error_codes"][0]


def test_a_page_redeems_its_code_and_refreshes_without_a_secret(world: World, browser: TextBrowser) -> None:
    status, first = redeem(world, code_of(browser))
    assert status == 200
    status, second = refresh(world, first["refresh_token"])
    assert status == 200
    principal = world.run(world.verifier.admit(second["access_token"]))
    assert principal.client_id == PAGE


@pytest.mark.parametrize("origin", ["null", "http://localhost:3000", "https://else.example", ""])
def test_which_origin_it_is_makes_no_difference(world: World, browser: TextBrowser, origin: str) -> None:
    """The code, its verifier and the redirect URI make it the page's; who has them could write any Origin."""
    assert redeem(world, code_of(browser), {"origin": origin})[0] == 200


def test_what_a_page_was_given_nobody_else_redeems(world: World, browser: TextBrowser) -> None:
    code = code_of(browser)
    assert numbers(redeem(world, code, {})) == (400, "invalid_request", 9002327)
    assert numbers(redeem(world, code, {}, client_secret=SECRET)) == (400, "invalid_request", 9002327)
    token = redeem(world, code)[1]["refresh_token"]
    assert numbers(refresh(world, token, {})) == (400, "invalid_request", 9002327)
    assert numbers(refresh(world, token, {}, client_secret=SECRET)) == (400, "invalid_request", 9002327)
    assert refresh(world, token)[0] == 200


@pytest.mark.parametrize(
    ("headers", "form"),
    [
        ({}, {"client_secret": SECRET}),
        ({}, {"client_secret": "wrong"}),
        ({}, {"client_assertion": "x", "client_assertion_type": "y"}),
        ({"authorization": "Basic " + b64encode(f"{PAGE}:{SECRET}".encode()).decode()}, {}),
    ],
)
def test_a_page_has_no_secrets(
    world: World, browser: TextBrowser, headers: dict[str, str], form: dict[str, str]
) -> None:
    code = code_of(browser)
    assert numbers(redeem(world, code, HERE | headers, **form)) == (401, "invalid_client", 700025)


def test_a_page_must_have_asked_with_a_challenge(world: World, browser: TextBrowser) -> None:
    code = code_of(browser, code_challenge=None, code_challenge_method=None)
    assert numbers(redeem(world, code, code_verifier="")) == (400, "invalid_request", 9002325)


def test_a_code_of_the_server_behind_the_page_is_not_the_pages(world: World, browser: TextBrowser) -> None:
    """One application, registered for both: each has its own codes, told apart by where they went."""
    code = code_of(browser, redirect_uri=REDIRECT)
    form = {"redirect_uri": REDIRECT}
    assert numbers(redeem(world, code, **form)) == (400, "invalid_request", 9002326)
    assert numbers(redeem(world, code, client_secret=SECRET, **form)) == (400, "invalid_request", 9002326)
    assert numbers(redeem(world, code, {}, **form)) == (401, "invalid_client", 7000218)
    assert redeem(world, code, {}, client_secret=SECRET, **form)[0] == 200


def test_the_redirect_uri_of_a_code_cannot_be_changed_for_the_other_kind(
    world: World, browser: TextBrowser
) -> None:
    code = code_of(browser)
    assert numbers(redeem(world, code, redirect_uri=REDIRECT)) == (400, "invalid_grant", 500112)
    assert redeem(world, code)[0] == 200


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET},
        {"grant_type": "client_credentials", "client_id": PAGE, "client_secret": SECRET},
        {"grant_type": "client_credentials", "client_id": PRIVATE, "client_secret": "wrong"},
        {"grant_type": "password", "client_id": PUBLIC, "username": "adele", "password": PASSWORD},
        {"grant_type": "device_code", "client_id": PUBLIC, "device_code": "x"},
        {"grant_type": "authorization_code", "client_id": CLIENT, "client_secret": SECRET, "code": "x"},
        {"grant_type": "refresh_token", "client_id": PRIVATE, "client_secret": SECRET, "refresh_token": "x"},
    ],
)
def test_no_page_asks_as_another_client(world: World, form: dict[str, str]) -> None:
    """And it is told before a secret is looked at: no page finds out which is right."""
    answer = world.token(headers=HERE, scope="https://graph.microsoft.com/.default", **form)
    assert numbers(answer) == (400, "invalid_request", 9002326)
    assert "Request origin: 'https://page.contoso.test'" in answer[1]["error_description"]


@pytest.mark.parametrize("name", ["code", "refresh_token"])
def test_what_a_page_holds_and_nobody_knows_any_more_is_an_invalid_grant(world: World, name: str) -> None:
    """Then MSAL asks the person again."""
    redeemed = redeem(world, "gone") if name == "code" else refresh(world, "gone")
    assert numbers(redeemed) == (400, "invalid_grant", 70000)


def test_a_page_does_not_redeem_what_another_page_was_given(world: World, browser: TextBrowser) -> None:
    code = code_of(browser)
    assert numbers(redeem(world, code, client_id=CLIENT))[1:] == ("invalid_grant", 70000)
    assert redeem(world, code)[0] == 200


def test_refresh_tokens_of_a_page_end_a_day_after_the_sign_in(
    world: World, browser: TextBrowser, clock: SetClock
) -> None:
    token = redeem(world, code_of(browser))[1]["refresh_token"]
    for _ in range(3):
        clock.pass_seconds(DAY / 4)
        token = refresh(world, token)[1]["refresh_token"]
    clock.pass_seconds(DAY / 4 - 1)
    token = refresh(world, token)[1]["refresh_token"]
    clock.pass_seconds(1)
    answer = refresh(world, token)
    assert numbers(answer) == (400, "invalid_grant", 700084)
    assert answer[1]["suberror"] == "bad_token"


# The frame that asks whether somebody is signed in


def framed(browser: TextBrowser) -> TextBrowser:
    """As a browser asks from a frame on another site: with the cookie for it, and no other."""
    silent = {name: value for name, value in browser.cookies.items() if name.endswith("-silent")}
    assert silent
    return TextBrowser(browser.world, silent)


def test_a_frame_learns_that_somebody_is_signed_in(world: World, browser: TextBrowser) -> None:
    consented(browser, page_url())
    page = framed(browser).open(page_url(prompt="none", response_mode="fragment"))
    assert page.reply.status == 302
    assert page.reply.body == b""
    assert page.location.startswith(f"{PAGE_REDIRECT}#code=")
    assert redeem(world, page.answer["code"])[0] == 200


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"prompt": "consent"},
        {"prompt": "select_account"},
        {"prompt": "None"},
        {"client_id": CLIENT, "redirect_uri": REDIRECT, "prompt": "none"},
        {"redirect_uri": REDIRECT, "prompt": "none"},
        {"response_mode": "form_post", "prompt": "none"},
        {"redirect_uri": "https://evil.test/", "prompt": "none"},
    ],
)
def test_for_everything_else_a_frame_is_a_stranger(
    browser: TextBrowser, changes: dict[str, str | None]
) -> None:
    consented(browser, page_url())
    browser.submit(browser.open(authorize_url()), decision="allow")
    page = framed(browser).open(page_url(**changes))
    assert "code" not in page.answer
    assert "Adele" not in page.text
    assert page.step in ("", "signin")


def test_a_form_is_not_sent_with_the_cookie_of_frames(browser: TextBrowser) -> None:
    page = sign_in(browser, page_url())
    assert page.step == "consent"
    stranger = framed(browser)
    answered = stranger.submit(page, decision="allow")
    assert (answered.reply.status, answered.step) == (403, "signin")
    page.path = page_url(prompt="none")
    answered = stranger.submit(page, decision="allow")
    assert "code" not in answered.answer


def test_signing_out_ends_it_for_frames_too_and_no_frame_signs_out(browser: TextBrowser) -> None:
    consented(browser, page_url())
    frame = framed(browser)
    gone = frame.open(f"/{TENANT}/oauth2/v2.0/logout")
    assert not [name for name, _ in gone.reply.headers if name == "Set-Cookie"]
    assert "code" in frame.open(page_url(prompt="none")).answer
    browser.open(f"/{TENANT}/oauth2/v2.0/logout")
    assert frame.open(page_url(prompt="none")).answer["error"] == "login_required"


def test_without_tls_there_is_no_cookie_for_frames(world: World) -> None:
    browser = TextBrowser(world, origin="http://localhost:8080")
    consented(browser, page_url())
    assert set(browser.cookies) == {"graphpost-browser", "graphpost-session"}


def test_signing_out_brings_the_state_back_to_where_a_page_is(browser: TextBrowser) -> None:
    logout = f"/{TENANT}/oauth2/v2.0/logout?state=a%26b&post_logout_redirect_uri="
    assert browser.open(logout + PAGE_REDIRECT).location == PAGE_REDIRECT + "?state=a%26b"
    assert browser.open(logout + PAGE_REDIRECT + "elsewhere").location == ""


# What a page may ask


PREFLIGHT = {"origin": "https://evil.example", "access-control-request-method": "POST"}
SHARED = [
    "v2.0/.well-known/openid-configuration",
    ".well-known/openid-configuration",
    "discovery/v2.0/keys",
    "discovery/keys",
    "discovery/instance",
    "oauth2/v2.0/token",
    "oauth2/token",
]
OWN = [
    "oauth2/v2.0/authorize",
    "oauth2/authorize",
    "oauth2/v2.0/logout",
    "oauth2/logout",
    "oauth2/v2.0/devicecode",
    "oauth2/deviceauth",
    "userrealm/adele@contoso.test",
]


def allowances(headers: list[tuple[str, str]]) -> dict[str, str]:
    found = [(name, value) for name, value in headers if name.startswith("Access-Control-")]
    assert len(dict(found)) == len(found)
    return dict(found)


@pytest.mark.parametrize("path", SHARED)
@pytest.mark.parametrize("tenant", ["common", TENANT, "nobodys"])
def test_what_clients_ask_pages_may_ask_and_read(world: World, path: str, tenant: str) -> None:
    asked = world.ask("OPTIONS", f"/{tenant}/{path}", headers=PREFLIGHT)
    assert (asked.status, allowances(asked.headers)["Access-Control-Allow-Origin"]) == (204, "*")
    for method in ("GET", "POST", "OPTIONS"):
        answer = world.ask(method, f"/{tenant}/{path}", headers=HERE)
        assert allowances(answer.headers) == {"Access-Control-Allow-Origin": "*"}, (method, answer.status)


@pytest.mark.parametrize("path", OWN)
def test_what_people_are_shown_is_not_for_pages(world: World, browser: TextBrowser, path: str) -> None:
    consented(browser, page_url())
    cookies = {"cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}
    for method, headers in (("OPTIONS", PREFLIGHT), ("GET", HERE), ("POST", HERE), ("GET", HERE | cookies)):
        assert allowances(world.ask(method, f"/common/{path}", headers=headers).headers) == {}


def test_the_token_endpoint_looks_at_no_cookie(world: World, browser: TextBrowser) -> None:
    """Why every page may read its answers: none is somebody's by what a browser adds by itself."""
    consented(browser, page_url())
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    session = browser.cookies["__Host-graphpost-session"]
    for name in ("code", "refresh_token"):
        form = {"grant_type": "authorization_code" if name == "code" else name, name: session}
        reply = world.ask(
            "POST", TOKEN, headers=HERE | {"cookie": cookie}, form={"client_id": PAGE, **form}, origin=ORIGIN
        )
        assert json.loads(reply.body)["error"] == "invalid_grant"
