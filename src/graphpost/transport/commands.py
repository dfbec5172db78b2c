"""An envelope in SMTP commands, as a peer with these extensions understands it."""

from __future__ import annotations

from graphpost.mail.dsn import Dsn, in_ascii
from graphpost.transport.courier import Envelope, Failed, Reply
from graphpost.transport.wire import Extensions, is_path, one_line, original_recipient, xtext


def find_obstacle(envelope: Envelope, offered: Extensions, host: str) -> Failed | None:
    """Why a peer with these extensions cannot take the envelope at all; found out before anything is sent.

    8-bit content and no 8BITMIME is permanent (RFC 6152 §3: convert or return; converting would break signatures).
    """
    data = envelope.data
    if offered.size and data.size > offered.size:
        return refused("5.3.4", f"the message has {data.size} octets, {host} takes {offered.size}")
    if data.is_8bit and not offered.eight_bit:
        return refused("5.6.3", f"the message is 8-bit and {host} does not offer 8BITMIME")
    if not offered.smtputf8 and needs_smtputf8(envelope):
        return refused("5.6.7", f"an address or header needs SMTPUTF8 and {host} does not offer it")
    if not is_path(envelope.sender) and envelope.sender:
        return refused("5.1.7", "the sender's address cannot be used in SMTP")
    return None


def needs_smtputf8(envelope: Envelope) -> bool:
    return (
        envelope.needs_smtputf8 or not envelope.sender.isascii() or not "".join(envelope.recipients).isascii()
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
    if offered.dsn and envelope.sender:
        line += _report_parameters(envelope, envelope.dsn)
    return line + "\r\n"


def _report_parameters(envelope: Envelope, asked: Dsn | None) -> str:
    ret = asked.ret if asked is not None else "HDRS" if envelope.wants_success_report else ""
    # ENVID comes back in reports, by which they are matched: by us, unless our client gave one
    envelope_id = (asked is not None and asked.envelope_id) or xtext(envelope.envelope_id)
    return (f" RET={ret}" if ret else "") + (f" ENVID={envelope_id}" if envelope_id else "")


def recipient_line(recipient: str, envelope: Envelope, wants_report: bool) -> str:
    """The RCPT command; `wants_report`: something is asked for about reports, and the peer speaks DSN.

    What the sender asked for in an envelope goes on as it is (RFC 3461 §5.2.1).
    """
    if not wants_report:
        return f"RCPT TO:<{recipient}>\r\n"
    if envelope.dsn is None:
        return f"RCPT TO:<{recipient}> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT={original_recipient(recipient)}\r\n"
    wanted = envelope.dsn.of(recipient)
    notify = f" NOTIFY={','.join(wanted.notify)}" if wanted.notify else ""
    original = f" ORCPT={in_ascii(wanted.original)}" if wanted.original else ""
    return f"RCPT TO:<{recipient}>{notify}{original}\r\n"


def refused(status: str, text: str) -> Failed:
    """Our own refusal, before anything is said to the peer."""
    return Failed(Reply(0, status, one_line(text)))
