"""The audit log is told of sign-ins, consents and tokens: who, which client, from where, how it ended; never a secret."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from tests.auth.browsing import TextBrowser
from tests.auth.issuer.test_signin import consented, sign_in
from tests.auth.world import (
    ADELE,
    CLIENT,
    PASSWORD,
    PRIVATE,
    PUBLIC,
    REDIRECT,
    SECRET,
    TENANT,
    VERIFIER,
    World,
    authorize_url,
)

from graphpost.store.audit import Actor
from graphpost.store.directory import accounts

SCOPE = "https://graph.microsoft.com/.default"
ID = "12345678-0000-4000-8000-000000000001"


def told(world: World) -> list[tuple[str, str, str, int, str]]:
    """Kind, action, person, status and code of each record."""
    return [
        (actor.kind, actor.action.removeprefix("issuer "), actor.person, status, code)
        for actor, status, code in world.told
    ]


def test_an_applications_token_is_recorded_with_its_id(world: World) -> None:
    _, answer = world.token(
        grant_type="client_credentials", client_id=CLIENT.upper(), client_secret=SECRET, scope=SCOPE,
        headers={"client-request-id": ID},
    )  # fmt: skip
    ((actor, status, code),) = world.told
    assert (actor.kind, actor.client_id, actor.person, actor.object_id) == ("application", CLIENT, "", "")
    assert (actor.action, actor.remote, actor.client_request_id) == (
        "issuer token client_credentials",
        "192.0.2.1",
        ID,
    )
    assert (status, code, actor.permission) == (200, "", "Mail.Send Mail.ReadWrite User.Read.All")
    assert world.verifier.verify(answer["access_token"]).token_id == actor.token_id != ""


@pytest.mark.parametrize(
    ("form", "kind", "person", "code", "client"),
    [
        ({"client_secret": "wrong"}, "nobody", "", "AADSTS7000215", CLIENT),
        ({"client_id": ID, "client_secret": SECRET}, "nobody", "", "AADSTS700016", ""),
        ({"client_secret": SECRET, "scope": "Mail.Send"}, "application", "", "AADSTS1002012", CLIENT),
        ({"grant_type": "password", "username": ADELE, "password": "wrong"}, "nobody", ADELE, "AADSTS50126", CLIENT),
        ({"grant_type": "password", "username": "a password", "password": "x"}, "nobody", "", "AADSTS50126", CLIENT),
        ({"grant_type": "password", "username": ADELE, "password": "x", "client_id": PRIVATE, "client_secret": SECRET}, "application", ADELE, "AADSTS50126", PRIVATE),
        ({"grant_type": "refresh_token", "refresh_token": "stolen"}, "nobody", "", "AADSTS70000", CLIENT),
        ({"grant_type": "authorization_code", "code": "guessed"}, "nobody", "", "AADSTS70000", CLIENT),
        ({"grant_type": "device_code", "device_code": "guessed"}, "nobody", "", "AADSTS70018", CLIENT),
        ({"grant_type": "saml"}, "nobody", "", "AADSTS70003", ""),
    ],
)  # fmt: skip
def test_a_refusal_is_recorded_with_its_code_and_with_what_was_proved(
    world: World, form: dict[str, str], kind: str, person: str, code: str, client: str
) -> None:
    usual = {"grant_type": "client_credentials", "client_id": CLIENT, "scope": SCOPE}
    status, answer = world.token(**(usual | form))
    ((actor, recorded, number),) = world.told
    assert (actor.kind, actor.person, number, recorded) == (kind, person, code, status)
    assert number.removeprefix("AADSTS") == str(answer["error_codes"][0])
    assert actor.client_id == client


def test_a_sign_in_with_consent_and_its_tokens_are_recorded_step_by_step(
    world: World, browser: TextBrowser
) -> None:
    page = sign_in(browser, password="wrong")
    page = browser.submit(page, username=ADELE, password=PASSWORD)
    page = browser.submit(page, decision="allow")
    form = {"client_id": CLIENT, "client_secret": SECRET, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    code = {"grant_type": "authorization_code", "code": page.answer["code"]}
    _, answer = world.token(**form, **code)
    world.token(**form, grant_type="refresh_token", refresh_token=answer["refresh_token"])
    world.token(**form, **code)
    assert told(world) == [
        ("nobody", "sign-in", ADELE, 400, "AADSTS50126"),
        ("user", "sign-in", ADELE, 200, ""),
        ("user", "consent", ADELE, 200, ""),
        ("user", "code", ADELE, 200, ""),
        ("user", "token authorization_code", ADELE, 200, ""),
        ("user", "token refresh_token", ADELE, 200, ""),
        ("application", "token authorization_code", ADELE, 400, "AADSTS54005"),
    ]
    assert {actor.client_id for actor, _, _ in world.told} == {CLIENT}
    assert {actor.permission for actor, status, _ in world.told[2:] if status == 200} == {
        "Mail.Send openid profile offline_access", "Mail.Send"
    }  # fmt: skip


def test_what_only_waits_or_shows_a_page_is_not_recorded(world: World, browser: TextBrowser) -> None:
    browser.open(authorize_url())
    browser.open(authorize_url(prompt="none"))
    world.ask("GET", f"/{TENANT}/v2.0/.well-known/openid-configuration")
    world.ask("GET", "/common/oauth2/deviceauth")
    world.ask("GET", f"/{TENANT}/oauth2/v2.0/logout")
    assert told(world) == []


def test_a_declined_consent_and_a_wrong_redirect_are_recorded(world: World, browser: TextBrowser) -> None:
    browser.submit(sign_in(browser), decision="no")
    browser.open(authorize_url(redirect_uri="https://evil.test/"))
    assert told(world)[1:] == [
        ("user", "consent", ADELE, 400, "AADSTS65004"),
        ("nobody", "authorize", "", 400, "AADSTS50011"),
    ]


@pytest.mark.parametrize(("decision", "ending"), [("allow", (200, "")), ("no", (400, "AADSTS70017"))])
def test_a_device_is_recorded_from_its_code_to_its_token(
    world: World, browser: TextBrowser, decision: str, ending: tuple[int, str]
) -> None:
    form = {"client_id": PUBLIC, "scope": "Mail.Send"}
    reply = world.ask("POST", f"/{TENANT}/oauth2/v2.0/devicecode", form=form)
    made = msgspec.json.decode(reply.body)
    poll = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "client_id": PUBLIC,
        "device_code": made["device_code"],
    }
    world.token(**poll)
    page = browser.submit(browser.open("/common/oauth2/deviceauth"), user_code="WRONGWRON")
    page = browser.submit(page, user_code=made["user_code"])
    page = browser.submit(page, username=ADELE, password=PASSWORD)
    browser.submit(page, decision=decision)
    status, _ = world.token(**poll)
    assert told(world)[:4] == [
        ("nobody", "device code", "", 200, ""),
        ("nobody", "device", "", 400, "AADSTS70018"),
        ("user", "sign-in", ADELE, 200, ""),
        ("user", "device consent", ADELE, *ending),
    ]
    assert told(world)[4][1:4] == ("token device_code", ADELE, status)


def test_a_session_that_ends_is_recorded(world: World, browser: TextBrowser) -> None:
    consented(browser)
    browser.open(f"/{TENANT}/oauth2/v2.0/logout")
    assert told(world)[-1] == ("user", "sign-out", ADELE, 200, "")


def test_who_is_signed_in_and_types_a_wrong_password_is_not_taken_for_the_other(
    world: World, browser: TextBrowser
) -> None:
    consented(browser)
    page = browser.open(authorize_url(prompt="login"))
    browser.submit(page, username="alex@contoso.test", password="wrong")
    assert told(world)[-1] == ("nobody", "sign-in", "alex@contoso.test", 400, "AADSTS50126")


def test_of_a_disabled_person_it_says_that_the_password_was_right(world: World, browser: TextBrowser) -> None:
    adele = world.current.find(ADELE)
    assert adele is not None
    world.write(lambda tx: accounts.change_mailbox(tx, msgspec.structs.replace(adele, enabled=False)))
    sign_in(browser)
    assert told(world) == [("user", "sign-in", ADELE, 400, "AADSTS50057")]


def test_no_secret_code_or_token_is_recorded(world: World, browser: TextBrowser) -> None:
    page = consented(browser)
    form = {"client_id": CLIENT, "client_secret": SECRET, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    _, answer = world.token(**form, grant_type="authorization_code", code=page.answer["code"])
    world.token(
        grant_type="password", client_id=CLIENT, username=PASSWORD, password=PASSWORD, scope="Mail.Send"
    )
    world.token(grant_type=SECRET, client_id=SECRET, client_secret=SECRET)
    text = msgspec.json.encode([without_token_id(*each) for each in world.told]).decode()
    secrets: list[Any] = [
        PASSWORD,
        SECRET,
        page.answer["code"],
        answer["access_token"],
        answer["refresh_token"],
        VERIFIER,
    ]
    assert not [each for each in secrets if each in text]
    assert not re.search("eyJ", text)


def without_token_id(actor: Actor, status: int, code: str) -> tuple[Actor, int, str]:
    """A token's id is no secret, and random: now and then it looks like the beginning of a token."""
    return msgspec.structs.replace(actor, token_id=""), status, code
