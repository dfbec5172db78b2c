"""A listening socket, and uvicorn serving an application on it until the end.

Ending is graceful: nothing new is accepted, what was begun is answered, and connections on which nothing happens are
closed.  A client that keeps an idle connection and reads nothing (a pool does) never answers the end of TLS, so such
connections are cut after a moment instead of holding up the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Final

import uvicorn

from graphpost.errors import ConfigurationError
from graphpost.web.certificates import CertificateFiles
from graphpost.web.connection import Connection, connection_class

GRACE_SECONDS: Final = 10
CLOSING_SECONDS: Final = 0.5
IDLE_SECONDS: Final = (
    120  # SDKs keep connections in a pool; a POST on one that is just being closed fails in them
)
BACKLOG: Final = 2048
CHECK_TICKS: Final = 5  # of a tenth of a second


def listen(section: str, host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes any free one.  Raises ConfigurationError naming `section`'s port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's algorithm off only for sockets that say TCP: with it on, the
    # second request of every connection waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), port))
        listener.listen(BACKLOG)  # only this tells that another one of the same moment has the port
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"{section}.port", f"cannot listen on {host} port {port}: {error.strerror}"
        ) from error
    return listener


class Listener:
    """An application on a socket: `start` returns when it is served, `stop` when everything begun was answered."""

    def __init__(
        self,
        application: Any,
        listener: socket.socket,
        *,
        files: CertificateFiles | None = None,
        forwarded_allow_ips: str = "",
        head_seconds: float = 60.0,
    ) -> None:
        self._socket = listener
        self._http = _Http(
            uvicorn.Config(
                application,
                http=connection_class(head_seconds),
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                log_level="error",
                server_header=False,
                proxy_headers=bool(forwarded_allow_ips),
                forwarded_allow_ips=forwarded_allow_ips or None,
                backlog=BACKLOG,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
                ssl_certfile=str(files.certificate) if files else None,
                ssl_keyfile=str(files.key) if files else None,
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._serving = asyncio.create_task(self._http.serve(sockets=[self._socket]))
        while not self._http.started:
            if self._serving.done():
                self._serving.result()
                raise ConfigurationError("server", "the web server ended before it began")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        self._http.should_exit = True
        if self._serving is not None:
            await self._serving


class _Http(uvicorn.Server):
    """uvicorn, but signals are the server's business, and idle connections do not hold up the end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % CHECK_TICKS == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.check(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        cutting = asyncio.create_task(self._cut_idle())
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()
            await asyncio.gather(cutting, return_exceptions=True)

    async def _cut_idle(self) -> None:
        """Cut what has been closing for a moment; a transport begins to close when its last answer is written."""
        closing: set[asyncio.Transport] = set()
        while True:
            await asyncio.sleep(CLOSING_SECONDS)
            transports = {
                transport
                for connection in list(self.server_state.connections)
                if (transport := connection.transport) is not None and transport.is_closing()
            }
            for transport in transports & closing:
                if transport.get_write_buffer_size() == 0:
                    transport.abort()
            closing = transports
