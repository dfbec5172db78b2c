"""One SMTP connection: an asyncio protocol, one handler and one watchdog.

Whoever talks over it is its handler and is told of replies, of room to write, and of the end.  No reply is awaited
through a task of its own: the handler acts inside the loop's callback, which is what makes small messages cheap.

The watchdog is one timer; `expect(seconds)` only moves its deadline, and so does every reply, by as much.  An unexpected reply breaks the connection.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Protocol, cast

from graphpost.transport.security import IN_CLEAR, TlsLevel, security_of
from graphpost.transport.wire import Extensions, ReplyReader, WireError

_CLOSED = "the peer closed the connection"


class Handler(Protocol):
    """Who is talking over a connection."""

    def on_reply(self, code: int, text: bytes) -> None: ...

    def on_writable(self) -> None: ...

    def on_lost(self, error: Exception) -> None:
        """The connection is gone (or given up); nothing more will come."""
        ...

    def bears_more(self) -> bool:
        """Asked when the peer's time is over: whether it has as long again, once."""
        ...


class Connection(asyncio.Protocol):
    """`needs_reset`: a transaction was left open; the next one begins with RSET.  `messages`: how many it carried."""

    def __init__(self, loop: asyncio.AbstractEventLoop, when_lost: Callable[[Connection], None]) -> None:
        self.loop = loop
        self.extensions = Extensions()
        self.security = IN_CLEAR
        self.is_open = False
        self.is_writable = True
        self.needs_reset = False
        self.messages = 0
        self.lost = loop.create_future()
        self._when_lost = when_lost
        self._reader = ReplyReader()
        self._handler: Handler | None = None
        self._early: tuple[int, bytes] | None = None
        self._may_greet = True
        self._transport: asyncio.Transport | None = None
        self._deadline = 0.0
        self._seconds = 0.0
        self._borne_until = 0.0  # the deadline, as long as it is one that was put off
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0

    # What a handler does with it

    def begin(self, handler: Handler, seconds: float) -> None:
        """Make `handler` the one who is told; `seconds` until the peer must have said something."""
        self.expect(seconds)
        self._handler = handler
        self._may_greet = False
        if self._early is not None:
            early, self._early = self._early, None
            handler.on_reply(*early)
        elif self._transport is None:
            self.loop.call_soon(self.fail, ConnectionResetError(_CLOSED))

    def hand_over(self, handler: Handler) -> None:
        """Make `handler`, whose commands are on their way already, the one who is told, from within `on_reply`."""
        self._handler = handler

    def is_held_by(self, handler: Handler) -> bool:
        return self._handler is handler

    def end(self) -> None:
        """No handler any more; what comes now was not asked for."""
        self._handler = None

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def expect(self, seconds: float) -> None:
        """From now, something must happen within so many seconds."""
        self._seconds = seconds
        self._deadline = deadline = self.loop.time() + seconds
        if self._alarm is None or deadline < self._alarm_at:
            self._set_alarm(deadline)

    async def ask(self, line: bytes, seconds: float) -> tuple[int, bytes]:
        """Send a command and wait for its reply; raises OSError (incl. timeouts) and WireError."""
        question = _Question(self)
        self.begin(question, seconds)
        if line:
            self.write(line)
        return await question.answer

    async def start_tls(self, context: ssl.SSLContext, hostname: str, seconds: float, flaw: str = "") -> None:
        """Go on under TLS; whatever the peer said in clear text beyond its reply is an attack (RFC 3207 §6)."""
        if not self._reader.is_empty:
            raise WireError("clear text after the reply to STARTTLS")
        if self._transport is None or not self.is_open:
            raise ConnectionResetError(_CLOSED)
        self.expect(seconds + 1)
        transport = await self.loop.start_tls(
            self._transport, self, context, server_hostname=hostname, ssl_handshake_timeout=seconds
        )
        if transport is None:
            raise ConnectionResetError(_CLOSED)
        self._transport = transport
        self.note_security(flaw)

    def note_security(self, flaw: str) -> None:
        """The handshake is done; `flaw` is what was found wrong with the certificate before."""
        assert self._transport is not None
        tls: ssl.SSLObject = self._transport.get_extra_info("ssl_object")
        is_verified = tls.context.verify_mode is ssl.CERT_REQUIRED
        self.security = security_of(tls, is_verified=is_verified, flaw=flaw)

    @property
    def is_secure(self) -> bool:
        return self.security.level is not TlsLevel.PLAIN

    def abort(self) -> None:
        """Let go at once, without a word."""
        self.is_open = False
        self._handler = None
        if self._transport is not None:
            self._transport.abort()

    def quit(self, seconds: float) -> None:
        """Say QUIT; the connection closes with the peer's answer, at the latest in so many seconds."""
        if self.is_open:
            self.begin(_Farewell(self), seconds)
            self.write(b"QUIT\r\n")
            self.is_open = False

    # What the loop tells it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        try:
            if self._reader.feed(data, self._on_reply):
                self._deadline = self.loop.time() + self._seconds
        except WireError as error:
            self.fail(error)

    def eof_received(self) -> None:
        self.is_open = False

    def pause_writing(self) -> None:
        self.is_writable = False

    def resume_writing(self) -> None:
        self.is_writable = True
        if self._handler is not None:
            self._handler.on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(exc or ConnectionResetError(_CLOSED))
        self._transport = None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if not self.lost.done():
            self.lost.set_result(None)
        self._when_lost(self)

    def fail(self, error: Exception) -> None:
        """Give the connection up and tell the handler."""
        handler = self._handler
        self.abort()
        if handler is not None:
            handler.on_lost(error)

    def _on_reply(self, code: int, text: bytes) -> None:
        if self._handler is not None:
            self._handler.on_reply(code, text)
        elif self._may_greet:
            self._may_greet = False
            self._early = (code, text)  # the greeting may be faster than the one who asks for it
        else:
            self.abort()

    def _set_alarm(self, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = self.loop.call_at(at, self._on_alarm)

    def _on_alarm(self) -> None:
        self._alarm = None
        if self.loop.time() < self._deadline:
            self._set_alarm(self._deadline)
        elif self._handler is None and self.is_open:
            self.quit(5.0)  # it was idle
        elif self._handler is not None and self._handler.bears_more():
            self._deadline = self._borne_until = self._deadline + self._seconds
            self._set_alarm(self._deadline)
        else:
            seconds = self._seconds * (2 if self._deadline == self._borne_until else 1)
            self.fail(TimeoutError(f"nothing happened for {seconds:g} s"))


class _Question:
    """A handler for one reply."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.answer: asyncio.Future[tuple[int, bytes]] = connection.loop.create_future()

    def on_reply(self, code: int, text: bytes) -> None:
        self._connection.end()
        if not self.answer.done():
            self.answer.set_result((code, text))

    def on_writable(self) -> None:
        pass

    def on_lost(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)

    def bears_more(self) -> bool:
        return False


class _Farewell:
    """A handler after QUIT: any answer will do."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def on_reply(self, code: int, text: bytes) -> None:
        self._connection.abort()

    def on_writable(self) -> None:
        pass

    def on_lost(self, error: Exception) -> None:
        pass

    def bears_more(self) -> bool:
        return False
