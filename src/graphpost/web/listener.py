"""A listening socket, and an application served on it until the end.

Ending is graceful: nothing new is accepted, what was begun is answered, and connections on which nothing happens are
closed.  A client that keeps an idle connection and reads nothing (a pool does) never answers the end of TLS, so such
connections are cut after a moment instead of holding up the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from typing import Any, Final

from graphpost.process import OpenFiles
from graphpost.sockets import BACKLOG
from graphpost.web.connection import Connection, Port
from graphpost.web.exchange import Exchange
from graphpost.web.forwarded import Proxies
from graphpost.web.https import HttpsContext

GRACE_SECONDS: Final = 10
CLOSING_SECONDS: Final = 0.5
CHECK_SECONDS: Final = 0.5
HANDSHAKE_SECONDS: Final = 20
_LOOK_SECONDS: Final = 0.02
_log: Final = logging.getLogger(__name__)


class Listener:
    """An application on a socket: `start` returns when it is served, `stop` when everything begun was answered.

    `forwarded_allow_ips` are the proxies that are believed; `head_seconds` is how long a request's head may take,
    `most_connections` how many there may be at once; under TLS none is begun either while files are short.
    """

    def __init__(
        self,
        application: Callable[[Exchange], Coroutine[Any, Any, None]],
        listener: socket.socket,
        *,
        tls: ssl.SSLContext | None = None,
        forwarded_allow_ips: str = "",
        head_seconds: float = 60.0,
        most_connections: int,
    ) -> None:
        self._socket = listener
        self._tls = tls
        self._port = Port(application, head_seconds, Proxies(forwarded_allow_ips), most_connections)
        self._files = OpenFiles()
        if isinstance(tls, HttpsContext):
            tls.is_full = self._refuses
        self._server: asyncio.Server | None = None
        self._ticking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        loop, port = asyncio.get_running_loop(), self._port
        self._ticking = asyncio.create_task(self._tick())
        self._server = await loop.create_server(
            lambda: Connection(port, loop),
            sock=self._socket,
            backlog=BACKLOG,
            ssl=self._tls,
            ssl_handshake_timeout=None if self._tls is None else HANDSHAKE_SECONDS,
        )

    async def stop(self) -> None:
        if self._server is None or self._ticking is None:
            return
        self._server.close()
        self._ticking.cancel()
        await asyncio.gather(self._ticking, return_exceptions=True)
        for connection in list(self._port.connections):
            connection.shut()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                await self._ended()
        if self._port.connections:
            _log.error("%d requests were not answered in time", len(self._port.connections))
        for connection in list(self._port.connections):
            connection.cut()

    def _refuses(self) -> bool:
        """Whether a connection is one too many, before its handshake."""
        are_short = self._files.are_short()
        self._port.refused += are_short
        return are_short

    async def _tick(self) -> None:
        """Keep the date that answers carry, and give up connections that are late.

        When it is we who are late, what was sent meanwhile is read first, and looked at in the next round.
        """
        loop, was_late = asyncio.get_running_loop(), False
        due = loop.time()
        while True:
            self._port.common = f"date: {formatdate(usegmt=True)}\r\n"
            now = loop.time()
            was_late = now - due > CHECK_SECONDS and not was_late
            for connection in [] if was_late else list(self._port.connections):
                try:
                    connection.check(now)
                except Exception:  # of one: all the others are still looked after
                    _log.exception("a connection could not be looked at")
                    connection.cut()
            self._files.forget()
            if self._port.refused:
                _log.error(
                    "%d connections were refused: there may be %d", self._port.refused, self._port.most
                )
                self._port.refused = 0
            due = now + CHECK_SECONDS
            await asyncio.sleep(CHECK_SECONDS)

    async def _ended(self) -> None:
        """Wait until no connection is left; those that have been closing for a moment are cut."""
        loop, since = asyncio.get_running_loop(), dict[Connection, float]()
        while connections := list(self._port.connections):
            now = loop.time()
            for connection in connections:
                if connection.is_lingering and now - since.setdefault(connection, now) > CLOSING_SECONDS:
                    connection.cut()
            await asyncio.sleep(_LOOK_SECONDS)
