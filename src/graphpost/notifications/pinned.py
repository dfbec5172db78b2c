"""HTTP connections to addresses of our choice, for names of others' choice.

httpcore does HTTP; this is the seam where it opens a connection.  TLS is made for the URL's name, not for the address.
Imported when the first notification is sent: most servers never send one.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

import httpcore2

from graphpost.notifications.guard import Endpoint, EndpointError

Connect = Callable[[Endpoint], Awaitable[str]]  # the address to connect to; EndpointError when there is none
IDLE_SECONDS: Final = 5.0
_READ: Final = 4096  # bytes of an answer that nobody wants, so that its connection can be used again


class PinnedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to the address that `choose` gives for a name."""

    def __init__(self, scheme: str, choose: Connect) -> None:
        self._scheme = scheme
        self._choose = choose
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        address = await self._choose(Endpoint(self._scheme, host, port, ""))
        return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)


class Connections:
    """Those of one scheme; `connections` at most."""

    def __init__(
        self, scheme: str, choose: Connect, context: ssl.SSLContext | None, connections: int
    ) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=PinnedBackend(scheme, choose),
        )

    async def post(
        self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes, keep: int
    ) -> tuple[int, str, bytes]:
        """Status, content type, and of the body `keep` bytes at most; EndpointError when there is no answer."""
        url = httpcore2.URL(
            scheme=endpoint.scheme, host=endpoint.host, port=endpoint.port, target=endpoint.target
        )
        try:
            async with self._pool.stream("POST", url, headers=list(headers.items()), content=body) as answer:
                kinds = [value for name, value in answer.headers if name.lower() == b"content-type"]
                kept = bytearray()
                async for part in answer.aiter_stream():
                    kept += part
                    if len(kept) > max(keep, _READ):
                        break  # and the connection is closed
                return answer.status, b"".join(kinds[:1]).decode("latin-1"), bytes(kept[:keep])
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as error:
            raise EndpointError(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        await self._pool.aclose()
