"""Signing in on another device."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.auth.browsing import Page, TextBrowser
from tests.auth.world import ADELE, CLIENT, ORIGIN, PASSWORD, PRIVATE, PUBLIC, SECRET, TENANT, SetClock, World

from graphpost.auth.throttle import account_of

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
PAGE = "/common/oauth2/deviceauth"


@pytest.fixture
def flow(world: World) -> dict[str, Any]:
    form = {"client_id": PUBLIC, "scope": "openid profile offline_access Mail.Send"}
    reply = world.ask("POST", f"/{TENANT}/oauth2/v2.0/devicecode", form=form)
    assert dict(reply.headers)["Cache-Control"] == "no-store"
    answer: dict[str, Any] = json.loads(reply.body)
    return answer


def poll(world: World, flow: dict[str, Any], client: str = PUBLIC, **form: str) -> tuple[int, Any]:
    return world.token(grant_type=GRANT, client_id=client, device_code=flow["device_code"], **form)


def enter(browser: TextBrowser, code: str) -> Page:
    return browser.submit(browser.open(PAGE), user_code=code)


def approve(browser: TextBrowser, code: str, decision: str = "allow") -> Page:
    page = enter(browser, code)
    if page.step == "signin":
        page = browser.submit(page, username=ADELE, password=PASSWORD)
    assert page.step == "consent"
    return browser.submit(page, decision=decision)


def test_the_answer_has_what_a_client_shows_its_user(flow: dict[str, Any]) -> None:
    assert set(flow) == {"user_code", "device_code", "verification_uri", "expires_in", "interval", "message"}
    assert flow["verification_uri"] == ORIGIN + PAGE
    assert (flow["expires_in"], flow["interval"]) == (900, 5)
    assert flow["user_code"] in flow["message"]


def test_a_device_waits_until_its_user_has_approved(
    world: World, browser: TextBrowser, flow: dict[str, Any], clock: SetClock
) -> None:
    status, body = poll(world, flow)
    assert (status, body["error"], body["error_codes"]) == (400, "authorization_pending", [70016])
    assert poll(world, flow)[1]["error"] == "slow_down"
    clock.pass_seconds(5)
    assert poll(world, flow)[1]["error"] == "authorization_pending"
    page = approve(browser, flow["user_code"].lower()[:4] + " - " + flow["user_code"][4:])
    assert "You have signed in to" in page.text
    status, body = poll(world, flow, client_info="1")
    assert status == 200
    assert set(body) >= {"access_token", "refresh_token", "id_token", "client_info", "scope"}
    principal = world.verifier.verify(body["access_token"])
    assert (principal.kind, principal.client_id) == ("user", PUBLIC)
    assert "Mail.Send" in principal.permissions
    assert poll(world, flow)[1]["error_codes"] == [54005]


def test_a_declined_device_is_told_so(world: World, browser: TextBrowser, flow: dict[str, Any]) -> None:
    assert "was not given access" in approve(browser, flow["user_code"], "deny").text
    assert poll(world, flow)[1]["error"] == "authorization_declined"
    assert "didn&#39;t work" in enter(browser, flow["user_code"]).text


def test_a_code_expires(world: World, browser: TextBrowser, flow: dict[str, Any], clock: SetClock) -> None:
    page = enter(browser, flow["user_code"])
    clock.pass_seconds(900)
    assert poll(world, flow)[1]["error"] == "expired_token"
    page = browser.submit(page, username=ADELE, password=PASSWORD)
    assert page.step == "code"
    assert page.reply.status == 400


def test_an_approved_code_expires_too(
    world: World, browser: TextBrowser, flow: dict[str, Any], clock: SetClock
) -> None:
    approve(browser, flow["user_code"])
    clock.pass_seconds(900)
    assert poll(world, flow)[1]["error"] == "expired_token"


def test_a_device_code_is_its_applications(world: World, browser: TextBrowser, flow: dict[str, Any]) -> None:
    approve(browser, flow["user_code"])
    assert poll(world, flow, CLIENT)[1]["error"] == "bad_verification_code"
    assert poll(world, {"device_code": "x"})[1]["error"] == "bad_verification_code"
    assert poll(world, {"device_code": flow["user_code"]})[1]["error"] == "bad_verification_code"
    assert world.token(grant_type=GRANT, client_id=PUBLIC)[1]["error_codes"] == [900144]
    assert poll(world, flow)[0] == 200


def test_a_private_application_needs_its_secret_to_poll(world: World, browser: TextBrowser) -> None:
    form = {"client_id": PRIVATE, "scope": "Mail.Send"}
    flow = json.loads(world.ask("POST", f"/{TENANT}/oauth2/v2.0/devicecode", form=form).body)
    approve(browser, flow["user_code"])
    assert poll(world, flow, PRIVATE)[1]["error_codes"] == [7000218]
    assert poll(world, flow, PRIVATE, client_secret=SECRET)[0] == 200


def test_a_user_code_is_decided_once(world: World, browser: TextBrowser, flow: dict[str, Any]) -> None:
    page = browser.submit(enter(browser, flow["user_code"]), username=ADELE, password=PASSWORD)
    assert browser.submit(page, decision="allow").reply.status == 200
    assert browser.submit(page, decision="allow").reply.status == 400


def test_a_user_name_that_reads_like_device_codes_locks_none(
    world: World, browser: TextBrowser, flow: dict[str, Any]
) -> None:
    typed = account_of(None, "device codes from 192.0.2.1")
    for _ in range(10):
        world.run(world.guesses.failed(typed, "192.0.2.1"))
    assert enter(browser, flow["user_code"]).step == "signin"


def test_guessing_user_codes_is_stopped(browser: TextBrowser, flow: dict[str, Any]) -> None:
    for _ in range(10):
        assert "didn&#39;t work" in enter(browser, "BBBBBBBBB").text
    assert "Too many codes" in enter(browser, flow["user_code"]).text


def test_a_wrong_password_keeps_the_code(browser: TextBrowser, flow: dict[str, Any]) -> None:
    page = browser.submit(enter(browser, flow["user_code"]), username=ADELE, password="wrong")
    assert page.reply.status == 400
    assert browser.submit(page, username=ADELE, password=PASSWORD).step == "consent"


def test_a_page_that_is_loaded_again_after_signing_in_asks_for_consent(
    browser: TextBrowser, flow: dict[str, Any]
) -> None:
    signin = enter(browser, flow["user_code"])
    for _ in range(2):
        assert browser.submit(signin, username=ADELE, password=PASSWORD).step == "consent"
    assert browser.submit(signin, username="alex@contoso.test", password=PASSWORD).step == "code"
    assert browser.submit(signin, origin="https://evil.test", username=ADELE).step == "code"


def test_a_form_of_another_site_decides_nothing(
    world: World, browser: TextBrowser, flow: dict[str, Any]
) -> None:
    page = browser.submit(enter(browser, flow["user_code"]), username=ADELE, password=PASSWORD)
    assert browser.submit(page, origin="https://evil.test", decision="allow").reply.status == 403
    assert browser.submit(page, form_token="", decision="allow").reply.status == 403
    other = dict(page.fields) | {"user_code": "BBBBBBBBB"}
    page.fields = other
    assert browser.submit(page, decision="allow").reply.status == 403
    assert poll(world, flow)[1]["error"] == "authorization_pending"


@pytest.mark.parametrize(
    ("form", "number"),
    [
        ({}, 900144),
        ({"client_id": PUBLIC}, 900144),
        ({"client_id": "x", "scope": "openid"}, 700016),
        ({"client_id": PUBLIC, "scope": "Mail.ReadWrite"}, 70011),
        ({"client_id": PUBLIC, "scope": "https://x.test/y"}, 500011),
    ],
)
def test_a_wrong_request_gets_no_code(world: World, form: dict[str, str], number: int) -> None:
    reply = world.ask("POST", f"/{TENANT}/oauth2/v2.0/devicecode", form=form)
    assert (reply.status, json.loads(reply.body)["error_codes"]) == (400, [number])


def test_version_1_calls_the_page_a_url(world: World) -> None:
    form = {"client_id": PUBLIC, "resource": "https://graph.microsoft.com"}
    answer = json.loads(world.ask("POST", f"/{TENANT}/oauth2/devicecode", form=form).body)
    assert answer["verification_url"] == ORIGIN + PAGE


@pytest.mark.parametrize("path", [PAGE, f"/{TENANT}/oauth2/v2.0/devicecode"])
def test_other_methods_are_refused(world: World, path: str) -> None:
    assert world.ask("PUT", path).status == 405


def test_strangers_do_not_fill_the_store_with_codes(world: World, clock: SetClock) -> None:
    def ask(remote: str) -> int:
        form = {"client_id": PUBLIC, "scope": "Mail.Send"}
        return world.ask("POST", f"/{TENANT}/oauth2/v2.0/devicecode", form=form, remote=remote).status

    assert [ask("192.0.2.1") for _ in range(101)].count(200) == 100
    assert ask("192.0.2.2") == 200
    count = world.read(lambda tx: tx.one("SELECT COUNT(*) FROM grants")[0])
    assert count == 101
    clock.pass_seconds(601)
    assert ask("192.0.2.1") == 200


def test_who_polls_too_often_is_no_work_for_the_store(
    world: World, flow: dict[str, Any], clock: SetClock
) -> None:
    answers = []
    for _ in range(9):
        answers.append(poll(world, flow)[1]["error"])
        clock.pass_seconds(1)
    slow = ["slow_down"] * 3
    assert answers == [
        "authorization_pending",
        *slow,
        "authorization_pending",
        *slow,
        "authorization_pending",
    ]
