"""One envelope over one connection: a state machine driven by replies.

With PIPELINING (RFC 2920) MAIL, every RCPT and DATA leave in one write, otherwise one by one; the replies are read
the same way.  The content leaves in one write when it is small and in chunks, as fast as the peer takes them,
when it is not.

Where envelopes wait for a connection, the commands of the next one leave in one write with a small content, behind
its last dot: under load a message is one write and one segment of replies.  The one behind (the follower) has sent
no content, so whatever becomes of the connection before the peer answers it, nothing of it was done.

One refused recipient never stops the others.  All accepted recipients share the reply to the content.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Protocol

from graphpost.transport.commands import find_obstacle, mail_line, recipient_line, refused
from graphpost.transport.connection import Connection
from graphpost.transport.courier import Deferred, Delivered, Envelope, Outcome, Reply
from graphpost.transport.failure import Phase, outcome_of_error, outcome_of_reply
from graphpost.transport.wire import DotStuffer, WireError, is_path, pieces, stuffed

SMALL = 65_536  # octets; a message up to this size is one write
_TURN = 65_520  # octets written in one turn of the event loop (small requests wait for several turns): base64's block

# An enum's members are slow to look up, and these are looked at with every reply.
_CONNECT, _MAIL, _RCPT = Phase.CONNECT, Phase.MAIL, Phase.RCPT
_DATA, _SENDING, _CONTENT = Phase.DATA, Phase.SENDING, Phase.CONTENT


class Dispatcher(Protocol):
    """Who knows what waits, and which connections there are."""

    @property
    def has_waiting(self) -> bool:
        """Whether anybody waits for a connection."""
        ...

    def next_for(self, connection: Connection) -> Transaction | None:
        """The one to begin behind the last dot of the current one, if any waits; `suits` has said yes to it."""
        ...

    def release(self, connection: Connection) -> None:
        """A transaction is over and nobody follows; the connection, if it is open, is in step with the peer."""
        ...

    def retry(self, transaction: Transaction) -> None:
        """The connection was gone before the peer said anything about this envelope; nothing of it was done."""
        ...


class Transaction:
    """`result` becomes one outcome per recipient, or None (try it on another connection), or what reading raised.

    It waits until `suits` said yes to a connection; then `start`, or `follow` another one.  `seconds` is how long the
    peer may take for each reply, and for each stretch of the content.
    """

    __slots__ = (
        "_accepted",
        "_asked",
        "_chunks",
        "_connection",
        "_dispatcher",
        "_envelope",
        "_follower",
        "_host",
        "_is_follower",
        "_is_patient",
        "_next",
        "_outcomes",
        "_phase",
        "_pipelining",
        "_refusal",
        "_resetting",
        "_reused",
        "_seconds",
        "_stuffer",
        "_wants_report",
        "result",
    )

    _connection: Connection
    _stuffer: DotStuffer

    def __init__(
        self,
        envelope: Envelope,
        dispatcher: Dispatcher,
        host: str,
        seconds: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.result: asyncio.Future[tuple[Outcome, ...] | None] = loop.create_future()
        self._envelope = envelope
        self._dispatcher = dispatcher
        self._host = host
        self._seconds = seconds
        self._phase = _CONNECT
        self._reused = False
        self._is_follower = False
        self._is_patient = False  # it has waited for longer than for other replies
        self._resetting = False
        self._next = 0  # index into _asked of the recipient whose reply comes next
        self._outcomes: list[Outcome | None] = [None] * len(envelope.recipients)
        self._asked: list[int] = []
        self._accepted: list[int] = []
        self._refusal: Outcome | None = None  # of MAIL
        self._chunks: Iterator[bytes] | None = None
        self._follower: Transaction | None = None

    # The beginning

    def suits(self, connection: Connection) -> bool:
        """Whether there is something to ask this peer for; if not, the result is there."""
        envelope = self._envelope
        extensions = connection.extensions
        obstacle = find_obstacle(envelope, extensions, self._host)
        if obstacle is None:
            self._phase = _MAIL
            self._connection = connection
            self._pipelining = extensions.pipelining
            self._wants_report = extensions.dsn and envelope.asks_for_reports
            for index, recipient in enumerate(envelope.recipients):
                if is_path(recipient):
                    self._asked.append(index)
                else:
                    self._outcomes[index] = refused("5.1.3", "the address cannot be used in SMTP")
        if not self._asked:
            self.settle(obstacle)
            return False
        return True

    def start(self) -> None:
        """Send what can be sent now; the connection is nobody's."""
        connection = self._connection
        self._reused = connection.messages > 0
        self._resetting = connection.needs_reset
        connection.messages += 1
        connection.needs_reset = True
        reset = "RSET\r\n" if self._resetting else ""
        if self._pipelining:
            connection.write((reset + self._commands()).encode())
        else:
            connection.write((reset or self._mail_line()).encode())
        connection.begin(self, self._seconds)

    def follow(self) -> bytes:
        """The commands to send behind another's last dot; the other one calls `take_over` when it is answered."""
        self._reused = self._is_follower = True
        self._connection.messages += 1
        return self._commands().encode()

    def take_over(self) -> None:
        """The one before is answered: what comes now is for this one."""
        if self.result.done():  # cancelled, and its DATA cannot be taken back
            self._connection.abort()
        else:
            self._connection.needs_reset = True
            self._connection.hand_over(self)

    def cancel(self) -> None:
        """Nobody waits for the result any more.  The one before it on the connection, if any, is left alone."""
        if self._phase is not _CONNECT and self._connection.is_held_by(self):
            self._connection.abort()
            self._pass_on()

    def settle(self, outcome: Outcome | None) -> None:
        """`outcome` is for everybody who has none."""
        if self.result.done():
            return
        rest = outcome or _UNKNOWN
        if len(self._accepted) == len(self._outcomes):
            self.result.set_result((rest,) * len(self._outcomes))
        else:
            self.result.set_result(tuple([own or rest for own in self._outcomes]))

    def _commands(self) -> str:
        """All that may leave in one group; nothing may come behind DATA before its reply (RFC 2920 §3.1)."""
        envelope, wants_report = self._envelope, self._wants_report
        recipients = envelope.recipients
        lines = [recipient_line(recipients[index], envelope, wants_report) for index in self._asked]
        return f"{self._mail_line()}{''.join(lines)}DATA\r\n"

    def _mail_line(self) -> str:
        return mail_line(self._envelope, self._connection.extensions)

    # Replies

    def on_reply(self, code: int, text: bytes) -> None:
        phase = self._phase
        if code == 421:
            self._on_farewell(outcome_of_reply(phase, code, text, self._host))
        elif phase is _MAIL:
            self._on_mail(code, text)
        elif phase is _RCPT:
            self._on_recipient(code, text)
        elif phase is _DATA:
            self._on_data(code, text)
        elif phase is _CONTENT:
            self._on_content(code, text)
        else:
            self._give_up(outcome_of_reply(phase, code, text, self._host))

    def _on_mail(self, code: int, text: bytes) -> None:
        if self._resetting:
            self._on_reset(code, text)
            return
        if not 200 <= code < 300:
            self._refusal = outcome_of_reply(_MAIL, code, text, self._host)
            if not self._pipelining:
                self._finish(self._refusal)
                return
        self._phase = _RCPT
        if not self._pipelining:
            self._ask_next()

    def _on_reset(self, code: int, text: bytes) -> None:
        self._resetting = False
        if not 200 <= code < 300:
            self._give_up(outcome_of_reply(Phase.EHLO, code, text, self._host))
        elif not self._pipelining:
            self._connection.write(self._mail_line().encode())

    def _on_recipient(self, code: int, text: bytes) -> None:
        index = self._asked[self._next]
        self._next += 1
        if self._refusal is not None:
            pass  # whatever is said of a recipient after MAIL was refused is an echo of that
        elif 200 <= code < 300:
            self._accepted.append(index)
        else:
            self._outcomes[index] = outcome_of_reply(_RCPT, code, text, self._host)
        if self._next < len(self._asked):
            if not self._pipelining:
                self._ask_next()
        elif self._pipelining:
            self._phase = _DATA
        elif self._accepted:
            self._phase = _DATA
            self._connection.write(b"DATA\r\n")
        else:
            self._finish()

    def _on_data(self, code: int, text: bytes) -> None:
        if code == 354 and self._accepted:
            self._on_go_ahead()
        elif code == 354:
            # DATA was on its way before everything was refused: end it with nothing in it (RFC 2920 §3.1).
            self._write_end(b".\r\n")
        elif 400 <= code < 600:
            self._finish(self._refusal or outcome_of_reply(_DATA, code, text, self._host))
        else:
            self._give_up(self._refusal or outcome_of_reply(_DATA, code, text, self._host))

    def _on_content(self, code: int, text: bytes) -> None:
        self._connection.needs_reset = False
        if not self._accepted:
            self._finish(self._refusal)
            return
        outcome = outcome_of_reply(_CONTENT, code, text, self._host)
        if type(outcome) is Delivered and self._connection.extensions.dsn:
            outcome = Delivered(outcome.reply, speaks_dsn=True)
        if 200 <= code < 300 or 400 <= code < 600:
            self._finish(outcome)
        else:
            self._give_up(outcome)

    def _on_farewell(self, outcome: Outcome) -> None:
        if self._reused and self._phase is _MAIL:
            self._connection.abort()
            self._dispatcher.retry(self)
        else:
            self._give_up(self._refusal or outcome)

    def _ask_next(self) -> None:
        envelope = self._envelope
        recipient = envelope.recipients[self._asked[self._next]]
        self._connection.write(recipient_line(recipient, envelope, self._wants_report).encode())

    # Content

    def _on_go_ahead(self) -> None:
        """Send the content.

        The 354 of a follower mostly comes in one segment with the reply to the one before it, whose caller is about
        to come with the next envelope: its turn is first, so that this content does not leave without company.
        """
        self._phase = _SENDING
        if self._is_follower and not self._dispatcher.has_waiting:
            self._connection.loop.call_soon(self._send_content)
        else:
            self._send_content()

    def _send_content(self) -> None:
        if not self._connection.is_held_by(self):
            return  # it was lost or cancelled since
        data = self._envelope.data
        if data.size > SMALL:
            self._stuffer = DotStuffer()
            self._chunks = pieces(data, _TURN)
            self._pump()
            return
        try:
            content = stuffed(b"".join(data))
        except Exception as error:  # the caller's matter, who waits for it
            self._fail(error)
        else:
            self._write_end(content)

    def _write_end(self, content: bytes) -> None:
        """Send a small content with its last dot and, in the same write, the commands of the one who waits."""
        self._phase = _CONTENT
        connection = self._connection
        if self._pipelining:
            follower = self._follower = self._dispatcher.next_for(connection)
            if follower is not None:
                content += follower.follow()
        connection.write(content)

    def on_writable(self) -> None:
        if self._phase is _SENDING:
            self._pump()

    def _pump(self) -> None:
        """Write until the transport has enough; the loop gets its turn in between even when it never has."""
        connection = self._connection
        written = 0
        try:
            while self._chunks is not None and connection.is_writable:
                if written >= _TURN:
                    connection.loop.call_soon(self.on_writable)
                    break
                written += self._write_next(self._chunks)
        except Exception as error:  # the caller's matter, who waits for it
            self._fail(error)
        else:
            connection.expect(self._seconds)

    def _write_next(self, chunks: Iterator[bytes]) -> int:
        chunk = next(chunks, None)
        if chunk is None:
            self._chunks = None
            self._phase = _CONTENT
            self._connection.write(self._stuffer.finish())  # nobody is made to wait behind a large message
            return 0
        out = self._stuffer.feed(chunk)
        self._connection.write(out)
        return len(out)

    # The end

    def bears_more(self) -> bool:
        """Of the content a slow peer may have taken charge: who gives it up sends it twice (RFC 5321 §4.5.3.2.6)."""
        is_first, self._is_patient = not self._is_patient, True
        return is_first and self._phase is _CONTENT

    def on_lost(self, error: Exception) -> None:
        is_silent = isinstance(error, (TimeoutError, WireError))
        if self._reused and self._phase is _MAIL and not is_silent:
            self._dispatcher.retry(self)
        else:
            self._finish(self._refusal or outcome_of_error(self._phase, error, self._host))

    def _give_up(self, outcome: Outcome) -> None:
        """The conversation cannot go on; `outcome` is for everybody who has none."""
        self._connection.abort()
        self._finish(outcome)

    def _finish(self, outcome: Outcome | None = None) -> None:
        self._chunks = None
        self._pass_on()
        self.settle(outcome)

    def _fail(self, error: Exception) -> None:
        self._connection.abort()
        self._chunks = None
        self._pass_on()
        if not self.result.done():
            self.result.set_exception(error)

    def _pass_on(self) -> None:
        """Give the connection to the follower, or back; when it is gone, nothing was done for the follower."""
        connection = self._connection
        follower, self._follower = self._follower, None
        if follower is None:
            connection.end()
            self._dispatcher.release(connection)
        elif connection.is_open:
            follower.take_over()
        else:
            connection.end()
            self._dispatcher.retry(follower)


_UNKNOWN = Deferred(Reply(0, "4.0.0", "the peer's answer is unknown"))
