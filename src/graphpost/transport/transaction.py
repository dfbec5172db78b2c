"""One envelope over one connection: a state machine driven by replies.

With PIPELINING (RFC 2920) MAIL, every RCPT and DATA leave in one write, otherwise one by one; the replies are read
the same way.  The content leaves in one write when it is small and in chunks, as fast as the peer takes them,
when it is not.

One refused recipient never stops the others.  All accepted recipients share the reply to the content.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from graphpost.transport.connection import Connection
from graphpost.transport.courier import Data, Deferred, Delivered, Envelope, Failed, Outcome, Reply
from graphpost.transport.failure import Phase, outcome_of_error, outcome_of_reply
from graphpost.transport.wire import (
    DotStuffer,
    Extensions,
    WireError,
    is_path,
    one_line,
    original_recipient,
    xtext,
)

SMALL = 65_536  # octets; a message up to this size is one write
_TURN = 262_144  # octets written in one turn of the event loop


class StaleError(Exception):
    """The connection was gone before the peer said anything about this envelope; nothing of it was done."""


def find_obstacle(envelope: Envelope, offered: Extensions, host: str) -> Failed | None:
    """Why a peer with these extensions cannot take the envelope at all; found out before anything is sent.

    8-bit content and no 8BITMIME is permanent (RFC 6152 §3: convert or return; converting would break signatures).
    """
    data = envelope.data
    if offered.size and data.size > offered.size:
        return _failed("5.3.4", f"the message has {data.size} octets, {host} takes {offered.size}")
    if data.is_8bit and not offered.eight_bit:
        return _failed("5.6.3", f"the message is 8-bit and {host} does not offer 8BITMIME")
    if not offered.smtputf8 and needs_smtputf8(envelope):
        return _failed("5.6.7", f"an address or header needs SMTPUTF8 and {host} does not offer it")
    if not is_path(envelope.sender) and envelope.sender:
        return _failed("5.1.7", "the sender's address cannot be used in SMTP")
    return None


def needs_smtputf8(envelope: Envelope) -> bool:
    return (
        envelope.needs_smtputf8
        or not envelope.sender.isascii()
        or not all(map(str.isascii, envelope.recipients))
    )


def mail_line(envelope: Envelope, offered: Extensions) -> str:
    """The MAIL command with the parameters that the peer understands and the envelope needs."""
    line = f"MAIL FROM:<{envelope.sender}>"
    if offered.takes_size:
        line += f" SIZE={envelope.data.size}"
    if envelope.data.is_8bit:
        line += " BODY=8BITMIME"
    if offered.smtputf8 and needs_smtputf8(envelope):
        line += " SMTPUTF8"
    if offered.dsn and envelope.wants_success_report:
        line += " RET=HDRS"
        if envelope.envelope_id:
            line += f" ENVID={xtext(envelope.envelope_id)}"
    return line + "\r\n"


def recipient_line(recipient: str, wants_report: bool) -> str:
    """The RCPT command; `wants_report`: a success report is wanted and the peer speaks DSN."""
    if wants_report:
        return f"RCPT TO:<{recipient}> NOTIFY=SUCCESS,FAILURE ORCPT={original_recipient(recipient)}\r\n"
    return f"RCPT TO:<{recipient}>\r\n"


class Transaction:
    """`result` becomes one outcome per recipient, or raises StaleError, or what reading the content raised.

    There must be no obstacle (`find_obstacle`).  `seconds` is how long the peer may take for each reply, and for
    each stretch of the content.
    """

    __slots__ = (
        "_accepted",
        "_asked",
        "_chunks",
        "_connection",
        "_envelope",
        "_host",
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

    def __init__(self, connection: Connection, envelope: Envelope, host: str, seconds: float) -> None:
        self.result: asyncio.Future[tuple[Outcome, ...]] = connection.loop.create_future()
        self._connection = connection
        self._envelope = envelope
        self._host = host
        self._seconds = seconds
        self._reused = connection.messages > 0
        self._pipelining = connection.extensions.pipelining
        self._wants_report = envelope.wants_success_report and connection.extensions.dsn
        self._resetting = connection.needs_reset
        self._phase = Phase.MAIL
        self._next = 0  # index into _asked of the recipient whose reply comes next
        self._outcomes: list[Outcome | None] = [None] * len(envelope.recipients)
        self._asked: list[int] = []
        self._accepted: list[int] = []
        self._refusal: Outcome | None = None  # of MAIL
        self._chunks: Iterator[bytes] | None = None
        self._stuffer = DotStuffer()

    def start(self) -> None:
        """Send what can be sent now."""
        envelope = self._envelope
        for index, recipient in enumerate(envelope.recipients):
            if is_path(recipient):
                self._asked.append(index)
            else:
                self._outcomes[index] = _failed("5.1.3", "the address cannot be used in SMTP")
        if not self._asked:
            return self._finish()
        connection = self._connection
        connection.messages += 1
        connection.needs_reset = True
        if self._pipelining:
            reset = "RSET\r\n" if self._resetting else ""
            lines = [recipient_line(envelope.recipients[i], self._wants_report) for i in self._asked]
            mail = mail_line(envelope, connection.extensions)
            connection.write(f"{reset}{mail}{''.join(lines)}DATA\r\n".encode())
        else:
            self._write_line("RSET\r\n" if self._resetting else mail_line(envelope, connection.extensions))
        return connection.begin(self, self._seconds)

    # Replies

    def on_reply(self, code: int, text: bytes) -> None:
        phase = self._phase
        if code == 421:
            self._on_farewell(outcome_of_reply(phase, code, text, self._host))
        elif phase is Phase.MAIL:
            self._on_mail(code, text)
        elif phase is Phase.RCPT:
            self._on_recipient(code, text)
        elif phase is Phase.DATA:
            self._on_data(code, text)
        elif phase is Phase.CONTENT:
            self._on_content(code, text)
        else:
            self._give_up(outcome_of_reply(phase, code, text, self._host))

    def _on_mail(self, code: int, text: bytes) -> None:
        if self._resetting:
            self._resetting = False
            if not 200 <= code < 300:
                self._give_up(outcome_of_reply(Phase.EHLO, code, text, self._host))
            else:
                self._write_line(mail_line(self._envelope, self._connection.extensions))
            return
        if not 200 <= code < 300:
            self._refusal = outcome_of_reply(Phase.MAIL, code, text, self._host)
            if not self._pipelining:
                self._finish(self._refusal)
                return
        self._phase = Phase.RCPT
        self._ask_next()

    def _on_recipient(self, code: int, text: bytes) -> None:
        index = self._asked[self._next]
        self._next += 1
        if self._refusal is not None:
            pass  # whatever is said of a recipient after MAIL was refused is an echo of that
        elif 200 <= code < 300:
            self._accepted.append(index)
        else:
            self._outcomes[index] = outcome_of_reply(Phase.RCPT, code, text, self._host)
        if self._next < len(self._asked):
            self._ask_next()
        elif self._accepted or self._pipelining:
            self._phase = Phase.DATA
            self._write_line("DATA\r\n")
        else:
            self._finish()

    def _on_data(self, code: int, text: bytes) -> None:
        if code == 354 and self._accepted:
            self._send_content()
        elif code == 354:
            # DATA was on its way before everything was refused: end it with nothing in it (RFC 2920 §3.1).
            self._phase = Phase.CONTENT
            self._connection.expect(self._seconds)
            self._connection.write(b".\r\n")
        elif 400 <= code < 600:
            self._finish(self._refusal or outcome_of_reply(Phase.DATA, code, text, self._host))
        else:
            self._give_up(self._refusal or outcome_of_reply(Phase.DATA, code, text, self._host))

    def _on_content(self, code: int, text: bytes) -> None:
        self._connection.needs_reset = False
        if not self._accepted:
            self._finish(self._refusal)
            return
        outcome = outcome_of_reply(Phase.CONTENT, code, text, self._host)
        if type(outcome) is Delivered and self._connection.extensions.dsn:
            outcome = Delivered(outcome.reply, speaks_dsn=True)
        if 200 <= code < 300 or 400 <= code < 600:
            self._finish(outcome)
        else:
            self._give_up(outcome)

    def _on_farewell(self, outcome: Outcome) -> None:
        if self._reused and self._phase is Phase.MAIL:
            self._fail(StaleError())
        else:
            self._give_up(self._refusal or outcome)

    def _ask_next(self) -> None:
        recipient = self._envelope.recipients[self._asked[self._next]]
        self._write_line(recipient_line(recipient, self._wants_report))

    def _write_line(self, line: str) -> None:
        """Send a command, unless it is on its way already; either way its reply is next."""
        if not self._pipelining:
            self._connection.write(line.encode())
        self._connection.expect(self._seconds)

    # Content

    def _send_content(self) -> None:
        data = self._envelope.data
        self._phase = Phase.SENDING
        if data.size > SMALL:
            self._chunks = _pieces(data)
            self._pump()
            return
        try:
            content = b"".join(data)
        except Exception as error:  # the caller's matter, who waits for it
            self._fail(error)
        else:
            self._end_content(self._stuffer.feed(content))

    def on_writable(self) -> None:
        if self._phase is Phase.SENDING:
            self._pump()

    def _pump(self) -> None:
        """Write until the transport has enough; the loop gets its turn in between even when it never has."""
        connection = self._connection
        written = 0
        try:
            while self._chunks is not None and connection.is_writable:
                if written > _TURN:
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
            self._end_content(b"")
            return 0
        out = self._stuffer.feed(chunk)
        self._connection.write(out)
        return len(out)

    def _end_content(self, rest: bytes) -> None:
        self._phase = Phase.CONTENT
        self._connection.write(rest + self._stuffer.finish())
        self._connection.expect(self._seconds)

    # The end

    def on_lost(self, error: Exception) -> None:
        is_silent = isinstance(error, (TimeoutError, WireError))
        if self._reused and self._phase is Phase.MAIL and not is_silent:
            self._fail(StaleError())
        else:
            self._finish(self._refusal or outcome_of_error(self._phase, error, self._host))

    def _give_up(self, outcome: Outcome) -> None:
        """The conversation cannot go on; `outcome` is for everybody who has none."""
        self._connection.abort()
        self._finish(outcome)

    def _finish(self, outcome: Outcome | None = None) -> None:
        self._connection.end()
        self._chunks = None
        if not self.result.done():
            rest = outcome or _UNKNOWN
            self.result.set_result(tuple([own or rest for own in self._outcomes]))

    def _fail(self, error: Exception) -> None:
        self._connection.abort()
        self._chunks = None
        if not self.result.done():
            self.result.set_exception(error)


_UNKNOWN = Deferred(Reply(0, "4.0.0", "the peer's answer is unknown"))


def _failed(status: str, text: str) -> Failed:
    return Failed(Reply(0, status, one_line(text)))


def _pieces(data: Data) -> Iterator[bytes]:
    """The chunks of a large message, none larger than what one turn of the loop should write."""
    for chunk in data:
        for start in range(0, len(chunk), _TURN):
            yield chunk[start : start + _TURN] if len(chunk) > _TURN else chunk
