"""HTTP connections to addresses that were looked at, for a name that TLS verifies."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Final

import httpcore2

_PATIENCE: Final = 5.0  # seconds with an address that is not the last


class PinnedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to the first of the addresses that lets it."""

    def __init__(self, addresses: Iterable[str]) -> None:
        self._addresses = tuple(addresses)
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        *others, last = self._addresses
        for address in others:
            try:
                return await self._backend.connect_tcp(
                    address, port, _PATIENCE, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._backend.connect_tcp(last, port, timeout, local_address, socket_options)


def pool(addresses: Iterable[str], context: ssl.SSLContext) -> httpcore2.AsyncConnectionPool:
    """For one request."""
    return httpcore2.AsyncConnectionPool(
        ssl_context=context, max_connections=1, network_backend=PinnedBackend(addresses)
    )
