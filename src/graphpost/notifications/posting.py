"""One POST to a client's URL, over a connection to an address that was looked at.

Names are resolved here, each address goes through the Guard, and the connection is made to it and to nothing else; TLS
verifies the name that the URL has.  No redirect is followed, no proxy, cookie or password is taken from anywhere, and
of an answer no more is read than was asked for.  Whatever goes wrong is an EndpointError, within the time-out.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from graphpost.config import NotificationSettings
from graphpost.notifications.guard import Endpoint, EndpointError, Guard, parse_address

if TYPE_CHECKING:
    from graphpost.notifications.pinned import Connections

Resolver = Callable[[str, int], Awaitable[list[str]]]
USER_AGENT: Final = "Graphpost"
_RESOLVERS: Final = 8  # threads; the system's resolver blocks
_VALIDATIONS: Final = 20  # connections beyond those of the notifier


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said; `body` as far as it was asked for."""

    status: int
    content_type: str
    body: bytes


class EndpointTimeout(EndpointError):
    """No answer in time."""


class Poster:
    """Posts; `close` when done.  `resolve` gives the addresses of a name, as texts."""

    def __init__(self, settings: NotificationSettings, resolve: Resolver | None = None) -> None:
        self.guard = Guard(settings)
        self._settings = settings
        self._threads = ThreadPoolExecutor(_RESOLVERS, "resolver")
        self._resolve = resolve or self._resolve_by_system
        self._connections: dict[str, Connections] = {}
        self._opening = asyncio.Lock()

    async def post(self, endpoint: Endpoint, body: bytes, content_type: str, keep: int = 0) -> Answer:
        """Send it; the answer with `keep` bytes of its body at most."""
        headers = {
            "Host": _authority(endpoint),
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "User-Agent": USER_AGENT,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        }
        with _translated():
            connections = self._connections.get(endpoint.scheme) or await self._open(endpoint.scheme)
            async with asyncio.timeout(self._settings.timeout_seconds):
                return Answer(*await connections.post(endpoint, headers, body, keep))

    async def close(self) -> None:
        """End every connection."""
        for connections in self._connections.values():
            await connections.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _open(self, scheme: str) -> Connections:
        async with self._opening:
            if scheme not in self._connections:
                self._connections[scheme] = await asyncio.to_thread(self._opened, scheme)
            return self._connections[scheme]

    def _opened(self, scheme: str) -> Connections:
        """In a thread: the first time it imports the HTTP client, and certificates are read."""
        from graphpost.notifications.pinned import Connections

        context = None
        if scheme == "https":
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self._settings.ca_file:
                context.load_verify_locations(self._settings.ca_file)
        return Connections(scheme, self._choose, context, self._settings.concurrency + _VALIDATIONS)

    async def _choose(self, endpoint: Endpoint) -> str:
        """The first address of the endpoint's host that may be connected to."""
        refusal: EndpointError | None = None
        for text in await self._resolve(endpoint.host, endpoint.port):
            try:
                self.guard.check(endpoint, parse_address(text))
            except EndpointError as error:
                refusal = error
            else:
                return text
        raise refusal or EndpointError("the name has no address")

    async def _resolve_by_system(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(each[4][0]) for each in found))


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except EndpointError:
        raise
    except TimeoutError as error:
        raise EndpointTimeout("no answer in time") from error
    except (OSError, ValueError) as error:
        raise EndpointError(f"{type(error).__name__}: {error}") from error


def _authority(endpoint: Endpoint) -> str:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    is_usual = endpoint.port == (443 if endpoint.scheme == "https" else 80)
    return host if is_usual else f"{host}:{endpoint.port}"
