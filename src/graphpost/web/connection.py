"""One HTTP/1.1 connection: requests parsed, and answered one after the other.

A head (request line and headers) that grows too large is answered 431, one that does not arrive in time 408, and bytes
that are not HTTP 400; then the connection ends.  A connection on which nothing is said is closed, the first time after
as long as a head may take, later after IDLE_SECONDS.  What is already being answered is answered first: bytes that
follow a request and are no request themselves (a wrong Content-Length) end the connection after its answer.

Requests that come before the one at hand is answered wait, and while one waits nothing more is read, nor is what was
read looked at; nor is anything begun for a client that does not read its answers.  Who takes nothing of an answer for
STALLED_SECONDS is cut off.

A connection whose client may still be sending is half closed behind its last answer, and what comes is thrown away
until the client is done or silent, for some seconds and bytes at most: closing it with something unread resets it, and
most clients then report a broken connection and not the answer (RFC 9112 §9.6).

An offer to upgrade (Java's client makes one with each plain request) is not taken, and the request is served as if it
had not been made (RFC 9110 §7.8): the parser would skip its body.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
import msgspec
from httptools import HttpParserError, HttpParserUpgrade

from graphpost.web.exchange import Exchange
from graphpost.web.forwarded import Proxies

HEAD_BYTES: Final = 65_536
IDLE_SECONDS: Final = (
    120  # SDKs keep connections in a pool; a POST on one that is just being closed fails in them
)
STALLED_SECONDS: Final = 60
LINGER_SECONDS: Final = 10.0
LINGER_BYTES: Final = 67_108_864
SILENCE_SECONDS: Final = 1.0  # of a client that was answered before it was done
SLICE_BYTES: Final = 16_384  # parsed at a time: small requests take many times their size
OFFER: Final = ("upgrade", "http2-settings")
CODES: Final = {400: "BadRequest", 408: "RequestTimeout", 431: "RequestHeaderFieldsTooLarge"}
_REMEMBERED_LENGTH: Final = 512  # bytes of a target worth remembering


@dataclass(slots=True)
class Port:
    """What the connections to one port have in common.

    `connections` are those that are open, or have something to finish; one that would be more than `most` is cut off at
    once, and counted in `refused`.  `common` are the field lines that every answer has.
    """

    application: Callable[[Exchange], Coroutine[Any, Any, None]]
    head_seconds: float
    proxies: Proxies
    most: int
    refused: int = 0
    connections: set[Connection] = field(default_factory=set)
    common: str = ""


class Connection(asyncio.Protocol):
    """`check` is called now and then, `shut` to end it as soon as what was begun is answered."""

    def __init__(self, port: Port, loop: asyncio.AbstractEventLoop) -> None:
        self._port = port
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._scheme = "http"
        self._client = ""
        self._current: Exchange | None = None  # being answered
        self._waiting: deque[Exchange] = deque()
        self._latest: Exchange | None = None  # being read
        self._task: asyncio.Task[None] | None = None
        self._is_paused = False  # reading
        self._unread = b""  # what came behind a request that waits
        self._unsent = 0  # bytes that the client had not taken when it was looked at last
        self._taken_at = 0.0  # when that changed last
        self._writable: asyncio.Future[None] | None = (
            None  # done when a client that does not read does so again
        )
        # The head being read
        self._deadline = 0.0  # for a head to begin or to end; 0 while a body or an answer is under way
        self._is_in_head = False
        self._head_bytes = 0  # of the head, or of what is neither head nor body: fields behind a body
        self._is_offer = False
        self._url = b""
        self._headers: dict[str, str] = {}
        self._repeated: dict[str, list[str]] = {}
        # The end
        self._has_rest = False  # what came behind the last request is no request, and is left in the network
        self._lingers_until = 0.0  # it is over, and what comes is thrown away; 0 before that
        self._silent_at = 0.0  # when a client that lingers is taken to be done
        self._is_half_closed = False
        self._thrown_away = 0  # bytes

    # The transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._port.connections) >= self._port.most:
            self._port.refused += 1
            cast("asyncio.Transport", transport).abort()
            return
        self._transport = cast("asyncio.Transport", transport)
        self._scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        peer = transport.get_extra_info("peername")
        self._client = str(peer[0]) if isinstance(peer, tuple) else ""
        self._port.connections.add(self)
        self._deadline = self._loop.time() + self._port.head_seconds

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._waiting.clear()
        self._unread = b""
        self.resume_writing()
        if self._current is not None:
            self._current.lose()
        if self._current is None:
            self._port.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._lingers_until:
            self._throw_away(data)
            return
        if len(data) <= SLICE_BYTES:
            self._take(data)
            return
        for at in range(0, len(data), SLICE_BYTES):
            if self._is_over:
                return
            if self._waiting:
                self._unread = data[at:]
                return
            self._take(data[at : at + SLICE_BYTES])

    def _take(self, data: bytes) -> None:
        rest = self._parse(data)
        while rest is not None:
            head = self._without_offer()
            if not head:
                self._refuse(400, "Invalid HTTP request received.")
                return
            self._parser = httptools.HttpRequestParser(self)
            self._parse(head, counts=False)
            rest = self._parse(rest)

    def _parse(self, data: bytes | memoryview, *, counts: bool = True) -> memoryview | None:
        """Parse what came; when there was an offer to upgrade, what follows it is left."""
        if self._is_over:
            return None
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            return memoryview(data)[upgrade.args[0] :]
        except HttpParserError:
            self._refuse(400, "Invalid HTTP request received.")
            return None
        if counts and (self._is_in_head or (self._latest is not None and not self._latest.is_whole)):
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(431, "The request's headers are too large.")
        return None

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None:
            self._writable.set_result(None)
            self._writable = None
            self._begin_next()

    # The parser

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = {}
        self._repeated = {}
        self._deadline = self._loop.time() + self._port.head_seconds
        self._is_in_head = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_in_head:
            return  # a field behind the body (RFC 9110 §6.5)
        key, headers = name.decode("latin-1").lower(), self._headers
        if key in headers:
            self._repeated.setdefault(key, [headers[key]]).append(value.decode("latin-1"))
        else:
            headers[key] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        parser, headers = self._parser, self._headers
        self._is_offer = parser.should_upgrade()
        if self._is_offer:
            return
        self._is_in_head = False
        self._deadline = 0.0
        url = self._url
        target, query = _split(url) if len(url) <= _REMEMBERED_LENGTH else _split.__wrapped__(url)
        exchange = Exchange(
            self, parser.get_method().decode("ascii"), target, query, headers,
            scheme=self._scheme, client=self._client,
        )  # fmt: skip
        if self._repeated:
            exchange.repeated = self._repeated.keys()
            headers.update({name: ", ".join(values) for name, values in self._repeated.items()})
        if self._client in self._port.proxies:
            self._port.proxies.apply(exchange)
        if parser.get_http_version() != "1.1":
            exchange.is_old, exchange.keeps = True, False
        elif not parser.should_keep_alive():
            exchange.keeps = False
        if "expect" in headers and not exchange.is_old:  # RFC 9110 §10.1.1
            exchange.asks = headers["expect"].lower() == "100-continue"
        self._latest = exchange
        self._waiting.append(exchange)
        self._begin_next()

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        if self._latest is not None:
            self._latest.add(body)

    def on_message_complete(self) -> None:
        if self._latest is not None and not self._is_offer:
            self._latest.complete()

    # One exchange after the other

    def _begin_next(self) -> None:
        """Begin the next exchange if the last one is over; leave what follows it in the network."""
        if self._waiting and self._current is None and self._writable is None:
            self._current = self._waiting.popleft()
            self._task = self._loop.create_task(self._port.application(self._current))
        if self._waiting:
            self.pause()

    def finish(self, exchange: Exchange) -> None:
        self._current = None
        transport = self._transport
        if transport is None:
            self._port.connections.discard(self)
        elif self._is_over:
            self._waiting.clear()
        elif not exchange.keeps:
            has_more = self._waiting or self._unread or self._has_rest or not exchange.is_whole
            self._linger() if has_more else self._close()
        elif self._waiting:
            self._begin_next()
        else:
            if not self._is_in_head:
                self._deadline = self._loop.time() + IDLE_SECONDS
            self.listen()

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def drain(self) -> None:
        if self._writable is not None:
            await asyncio.shield(self._writable)

    def listen(self) -> None:
        if self._unread and not self._waiting:
            unread, self._unread = self._unread, b""
            self.data_received(unread)
        if self._is_paused and not self._waiting and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def pause(self) -> None:
        if not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    @property
    def common(self) -> str:
        return self._port.common

    # The end

    def check(self, now: float) -> None:
        """Give up a head that is late, a connection on which nothing is said, and a client that does not read."""
        transport = self._transport
        if transport is None:
            return
        unsent = transport.get_write_buffer_size()
        if self._is_stalled(unsent, now):
            transport.abort()
        elif self._lingers_until:
            if unsent:
                self._lingers_until = now + LINGER_SECONDS
                self._silent_at = now + SILENCE_SECONDS
            else:
                self._check_end(transport, now)
        elif not self._deadline or now <= self._deadline:
            return
        elif self._is_in_head:
            self._refuse(408, "The request did not arrive in time.")
        elif self._current is None:
            self._close()

    def _check_end(self, transport: asyncio.Transport, now: float) -> None:
        if now > self._lingers_until:
            transport.abort()
        elif now > self._silent_at:
            self._close()
        else:
            self._half_close(transport)

    def _is_stalled(self, unsent: int, now: float) -> bool:
        """Whether the client has taken nothing of what is meant for it for too long."""
        if not unsent or unsent != self._unsent:
            self._unsent, self._taken_at = unsent, now
        return now - self._taken_at > STALLED_SECONDS

    def shut(self) -> None:
        """End when what was begun is answered."""
        last = self._waiting[-1] if self._waiting else self._current
        if last is not None:
            last.keeps = False
        elif not self._is_over:
            self._close()

    @property
    def _is_over(self) -> bool:
        """Whether nothing that comes now is looked at."""
        return self._lingers_until > 0 or self._transport is None or self._transport.is_closing()

    def _linger(self) -> None:
        """End as soon as the client has the answer and sends no more."""
        transport = self._transport
        if transport is None or self._is_over:
            return
        now = self._loop.time()
        self._lingers_until = now + LINGER_SECONDS
        self._silent_at = now + SILENCE_SECONDS
        self._waiting.clear()
        self._unread = b""
        if not transport.get_write_buffer_size():
            self._half_close(transport)
        self.listen()

    def _half_close(self, transport: asyncio.Transport) -> None:
        """Tell the client that no more will come, when all of the answer is on its way; TLS cannot."""
        if self._is_half_closed or transport.is_closing() or not transport.can_write_eof():
            return
        self._is_half_closed = True
        try:
            transport.write_eof()
        except (OSError, RuntimeError):  # the client is gone
            transport.abort()

    def _throw_away(self, data: bytes) -> None:
        self._thrown_away += len(data)
        self._silent_at = self._loop.time() + SILENCE_SECONDS
        if self._thrown_away > LINGER_BYTES and self._transport is not None:
            self._transport.abort()

    def _close(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():  # asyncio's TLS takes a second close for an abort
            return
        self._lingers_until = self._lingers_until or self._loop.time() + LINGER_SECONDS  # for the end of TLS
        transport.close()

    def cut(self) -> None:
        """End at once, whatever is under way."""
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.abort()

    @property
    def is_lingering(self) -> bool:
        """Whether it is over, and all that is left is that the client agrees."""
        transport = self._transport
        return transport is not None and self._is_over and transport.get_write_buffer_size() == 0

    def _without_offer(self) -> bytes:
        """The head that was read, but for the offer to upgrade; b'' when it is nothing else."""
        method = self._parser.get_method()
        if method == b"CONNECT":
            return b""
        version = self._parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (method, self._url, version)]
        for name, first in self._headers.items():
            for value in self._repeated.get(name, [first]):
                if name == "connection":
                    tokens = [token.strip() for token in value.split(",")]
                    value = ", ".join(token for token in tokens if token.lower() not in OFFER)
                if name not in OFFER and value:
                    lines.append(f"{name}: {value}".encode("latin-1"))
        return b"\r\n".join([*lines, b"", b""])

    def _refuse(self, status: int, message: str) -> None:
        transport = self._transport
        if transport is None or self._is_over:
            return
        self._deadline = 0.0
        self._is_in_head = False
        if self._waiting or (self._current is not None and not self._is_broken_off(self._current)):
            self._has_rest = True
            self.shut()
            self.pause()
            return
        body = msgspec.json.encode({"error": {"code": CODES[status], "message": message}})
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        transport.write(head.encode("ascii") + body)
        self._linger()

    def _is_broken_off(self, exchange: Exchange) -> bool:
        """Whether the one request at hand will never be complete; whoever waits for it is told."""
        if self._waiting or exchange.is_begun or exchange.is_whole:
            return False
        exchange.lose()
        return True


@lru_cache(maxsize=1024)
def _split(url: bytes) -> tuple[str, str]:
    """Path and query of a request's target.  Raises what makes it no request (the parser passes it on)."""
    parsed = httptools.parse_url(url)
    if not parsed.path:
        raise ValueError("a target without a path")
    return parsed.path.decode("ascii"), (parsed.query or b"").decode("latin-1")
