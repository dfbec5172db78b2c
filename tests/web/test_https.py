"""How connections begin on the HTTPS port: plain HTTP is told so, and those that are too many are cut off."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator

import pytest
import trustme

from graphpost.web.https import HttpsContext

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def context(authority: trustme.CA) -> HttpsContext:
    made = HttpsContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(made)
    return made


@pytest.fixture
async def port(context: HttpsContext) -> AsyncIterator[int]:
    """Of a server that says what it is told, under TLS."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
        [b"G", b"E", b"T / HTTP/1.1\r\n\r\n"],
        *(
            [method + b" /x HTTP/1.1\r\n\r\n"]
            for method in (b"PATCH", b"DELETE", b"OPTIONS", b"PUT", b"HEAD")
        ),
        [b"POST /v1.0/me/sendMail HTTP/1.1\r\nContent-Length: 70000\r\n\r\n", b"x" * 70_000],
    ],
)
async def test_plain_http_is_told_to_say_https(port: int, pieces: list[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    head, _, rest = (await reader.readuntil(b"}}")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-length: %d" % len(rest) in head
    assert "https://" in json.loads(rest)["error"]["message"]
    writer.write_eof()
    assert await reader.read() == b"", "nothing more, and the connection ends"
    writer.close()


@pytest.mark.parametrize("said", [b"EHLO client.test\r\n", b"GETTING\r\n", b"\0" * 100])
async def test_what_is_neither_is_cut_off_without_a_word(port: int, said: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    assert b"HTTP" not in await reader.read()
    writer.close()


async def test_tls_is_as_ever(port: int, authority: trustme.CA) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )
    writer.write(b"hello")
    assert await reader.read() == b"hello"
    writer.close()


async def test_a_handshake_may_come_octet_by_octet(port: int, authority: trustme.CA) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            for octet in outgoing.read():
                writer.write(bytes([octet]))
                await writer.drain()
            incoming.write(await reader.read(65_536))
        else:
            break
    assert client.version() in ("TLSv1.2", "TLSv1.3")
    writer.close()


async def test_when_it_is_full_no_handshake_is_begun(port: int, context: HttpsContext) -> None:
    """Who only connects, and is silent, is cut off too."""
    context.is_full = lambda: True
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
