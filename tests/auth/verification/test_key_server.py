"""Fetching somebody else's keys over HTTP: what a host that is not what it should be may do."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from graphpost.auth.verification.jwks import ANSWER_BYTES, HttpsKeyServer, KeysUnavailableError

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Host:
    """Answers by path; `asked` are the paths, with what encodings were asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, str]] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.asked.append((self.path, self.headers.get("Accept-Encoding", "")))
                status, headers, body = host.answers[self.path]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}{path}"


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    thread = threading.Thread(target=host.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield host
    host.server.shutdown()
    thread.join()
    host.server.server_close()


async def test_an_object_is_fetched(host: Host) -> None:
    host.answers["/keys"] = 200, {}, b'{"keys": []}'
    assert await HttpsKeyServer().fetch(host.url("/keys")) == {"keys": []}


async def test_a_redirect_is_not_followed(host: Host) -> None:
    host.answers["/keys"] = 302, {"Location": host.url("/inside")}, b""
    host.answers["/inside"] = 200, {}, b"{}"
    with pytest.raises(KeysUnavailableError, match="302"):
        await HttpsKeyServer().fetch(host.url("/keys"))
    assert [path for path, _ in host.asked] == ["/keys"]


async def test_of_a_long_answer_no_more_is_read_than_keys_may_have(host: Host) -> None:
    host.answers["/keys"] = 200, {}, b'{"keys": "' + b"x" * ANSWER_BYTES + b'"}'
    with pytest.raises(KeysUnavailableError, match="too long"):
        await HttpsKeyServer().fetch(host.url("/keys"))


async def test_nothing_is_expanded(host: Host) -> None:
    """A few octets of gzip are many megabytes."""
    host.answers["/keys"] = 200, {"Content-Encoding": "gzip"}, gzip.compress(b" " * 10**7 + b"{}")
    with pytest.raises(KeysUnavailableError, match="not JSON"):
        await HttpsKeyServer().fetch(host.url("/keys"))
    assert host.asked == [("/keys", "identity")]


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"", b"\xff", b"[" * 100_000])
async def test_what_is_no_object_is_no_keys(host: Host, body: bytes) -> None:
    host.answers["/keys"] = 200, {}, body
    with pytest.raises(KeysUnavailableError):
        await HttpsKeyServer().fetch(host.url("/keys"))


@pytest.mark.parametrize(
    "uri", ["https://[::1", "https://a\0b/", "https://localhost/\ud800", "https://localhost/" + "x" * 70_000]
)
async def test_what_is_no_address_is_no_keys(uri: str) -> None:
    with pytest.raises(KeysUnavailableError):
        await HttpsKeyServer().fetch(uri)


async def test_authorities_that_cannot_be_read_are_no_keys() -> None:
    with pytest.raises(KeysUnavailableError, match="No such file"):
        await HttpsKeyServer("/nonexistent/ca.pem").fetch("https://localhost:1/")
