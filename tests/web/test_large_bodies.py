"""Large bodies of strangers: the answer gets through although the client is still sending."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
from collections.abc import Iterator
from http.client import HTTPResponse

import pytest

from graphpost.testing.server import ServerThread, running_server

pytestmark = pytest.mark.slow
LIMIT = 4 * 1024 * 1024
HEAD = "POST /v1.0/me/sendMail HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerThread]:
    with running_server(tmp_path_factory.mktemp("large")) as running:
        yield running


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerThread]:
    with running_server(tmp_path_factory.mktemp("plain"), flags={"server.tls": False}) as running:
        yield running


@pytest.fixture
def client(server: ServerThread) -> Iterator[ssl.SSLSocket]:
    trust = ssl.create_default_context(cafile=server.ca_file)
    plain = socket.create_connection(("localhost", server.port), timeout=60)
    with trust.wrap_socket(plain, server_hostname="localhost") as connection:
        yield connection


def answer(client: ssl.SSLSocket) -> tuple[int, str, bool]:
    """The status, the error's code, and whether the connection ends."""
    response = HTTPResponse(client)
    response.begin()
    return response.status, json.loads(response.read())["error"]["code"], response.will_close


def test_a_client_that_sends_everything_first_reads_the_answer(client: ssl.SSLSocket) -> None:
    size = 3 * LIMIT
    client.sendall(f"{HEAD}Content-Length: {size}\r\n\r\n".encode() + bytes(size))
    assert answer(client) == (401, "InvalidAuthenticationToken", True)
    assert client.recv(1) == b""


def test_a_client_that_sends_chunks_reads_the_answer(client: ssl.SSLSocket) -> None:
    client.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
    for _ in range(3 * LIMIT // 65_536):
        client.sendall(b"10000\r\n" + bytes(65_536) + b"\r\n")
    client.sendall(b"0\r\n\r\n")
    assert answer(client) == (401, "InvalidAuthenticationToken", True)
    assert client.recv(1) == b""


def test_a_client_that_asks_first_is_answered_before_it_sends(client: ssl.SSLSocket) -> None:
    client.sendall(f"{HEAD}Content-Length: {3 * LIMIT}\r\nExpect: 100-continue\r\n\r\n".encode())
    assert answer(client) == (401, "InvalidAuthenticationToken", True)


@pytest.mark.parametrize("size", [100_000, LIMIT, 3 * LIMIT])
def test_a_client_that_sends_nothing_is_not_waited_for(client: ssl.SSLSocket, size: int) -> None:
    client.settimeout(30)  # half of what the server waits for who is known
    client.sendall(f"{HEAD}Content-Length: {size}\r\n\r\n".encode())
    assert answer(client) == (401, "InvalidAuthenticationToken", True)
    assert client.recv(1) == b""


def send_for_ever(client: ssl.SSLSocket) -> None:
    while True:
        client.sendall(bytes(LIMIT))


@pytest.mark.parametrize("path", ["/common/oauth2/v2.0/token", "/admin/accounts", "/nowhere"])
def test_where_only_small_bodies_belong_only_such_are_read(client: ssl.SSLSocket, path: str) -> None:
    head = HEAD.replace("/v1.0/me/sendMail", path)
    client.sendall(f"{head}Content-Length: 100000\r\n\r\n".encode())
    assert answer(client) == (413, "RequestEntityTooLarge", True)


def test_a_client_that_never_ends_is_cut_off(client: ssl.SSLSocket) -> None:
    client.sendall(f"{HEAD}Content-Length: {1000 * LIMIT}\r\n\r\n".encode())
    with pytest.raises(OSError, match=r"reset|[Bb]roken pipe|EOF|closed"):
        send_for_ever(client)


def test_the_connection_stays_after_a_body_that_expands_too_much(client: ssl.SSLSocket) -> None:
    packed = gzip.compress(bytes(2 * LIMIT))
    head = f"{HEAD}Content-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    for _ in range(2):
        client.sendall(head.encode() + packed)
        assert answer(client) == (413, "RequestEntityTooLarge", False)


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/common/oauth2/v2.0/token", "Content-Encoding: br\r\n", 415),
        ("/v1.0/me/sendMail", "Content-Encoding: br\r\n", 415),
        ("/v1.0/me/sendMail", "Content-Type: a/b\r\n", 400),
        ("/nowhere", "", 413),
    ],
)
@pytest.mark.parametrize("keeping", ["close", "keep-alive"])
def test_a_refusal_does_not_reset_who_is_still_sending(
    plain: ServerThread, path: str, fields: str, status: int, keeping: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SILENCE_SECONDS", "LINGER_SECONDS"):  # the client may be held up where all is slow
        monkeypatch.setattr(f"graphpost.web.connection.{name}", 60.0)
    head = f"{HEAD.replace('/v1.0/me/sendMail', path)}{fields}Connection: {keeping}\r\nContent-Length: 100000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", plain.port), timeout=60) as line:
        line.sendall(head.encode())
        response = HTTPResponse(line)
        response.begin()
        assert (response.status, response.will_close) == (status, True)
        for _ in range(100):  # on a connection that was closed the first is answered by a reset
            line.sendall(bytes(1000))
        assert json.loads(response.read())["error"]["code"]
        assert line.recv(1) == b""
