"""The failure table: a reply or exception, and where it happened, to an Outcome.

First match wins, in both tables.  The basic code decides; an enhanced status of another class is put right to it
(RFC 5321 §4.2.1, RFC 2034 §4).  What no line names is Deferred: mail is given up only when somebody clearly said so,
or when the queue's expiry does.

Reasons for the lines that are less plain:
- 421 may come at any time and means the host, not the message.
- 530, 534, 535, 538 ask for authentication or TLS: our configuration is wrong, the message is not.
- A 5xx greeting, EHLO, STARTTLS or AUTH reply says nothing about the message either.
- 552 with x.5.3 to RCPT is "too many recipients", and the rest can be sent later (RFC 5321 §4.5.3.1.10).
- A connection that drops after the final dot, before its reply, is Deferred: the peer may have the message, so this
  is the window in which a message can arrive twice (RFC 1047).
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, assert_never

from graphpost.transport.courier import Deferred, Delivered, Failed, Outcome, Reply
from graphpost.transport.wire import WireError, one_line, parse_status


class Phase(Enum):
    """Where in the conversation it happened; the value is how a text says it."""

    CONNECT = "connecting"
    GREETING = "waiting for the greeting"
    EHLO = "waiting for the reply to EHLO"
    TLS = "starting TLS"
    AUTH = "authenticating"
    MAIL = "waiting for the reply to MAIL"
    RCPT = "waiting for the reply to RCPT"
    DATA = "waiting for the reply to DATA"
    SENDING = "sending the message"
    CONTENT = "waiting for the reply to the message"


class Verdict(Enum):
    DELIVERED = auto()
    DEFER = auto()
    HOLD = auto()  # deferred, and the whole destination with it
    FAIL = auto()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the reply table."""

    phases: Collection[Phase]
    codes: Collection[int]
    verdict: Verdict
    status: str = ""  # only this enhanced status, when given


_SESSION: Final = frozenset((Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.TLS, Phase.AUTH))
_MESSAGE: Final = frozenset(Phase) - _SESSION

REPLIES: Final = (
    Line(frozenset(Phase), (421,), Verdict.HOLD),
    Line(frozenset(Phase), (530, 534, 535, 538), Verdict.HOLD),
    Line(_SESSION, range(400, 600), Verdict.HOLD),
    Line((Phase.RCPT,), (552,), Verdict.DEFER, "5.5.3"),
    Line((Phase.CONTENT,), range(200, 300), Verdict.DELIVERED),
    Line(_MESSAGE, range(400, 500), Verdict.DEFER),
    Line(_MESSAGE, range(500, 600), Verdict.FAIL),
)

# The statuses that stand in where the peer gave none (RFC 3463); otherwise X.0.0.
_STATUSES: Final = {
    421: "4.3.2",
    450: "4.2.0",
    451: "4.3.0",
    452: "4.3.1",
    454: "4.7.0",
    530: "5.7.0",
    535: "5.7.8",
    552: "5.3.4",
    553: "5.1.3",
}

# Exceptions, the special before the general: (class, status while connecting, status later).
_ERRORS: Final[tuple[tuple[type[BaseException], str, str], ...]] = (
    (socket.gaierror, "4.4.3", "4.4.3"),
    (ssl.SSLError, "4.7.5", "4.7.5"),
    (TimeoutError, "4.4.1", "4.4.2"),
    (OSError, "4.4.1", "4.4.2"),
    (WireError, "4.5.0", "4.5.0"),
)

# A drop or a silence in these is the host's; later it may be this message that the peer cannot take.
_HOST: Final = _SESSION | {Phase.MAIL}


def reply_of(phase: Phase, code: int, text: bytes, host: str) -> Reply:
    """The peer's words as a Reply, with a status that fits the code."""
    given, words = parse_status(text)
    kind = "012345"[code // 100]
    if given:
        return Reply(code, given if given[0] == kind else kind + given[1:], words, host)
    if code == 552 and phase is Phase.RCPT:
        return Reply(code, "5.2.2", words, host)
    return Reply(code, _STATUSES.get(code, f"{kind}.0.0" if kind in "245" else "4.5.0"), words, host)


def outcome_of_reply(phase: Phase, code: int, text: bytes, host: str) -> Outcome:
    """What a reply means for the recipients it is about."""
    reply = reply_of(phase, code, text, host)
    if 200 <= code < 300 and phase is Phase.CONTENT:  # the usual end, as the table has it
        return Delivered(reply)
    match find_verdict(phase, code, reply.status):
        case Verdict.DELIVERED:
            return Delivered(reply)
        case Verdict.FAIL:
            return Failed(reply)
        case Verdict.HOLD:
            return Deferred(reply, whole_destination=True)
        case Verdict.DEFER:
            return Deferred(reply)
        case never:  # pragma: no cover
            assert_never(never)


def find_verdict(phase: Phase, code: int, status: str) -> Verdict:
    for line in REPLIES:
        if phase in line.phases and code in line.codes and line.status in ("", status):
            return line.verdict
    return Verdict.DEFER


def outcome_of_error(phase: Phase, error: BaseException, host: str) -> Deferred:
    """What an exception means; `host` is named in the text, for it said nothing itself."""
    status = "4.0.0"
    for kind, connecting, later in _ERRORS:
        if isinstance(error, kind):
            status = connecting if phase is Phase.CONNECT else later
            break
    text = f"{_words(error)} while {phase.value} ({host})"
    return Deferred(Reply(0, status, text, ""), whole_destination=phase in _HOST)


def _words(error: BaseException) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            why = str(getattr(error, "verify_message", "") or error).removesuffix(".")
            return one_line(f"the certificate is not trusted: {why}")
        case ssl.SSLError():
            return one_line(f"TLS failed: {getattr(error, 'reason', '') or error}")
        case ConnectionRefusedError():
            return "connection refused"
        case TimeoutError():
            return one_line(str(error)) or "no answer in time"
        case OSError() if error.strerror:
            return one_line(error.strerror)
        case _:
            return one_line(str(error)) or type(error).__name__
