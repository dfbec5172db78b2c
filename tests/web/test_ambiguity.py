"""Requests that can be read in two ways are refused: lengths, hosts, and fields that come twice."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from tests.conformance.conftest import SETTINGS
from tests.conformance.targets import OwnTarget
from tests.conformance.wire import Answer, Wire

from graphpost.testing.server import running_server


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnTarget]:
    with running_server(tmp_path_factory.mktemp("http"), file=SETTINGS) as server:
        own = OwnTarget(server)
        yield own
        own.wire.close()


@pytest.fixture
def wire(target: OwnTarget) -> Iterator[Wire]:
    made = Wire(target.server.url, target.trust)
    yield made
    made.close()


def letter(size: int = 0) -> bytes:
    recipients = [{"emailAddress": {"address": "x@else.test"}}]
    return json.dumps(
        {"message": {"toRecipients": recipients, "body": {"content": "x" * size}}}, separators=(",", ":")
    ).encode()


def head(target: OwnTarget, *fields: str, version: str = "1.1", host: bool = True) -> bytes:
    lines = [f"POST /v1.0/me/sendMail HTTP/{version}", *([f"Host: {target.wire.host}"] if host else [])]
    lines += [f"Authorization: Bearer {target.token('user')}", "Content-Type: application/json", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


SMUGGLED = b"GET /v1.0/me/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "fields",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5", "Content-Length: 5"),
        ("Content-Length: +5",),
        ("Content-Length: 5, 6",),
        ("Content-Length: -1",),
        ("Content-Length: 0x5",),
        ("Content-Length : 5",),
        ("Content-Length: 99999999999999999999999",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding : chunked",),
        (" Content-Length: 5",),
        ("x: y\n\nGET / HTTP/1.1",),
        ("Bad Name: 5",),
    ],
)
def test_a_length_that_can_be_read_in_two_ways_ends_the_connection(
    target: OwnTarget, wire: Wire, fields: tuple[str, ...]
) -> None:
    before = target.stored_at_rest()
    wire.open().sendall(head(target, *fields) + b"0\r\n\r\n" + SMUGGLED)
    answers = []
    while not wire.is_closed:
        try:
            answers.append(wire.read())
        except (http.client.HTTPException, OSError):
            break
    assert all(answer.status in (400, 401, 408, 413, 501) for answer in answers), answers
    assert b"smuggled" not in b"".join(answer.body for answer in answers)
    assert target.stored_at_rest() == before


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "evil@localhost",
        "localhost:80@evil.example",
        "localhost:80/evil",
        "localhost:1:2",
        "[::1",
        "[::1]evil.example",
        "localhost:123456",
        "localhost evil.example",
        "127.0.0.2",
        "",
    ],
)
def test_a_host_that_is_not_ours_is_refused(target: OwnTarget, wire: Wire, host: str) -> None:
    body = letter()
    data = head(target, f"Host: {host}", f"Content-Length: {len(body)}", host=False) + body
    assert wire.send(data).status == 400


def test_no_host_and_two_hosts_are_refused(target: OwnTarget, wire: Wire) -> None:
    body = letter()
    length = f"Content-Length: {len(body)}"
    assert wire.send(head(target, length, host=False) + body).status == 400
    assert wire.send(head(target, "Host: evil.example", length) + body).status == 400


@pytest.mark.parametrize("field", ["Host: localhost", "Authorization: Bearer x", "Content-Type: text/plain"])
@pytest.mark.parametrize("first", [True, False])
def test_a_field_that_decides_comes_once(target: OwnTarget, wire: Wire, field: str, first: bool) -> None:
    body = letter()
    data = head(target, f"Content-Length: {len(body)}", *(() if first else (field,)))
    if first:
        data = data.replace(b"\r\n", f"\r\n{field}\r\n".encode(), 1)
    assert wire.send(data + body).error[:2] == (400, "BadRequest")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "localhost:", "127.0.0.1:1", "[::1]:8443", "[::1]"]
)
def test_each_of_our_names_is_a_host(target: OwnTarget, wire: Wire, host: str) -> None:
    body = letter()
    data = head(target, f"Host: {host}", f"Content-Length: {len(body)}", host=False) + body
    assert wire.send(data).status == 202


@pytest.mark.parametrize("version", ["0.9", "2.0", "1.x", "9.9"])
def test_a_version_that_is_not_spoken_is_refused(target: OwnTarget, wire: Wire, version: str) -> None:
    wire.open().sendall(head(target, version=version))
    with suppress(http.client.HTTPException, OSError):  # no answer at all is one, too
        assert wire.read().status in (400, 505)


def test_head_has_the_headers_and_no_body(target: OwnTarget, wire: Wire) -> None:
    answers: list[Answer] = [wire.request(method, "/healthz", {}) for method in ("HEAD", "GET", "HEAD")]
    assert [(a.status, a.headers["content-length"], a.body) for a in answers] == [
        (200, "3", b""),
        (200, "3", b"ok\n"),
        (200, "3", b""),
    ]


def test_what_is_not_tls_is_told_so_and_nothing_else(target: OwnTarget) -> None:
    with closing(http.client.HTTPConnection("localhost", target.server.port, timeout=60)) as connection:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        assert (answer.status, b"https://" in answer.read()) == (400, True)
