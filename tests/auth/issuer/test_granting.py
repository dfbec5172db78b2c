"""Grants of users become tokens: codes with PKCE, refresh tokens, passwords."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode
from typing import Any

import msgspec
import pytest
from joserfc import jwt
from tests.auth.browsing import TextBrowser
from tests.auth.issuer.test_signin import consented
from tests.auth.world import (
    ADELE,
    CLIENT,
    ORIGIN,
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

from graphpost.auth.protocol import IssuerRequest
from graphpost.store.directory import accounts

GRAPH = "https://graph.microsoft.com/"


def redeem(world: World, code: str, **form: str) -> tuple[int, Any]:
    wanted = {
        "grant_type": "authorization_code",
        "client_id": CLIENT,
        "redirect_uri": REDIRECT,
        "code": code,
        "code_verifier": VERIFIER,
        **form,
    }
    return world.token(**{name: value for name, value in wanted.items() if value})


def by_password(world: World, **form: str) -> tuple[int, Any]:
    wanted = {"grant_type": "password", "client_id": CLIENT, "username": ADELE, "password": PASSWORD}
    return world.token(**{**wanted, "scope": "openid profile offline_access Mail.Send", **form})


def refresh(world: World, token: str, client: str = CLIENT, **form: str) -> tuple[int, Any]:
    return world.token(grant_type="refresh_token", client_id=client, refresh_token=token, **form)


def code_of(browser: TextBrowser, **changes: str | None) -> str:
    return consented(browser, authorize_url(**changes)).answer["code"]


def claims_of(world: World, token: str) -> dict[str, Any]:
    return jwt.decode(token, world.keys.current.key, algorithms=["RS256"]).claims


def test_a_code_gives_everything_that_was_asked_for(world: World, browser: TextBrowser) -> None:
    status, body = redeem(world, code_of(browser), client_info="1")
    assert status == 200
    assert set(body) == {
        *("token_type", "scope", "expires_in", "ext_expires_in", "access_token"),
        *("refresh_token", "id_token", "client_info"),
    }
    assert set(body["scope"].split()) == {"openid", "profile", "offline_access", GRAPH + "Mail.Send"}
    adele = world.current.find(ADELE)
    assert adele is not None
    info = json.loads(urlsafe_b64decode(body["client_info"] + "=="))
    assert info == {"uid": adele.object_id, "utid": TENANT}


def test_an_access_token_has_the_claims_of_graphs_own(world: World, browser: TextBrowser) -> None:
    claims = '{"access_token":{"xms_cc":{"values":["CP1"]}}}'
    token = redeem(world, code_of(browser), claims=claims)[1]["access_token"]
    decoded = jwt.decode(token, world.keys.current.key, algorithms=["RS256"])
    assert decoded.header == {
        "typ": "JWT",
        "alg": "RS256",
        "kid": world.keys.current.kid,
        "x5t": world.keys.current.kid,
    }
    adele = world.current.find(ADELE)
    assert adele is not None
    expected = {
        "aud": "https://graph.microsoft.com",
        "iss": f"{ORIGIN}/{TENANT}/",
        "appid": CLIENT,
        "appidacr": "0",
        "idtyp": "user",
        "oid": adele.object_id,
        "tid": TENANT,
        "upn": ADELE,
        "unique_name": ADELE,
        "name": "Adele Vance",
        "scp": "Mail.Send openid profile",
        "ver": "1.0",
        "xms_cc": ["cp1"],
    }
    assert {name: decoded.claims[name] for name in expected} == expected
    assert decoded.claims["exp"] - decoded.claims["iat"] == 3600
    assert {"sub", "uti", "nbf"} <= set(decoded.claims)
    assert "roles" not in decoded.claims


@pytest.mark.parametrize("nonce", ["n-0S6", None])
def test_an_id_token_has_a_nonce_exactly_when_asked(
    world: World, browser: TextBrowser, nonce: str | None
) -> None:
    claims = claims_of(world, redeem(world, code_of(browser, nonce=nonce))[1]["id_token"])
    assert claims.get("nonce") == nonce
    assert claims["iss"] == f"{ORIGIN}/{TENANT}/v2.0"
    assert claims["aud"] == CLIENT
    assert claims["preferred_username"] == ADELE
    assert {"exp", "iat", "oid", "tid", "sub", "name"} <= set(claims)


def test_an_id_token_is_no_access_token(world: World) -> None:
    from graphpost.errors import Unauthenticated

    with pytest.raises(Unauthenticated, match=r"Access token validation failure\. Invalid audience\."):
        world.verifier.verify(by_password(world)[1]["id_token"])


def test_tokens_come_only_for_what_was_asked(world: World, browser: TextBrowser) -> None:
    body = redeem(world, code_of(browser, scope="Mail.Send Calendars.Read"))[1]
    assert set(body) == {"token_type", "scope", "expires_in", "ext_expires_in", "access_token"}
    assert body["scope"] == "Mail.Send"
    assert claims_of(world, body["access_token"])["scp"] == "Mail.Send"


def test_default_means_every_registered_permission(world: World, browser: TextBrowser) -> None:
    body = redeem(world, code_of(browser, scope=GRAPH + ".default"))[1]
    assert claims_of(world, body["access_token"])["scp"] == "Mail.ReadWrite Mail.Send User.Read"
    assert GRAPH + ".default" in body["scope"].split()


def test_a_permission_taken_from_the_application_is_in_no_new_token(
    world: World, browser: TextBrowser
) -> None:
    code = code_of(browser, scope="Mail.Send User.Read")
    less = msgspec.structs.replace(world.current.applications[CLIENT], delegated_permissions=("User.Read",))
    world.write(lambda tx: accounts.put_application(tx, less))
    assert claims_of(world, redeem(world, code)[1]["access_token"])["scp"] == "User.Read"


def test_a_confidential_application_says_how_it_proved_itself(world: World, browser: TextBrowser) -> None:
    body = redeem(world, code_of(browser), client_secret=SECRET)[1]
    assert claims_of(world, body["access_token"])["appidacr"] == "1"


def test_a_plain_challenge_is_its_own_verifier(world: World, browser: TextBrowser) -> None:
    code = code_of(browser, code_challenge=VERIFIER, code_challenge_method="plain")
    assert redeem(world, code)[0] == 200


def test_a_code_is_redeemed_once_and_a_second_time_ends_what_the_first_gave(
    world: World, browser: TextBrowser
) -> None:
    code = code_of(browser)
    first = redeem(world, code)[1]
    status, body = redeem(world, code)
    assert (status, body["error"], body["error_codes"]) == (400, "invalid_grant", [54005])
    assert refresh(world, first["refresh_token"])[1]["error_codes"] == [50173]
    assert redeem(world, code)[1]["error_codes"] == [54005]


@pytest.mark.parametrize(
    ("form", "number"),
    [
        ({"code": ""}, 900144),
        ({"code": "unknown"}, 70000),
        ({"client_id": PUBLIC}, 70000),
        ({"client_id": PRIVATE}, 7000218),
        ({"client_secret": "wrong"}, 7000215),
        ({"redirect_uri": ""}, 500112),
        ({"redirect_uri": REDIRECT + "/"}, 500112),
        ({"code_verifier": ""}, 50148),
        ({"code_verifier": "x" * 43}, 501481),
        ({"code_verifier": "x"}, 501481),
        ({"code_verifier": VERIFIER + "\u00e4"}, 501481),
        ({"code_verifier": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, 501481),
    ],
)
def test_a_code_is_given_only_to_whom_asked_for_it(
    world: World, browser: TextBrowser, form: dict[str, str], number: int
) -> None:
    code = code_of(browser)
    status, body = redeem(world, form.pop("code", code), **form)
    assert status in (400, 401)
    assert body["error_codes"] == [number]
    assert redeem(world, code)[0] == 200


def test_a_code_expires(world: World, browser: TextBrowser, clock: SetClock) -> None:
    code = code_of(browser)
    clock.pass_seconds(600)
    assert redeem(world, code)[1]["error_codes"] == [70008]


def test_without_a_challenge_a_code_needs_a_secret(world: World, browser: TextBrowser) -> None:
    code = code_of(browser, code_challenge=None, code_challenge_method=None)
    assert redeem(world, code, code_verifier="")[1]["error_codes"] == [9002325]
    assert redeem(world, code)[1]["error_codes"] == [501481]
    assert redeem(world, code, code_verifier="", client_secret=SECRET)[0] == 200


def test_a_user_disabled_meanwhile_gets_nothing(world: World, browser: TextBrowser) -> None:
    code = code_of(browser)
    adele = world.current.find(ADELE)
    assert adele is not None
    world.write(lambda tx: accounts.change_mailbox(tx, msgspec.structs.replace(adele, enabled=False)))
    assert redeem(world, code)[1]["error"] == "invalid_grant"


def test_nobody_signs_in_to_a_shared_mailbox(world: World) -> None:
    adele = world.current.find(ADELE)
    assert adele is not None
    world.write(lambda tx: accounts.change_mailbox(tx, msgspec.structs.replace(adele, kind="shared")))
    assert by_password(world)[1]["error"] == "invalid_grant"


def test_a_refresh_token_is_exchanged_for_a_new_one(world: World, clock: SetClock) -> None:
    first = by_password(world)[1]["refresh_token"]
    clock.pass_seconds(3600)
    status, body = refresh(world, first, scope="openid offline_access Mail.Send", client_info="1")
    assert status == 200
    assert body["refresh_token"] != first
    assert "nonce" not in claims_of(world, body["id_token"])
    assert world.verifier.verify(body["access_token"]).permissions >= {"Mail.Send"}
    assert refresh(world, body["refresh_token"])[0] == 200


def test_a_rotated_token_is_taken_for_a_minute_more_and_then_ends_the_family(
    world: World, clock: SetClock
) -> None:
    first = by_password(world)[1]["refresh_token"]
    second = refresh(world, first)[1]["refresh_token"]
    clock.pass_seconds(60)
    third = refresh(world, first)[1]["refresh_token"]
    clock.pass_seconds(1)
    assert refresh(world, first)[1]["error_codes"] == [50173]
    for token in (second, third, first):
        assert refresh(world, token)[1]["error_codes"] == [50173]


def test_a_refresh_token_cannot_get_more_than_was_granted(world: World) -> None:
    token = by_password(world)[1]["refresh_token"]
    status, body = refresh(world, token, scope="Mail.ReadWrite")
    assert (status, body["error"], body["error_codes"]) == (400, "invalid_grant", [65001])
    body = refresh(world, token, scope=GRAPH + ".default")[1]
    assert claims_of(world, body["access_token"])["scp"] == "Mail.Send"


def test_a_refresh_token_can_get_what_was_consented_to_elsewhere(world: World, browser: TextBrowser) -> None:
    token = by_password(world)[1]["refresh_token"]
    consented(browser, authorize_url(scope="Mail.ReadWrite"))
    assert refresh(world, token, scope="Mail.ReadWrite")[0] == 200


def test_a_refresh_token_is_its_applications(world: World) -> None:
    token = by_password(world)[1]["refresh_token"]
    assert refresh(world, token, PUBLIC)[1]["error_codes"] == [70000]
    assert refresh(world, "x")[1]["error_codes"] == [70000]
    assert world.token(grant_type="refresh_token", client_id=CLIENT)[1]["error_codes"] == [900144]


def test_a_refresh_token_expires(world: World, clock: SetClock) -> None:
    token = by_password(world)[1]["refresh_token"]
    clock.pass_seconds(7_776_000)
    assert refresh(world, token)[1]["error_codes"] == [700082]


def test_a_new_password_ends_the_refresh_tokens(world: World) -> None:
    token = by_password(world)[1]["refresh_token"]
    adele = world.current.find(ADELE)
    assert adele is not None
    world.write(lambda tx: accounts.set_password(tx, adele, "scrypt$AA==$AA=="))
    assert refresh(world, token)[1]["error_codes"] == [50173]


@pytest.mark.parametrize(
    ("form", "error", "number"),
    [
        ({"username": ""}, "invalid_request", 900144),
        ({"password": ""}, "invalid_request", 900144),
        ({"scope": ""}, "invalid_request", 900144),
        ({"password": "wrong"}, "invalid_grant", 50126),
        ({"username": "nobody@contoso.test"}, "invalid_grant", 50126),
        ({"username": "nopassword@contoso.test"}, "invalid_grant", 50126),
        ({"scope": "Calendars.Read"}, "invalid_scope", 70011),
        ({"client_id": PRIVATE}, "invalid_client", 7000218),
    ],
)
def test_wrong_passwords_and_requests_are_refused(
    world: World, form: dict[str, str], error: str, number: int
) -> None:
    status, body = by_password(world, **form)
    assert status in (400, 401)
    assert (body["error"], body["error_codes"]) == (error, [number])


def test_guessing_passwords_is_stopped_even_for_the_right_one(world: World) -> None:
    for _ in range(10):
        assert by_password(world, password="guess")[1]["error_codes"] == [50126]
    assert by_password(world)[1]["error_codes"] == [50053]
    assert by_password(world, username="alex@contoso.test")[0] == 200


def test_version_1_gives_a_refresh_token_and_answers_in_texts(world: World) -> None:
    form = {
        "grant_type": "password",
        "client_id": CLIENT,
        "username": ADELE,
        "password": PASSWORD,
        "resource": "00000003-0000-0000-c000-000000000000",
    }
    body = json.loads(world.ask("POST", f"/{TENANT}/oauth2/token", form=form).body)
    assert isinstance(body["expires_on"], str)
    assert claims_of(world, body["access_token"])["aud"] == form["resource"]
    assert world.verifier.verify(body["access_token"]).kind == "user"
    assert refresh(world, body["refresh_token"])[0] == 200


@pytest.mark.parametrize(
    "claims",
    ["", "{", "[]", "null", '{"access_token":1}', '{"access_token":{"xms_cc":{"values":7}}}', "[" * 100_000],
)
def test_claims_that_are_none_are_ignored(world: World, claims: str) -> None:
    status, body = by_password(world, claims=claims)
    assert status == 200
    assert "xms_cc" not in claims_of(world, body["access_token"])


def test_of_a_code_that_is_redeemed_twice_at_once_nothing_is_left(world: World, browser: TextBrowser) -> None:
    """Who comes second ends what the first one gets, also what it has not got yet."""
    form = {
        "grant_type": "authorization_code",
        "client_id": CLIENT,
        "client_secret": SECRET,
        "redirect_uri": REDIRECT,
        "code": code_of(browser),
        "code_verifier": VERIFIER,
    }
    request = IssuerRequest("POST", f"/{TENANT}/oauth2/v2.0/token", form=form, origin=ORIGIN)

    realm = world.issuer._realm
    late = Late(world.store)
    realm.store = late  # type: ignore[assignment]

    async def both() -> list[Any]:
        first = late.held = asyncio.create_task(world.issuer.handle(request))  # type: ignore[arg-type]
        await late.is_held.wait()
        second = await world.issuer.handle(request)
        late.go_on.set()
        return [await first, second]

    answers = [json.loads(reply.body) for reply in world.run(both())]
    assert [answer.get("error_codes") for answer in answers] == [[50173], [54005]]


class Late:
    """A store for which one task has to wait with its second write."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.held: asyncio.Task[Any] | None = None
        self.writes = 0
        self.is_held, self.go_on = asyncio.Event(), asyncio.Event()

    async def read(self, fn: Any) -> Any:
        return await self.store.read(fn)

    async def write(self, fn: Any) -> Any:
        if asyncio.current_task() is self.held:
            self.writes += 1
            if self.writes == 2:
                self.is_held.set()
                await self.go_on.wait()
        return await self.store.write(fn)
