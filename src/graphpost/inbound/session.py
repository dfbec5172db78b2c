"""One client's session: its commands in their order, from the greeting to the end.

RFC 5321 §4.1, §4.3; LMTP: RFC 2033.  A refusal is an exception with its reply; too many of them, or too many commands that
lead to nothing, end the session.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from graphpost.inbound import replies
from graphpost.inbound.commands import split_command
from graphpost.inbound.connection import ClientGone, Connection
from graphpost.inbound.house import House, Kind, Talk
from graphpost.inbound.replies import Refusal, Reply, refusal
from graphpost.inbound.verbs import VERBS

AT_ONCE: Final = 25  # commands that came together, and are obeyed before others have their turn
COMMAND_BYTES: Final = 2048  # 512 and what the extensions add, and then some (RFC 5321 §4.5.3.1.4)
_FREE: Final = ("RCPT", "DATA", "BDAT")  # commands that are limited otherwise
_FOREIGN: Final = ("GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS")  # a browser that was led here


class Session:
    """`run` talks to the client until the end; it never raises for what the client does."""

    def __init__(self, house: House, connection: Connection, address: str, kind: Kind) -> None:
        self.talk = Talk(house, connection, address, kind, house.gate.key(address))
        self._errors = self._turns = 0
        self._verb = self._argument = ""
        self._is_idle = False  # waits for a command
        self._is_shut = False
        self._is_lingering = False
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """From the greeting to the end."""
        self._task, talk = asyncio.current_task(), self.talk
        try:
            await self._greet()
            while not talk.is_over:
                await self._next()
                self._turns += 1
                if self._turns % AT_ONCE == 0:
                    await talk.connection.flush(talk.seconds())
                    await asyncio.sleep(0)  # who sends without a pause holds up nobody else
            await talk.connection.flush(talk.seconds())
            if self._verb != "QUIT":
                await self._linger()
        except TimeoutError:
            talk.say(replies.TIMED_OUT)
            await self._linger()
        except ClientGone:
            pass
        except (OSError, ssl.SSLError):
            talk.connection.abort()
        except asyncio.CancelledError:
            if not self._is_shut:
                raise
            talk.say(replies.SHUTTING_DOWN)
        finally:
            talk.forget()
            talk.connection.close()

    def shut(self) -> None:
        """End it if it waits for a command; what is under way goes on, and ends by itself when the house is stopping."""
        if self._is_lingering:
            self.talk.connection.close()
        elif self._is_idle and self._task is not None:
            self._is_shut = True
            self._task.cancel()

    async def _linger(self) -> None:
        if not self.talk.house.is_stopping:
            self._is_lingering = True
            await self.talk.connection.linger()

    async def _greet(self) -> None:
        talk = self.talk
        patience = talk.house.settings.greet_seconds
        if patience and await talk.connection.speaks_within(patience):
            early = refusal(554, "5.5.1", "You spoke before you were greeted", "early-talker", ends=True)
            self._refuse(early)
            return
        talk.say(Reply(220, "", f"{talk.house.hostname} {'LMTP' if talk.is_lmtp else 'ESMTP'} Graphpost"))

    async def _next(self) -> None:
        talk = self.talk
        self._verb = self._argument = ""
        if talk.house.is_stopping:
            talk.end(replies.SHUTTING_DOWN)
            return
        try:
            self._is_idle = True
            line = await talk.connection.line(COMMAND_BYTES, talk.seconds())
            self._is_idle = False
            await self._obey(line)
        except Refusal as error:
            self._refuse(error)
        finally:
            self._is_idle = False

    async def _obey(self, line: bytes) -> None:
        verb, self._argument = split_command(line)
        self._verb = verb
        if verb in _FOREIGN or verb.endswith(":"):
            raise refusal(421, "4.7.0", "This is a mail server", "foreign-protocol", ends=True)
        brings_nothing = verb == "BDAT" and not self._argument.strip("0")  # and is not the last
        if verb not in _FREE or brings_nothing:
            self.talk.commands += 1
            if self.talk.commands > self.talk.house.settings.commands:
                raise refusal(421, "4.7.0", "Too many commands without a message", "limit", ends=True)
        does = VERBS.get(verb)
        if does is None:
            raise refusal(500, "5.5.2", "Error: command not recognized")
        await does(self.talk, self._argument)

    def _refuse(self, error: Refusal) -> None:
        talk, said = self.talk, error.reply
        talk.say(said)
        talk.house.log.turned_away(
            talk.address,
            f"{self._verb} {_shown(self._verb, self._argument)}".strip()[:400] or "-",
            said.code,
            f"{said.status} {said.text}",
            error.reason,
            talk.transaction.mail.sender if talk.transaction else "",
        )
        if talk.user is not None and talk.house.signing_in is not None and error.reason == "sender":
            talk.house.signing_in.refused(talk.user, talk.address, said.code, said.status)
        self._errors += said.code >= 500
        if error.ends:
            talk.is_over = True
        elif self._errors >= talk.house.settings.errors:
            talk.end(replies.TOO_MANY_ERRORS)


def _shown(verb: str, argument: str) -> str:
    """What the log has of a command's argument: who, not what."""
    return argument if verb in ("MAIL", "RCPT", "EHLO", "HELO", "LHLO") else ""
