"""What the server says about itself: one line per event, and never a secret."""

from __future__ import annotations

import re
import urllib.parse

import pytest
from tests.conformance.targets import ADELE, ALEX, PASSWORDS, SECRETS, SENDER, TENANT
from tests.security.conftest import Besieged

from graphpost.testing.smtp_peer import Say

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [a-z-]+( [a-z_]+=(\"([^\"\\]|\\.)*\"|[^\s\"=]*))*")
FORGED = "2026-01-01T00:00:00.000Z accepted message=forged"


@pytest.mark.parametrize(
    "target",
    [
        f"/v1.0/me%0d%0a{urllib.parse.quote(FORGED)}",
        f"/v1.0/users/{urllib.parse.quote(chr(10) + FORGED)}/sendMail",
        "/v1.0/%1b%5b2J",
        "/v1.0/%e2%80%a8x",
        "/v1.0/x%22%20accepted=%22",
        '/v1.0/x"\taccepted="y"',
        "/v1.0/\x7f\x1b[2J",
        "/v1.0/\x85\xa0\xad",
        "/" + "x" * 20_000,
    ],
)
def test_a_path_leaves_one_line(besieged: Besieged, target: str) -> None:
    before = len(besieged.output)
    wire = besieged.target.wire
    head = f"GET {target} HTTP/1.1\r\nHost: {wire.host}\r\n\r\n".encode("latin-1")
    assert wire.send(head, "GET").status in (400, 401, 404)
    wire.close()
    check_lines(besieged.output[before:])


@pytest.mark.parametrize(
    "value",
    [
        b"x\x85" + FORGED.encode(),
        b'"x" accepted="1"',
        b"\xe2\x80\xa8x",
        b"x" * 4000,
        b"%0d%0aSet-Cookie:x",
        b"",
    ],
)
def test_a_request_id_of_the_client_leaves_one_line_and_no_header(besieged: Besieged, value: bytes) -> None:
    before = len(besieged.output)
    wire = besieged.target.wire
    head = f"GET /v1.0/me HTTP/1.1\r\nHost: {wire.host}\r\nclient-request-id: ".encode()
    answer = wire.send(head + value + b"\r\n\r\n", "GET")
    assert answer.status == 401
    assert "set-cookie" not in answer.headers
    assert answer.headers["client-request-id"].isprintable()
    check_lines(besieged.output[before:])


@pytest.mark.parametrize(
    "header", [b"client-request-id: x\r\n y", b"client-request-id: x\ny: z", b"client-request-id: x\0y"]
)
def test_a_header_that_is_none_is_refused_or_harmless(besieged: Besieged, header: bytes) -> None:
    before = len(besieged.output)
    wire = besieged.target.wire
    head = f"GET /v1.0/me HTTP/1.1\r\nHost: {wire.host}\r\n".encode()
    assert wire.send(head + header + b"\r\n\r\n", "GET").status in (400, 401)
    wire.close()
    check_lines(besieged.output[before:])


def test_a_relays_reply_leaves_one_line(besieged: Besieged) -> None:
    evil = f'250 2.0.0 ok\x1b[31m "x" \\ \x85{FORGED} reply="'
    besieged.relay.rule("content", Say(evil.encode() + b"\r\n"), times=1)
    before = len(besieged.output)
    message = {"toRecipients": [{"emailAddress": {"address": '"a b=c"@else.test'}}]}
    assert besieged.target.post("/v1.0/me/sendMail", {"message": message}).status == 202
    while " delivered " not in besieged.output[before:]:
        besieged.target.get("/healthz")
    check_lines(besieged.output[before:])


def check_lines(text: str) -> None:
    """Each line is an event of ours, printable, and none is the forged one; what is not HTTP leaves none."""
    for line in text.removesuffix("\n").split("\n") if text else ():
        assert line.isprintable(), line
        assert LINE.fullmatch(line), line
        assert not line.startswith(FORGED[:24]), line


def test_no_secret_is_ever_said(besieged: Besieged) -> None:
    """Signing in rightly and wrongly, tokens in the wrong places, and the administrator's token."""
    target = besieged.target
    said = [target.token(name) for name in ("user", "app", "expired", "forged", ADELE, ALEX)]
    said += [*PASSWORDS.values(), *SECRETS.values(), "a wrong password of mine", "a wrong secret of mine"]
    said.append((target.server.config.data / "admin.token").read_text().strip())
    forms = [
        {"grant_type": "password", "username": ADELE, "password": "a wrong password of mine"},
        {"grant_type": "password", "username": "nobody@x.test", "password": PASSWORDS[ADELE]},
        {"grant_type": "client_credentials", "client_secret": "a wrong secret of mine"},
        {"grant_type": "refresh_token", "refresh_token": "a wrong secret of mine"},
        {"grant_type": "authorization_code", "code": "a wrong secret of mine"},
    ]
    for form in forms:
        fields = {"client_id": SENDER, "client_secret": SECRETS[SENDER], "scope": "openid", **form}
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urllib.parse.urlencode(fields).encode()
        answer = target.wire.request("POST", f"/{TENANT}/oauth2/v2.0/token", kind, body)
        assert answer.status in (400, 401)
        assert not [secret for secret in said if secret in answer.body.decode()]
    token = target.token("user")
    target.wire.request("GET", f"/v1.0/me?access_token={token}", {})
    target.wire.request("GET", "/v1.0/me", {"Authorization": f"Basic {token}"})
    target.wire.request("GET", "/v1.0/me", {"Authorization": f"Bearer {token}x"})
    target.wire.request("GET", "/admin/queue", {"Authorization": f"Bearer {said[-1]}x"})
    authorize = {
        "client_id": SENDER,
        "response_type": "code",
        "login_hint": ADELE,
        "password": PASSWORDS[ADELE],
    }
    target.wire.request("GET", f"/{TENANT}/oauth2/v2.0/authorize?{urllib.parse.urlencode(authorize)}", {})
    assert len(besieged.output.splitlines()) > 10
    assert [secret for secret in said if secret in besieged.output] == []
