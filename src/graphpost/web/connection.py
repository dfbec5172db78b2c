"""One HTTP connection: uvicorn's, with bounded heads and errors in Graph's shape.

A body that is there when the application begins is in the scope (`WHOLE`), because asking for it costs more than reading
it; whoever has begun to receive does not look there any more.

A head (request line and headers) that grows too large is answered 431, one that does not arrive in time 408, and bytes
that are not HTTP 400; then the connection ends.  A connection on which nothing is said is closed after the same time.
What is already being answered is answered first: bytes that follow a request and are no request themselves (a wrong
Content-Length) end the connection after its answer.

An offer to upgrade (Java's client makes one with each plain request) is not taken, and the request is served as if it
had not been made (RFC 9110 §7.8): the parser would skip its body.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import ClassVar, Final

import httptools
import msgspec
from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES: Final = 65_536
WHOLE: Final = "graphpost.body"
WHOLE_BYTES: Final = 32_768  # less than uvicorn pauses reading for
OFFER: Final = (b"upgrade", b"http2-settings")
CODES: Final = {400: "BadRequest", 408: "RequestTimeout", 431: "RequestHeaderFieldsTooLarge"}


class Connection(HttpToolsProtocol):
    """`head_seconds` is set by `connection_class`; `check` is called now and then."""

    head_seconds: ClassVar[float] = 60.0
    _waits_since: float = 0.0  # for a head to begin or to end; 0 while a body or an answer is under way
    _head_bytes: int = 0
    _is_offer: bool = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._waits_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
            return
        except HttpParserError:
            self._refuse(400, "Invalid HTTP request received.")
            return
        if self._waits_since:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(431, "The request's headers are too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._waits_since = self.loop.time()
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        self._is_offer = self.parser.should_upgrade()
        if not self._is_offer:
            super().on_headers_complete()
            self._waits_since = 0.0

    def on_message_complete(self) -> None:
        if self._is_offer:
            return
        super().on_message_complete()
        if len(self.cycle.body) <= WHOLE_BYTES:
            self.cycle.scope[WHOLE] = self.cycle.body  # type: ignore[typeddict-unknown-key]

    def _decline_upgrade(self, rest: bytes) -> None:
        """Begin again with the same head, but for the offer, and with what follows it."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(400, "Invalid HTTP request received.")
            return
        lines = [b"%b %b HTTP/1.1" % (method, self.url)]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                value = b", ".join(token for token in tokens if token.lower() not in OFFER)
            if name not in OFFER and value:
                lines.append(b"%b: %b" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join([*lines, b"", rest]))

    def check(self, now: float) -> None:
        """Give up a head that is late."""
        if self._waits_since and now - self._waits_since > self.head_seconds:
            if self._head_bytes:
                self._refuse(408, "The request did not arrive in time.")
            elif not self._is_answering():
                self.transport.close()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def _refuse(self, status: int, message: str) -> None:
        if self.transport.is_closing():
            return
        self._waits_since = 0.0
        if self._is_answering() and not self._is_broken_off():
            for cycle in (self.cycle, *(cycle for cycle, _ in self.pipeline)):
                cycle.keep_alive = False
            self.flow.pause_reading()
            return
        body = msgspec.json.encode({"error": {"code": CODES[status], "message": message}})
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()

    def _is_broken_off(self) -> bool:
        """Whether the one request at hand will never be complete; whoever waits for it is told."""
        if self.pipeline or self.cycle.response_started or not self.cycle.more_body:
            return False
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        return True

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete


def connection_class(head_seconds: float) -> type[Connection]:
    """The class of connections whose heads have that long to arrive."""
    return type("Connection", (Connection,), {"head_seconds": head_seconds})
