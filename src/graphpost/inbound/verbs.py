"""What each command does, but for those that bring a message.

Each raises Refusal for what it does not do.  `VERBS` is the table of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from graphpost.delivery.routing import LOCAL, UNKNOWN
from graphpost.inbound import replies
from graphpost.inbound.authenticating import auth
from graphpost.inbound.bringing import bdat, data
from graphpost.inbound.commands import Mail, Rcpt, read_host, read_mail, read_rcpt
from graphpost.inbound.house import Talk, Transaction
from graphpost.inbound.reception import Taker
from graphpost.inbound.replies import Reply, refusal
from graphpost.mail.mailbox import Mailbox


async def helo(talk: Talk, argument: str) -> None:
    _meet(talk, argument, extended=False, lmtp=False)
    talk.say(Reply(250, "", talk.house.hostname))


async def ehlo(talk: Talk, argument: str) -> None:
    _meet(talk, argument, extended=True, lmtp=False)
    _offer(talk)


async def lhlo(talk: Talk, argument: str) -> None:
    _meet(talk, argument, extended=True, lmtp=True)
    _offer(talk)


def _meet(talk: Talk, argument: str, *, extended: bool, lmtp: bool) -> None:
    if lmtp != talk.is_lmtp:
        wanted = "LHLO" if talk.is_lmtp else "EHLO"
        raise refusal(500, "5.5.1", f"Error: say {wanted}")
    name = read_host(argument)
    talk.forget()
    talk.helo, talk.is_extended = name, extended


def _offer(talk: Talk) -> None:
    house = talk.house
    lines = [
        house.hostname,
        "PIPELINING",
        f"SIZE {talk.most}",
        *(["AUTH PLAIN LOGIN"] if talk.kind == "submission" and talk.connection.is_secure else []),
        *(["STARTTLS"] if house.tls is not None and not talk.connection.is_secure else []),
        "ENHANCEDSTATUSCODES",
        "8BITMIME",
        "SMTPUTF8",
        "DSN",
        "CHUNKING",
    ]
    said = [f"250-{line}\r\n" for line in lines[:-1]] + [f"250 {lines[-1]}\r\n"]
    talk.connection.say_lines("".join(said).encode())


async def starttls(talk: Talk, argument: str) -> None:
    house, connection = talk.house, talk.connection
    if house.tls is None or connection.is_secure:
        raise refusal(503, "5.5.1", "Error: TLS is not available, or there already")
    if argument:
        raise refusal(501, "5.5.4", "Syntax: STARTTLS")
    connection.say(replies.READY_FOR_TLS)
    talk.forget()
    talk.helo = ""  # RFC 3207 §4.2: nothing that was said in clear text counts
    await connection.start_tls(house.tls, talk.seconds())


async def mail(talk: Talk, argument: str) -> None:
    house = talk.house
    if not talk.helo:
        raise refusal(503, "5.5.1", f"Error: send {'LHLO' if talk.is_lmtp else 'HELO/EHLO'} first")
    if talk.transaction is not None:
        raise refusal(503, "5.5.1", "Error: nested MAIL command")
    mail = read_mail(argument, offers_auth=talk.kind == "submission")
    _check_user(talk, mail.sender)
    if mail.size > talk.most:
        raise refusal(552, "5.3.4", "Message size exceeds fixed limit", "size")
    if not talk.house.has_room(mail.size):
        raise refusal(452, "4.3.1", "Insufficient system storage", "storage")
    if talk.messages >= house.settings.messages_per_connection:
        raise refusal(421, "4.7.0", "Too many messages in one connection", "limit", ends=True)
    if not house.gate.may_send(talk.key):
        raise refusal(450, "4.7.1", "Too many messages from your address in a minute", "limit")
    talk.transaction = Transaction(mail)
    talk.say(replies.SENDER_OK)


async def rcpt(talk: Talk, argument: str) -> None:
    transaction = talk.transaction
    if transaction is None:
        raise refusal(503, "5.5.1", "Error: need MAIL command")
    if transaction.transfer is not None:
        raise refusal(503, "5.5.1", "Error: the message has begun")
    rcpt = read_rcpt(argument, is_utf8=transaction.mail.is_utf8)
    if len(transaction.takers) >= talk.house.settings.recipients:
        _refuse_one_more(talk, transaction)
        return
    mailbox = _mailbox(talk, rcpt)
    await _check_room(talk, mailbox, transaction.mail)
    transaction.takers.append(Taker(rcpt, mailbox))
    talk.say(replies.RECIPIENT_OK)


def _refuse_one_more(talk: Talk, transaction: Transaction) -> None:
    """Of a recipient that is too many; one line of the log for all of them, and as many again end the session."""
    transaction.refused += 1
    too_many = refusal(452, "4.5.3", "Error: too many recipients", "limit")
    if transaction.refused == 1:
        raise too_many
    if transaction.refused > talk.house.settings.recipients:
        raise refusal(421, "4.7.0", "Far too many recipients", "limit", ends=True)
    talk.say(too_many.reply)


def _check_user(talk: Talk, sender: str) -> None:
    """On the submission port: somebody has signed in, and the sender is that mailbox's own, or nobody."""
    if talk.kind != "submission":
        return
    user = talk.check_user()
    if sender and not user.owns(sender):
        raise refusal(553, "5.7.1", f"<{sender}>: you may not send as this", "sender")


def _mailbox(talk: Talk, rcpt: Rcpt) -> Mailbox:
    directory, address = talk.house.directory(), rcpt.address
    found = directory.find_recipient(address) if "@" in address else directory.postmaster
    if found is not None:
        return found
    if talk.user is not None and "@" in address and talk.house.destination_of(address) != UNKNOWN:
        return talk.user  # who sends it: it goes on from there
    destination = talk.house.destination_of(address) if "@" in address else UNKNOWN
    if destination in (LOCAL, UNKNOWN):
        raise refusal(550, "5.1.1", f"<{address}>: no such mailbox here", "unknown-recipient")
    raise refusal(550, "5.7.1", f"<{address}>: relaying denied", "relay")


async def _check_room(talk: Talk, mailbox: Mailbox, mail: Mail) -> None:
    """A report has a little more room, for who is told of it may be waiting for it.

    Nothing is counted before it is here: a client may announce what it likes, and bring nothing.
    """
    if mailbox is talk.user:
        return  # what is sent is counted when it is kept
    if not await talk.house.quotas.has_room(mailbox, mail.size, is_report=not mail.sender):
        raise refusal(552, "5.2.2", f"<{mailbox.address}>: the mailbox is full", "quota")


async def vrfy(talk: Talk, argument: str) -> None:
    if not argument:
        raise refusal(501, "5.5.4", "Syntax: VRFY address")
    talk.say(replies.NOT_VERIFIED)


async def rset(talk: Talk, argument: str) -> None:
    talk.forget()
    talk.say(replies.OK)


async def noop(talk: Talk, argument: str) -> None:
    talk.say(replies.OK)


async def help_(talk: Talk, argument: str) -> None:
    talk.say(Reply(214, "2.0.0", "See RFC 5321"))


async def expn(talk: Talk, argument: str) -> None:
    raise refusal(502, "5.5.1", "Error: not implemented here")


async def quit_(talk: Talk, argument: str) -> None:
    talk.end(replies.BYE)


Verb = Callable[[Talk, str], Awaitable[None]]
VERBS: Final[dict[str, Verb]] = {
    "HELO": helo,
    "EHLO": ehlo,
    "LHLO": lhlo,
    "STARTTLS": starttls,
    "AUTH": auth,
    "MAIL": mail,
    "RCPT": rcpt,
    "DATA": data,
    "BDAT": bdat,
    "RSET": rset,
    "NOOP": noop,
    "VRFY": vrfy,
    "EXPN": expn,
    "HELP": help_,
    "QUIT": quit_,
}
