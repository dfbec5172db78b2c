"""The failure table: every class of reply in every phase, and every kind of exception."""

from __future__ import annotations

import socket
import ssl

import pytest

from graphpost.transport.courier import Deferred, Delivered, Failed, Outcome
from graphpost.transport.failure import Phase, outcome_of_error, outcome_of_reply
from graphpost.transport.wire import WireError

SESSION = (Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.TLS, Phase.AUTH)
MESSAGE = (Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.SENDING, Phase.CONTENT)
CODES = (
    101,
    199,
    200,
    220,
    250,
    251,
    299,
    300,
    334,
    354,
    399,
    400,
    421,
    450,
    451,
    452,
    454,
    499,
    500,
    501,
    502,
)
CODES += (503, 504, 521, 530, 534, 535, 538, 550, 551, 552, 553, 554, 555, 556, 599)


def expected(phase: Phase, code: int) -> str:
    """The rules in words, said another way than the table says them."""
    if code in (421, 530, 534, 535, 538):
        return "hold"
    if phase in SESSION:
        return "hold" if code >= 400 else "defer"
    if code >= 500:
        return "fail"
    return "deliver" if phase is Phase.CONTENT and code // 100 == 2 else "defer"


def verdict(outcome: Outcome) -> str:
    match outcome:
        case Delivered():
            return "deliver"
        case Failed():
            return "fail"
        case Deferred(whole_destination=True):
            return "hold"
        case Deferred():
            return "defer"


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("code", CODES)
def test_every_class_of_reply_in_every_phase(phase: Phase, code: int) -> None:
    outcome = outcome_of_reply(phase, code, b"words", "mx.test")
    assert verdict(outcome) == expected(phase, code)
    assert (outcome.reply.code, outcome.reply.text, outcome.reply.host) == (code, "words", "mx.test")
    if code // 100 in (2, 4, 5):
        assert outcome.reply.status[0] == str(code)[0]


@pytest.mark.parametrize(
    ("phase", "code", "text", "wanted", "status"),
    [
        (Phase.RCPT, 550, b"5.1.1 no such user", "fail", "5.1.1"),
        (Phase.RCPT, 550, b"4.7.1 the basic code counts", "fail", "5.7.1"),
        (Phase.RCPT, 450, b"5.7.1 the basic code counts", "defer", "4.7.1"),
        (Phase.RCPT, 450, b"4.2.0 greylisted", "defer", "4.2.0"),
        (Phase.RCPT, 451, b"greylisted", "defer", "4.3.0"),
        (Phase.RCPT, 452, b"4.5.3 too many recipients", "defer", "4.5.3"),
        (Phase.RCPT, 552, b"5.5.3 too many recipients", "defer", "5.5.3"),
        (Phase.RCPT, 552, b"mailbox full", "fail", "5.2.2"),
        (Phase.MAIL, 552, b"too large", "fail", "5.3.4"),
        (Phase.CONTENT, 552, b"too large", "fail", "5.3.4"),
        (Phase.CONTENT, 554, b"5.7.1 spam", "fail", "5.7.1"),
        (Phase.CONTENT, 250, b"2.0.0 Ok: queued as ABC", "deliver", "2.0.0"),
        (Phase.CONTENT, 250, b"Ok", "deliver", "2.0.0"),
        (Phase.AUTH, 535, b"bad credentials", "hold", "5.7.8"),
        (Phase.MAIL, 530, b"5.7.0 Must issue a STARTTLS command first", "hold", "5.7.0"),
        (Phase.GREETING, 554, b"no mail here", "hold", "5.0.0"),
        (Phase.DATA, 250, b"odd", "defer", "2.0.0"),
        (Phase.CONTENT, 354, b"odd", "defer", "4.5.0"),
    ],
)
def test_particular_replies(phase: Phase, code: int, text: bytes, wanted: str, status: str) -> None:
    outcome = outcome_of_reply(phase, code, text, "mx.test")
    assert (verdict(outcome), outcome.reply.status) == (wanted, status)


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("phase", "error", "status", "words"),
    [
        (
            Phase.CONNECT,
            ConnectionRefusedError(111, "Connection refused"),
            "4.4.1",
            "connection refused while connecting",
        ),
        (Phase.CONNECT, TimeoutError(), "4.4.1", "no answer in time"),
        (Phase.CONNECT, OSError(113, "No route to host"), "4.4.1", "No route to host"),
        (Phase.CONNECT, OSError("Multiple exceptions"), "4.4.1", "Multiple exceptions"),
        (
            Phase.CONNECT,
            socket.gaierror(-2, "Name or service not known"),
            "4.4.3",
            "Name or service not known",
        ),
        (Phase.CONNECT, untrusted(), "4.7.5", "not trusted: self-signed certificate"),
        (Phase.TLS, ssl.SSLError(1, "wrong version number"), "4.7.5", "TLS failed"),
        (
            Phase.RCPT,
            TimeoutError("nothing happened for 300 s"),
            "4.4.2",
            "300 s while waiting for the reply to RCPT",
        ),
        (Phase.SENDING, ConnectionResetError("gone"), "4.4.2", "gone while sending the message"),
        (Phase.CONTENT, BrokenPipeError(32, "Broken pipe"), "4.4.2", "Broken pipe"),
        (Phase.EHLO, WireError("not an SMTP reply: 'x'"), "4.5.0", "not an SMTP reply"),
        (Phase.MAIL, RuntimeError("a\r\nb"), "4.0.0", "a  b"),
    ],
)
def test_every_kind_of_exception_defers(phase: Phase, error: BaseException, status: str, words: str) -> None:
    outcome = outcome_of_error(phase, error, "mx.test")
    assert outcome.reply.code == 0
    assert outcome.reply.status == status
    assert words in outcome.reply.text
    assert "mx.test" in outcome.reply.text


@pytest.mark.parametrize("phase", Phase)
def test_a_lost_connection_is_the_hosts_fault_until_mail_was_answered(phase: Phase) -> None:
    outcome = outcome_of_error(phase, ConnectionResetError(), "mx.test")
    assert outcome.whole_destination is (phase in (*SESSION, Phase.MAIL))
    assert phase not in MESSAGE or phase is Phase.MAIL or not outcome.whole_destination
