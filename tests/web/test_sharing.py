"""What a page of another origin may ask of the Graph API, and that it may ask nothing of anything else."""

from __future__ import annotations

import json
import re

import pytest
from tests.client import ADELE, Answer
from tests.web.conftest import Site, parsed

from graphpost.web.sharing import PREFLIGHT, SHOWN

pytestmark = pytest.mark.slow

APPLICATION = "https://app.example"
ORIGINS = [APPLICATION, "http://localhost:3000", "null", "https://evil.example\x09", "x" * 2000, ""]
SEND = f"/v1.0/users/{ADELE}/sendMail"
GRAPH_PATHS = [
    "/v1.0/me",
    SEND,
    "/v1.0/$batch",
    "/beta/$batch",
    "/V1.0/me/messages",
    "/v1.0/nowhere",
    "/v1.0",
]
UPLOAD = "/upload/Users('x')/Messages('y')/AttachmentSessions('z')?authtoken=w"
OTHER_PATHS = [
    "/admin/queue",
    "/admin/mailboxes",
    "/metrics",
    "/healthz",
    "/readyz",
    "/common/oauth2/v2.0/authorize",
    "/common/oauth2/v2.0/devicecode",
    "/common/oauth2/deviceauth",
    "/common/oauth2/v2.0/logout",
    "/common/oauth2/pages/style.css",
    "/nowhere",
    "/",
]
LETTER = {
    "message": {"subject": "From a page", "toRecipients": [{"emailAddress": {"address": "b@else.test"}}]}
}


def preflight(site: Site, path: str, origin: str = APPLICATION, method: str = "POST") -> Answer:
    wanted = "authorization,client-request-id,content-type,prefer,sdkversion"
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": wanted,
    }
    return site.client.ask("OPTIONS", path, headers=headers)


def allowances(answer: Answer) -> dict[str, str]:
    """What an answer says of other origins."""
    return {name: text for name, text in answer.headers.items() if name.startswith("access-control-")}


def lowered(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return {name.lower(): text for name, text in headers}


@pytest.mark.parametrize("path", [*GRAPH_PATHS, UPLOAD])
def test_a_preflight_needs_no_token_and_is_the_same_for_every_path(site: Site, path: str) -> None:
    answer = preflight(site, path)
    assert (answer.status, answer.body, allowances(answer)) == (204, b"", lowered(PREFLIGHT))


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "PUT", "DELETE"])
def test_a_preflight_allows_the_methods_that_graph_has(site: Site, method: str) -> None:
    assert method in allowances(preflight(site, SEND, method=method))["access-control-allow-methods"]


@pytest.mark.parametrize("origin", ORIGINS)
def test_no_origin_is_ever_named_and_credentials_are_never_allowed(site: Site, origin: str) -> None:
    for answer in (
        preflight(site, "/v1.0/me", origin),
        site.client.ask("GET", "/v1.0/me", headers={"Origin": origin}),
    ):
        assert allowances(answer)["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
        assert "evil" not in str(answer.headers)


def test_options_that_is_no_preflight_is_a_request_like_others(site: Site) -> None:
    assert site.client.ask("OPTIONS", "/v1.0/me", headers={"Origin": APPLICATION}).status == 401
    asked = {"Access-Control-Request-Method": "POST"}
    assert site.client.ask("OPTIONS", "/v1.0/me", headers=asked).status == 401
    assert site.client.ask("OPTIONS", UPLOAD, headers={"Origin": APPLICATION}).status == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", SEND, json.dumps(LETTER), 202),
        ("GET", f"/v1.0/users/{ADELE}/messages", "", 200),
        ("POST", SEND, "{", 400),
        ("POST", SEND, json.dumps({"message": {"subject": "x" * 5_000_000}}), 413),
        ("GET", f"/v1.0/users/{ADELE}/messages/none", "", 400),
        ("GET", "/v1.0/users/nobody@example.test/messages", "", 404),
        ("DELETE", SEND, "", 405),
        ("GET", "/v1.0/me", "", 400),
        ("PUT", UPLOAD, "x", 404),
    ],
)
def test_answers_and_errors_are_shown_to_the_page(
    site: Site, method: str, path: str, body: str, status: int
) -> None:
    headers = {
        "Authorization": f"Bearer {site.client.token()}",
        "Content-Type": "application/json",
        "Origin": APPLICATION,
    }
    answer = site.client.ask(method, path, body, headers)
    assert (answer.status, allowances(answer)) == (status, lowered(SHOWN[:2]))
    assert answer.headers["vary"] == "Origin"
    assert answer.headers["cache-control"] == "private"


def test_who_has_no_token_is_told_so_where_the_page_can_read_it(site: Site) -> None:
    answer = site.client.ask("GET", "/v1.0/me", headers={"Origin": APPLICATION})
    assert (answer.status, allowances(answer)) == (401, lowered(SHOWN[:2]))
    assert "www-authenticate" in answer.headers


def test_a_body_that_stops_is_refused_where_the_page_can_read_it(hasty: Site) -> None:
    head = hasty.head(100, f"Origin: {APPLICATION}")
    (reply,) = parsed(hasty.say(head, b"{"))
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (408, "*")


def test_a_cookie_is_no_token(site: Site) -> None:
    """Why everybody may be let in: a browser adds nothing by itself that opens anything."""
    token = site.client.token()
    names = ("session", "__Host-graphpost-session", "graphpost-session", "Authorization", "access_token")
    cookie = "; ".join(f"{name}={token}" for name in names)
    answer = site.client.ask("GET", "/v1.0/me", headers={"Origin": APPLICATION, "Cookie": cookie})
    assert (answer.status, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")


def test_without_an_origin_nothing_is_added(site: Site) -> None:
    answer = site.client.graph("GET", f"/users/{ADELE}/messages")
    assert (answer.status, allowances(answer), "vary" in answer.headers) == (200, {}, False)


@pytest.mark.parametrize("path", OTHER_PATHS)
def test_nothing_else_is_open_to_pages(site: Site, path: str) -> None:
    token = (site.client.data / "admin.token").read_text().strip()
    for headers in ({}, {"Authorization": f"Bearer {token}"}):
        for method in ("GET", "POST"):
            answer = site.client.ask(method, path, headers={"Origin": APPLICATION, **headers})
            assert allowances(answer) == {}, (method, answer.status)
    assert allowances(preflight(site, path)) == {}


def test_a_host_that_is_not_ours_gets_no_preflight(site: Site) -> None:
    lines = "OPTIONS /v1.0/me HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n"
    data = site.say((lines + "Access-Control-Request-Method: GET\r\nConnection: close\r\n\r\n").encode())
    (reply,) = parsed(data)
    assert reply.status == 400
    assert b"Hostname" in reply.body


@pytest.mark.parametrize(
    ("lines", "body", "status"),
    [
        ("Host: localhost\r\nContent-Length: 99999999", b"", 413),
        ("Host: evil.example", b"", 400),
        ("Host: localhost\r\nContent-Type: a/b\r\nContent-Type: a/b", b"", 400),
        ("Host: localhost\r\nContent-Encoding: gzip", b"no gzip", 400),
        ("Host: localhost\r\nContent-Encoding: br", b"x", 415),
    ],
)
def test_what_is_refused_before_the_issuer_is_asked_is_shown_to_its_pages(
    site: Site, lines: str, body: bytes, status: int
) -> None:
    length = "" if "Content-Length" in lines else f"Content-Length: {len(body)}\r\n"
    head = f"POST /common/oauth2/v2.0/token HTTP/1.1\r\n{lines}\r\nOrigin: {APPLICATION}\r\nConnection: close\r\n{length}\r\n"
    data = site.say(head.encode(), body)
    (reply,) = parsed(data)
    assert (reply.status, reply.headers.get("access-control-allow-origin")) == (status, "*")


def test_what_graph_answers_beyond_the_plain_headers_can_be_read(site: Site) -> None:
    """Every header of an answer that a page cannot read anyway is named, or says nothing of use to it."""
    plain = {"cache-control", "content-language", "content-length", "content-type", "date", "server"}
    silent = {"x-ms-ags-diagnostic", "odata-version", "vary", "strict-transport-security", "connection"}
    named = {name.lower() for name in re.split(r",\s*", dict(SHOWN)["Access-Control-Expose-Headers"])}
    headers = {"Authorization": f"Bearer {site.client.token()}", "Origin": APPLICATION}
    headers["Content-Type"] = "application/json"
    for method, path, body in (
        ("POST", SEND, json.dumps(LETTER)),
        ("POST", f"/v1.0/users/{ADELE}/messages", json.dumps(LETTER["message"])),
        ("GET", f"/v1.0/users/{ADELE}/messages", ""),
    ):
        answer = site.client.ask(method, path, body, headers)
        others = set(answer.headers) - plain - silent - set(allowances(answer))
        assert others <= named
