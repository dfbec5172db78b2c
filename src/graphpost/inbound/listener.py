"""The listening sockets: each connection is a session in a task of its own.

Stopping is graceful: nothing new is taken, who waits for a command of its client says 421, and a message under way is
taken to its end, for GRACE_SECONDS.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import stat
from pathlib import Path
from typing import Final

from graphpost.errors import ConfigurationError
from graphpost.inbound.connection import Connection
from graphpost.inbound.house import House, Kind
from graphpost.inbound.replies import Reply
from graphpost.inbound.session import Session

GRACE_SECONDS: Final = 30
BACKLOG: Final = 512


class Listener:
    """Serves sockets that listen; `start` and `stop` once."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._servers: list[asyncio.Server] = []
        self._sessions: dict[asyncio.Task[None], Session] = {}

    async def start(self, listening: socket.socket, kind: Kind) -> None:
        """Serve one more socket."""
        loop = asyncio.get_running_loop()

        def connect() -> Connection:
            return _Served(loop, self, kind)

        if listening.family == socket.AF_UNIX:
            self._servers.append(await loop.create_unix_server(connect, sock=listening, backlog=BACKLOG))
        else:
            self._servers.append(await loop.create_server(connect, sock=listening, backlog=BACKLOG))

    def begin(self, connection: Connection, address: str, kind: Kind) -> None:
        """A client has come."""
        house, gate = self._house, self._house.gate
        key = gate.key(address)
        why = gate.enter(key, kind)
        if why:
            house.log.turned_away(address, "connect", 421, why, "limit")
            connection.say(Reply(421, "4.7.0", f"{house.hostname} Error: {why}"))
            connection.close()
            return
        session = Session(house, connection, address, kind)
        task = asyncio.get_running_loop().create_task(session.run())
        self._sessions[task] = session

        def end(task: asyncio.Task[None]) -> None:
            gate.leave(key, kind)
            del self._sessions[task]
            if not task.cancelled() and (error := task.exception()) is not None:
                house.log.problem("inbound", error)
                connection.abort()

        task.add_done_callback(end)

    async def stop(self) -> None:
        """End all; what was acknowledged is filed, what was not is still its sender's."""
        self._house.is_stopping = True
        for server in self._servers:
            server.close()
        for session in list(self._sessions.values()):
            session.shut()
        if self._sessions:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GRACE_SECONDS):
                    await asyncio.gather(*self._sessions, return_exceptions=True)
        for task in list(self._sessions):
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)


class _Served(Connection):
    """A connection that begins a session when it is there."""

    def __init__(self, loop: asyncio.AbstractEventLoop, listener: Listener, kind: Kind) -> None:
        super().__init__(loop)
        self._listener: Listener | None = listener
        self._kind: Kind = kind

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        listener, self._listener = self._listener, None
        if listener is not None:  # else it is the same one, encrypted now
            listener.begin(self, _address(transport), self._kind)


def _address(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    if not isinstance(peer, tuple):
        return ""
    address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def listen_unix(path: Path) -> socket.socket:
    """A listening Unix socket for the owner and the group; one that nobody serves any more is replaced."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode) and not _is_served(path):
            path.unlink()
        listening.bind(str(path))
        path.chmod(0o660)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            "inbound.lmtp_socket", f"cannot listen on {path}: {error.strerror or error}"
        ) from error
    return listening


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True
