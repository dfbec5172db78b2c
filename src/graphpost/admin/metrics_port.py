"""`GET /metrics` and /healthz on a port of their own, for who has no token.

The smallest HTTP that a collector needs: one request to a connection, bounded in bytes and time, then it is closed.
"""

from __future__ import annotations

import asyncio
from typing import Final

from graphpost.admin.http import AdminApi
from graphpost.config import MetricsSettings
from graphpost.errors import StoreError
from graphpost.sockets import listen

_MOST_BYTES: Final = 16_384
_SECONDS: Final = 10.0


async def serve_metrics(api: AdminApi, settings: MetricsSettings) -> asyncio.Server:
    """Listen until the server returned is closed; ConfigurationError when the port cannot be had."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await _answer(api, head))
                await writer.drain()
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass  # it went away, was too slow, or said too much
        finally:
            writer.close()

    listener = listen("metrics", settings.host, settings.port)
    return await asyncio.start_server(answer, sock=listener, limit=_MOST_BYTES)


async def _answer(api: AdminApi, head: bytes) -> bytes:
    method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if method not in (b"GET", b"HEAD"):
        return _reply("405 Method Not Allowed", b"only GET\n")
    if path == b"/healthz":
        return _reply("200 OK", b"ok\n", is_head=method == b"HEAD")
    if path != b"/metrics":
        return _reply("404 Not Found", b"there are only /metrics and /healthz\n")
    try:
        body = await api.metrics()
    except StoreError as error:
        api.log.problem("metrics", error)
        return _reply("503 Service Unavailable", b"the store does not answer\n")
    return _reply("200 OK", body, "text/plain; version=0.0.4; charset=utf-8", is_head=method == b"HEAD")


def _reply(
    status: str, body: bytes, content_type: str = "text/plain; charset=utf-8", *, is_head: bool = False
) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n"
        "cache-control: no-store\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if is_head else body)
