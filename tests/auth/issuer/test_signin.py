"""The authorization endpoint: what is shown, what is asked, and where the answer goes."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
import pytest
from tests.auth.browsing import Page, TextBrowser
from tests.auth.world import (
    ADELE,
    CLIENT,
    ORIGIN,
    PASSWORD,
    PRIVATE,
    PUBLIC,
    REDIRECT,
    TENANT,
    SetClock,
    World,
    authorize_url,
)

from graphpost.auth.issuer.redirects import find_place
from graphpost.store.directory import accounts, consents


def sign_in(browser: TextBrowser, url: str = "", user: str = ADELE, password: str = PASSWORD) -> Page:
    page = browser.open(url or authorize_url())
    assert page.step == "signin"
    return browser.submit(page, username=user, password=password)


def consented(browser: TextBrowser, url: str = "") -> Page:
    page = sign_in(browser, url)
    assert page.step == "consent"
    return browser.submit(page, decision="allow")


def test_sign_in_then_consent_then_the_code_with_the_state(browser: TextBrowser) -> None:
    page = consented(browser)
    assert page.reply.status == 303
    assert page.location.startswith(f"{REDIRECT}?code=")
    assert set(page.answer) == {"code", "state"}
    assert page.answer["state"] == "st ate&1"


def test_who_is_signed_in_and_has_consented_is_not_asked_again(browser: TextBrowser) -> None:
    consented(browser)
    page = browser.open(authorize_url())
    assert page.reply.status == 302
    assert "code" in page.answer
    assert "code" in browser.open(authorize_url(prompt="none")).answer


def test_more_permissions_are_asked_for_again(browser: TextBrowser) -> None:
    consented(browser)
    page = browser.open(authorize_url(scope="openid Mail.Send Mail.ReadWrite"))
    assert page.step == "consent"
    assert "Read and write your mail" in page.text


def test_the_answer_may_go_into_the_fragment(browser: TextBrowser) -> None:
    page = consented(browser, authorize_url(response_mode="fragment"))
    assert page.location.startswith(f"{REDIRECT}#code=")


def test_the_answer_may_be_posted_by_a_page_with_our_own_script(browser: TextBrowser) -> None:
    page = consented(browser, authorize_url(response_mode="form_post"))
    assert page.reply.status == 200
    assert page.action == REDIRECT
    assert set(page.fields) == {"code", "state"}
    assert page.scripts == ["/common/oauth2/pages/continue.js"]
    policy = dict(page.reply.headers)["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "form-action 'self' https://app.contoso.test;" in policy + ";"
    assert browser.open("/common/oauth2/pages/continue.js").reply.content_type.startswith("text/javascript")


def test_client_info_is_answered_when_asked_for(browser: TextBrowser) -> None:
    assert "client_info" in consented(browser, authorize_url(client_info="1")).answer


def test_a_request_that_was_posted_is_shown_the_same_page(world: World) -> None:
    query = dict(p.split("=") for p in urlsplit(authorize_url(scope="openid", state="x")).query.split("&"))
    form = query | {"redirect_uri": REDIRECT}
    reply = world.ask("POST", f"/{TENANT}/oauth2/v2.0/authorize", form=form)
    assert reply.status == 200
    assert b"client_id=" in reply.body


def test_version_1_signs_in_with_a_resource(browser: TextBrowser) -> None:
    url = authorize_url(scope=None, resource="https://graph.microsoft.com").replace("/v2.0/", "/")
    assert "code" in consented(browser, url).answer


def test_declining_tells_the_application(browser: TextBrowser) -> None:
    page = browser.submit(sign_in(browser), decision="deny")
    assert page.answer["error"] == "access_denied"
    assert page.answer["error_description"].startswith("AADSTS65004: ")
    assert page.answer["state"] == "st ate&1"
    assert browser.open(authorize_url()).step == "consent"


@pytest.mark.parametrize("user", [ADELE, "ADELEV@CONTOSO.TEST", " adele@contoso.test "])
def test_a_user_signs_in_by_address_or_alias(browser: TextBrowser, user: str) -> None:
    assert sign_in(browser, user=user).step == "consent"


@pytest.mark.parametrize(
    ("user", "password"),
    [
        (ADELE, "wrong"),
        (ADELE, ""),
        (ADELE, PASSWORD + "x"),
        (ADELE, "x" * 5000),
        ("nobody@contoso.test", PASSWORD),
        ("nopassword@contoso.test", ""),
        ("", ""),
    ],
)
def test_an_unknown_user_and_a_wrong_password_look_the_same(
    browser: TextBrowser, user: str, password: str
) -> None:
    page = sign_in(browser, user=user, password=password)
    assert page.reply.status == 400
    assert "Your account or password is incorrect." in page.text
    assert "__Host-graphpost-session" not in browser.cookies


def test_guessing_is_stopped_for_ten_minutes(browser: TextBrowser, clock: SetClock) -> None:
    page = browser.open(authorize_url())
    for _ in range(10):
        page = browser.submit(page, username=ADELE, password="guess")
    page = browser.submit(page, username=ADELE, password=PASSWORD)
    assert "too many times" in page.text
    clock.pass_seconds(601)
    assert browser.submit(page, username=ADELE, password=PASSWORD).step == "consent"


def test_a_disabled_user_cannot_sign_in_and_is_signed_out(browser: TextBrowser, world: World) -> None:
    consented(browser)
    adele = world.current.find(ADELE)
    assert adele is not None
    world.write(lambda tx: accounts.change_mailbox(tx, msgspec.structs.replace(adele, enabled=False)))
    page = sign_in(browser)
    assert "Your account has been disabled." in page.text


def test_prompt_none_shows_nothing(browser: TextBrowser) -> None:
    assert browser.open(authorize_url(prompt="none")).answer["error"] == "login_required"
    sign_in(browser)
    assert browser.open(authorize_url(prompt="none")).answer["error"] == "consent_required"


def test_prompt_login_asks_who_is_signed_in(browser: TextBrowser) -> None:
    consented(browser)
    page = browser.open(authorize_url(prompt="login"))
    assert page.step == "signin"
    assert "code" in browser.submit(page, username=ADELE, password=PASSWORD).answer


def test_prompt_consent_asks_who_has_consented(browser: TextBrowser) -> None:
    consented(browser)
    page = browser.open(authorize_url(prompt="consent"))
    assert page.step == "consent"
    assert "code" in browser.submit(page, decision="allow").answer


def test_prompt_select_account_offers_the_account(browser: TextBrowser) -> None:
    consented(browser)
    page = browser.open(authorize_url(prompt="select_account"))
    assert page.step == "account"
    assert "Adele Vance" in page.text
    assert "code" in browser.submit(page).answer


def test_a_hint_at_somebody_else_asks_to_sign_in(browser: TextBrowser) -> None:
    consented(browser)
    page = browser.open(authorize_url(login_hint="alex@contoso.test"))
    assert page.step == "signin"
    assert page.fields["username"] == "alex@contoso.test"
    assert (
        browser.open(authorize_url(login_hint="alex@contoso.test", prompt="none")).answer["error"]
        == "login_required"
    )
    assert "code" in browser.open(authorize_url(login_hint=ADELE)).answer


def test_a_session_ends_after_half_a_day(browser: TextBrowser, clock: SetClock) -> None:
    consented(browser)
    clock.pass_seconds(43_200)
    assert browser.open(authorize_url()).step == "signin"


def test_a_new_password_ends_the_sessions(browser: TextBrowser, world: World) -> None:
    consented(browser)
    adele = world.current.find(ADELE)
    assert adele is not None
    world.write(lambda tx: accounts.set_password(tx, adele, "scrypt$AA==$AA=="))
    assert browser.open(authorize_url()).step == "signin"


def test_signing_out_ends_the_session_and_goes_only_where_an_application_is(browser: TextBrowser) -> None:
    consented(browser)
    session = browser.cookies["__Host-graphpost-session"]
    page = browser.open(f"/{TENANT}/oauth2/v2.0/logout?post_logout_redirect_uri={REDIRECT}")
    assert page.location == REDIRECT
    browser.cookies["__Host-graphpost-session"] = session
    assert browser.open(authorize_url()).step == "signin"
    page = browser.open(f"/{TENANT}/oauth2/v2.0/logout?post_logout_redirect_uri=https://evil.test/")
    assert page.location == ""
    assert "You signed out" in page.text


def test_cookies_are_for_this_host_only_and_not_for_scripts(browser: TextBrowser) -> None:
    page = sign_in(browser)
    cookies = [value for name, value in page.reply.headers if name == "Set-Cookie"]
    assert cookies
    for cookie in cookies:
        assert cookie.startswith("__Host-graphpost-")
        site = "None" if "-silent=" in cookie else "Lax"
        assert f"; Path=/; HttpOnly; SameSite={site}; Secure" in cookie


def test_every_page_has_the_strict_policy(browser: TextBrowser) -> None:
    pages = [browser.open(authorize_url()), sign_in(browser), browser.open("/common/oauth2/deviceauth")]
    pages.append(browser.open(authorize_url(client_id="x")))
    for page in pages:
        headers = dict(page.reply.headers)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert page.scripts == []
        assert "style=" not in page.text
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.contoso.test/signed-in",
        "http://localhost:53682/",
        "http://localhost:53682",
        "http://localhost:1/",
        "http://localhost/",
        "msal://auth",
    ],
)
def test_a_loopback_redirect_may_have_any_port(browser: TextBrowser, uri: str) -> None:
    assert browser.open(authorize_url(redirect_uri=uri)).step == "signin"


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.test/",
        "https://app.contoso.test/signed-in/",
        "https://app.contoso.test/signed-in?x=1",
        "https://app.contoso.test:444/signed-in",
        "https://app.contoso.test@evil.test/signed-in",
        "http://app.contoso.test/signed-in",
        "HTTPS://APP.CONTOSO.TEST/signed-in",
        "http://localhost:53682/other",
        "http://localhost:53682@evil.test/",
        "http://user@localhost:53682/",
        "http://localhost.evil.test:53682/",
        "http://127.0.0.1:53682/",
        "http://localhost:notaport/",
        "https://localhost:53682/",
        "http://localhost:53682/#x",
        "javascript:alert(1)",
        "data:text/html,x",
        "//app.contoso.test/signed-in",
        "/signed-in",
        "https://app.contoso.test/signed-in\r\nX: y",
        "msal://other",
    ],
)
def test_an_unregistered_redirect_is_shown_and_never_followed(browser: TextBrowser, uri: str) -> None:
    for changes in ({}, {"prompt": "none"}, {"response_type": "token"}):
        page = browser.open(authorize_url(redirect_uri=uri, **changes))
        assert page.reply.status == 400
        assert page.location == ""
        assert "AADSTS50011: " in page.text
        assert page.action == ""


def test_without_a_redirect_uri_the_first_registered_one_is_meant(browser: TextBrowser) -> None:
    assert consented(browser, authorize_url(redirect_uri=None)).location.startswith(f"{REDIRECT}?code=")


def test_a_registered_script_would_not_be_followed_either(world: World) -> None:
    application = msgspec.structs.replace(
        world.current.applications[CLIENT], redirect_uris=("javascript:alert(1)",)
    )
    assert find_place("javascript:alert(1)", application) is None


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"client_id": None}, 900144),
        ({"client_id": "unknown"}, 700016),
        ({"client_id": "<script>alert(1)</script>"}, 700016),
        ({"state": "x" * 5000}, 9002313),
    ],
)
def test_an_unknown_application_is_told_on_a_page(
    browser: TextBrowser, changes: dict[str, str | None], number: int
) -> None:
    page = browser.open(authorize_url(**changes))
    assert page.reply.status == 400
    assert f"AADSTS{number}: " in page.text
    assert "<script>alert" not in page.text


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "web_message"}, "invalid_request"),
        ({"scope": None}, "invalid_request"),
        ({"scope": "https://vault.azure.net/.default"}, "invalid_resource"),
        ({"scope": "Calendars.Read"}, "invalid_scope"),
        ({"scope": "Mail.Send;x"}, "invalid_scope"),
        ({"prompt": "create"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "x" * 200}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "S512"}, "invalid_request"),
    ],
)
def test_what_else_is_wrong_is_told_to_the_application(
    browser: TextBrowser, changes: dict[str, str | None], error: str
) -> None:
    page = browser.open(authorize_url(**changes))
    assert page.reply.status == 302
    assert page.location.startswith(REDIRECT)
    assert page.answer["error"] == error
    assert page.answer["state"] == "st ate&1"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD"])
def test_the_authorization_endpoint_takes_get_and_post_only(world: World, method: str) -> None:
    assert world.ask(method, authorize_url()).status == 405


def test_a_form_of_another_site_does_nothing(browser: TextBrowser) -> None:
    page = browser.open(authorize_url())
    for changes in ({"form_token": ""}, {"form_token": "0" * 64}, {"form_token": "\u00e4"}):
        refused = browser.submit(page, username=ADELE, password=PASSWORD, **changes)
        assert refused.reply.status == 403
    refused = browser.submit(page, origin="https://evil.test", username=ADELE, password=PASSWORD)
    assert refused.reply.status == 403
    assert browser.submit(page, origin="null", username=ADELE, password=PASSWORD).reply.status == 403
    assert "__Host-graphpost-session" not in browser.cookies
    assert browser.submit(page, origin=None, username=ADELE, password=PASSWORD).step == "consent"


def test_who_signed_in_in_another_tab_is_not_asked_for_the_password_again(browser: TextBrowser) -> None:
    first, second = browser.open(authorize_url()), browser.open(authorize_url(state="other"))
    assert browser.submit(first, username=ADELE, password=PASSWORD).step == "consent"
    late = browser.submit(second, username=ADELE.upper(), password="whatever")
    assert (late.reply.status, late.step) == (200, "consent")
    assert browser.submit(late, decision="allow").answer["state"] == "other"
    # and by sending the same form again, as reloading the page after it does
    assert browser.submit(first, username=ADELE, password=PASSWORD).answer["code"]


def test_a_form_that_is_too_old_signs_nobody_in(browser: TextBrowser) -> None:
    old, forced = browser.open(authorize_url()), browser.open(authorize_url(prompt="login"))
    browser.submit(old, username=ADELE, password=PASSWORD)
    for page, fields in (
        (old, {"username": "alex@contoso.test", "password": PASSWORD}),
        (old, {"username": "", "password": ""}),
        (old, {"username": ADELE, "password": PASSWORD, "origin": "https://evil.test"}),
        (forced, {"username": ADELE, "password": PASSWORD}),
    ):
        shown = browser.submit(page, **fields)
        assert (shown.reply.status, shown.step) == (403, "signin")
        assert "This page was too old" in shown.text


def test_a_form_token_is_good_in_its_browser_for_its_step_and_its_request_only(
    browser: TextBrowser, world: World
) -> None:
    consent = sign_in(browser)
    other = TextBrowser(world)
    other_consent = sign_in(other)
    crossed = browser.submit(consent, form_token=other_consent.fields["form_token"], decision="allow")
    assert crossed.reply.status == 403
    signin = TextBrowser(world).open(authorize_url())
    crossed = browser.submit(consent, form_token=signin.fields["form_token"], decision="allow")
    assert crossed.reply.status == 403
    wider = authorize_url(scope="Mail.ReadWrite")
    page = browser.open(wider)
    crossed = browser.submit(page, form_token=consent.fields["form_token"], decision="allow")
    assert crossed.reply.status == 403


def test_hostile_names_are_text(browser: TextBrowser, world: World) -> None:
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    application = msgspec.structs.replace(world.current.applications[CLIENT], name=hostile)
    adele = world.current.find(ADELE)
    assert adele is not None
    world.write(lambda tx: accounts.put_application(tx, application))
    world.write(lambda tx: accounts.change_mailbox(tx, msgspec.structs.replace(adele, name=hostile)))
    pages = [browser.open(authorize_url(login_hint=hostile, state=hostile)), sign_in(browser)]
    pages.append(browser.open(authorize_url(prompt="select_account")))
    assert [page.step for page in pages] == ["signin", "consent", "account"]
    posted = consented(TextBrowser(world), authorize_url(response_mode="form_post", state=hostile))
    for page in [*pages, posted]:
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
    assert posted.fields["state"] == hostile


def test_without_tls_the_cookies_still_work_on_loopback(world: World) -> None:
    browser = TextBrowser(world, origin="http://localhost:8080")
    assert consented(browser).answer["code"]
    assert set(browser.cookies) == {"graphpost-browser", "graphpost-session"}


def test_public_and_private_applications_can_be_signed_in_to(browser: TextBrowser) -> None:
    assert sign_in(browser, authorize_url(client_id=PRIVATE, scope="Mail.Send")).step == "consent"
    page = browser.open(
        authorize_url(client_id=PUBLIC, scope="Mail.Send", redirect_uri="http://localhost:4000")
    )
    assert page.step == "consent"
    assert f"{ORIGIN}" not in page.text


def test_who_is_signed_in_is_not_asked_for_what_an_administrator_consented_to(
    world: World, browser: TextBrowser
) -> None:
    names = frozenset({"Mail.Send", "openid", "profile", "offline_access", "email"})
    world.write(lambda tx: consents.add(tx, CLIENT, consents.EVERYBODY, names, 1))
    page = sign_in(browser)
    assert "code" in page.answer
    page = browser.open(authorize_url(scope="openid Mail.Send Mail.ReadWrite"))
    assert page.step == "consent"


def test_who_took_consent_back_is_asked_again(world: World, browser: TextBrowser) -> None:
    consented(browser)
    assert world.write(lambda tx: consents.revoke(tx, CLIENT))
    assert browser.open(authorize_url()).step == "consent"
    assert not world.write(lambda tx: consents.revoke(tx, CLIENT))
