"""Applications prove themselves: secrets, HTTP Basic, certificate assertions."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from tests.auth.assertion_maker import ENDPOINT, NOW, TYPE, encode, make_assertion
from tests.auth.world import CLIENT, DOMAIN, ORIGIN, PRIVATE, PUBLIC, SECRET, START, TENANT, SetClock, World

from graphpost.auth.issuer.issuer import IssuerRequest
from graphpost.auth.throttle import account_of
from graphpost.config import IssuerSettings
from graphpost.store.directory import accounts
from graphpost.store.directory.accounts import Credential
from graphpost.store.directory.passwords import generate_secret, hash_generated

DEFAULT = "https://graph.microsoft.com/.default"
PS256_HEAD = encode(b'{"alg":"PS256"}')
FORM = {"grant_type": "client_credentials", "scope": DEFAULT}


def basic(user: str, secret: str) -> dict[str, str]:
    return {
        "authorization": "Basic " + b64encode(f"{quote_plus(user)}:{quote_plus(secret)}".encode()).decode()
    }


def by_assertion(world: World, assertion: str, **form: str) -> tuple[int, Any]:
    wanted = {
        **FORM,
        "client_id": CLIENT,
        "client_assertion_type": TYPE,
        "client_assertion": assertion,
        **form,
    }
    return world.token(**wanted)


def test_the_answer_to_an_application_has_exactly_four_members(world: World) -> None:
    status, body = world.token(**FORM, client_id=CLIENT, client_secret=SECRET, client_info="1", claims="{}")
    assert status == 200
    assert set(body) == {"token_type", "expires_in", "ext_expires_in", "access_token"}
    assert body["expires_in"] == body["ext_expires_in"] == 3599
    principal = world.verifier.verify(body["access_token"])
    assert principal.kind == "application"
    assert principal.permissions == {"Mail.Send", "Mail.ReadWrite", "User.Read.All"}
    assert principal.object_id == world.current.applications[CLIENT].object_id


@pytest.mark.parametrize(
    "scope",
    [
        DEFAULT,
        "https://graph.microsoft.com//.default",
        "https://GRAPH.microsoft.com/.Default",
        "https://localhost/.default",
        "https://localhost:8443/.default",
        "https://mail.contoso.test/.default",
        "00000003-0000-0000-c000-000000000000/.default",
        ".default",
    ],
)
def test_every_form_of_default_gives_a_token_graph_accepts(world: World, scope: str) -> None:
    status, body = world.token(**(FORM | {"scope": scope}), client_id=CLIENT.upper(), client_secret=SECRET)
    assert status == 200
    assert world.verifier.verify(body["access_token"]).client_id == CLIENT


@pytest.mark.parametrize("origin", [ORIGIN, "https://login.microsoftonline.com", "https://mail.contoso.test"])
def test_a_token_is_good_whichever_name_of_the_server_made_it(world: World, origin: str) -> None:
    form = {**FORM, "client_id": CLIENT, "client_secret": SECRET}
    reply = world.ask("POST", f"/{DOMAIN}/oauth2/v2.0/token?client-request-id=1", form=form, origin=origin)
    assert reply.status == 200
    token = reply.body.decode().split('"access_token":"')[1].split('"')[0]
    assert world.verifier.verify(token).kind == "application"


def test_the_secret_may_come_by_http_basic(world: World) -> None:
    status, _ = world.token(headers=basic(CLIENT, SECRET), **FORM)
    assert status == 200
    status, _ = world.token(headers=basic(CLIENT, SECRET), **FORM, client_id=CLIENT)
    assert status == 200


def test_version_1_names_a_resource_and_answers_in_texts(world: World) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": CLIENT,
        "client_secret": SECRET,
        "resource": "https://graph.microsoft.com",
    }
    reply = world.ask("POST", f"/{TENANT}/oauth2/token", form=form)
    assert reply.status == 200
    for part in (
        b'"expires_in":"3599"',
        b'"resource":"https://graph.microsoft.com"',
        b'"not_before":"',
        b'"expires_on":"',
    ):
        assert part in reply.body


def test_a_generated_secret_works_until_it_is_removed_or_expires(world: World, clock: SetClock) -> None:
    secret = generate_secret()
    kept = Credential(
        client_id=PRIVATE,
        credential_id="new",
        kind="secret",
        value=hash_generated(secret),
        expires_at=START + 3_600_000_000,
    )
    world.write(lambda tx: accounts.add_credential(tx, kept))
    assert world.token(**FORM, client_id=PRIVATE, client_secret=secret)[0] == 200
    clock.pass_seconds(3600)
    assert world.token(**FORM, client_id=PRIVATE, client_secret=secret)[1]["error_codes"] == [7000222]
    assert world.read(lambda tx: len(accounts.credentials(tx, PRIVATE))) == 2
    world.write(lambda tx: accounts.remove_credential(tx, PRIVATE, "new"))
    assert world.token(**FORM, client_id=PRIVATE, client_secret=secret)[1]["error_codes"] == [7000215]


def test_an_application_that_is_at_work_is_not_locked_out_by_who_guesses(world: World) -> None:
    right = {**FORM, "client_id": PRIVATE, "client_secret": SECRET}
    assert world.token(**right)[0] == 200
    for _ in range(12):
        world.token(**FORM, client_id=PRIVATE, client_secret="guess")
    assert world.token(**FORM, client_id=PRIVATE, client_secret="guess")[1]["error_codes"] == [50053]
    assert world.token(**right)[0] == 200
    world.write(
        lambda tx: [
            accounts.remove_credential(tx, PRIVATE, c.credential_id)
            for c in accounts.credentials(tx, PRIVATE)
        ]
    )
    assert world.token(**right)[0] != 200, "what is remembered ends with the secret"


def test_guessing_secrets_is_stopped(world: World) -> None:
    for _ in range(10):
        assert world.token(**FORM, client_id=PRIVATE, client_secret="guess")[0] == 401
    assert world.token(**FORM, client_id=PRIVATE, client_secret=SECRET)[1]["error_codes"] == [50053]
    assert world.token(**FORM, client_id=CLIENT, client_secret=SECRET)[0] == 200
    form = {**FORM, "client_id": PRIVATE, "client_secret": SECRET}
    assert world.ask("POST", f"/{TENANT}/oauth2/v2.0/token", form=form, remote="192.0.2.2").status == 200


def test_a_user_name_that_reads_like_an_application_locks_none(world: World) -> None:
    typed = account_of(None, f"{PRIVATE} from 192.0.2.1")
    for _ in range(10):
        world.run(world.guesses.failed(typed, "192.0.2.1"))
    assert world.token(**FORM, client_id=PRIVATE, client_secret=SECRET)[0] == 200


def test_many_right_secrets_at_the_same_time_are_no_guessing(world: World) -> None:
    import asyncio

    form = {**FORM, "client_id": CLIENT, "client_secret": SECRET}
    request = IssuerRequest("POST", f"/{TENANT}/oauth2/v2.0/token", {}, form, {}, ORIGIN, "192.0.2.1")

    async def burst() -> list[int]:
        replies = await asyncio.gather(*(world.issuer.handle(request) for _ in range(20)))
        return [reply.status for reply in replies if reply]

    assert world.run(burst()) == [200] * 20


@pytest.mark.parametrize("alg", ["RS256", "PS256"])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    "aud",
    [
        ENDPOINT,
        f"{ORIGIN}/{TENANT}/v2.0",
        f"{ORIGIN}/{DOMAIN}/oauth2/token",
        f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token",
    ],
)
def test_a_certificate_assertion_is_verified_as_received(
    world: World, certificate: Path, alg: str, padded: bool, aud: str
) -> None:
    status, body = by_assertion(world, make_assertion(certificate, alg, padded=padded, claims={"aud": aud}))
    assert status == 200, body
    assert set(body) == {"token_type", "expires_in", "ext_expires_in", "access_token"}


@pytest.mark.parametrize(
    "claims", [{"nbf": NOW + 299}, {"exp": NOW - 299}, {"nbf": None, "iat": None}, {"exp": NOW + 600.5}]
)
def test_five_minutes_of_clock_difference_are_allowed(
    world: World, certificate: Path, claims: dict[str, Any]
) -> None:
    assert by_assertion(world, make_assertion(certificate, claims=claims))[0] == 200


def test_an_assertion_is_accepted_once_in_its_lifetime(
    world: World, certificate: Path, clock: SetClock
) -> None:
    assertion = make_assertion(certificate)
    assert by_assertion(world, assertion)[0] == 200
    clock.pass_seconds(600)
    status, body = by_assertion(world, assertion)
    assert (status, body["error_codes"]) == (401, [700028])
    assert by_assertion(world, make_assertion(certificate, claims={"jti": "two"}))[0] == 200


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"claims": {"aud": "https://other.test/x/oauth2/v2.0/token"}}, 700023),
        ({"claims": {"aud": f"{ORIGIN}/{TENANT}/oauth2/v2.0/authorize"}}, 700023),
        ({"claims": {"aud": f"{ORIGIN}/other/oauth2/v2.0/token"}}, 700023),
        ({"claims": {"aud": None}}, 700023),
        ({"claims": {"aud": "https://["}}, 700023),
        ({"claims": {"aud": [1, {}]}}, 700023),
        ({"claims": {"iss": PUBLIC}}, 700021),
        ({"claims": {"sub": PUBLIC}}, 700021),
        ({"claims": {"sub": None}}, 700021),
        ({"claims": {"iss": 7}}, 700021),
        ({"claims": {"exp": NOW - 300}}, 700024),
        ({"claims": {"exp": None}}, 700024),
        ({"claims": {"exp": "soon"}}, 700024),
        ({"claims": {"exp": True}}, 700024),
        ({"claims": {"exp": 1e400}}, 700024),
        ({"claims": {"exp": NOW + 86_401}}, 700024),
        ({"claims": {"nbf": NOW + 301}}, 700024),
        ({"claims": {"jti": None}}, 50027),
        ({"claims": {"jti": ["a"]}}, 50027),
        ({"header": {"alg": "none"}}, 50027),
        ({"header": {"alg": "HS256"}}, 50027),
        ({"header": {"alg": ["PS256"]}}, 50027),
        ({"header": {"crit": ["exp"]}}, 50027),
        ({"header": {"alg": "RS256"}}, 700027),
        ({"header": {"x5t#S256": "AAAA"}}, 700027),
        ({"header": {"x5t#S256": 5}}, 700027),
    ],
)
def test_a_wrong_assertion_is_refused(
    world: World, certificate: Path, change: dict[str, Any], number: int
) -> None:
    status, body = by_assertion(world, make_assertion(certificate, **change))
    assert (status, body["error"], body["error_codes"]) == (401, "invalid_client", [number])


def test_an_assertion_signed_by_another_key_is_refused(
    world: World, certificate: Path, tmp_path: Path
) -> None:
    from tests.auth.conftest import make_client_certificate

    stranger = make_client_certificate(tmp_path / "stranger.pem")
    right = make_assertion(certificate).split(".")
    wrong = make_assertion(stranger, header={"x5t#S256": None})
    assert by_assertion(world, wrong)[1]["error_codes"] == [700027]
    mixed = ".".join((*right[:2], make_assertion(stranger).split(".")[2]))
    assert by_assertion(world, mixed)[1]["error_codes"] == [700027]


def test_an_expired_certificate_is_refused(world: World, expired_certificate: Path) -> None:
    assert by_assertion(world, make_assertion(expired_certificate))[1]["error_codes"] == [1000502]


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "....",
        f"{encode(b'[]')}.{encode(b'{}')}.AA",
        f"{PS256_HEAD}.{encode(b'[]')}.AA",
        f"{PS256_HEAD}.{encode(b'[' * 9000)}.AA",
        "\u00e4.b.c",
        "a" * 40_000,
    ],
)
def test_what_is_no_jwt_is_no_assertion(world: World, text: str) -> None:
    status, body = by_assertion(world, text)
    assert (status, body["error_codes"]) == (401, [50027])


CASES: list[tuple[dict[str, str], int, str, int]] = [
    ({}, 400, "invalid_request", 900144),
    ({"grant_type": "client_credentials"}, 400, "invalid_request", 900144),
    ({**FORM}, 400, "invalid_request", 900144),
    ({**FORM, "client_id": ""}, 400, "invalid_request", 900144),
    ({"grant_type": "magic", "client_id": CLIENT}, 400, "unsupported_grant_type", 70003),
    ({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, 400, "unsupported_grant_type", 70003),
    ({"grant_type": "implicit\r\nX: y"}, 400, "unsupported_grant_type", 70003),
    ({**FORM, "client_id": "unknown", "client_secret": SECRET}, 400, "unauthorized_client", 700016),
    ({**FORM, "client_id": "' OR 1=1 --", "client_secret": SECRET}, 400, "unauthorized_client", 700016),
    ({**FORM, "client_id": CLIENT}, 401, "invalid_client", 7000218),
    ({**FORM, "client_id": PUBLIC}, 401, "invalid_client", 7000218),
    ({**FORM, "client_id": PRIVATE, "client_secret": ""}, 401, "invalid_client", 7000218),
    ({**FORM, "client_id": PRIVATE, "client_secret": "wrong"}, 401, "invalid_client", 7000215),
    ({**FORM, "client_id": PRIVATE, "client_secret": SECRET + " "}, 401, "invalid_client", 7000215),
    ({**FORM, "client_id": PRIVATE, "client_secret": "x" * 5000}, 401, "invalid_client", 7000215),
    ({**FORM, "client_id": PUBLIC, "client_secret": SECRET}, 401, "invalid_client", 700025),
    ({"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET}, 400, "invalid_request", 900144),
    ({**FORM, "scope": "Mail.Send", "client_id": CLIENT, "client_secret": SECRET}, 400, "invalid_scope", 1002012),
    (
        {**FORM, "scope": "https://graph.microsoft.com/Mail.Send", "client_id": CLIENT, "client_secret": SECRET},
        400,
        "invalid_scope",
        1002012,
    ),
    ({**FORM, "scope": f"{DEFAULT} openid", "client_id": CLIENT, "client_secret": SECRET}, 400, "invalid_scope", 1002012),
    ({**FORM, "scope": f"{DEFAULT} Mail.Send", "client_id": CLIENT, "client_secret": SECRET}, 400, "invalid_scope", 70011),
    ({**FORM, "scope": "a\x00b", "client_id": CLIENT, "client_secret": SECRET}, 400, "invalid_scope", 70011),
    ({**FORM, "scope": " ".join(f"s{n}" for n in range(200)), "client_id": CLIENT, "client_secret": SECRET}, 400, "invalid_scope", 70011),
    ({**FORM, "scope": "https://vault.azure.net/.default", "client_id": CLIENT, "client_secret": SECRET}, 400, "invalid_resource", 500011),
    ({**FORM, "scope": "https://localhost.evil.test/.default", "client_id": CLIENT, "client_secret": SECRET}, 400, "invalid_resource", 500011),
    ({**FORM, "scope": "https://localhost/x/.default", "client_id": CLIENT, "client_secret": SECRET}, 400, "invalid_resource", 500011),
    ({**FORM, "scope": "https://[/.default", "client_id": CLIENT, "client_secret": SECRET}, 400, "invalid_resource", 500011),
    ({**FORM, "client_id": CLIENT, "client_assertion": "a.b.c"}, 400, "invalid_request", 7000214),
    ({**FORM, "client_id": CLIENT, "client_assertion": "a.b.c", "client_assertion_type": "x"}, 400, "invalid_request", 7000214),
    ({**FORM, "client_id": CLIENT, "client_assertion": "a.b.c", "client_assertion_type": TYPE, "client_secret": SECRET}, 400, "invalid_request", 9002313),
]  # fmt: skip


@pytest.mark.parametrize(("form", "status", "error", "number"), CASES)
def test_a_wrong_request_is_refused(
    world: World, form: dict[str, str], status: int, error: str, number: int
) -> None:
    got, body = world.token(**form)
    assert (got, body["error"], body["error_codes"]) == (status, error, [number])
    assert body["error_description"].startswith(f"AADSTS{number}: ")
    assert "\n" not in body["error_description"]
    assert SECRET not in body["error_description"]


@pytest.mark.parametrize(
    ("headers", "form", "number"),
    [
        (basic(CLIENT, "wrong"), FORM, 7000215),
        (basic("unknown", SECRET), FORM, 700016),
        (basic(CLIENT, SECRET), {**FORM, "client_id": PRIVATE}, 9002313),
        (basic(CLIENT, SECRET), {**FORM, "client_secret": SECRET}, 9002313),
        ({"authorization": "Basic !!!"}, FORM, 9002313),
        ({"authorization": "Basic " + b64encode(b"nocolon").decode()}, FORM, 9002313),
        ({"authorization": "Basic " + b64encode(b"\xff:\xff").decode()}, FORM, 9002313),
        ({"authorization": "Bearer x"}, FORM, 900144),
    ],
)
def test_wrong_basic_authentication_is_refused(
    world: World, headers: dict[str, str], form: dict[str, str], number: int
) -> None:
    status, body = world.token(headers=headers, **form)
    assert status in (400, 401)
    assert body["error_codes"] == [number]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_the_token_endpoint_takes_post_only(world: World, method: str) -> None:
    assert world.ask(method, f"/{TENANT}/oauth2/v2.0/token").status == 405


def test_a_disabled_application_gets_nothing(world: World) -> None:
    import msgspec

    off = msgspec.structs.replace(world.current.applications[CLIENT], enabled=False)
    world.write(lambda tx: accounts.put_application(tx, off))
    status, body = world.token(**FORM, client_id=CLIENT, client_secret=SECRET)
    assert (status, body["error_codes"]) == (400, [7000112])


class TestWithoutPasswordGrant:
    @pytest.fixture
    def settings(self) -> IssuerSettings:
        return IssuerSettings()

    def test_passwords_are_not_taken_unless_the_settings_say_so(self, world: World) -> None:
        status, body = world.token(
            grant_type="password", client_id=CLIENT, username="a", password="b", scope="openid"
        )
        assert (status, body["error_codes"]) == (400, [70003])
