"""One client's session: its commands in their order, and what is answered.

RFC 5321 §4.1, §4.3; LMTP: RFC 2033.
A refusal is an exception with its reply; too many of them, or too many commands that lead to nothing, end the session.
What belongs to a message under way is a Transaction; every end of one, good or bad, throws it away.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from graphpost.config import InboundSettings
from graphpost.delivery.routing import LOCAL, UNKNOWN
from graphpost.errors import StoreError
from graphpost.inbound import replies
from graphpost.inbound.commands import Mail, Rcpt, read_host, read_mail, read_rcpt, split_command
from graphpost.inbound.connection import ClientGone, Connection
from graphpost.inbound.gate import Gate
from graphpost.inbound.reception import Letter, Reception, Taker
from graphpost.inbound.replies import Refusal, Reply, refusal
from graphpost.inbound.trace import Peer
from graphpost.inbound.transfer import Transfer
from graphpost.mail.mailbox import Directory, Mailbox
from graphpost.maillog import MailLog

COMMAND_BYTES: Final = 2048  # 512 and what the extensions add, and then some (RFC 5321 §4.5.3.1.4)
CROWDED_SECONDS: Final = 10.0
_FREE: Final = ("RCPT", "DATA", "BDAT")  # commands that are limited otherwise
_FOREIGN: Final = ("GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS")  # a browser that was led here


@dataclass(slots=True)
class House:
    """What all sessions have in common."""

    settings: InboundSettings
    hostname: str
    directory: Callable[[], Directory]
    destination_of: Callable[[str], str]
    reception: Reception
    gate: Gate
    spool: Path
    log: MailLog
    tls: ssl.SSLContext | None = None
    is_stopping: bool = False


@dataclass(slots=True)
class Transaction:
    """A message under way: its envelope, and what of it has come."""

    mail: Mail
    takers: list[Taker] = field(default_factory=list)
    transfer: Transfer | None = None

    def close(self) -> None:
        if self.transfer is not None:
            self.transfer.close()


class Session:
    """`run` talks to the client until the end; it never raises for what the client does."""

    def __init__(self, house: House, connection: Connection, address: str, *, lmtp: bool) -> None:
        self._house = house
        self._connection = connection
        self._address = address
        self._key = house.gate.key(address)
        self._lmtp = lmtp
        self._helo = ""
        self._extended = False
        self._transaction: Transaction | None = None
        self._errors = 0
        self._commands = 0  # since the last message
        self._messages = 0
        self._command = ""
        self._ended = False
        self._is_idle = False  # waits for a command
        self._is_shut = False
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """From the greeting to the end."""
        self._task = asyncio.current_task()
        try:
            await self._greet()
            while not self._ended:
                await self._next()
            await self._connection.flush(self._seconds())
        except TimeoutError:
            self._connection.say(replies.TIMED_OUT)
        except ClientGone:
            pass
        except (OSError, ssl.SSLError):
            self._connection.abort()
        except asyncio.CancelledError:
            if not self._is_shut:
                raise
            self._connection.say(replies.SHUTTING_DOWN)
        finally:
            self._forget()
            self._connection.close()

    def shut(self) -> None:
        """End it if it waits for a command; what is under way goes on, and ends by itself when the house is stopping."""
        if self._is_idle and self._task is not None:
            self._is_shut = True
            self._task.cancel()

    async def _greet(self) -> None:
        patience = self._house.settings.greet_seconds
        if patience and await self._connection.speaks_within(patience):
            self._refuse(
                refusal(554, "5.5.1", "You spoke before you were greeted", "early-talker", ends=True)
            )
            return
        kind = "LMTP" if self._lmtp else "ESMTP"
        self._connection.say(Reply(220, "", f"{self._house.hostname} {kind} Graphpost"))

    async def _next(self) -> None:
        self._command = ""
        if self._house.is_stopping:
            self._end(replies.SHUTTING_DOWN)
            return
        try:
            self._is_idle = True
            line = await self._connection.line(COMMAND_BYTES, self._seconds())
            self._is_idle = False
            await self._obey(line)
        except Refusal as error:
            self._refuse(error)
        finally:
            self._is_idle = False

    async def _obey(self, line: bytes) -> None:
        verb, argument = split_command(line)
        self._command = verb
        if verb in _FOREIGN or verb.endswith(":"):
            raise refusal(421, "4.7.0", "This is a mail server", "foreign-protocol", ends=True)
        if verb not in _FREE:
            self._commands += 1
            if self._commands > self._house.settings.commands:
                raise refusal(421, "4.7.0", "Too many commands without a message", "limit", ends=True)
        handler = _VERBS.get(verb)
        if handler is None:
            raise refusal(500, "5.5.2", "Error: command not recognized")
        await handler(self, argument)

    def _refuse(self, error: Refusal) -> None:
        said, transaction = error.reply, self._transaction
        self._connection.say(said)
        sender = transaction.mail.sender if transaction else ""
        self._house.log.turned_away(
            self._address,
            self._command[:20],
            said.code,
            f"{said.status} {said.text}",
            error.reason,
            sender,
            "",
        )
        self._errors += said.code >= 500
        if error.ends:
            self._ended = True
        elif self._errors >= self._house.settings.errors:
            self._end(replies.TOO_MANY_ERRORS)

    def _end(self, reply: Reply) -> None:
        self._connection.say(reply)
        self._ended = True

    def _seconds(self) -> float:
        seconds = self._house.settings.command_seconds
        return min(seconds, CROWDED_SECONDS) if self._house.gate.is_crowded else seconds

    def _forget(self) -> None:
        if self._transaction is not None:
            self._transaction.close()
            self._transaction = None

    # Who it is

    async def helo(self, argument: str) -> None:
        self._meet(argument, extended=False, lmtp=False)
        self._connection.say(Reply(250, "", self._house.hostname))

    async def ehlo(self, argument: str) -> None:
        self._meet(argument, extended=True, lmtp=False)
        self._offer()

    async def lhlo(self, argument: str) -> None:
        self._meet(argument, extended=True, lmtp=True)
        self._offer()

    def _meet(self, argument: str, *, extended: bool, lmtp: bool) -> None:
        if lmtp != self._lmtp:
            wanted = "LHLO" if self._lmtp else "EHLO"
            raise refusal(500, "5.5.1", f"Error: say {wanted}")
        name = read_host(argument)
        self._forget()
        self._helo, self._extended = name, extended

    def _offer(self) -> None:
        house = self._house
        lines = [
            house.hostname,
            "PIPELINING",
            f"SIZE {house.settings.message_bytes}",
            *(["STARTTLS"] if house.tls is not None and not self._connection.is_secure else []),
            "ENHANCEDSTATUSCODES",
            "8BITMIME",
            "SMTPUTF8",
            "DSN",
            "CHUNKING",
        ]
        said = [f"250-{line}\r\n" for line in lines[:-1]] + [f"250 {lines[-1]}\r\n"]
        self._connection.say_lines("".join(said).encode())

    async def starttls(self, argument: str) -> None:
        house, connection = self._house, self._connection
        if house.tls is None or connection.is_secure:
            raise refusal(503, "5.5.1", "Error: TLS is not available, or there already")
        if argument:
            raise refusal(501, "5.5.4", "Syntax: STARTTLS")
        connection.say(replies.READY_FOR_TLS)
        self._forget()
        self._helo = ""  # RFC 3207 §4.2: nothing that was said in clear text counts
        await connection.start_tls(house.tls, self._seconds())

    # The envelope

    async def mail(self, argument: str) -> None:
        house = self._house
        if not self._helo:
            raise refusal(503, "5.5.1", f"Error: send {'LHLO' if self._lmtp else 'HELO/EHLO'} first")
        if self._transaction is not None:
            raise refusal(503, "5.5.1", "Error: nested MAIL command")
        mail = read_mail(argument)
        if mail.size > house.settings.message_bytes:
            raise refusal(552, "5.3.4", "Message size exceeds fixed limit", "size")
        if self._messages >= house.settings.messages_per_connection:
            raise refusal(421, "4.7.0", "Too many messages in one connection", "limit", ends=True)
        if not house.gate.may_send(self._key):
            raise refusal(450, "4.7.1", "Too many messages from your address in a minute", "limit")
        self._transaction = Transaction(mail)
        self._connection.say(replies.SENDER_OK)

    async def rcpt(self, argument: str) -> None:
        transaction = self._transaction
        if transaction is None:
            raise refusal(503, "5.5.1", "Error: need MAIL command")
        if transaction.transfer is not None:
            raise refusal(503, "5.5.1", "Error: the message has begun")
        rcpt = read_rcpt(argument, is_utf8=transaction.mail.is_utf8)
        if len(transaction.takers) >= self._house.settings.recipients:
            raise refusal(452, "4.5.3", "Error: too many recipients", "limit")
        transaction.takers.append(Taker(rcpt, self._mailbox(rcpt)))
        self._connection.say(replies.RECIPIENT_OK)

    def _mailbox(self, rcpt: Rcpt) -> Mailbox:
        directory, address = self._house.directory(), rcpt.address
        found = directory.find_recipient(address) if "@" in address else directory.postmaster
        if found is not None:
            return found
        destination = self._house.destination_of(address) if "@" in address else UNKNOWN
        if destination in (LOCAL, UNKNOWN):
            raise refusal(550, "5.1.1", f"<{address}>: no such mailbox here", "unknown-recipient")
        raise refusal(550, "5.7.1", f"<{address}>: relaying denied", "relay")

    async def vrfy(self, argument: str) -> None:
        if not argument:
            raise refusal(501, "5.5.4", "Syntax: VRFY address")
        self._connection.say(replies.NOT_VERIFIED)

    # The message

    async def data(self, argument: str) -> None:
        transaction = self._ready()
        if argument:
            raise refusal(501, "5.5.4", "Syntax: DATA")
        if transaction.transfer is not None:
            raise refusal(503, "5.5.1", "Error: BDAT has begun")
        if self._connection.has_octets:
            raise refusal(554, "5.5.1", "Error: data before the go-ahead", "early-talker", ends=True)
        self._connection.say(replies.GO_AHEAD)
        transfer = transaction.transfer = self._transfer()
        await transfer.dotted(self._connection)
        await self._file(transaction, transfer)

    async def bdat(self, argument: str) -> None:
        size, is_last = self._chunk(argument)
        transaction = self._transaction
        if transaction is None or not transaction.takers:
            await self._transfer().skip(self._connection, size)
            self._ready()
            return
        transfer = transaction.transfer = transaction.transfer or self._transfer()
        await transfer.chunk(self._connection, size)
        if is_last:
            transfer.end_chunks()
            await self._file(transaction, transfer)
        elif transfer.refusal is not None:
            raise transfer.refusal
        else:
            self._connection.say(Reply(250, "2.0.0", f"{size} octets received"))

    def _chunk(self, argument: str) -> tuple[int, bool]:
        """How many octets follow, and whether they are the last.  When that cannot be read, the client is out of step."""
        number, _, rest = argument.partition(" ")
        most = self._house.settings.message_bytes
        if not (number.isascii() and number.isdigit() and len(number) < 20) or rest.upper() not in (
            "",
            "LAST",
        ):
            raise refusal(501, "5.5.4", "Syntax: BDAT size [LAST]", ends=True)
        if int(number) > 2 * most:
            raise refusal(552, "5.3.4", "Message size exceeds fixed limit", "size", ends=True)
        return int(number), bool(rest)

    def _ready(self) -> Transaction:
        transaction = self._transaction
        if transaction is None:
            raise refusal(503, "5.5.1", "Error: need MAIL command")
        if not transaction.takers:
            if self._lmtp:
                raise refusal(503, "5.5.1", "Error: no valid recipients")
            raise refusal(554, "5.5.1", "Error: no valid recipients")
        return transaction

    def _transfer(self) -> Transfer:
        house = self._house
        return Transfer(house.settings, house.spool, house.reception.in_memory, self._seconds)

    async def _file(self, transaction: Transaction, transfer: Transfer) -> None:
        """Have it filed, and answer: once, with LMTP for each recipient."""
        letter = Letter(self._peer(transaction.mail), transaction.mail, tuple(transaction.takers))
        try:
            if transfer.refusal is not None:
                raise transfer.refusal
            await transfer.spool.complete()
            given = await self._house.reception.take(letter, transfer.spool, apart=self._lmtp)
            self._messages += 1
            self._commands = 0
            said = [given[taker.mailbox.mailbox_id] for taker in letter.takers]
            for reply in said if self._lmtp else said[:1]:
                self._connection.say(reply)
        except Refusal as error:
            for _ in letter.takers[1:] if self._lmtp else ():
                self._connection.say(error.reply)
            raise
        except StoreError as error:
            self._house.log.problem("inbound", error)
            for _ in letter.takers if self._lmtp else letter.takers[:1]:
                self._connection.say(Reply(452, "4.3.1", "The message cannot be filed at the moment"))
        finally:
            self._forget()

    def _peer(self, mail: Mail) -> Peer:
        base = "LMTP" if self._lmtp else "ESMTP" if self._extended else "SMTP"
        if mail.is_utf8:
            base = "UTF8LMTP" if self._lmtp else "UTF8SMTP"
        secure = "S" if self._connection.is_secure else ""
        return Peer(self._address, self._helo, base + secure, self._connection.tls)

    # The rest

    async def rset(self, argument: str) -> None:
        self._forget()
        self._connection.say(replies.OK)

    async def noop(self, argument: str) -> None:
        self._connection.say(replies.OK)

    async def help(self, argument: str) -> None:
        self._connection.say(Reply(214, "2.0.0", "See RFC 5321"))

    async def expn(self, argument: str) -> None:
        raise refusal(502, "5.5.1", "Error: not implemented here")

    async def quit(self, argument: str) -> None:
        self._end(replies.BYE)


_VERBS: Final[dict[str, Callable[[Session, str], Awaitable[None]]]] = {
    "HELO": Session.helo,
    "EHLO": Session.ehlo,
    "LHLO": Session.lhlo,
    "STARTTLS": Session.starttls,
    "MAIL": Session.mail,
    "RCPT": Session.rcpt,
    "DATA": Session.data,
    "BDAT": Session.bdat,
    "RSET": Session.rset,
    "NOOP": Session.noop,
    "VRFY": Session.vrfy,
    "EXPN": Session.expn,
    "HELP": Session.help,
    "QUIT": Session.quit,
}
