"""Submission: what somebody signed in sends goes the way of what Graph sends.

RFC 6409.  It is kept in Sent Items, and queued for the envelope's recipients, whoever the header names.  From and Sender have to be
the mailbox's own; a missing Date or Message-ID is added.  What is reported, and to which host it is handed on, is as the
envelope asks (RFC 3461).
"""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import Final

from msgspec.structs import replace

from graphpost.clock import Clock
from graphpost.config import LimitSettings
from graphpost.delivery.acceptance.submissions import Submission
from graphpost.delivery.acceptance.submit import Submitter
from graphpost.delivery.items import new_message_id
from graphpost.errors import GraphError, InsufficientStorage, MimeError, StoreError
from graphpost.ids import Numbers, random_bytes
from graphpost.inbound.reception import Letter, Taker
from graphpost.inbound.replies import Reply, refusal
from graphpost.inbound.spool import Spool
from graphpost.inbound.trace import received
from graphpost.mail.address import parse_address_list, to_wire
from graphpost.mail.dsn import Dsn, Wanted
from graphpost.mail.mailbox import Mailbox
from graphpost.mail.message import Address, Message
from graphpost.mail.parse import ParseLimits, parse, rooted
from graphpost.mail.relay import normalise
from graphpost.store.audit import SMTP_AUTH, Actor

_EVENTS: Final = ("SUCCESS", "FAILURE", "DELAY")
AT_ONCE: Final = 2  # messages that are whole in memory


class Desk:
    """Takes submissions for one server."""

    def __init__(
        self, submitter: Submitter, numbers: Numbers, limits: LimitSettings, hostname: str, clock: Clock
    ) -> None:
        self._submitter = submitter
        self._numbers = numbers
        self._limits = ParseLimits(
            depth=limits.mime_depth, parts=limits.mime_parts, header_bytes=limits.header_bytes
        )
        self._hostname = hostname
        self._clock = clock
        self._room = asyncio.Semaphore(AT_ONCE)

    async def take(self, letter: Letter, spool: Spool, mailbox: Mailbox) -> Reply:
        """Have it sent in the mailbox's name, durable on return.  Raises Refusal when it may not be sent."""
        number = self._numbers.next()
        async with self._room:
            try:
                data, message, dsn = await asyncio.to_thread(self._read, letter, spool, mailbox, number)
                check_author(message, mailbox)
                item = await self._submitter.submit(
                    Submission(
                        mailbox=mailbox,
                        message=rooted(message, number),
                        contents={number: data},
                        request_id=f"{number:016x}",
                        actor=_actor(letter, mailbox, number),
                        recipients=tuple(Address(_address(taker)) for taker in letter.takers),
                        dsn=dsn,
                        from_nobody=not letter.mail.sender,
                    )
                )
            except MimeError as error:
                raise refusal(554, "5.6.0", f"The message cannot be sent: {error}", "content") from error
            except InsufficientStorage as error:
                raise refusal(552, "5.2.2", error.message, "quota") from error
            except GraphError as error:
                raise refusal(452, "4.3.1", error.message, "storage") from error
            except StoreError as error:
                raise refusal(451, "4.3.0", "The message cannot be taken at the moment", "storage") from error
        return Reply(250, "2.0.0", f"Ok: queued as {item.message_id:016x}")

    def _read(
        self, letter: Letter, spool: Spool, mailbox: Mailbox, number: int
    ) -> tuple[bytes, Message, Dsn | None]:
        now = self._clock.now()
        top = received(letter.peer, "", self._hostname, number, now)
        message_id = new_message_id(number, random_bytes(4), mailbox.address)
        data = normalise(b"".join(chain((top,), spool)), message_id=message_id, date=now)
        message = parse(data, self._limits)
        by_header = message.is_delivery_receipt_requested
        wants = any("SUCCESS" in taker.rcpt.notify for taker in letter.takers)
        message = replace(
            message,
            sender=Address(letter.mail.sender or mailbox.address, mailbox.name),
            extended=(),  # the time to send it at is Graph's: here it is sent
            is_delivery_receipt_requested=wants or by_header,
        )
        return data, message, _asked(letter, wants_success=bool(by_header))


def _asked(letter: Letter, *, wants_success: bool) -> Dsn | None:
    """What the envelope asks to be told; None when that is nothing, or there is nobody to tell.

    Where it says nothing of a recipient, success is told when the header asks for that (`wants_success`).
    """
    mail, takers = letter.mail, letter.takers
    if not mail.sender or not (
        mail.ret or mail.envelope_id or any(each.rcpt.notify or each.rcpt.original for each in takers)
    ):
        return None
    otherwise = _EVENTS if wants_success else ()
    wanted = {
        to_wire(_address(taker)).lower(): Wanted(taker.rcpt.notify or otherwise, taker.rcpt.original)
        for taker in reversed(takers)  # of somebody named twice the first counts
    }
    return Dsn(mail.ret, mail.envelope_id, wanted)


def _address(taker: Taker) -> str:
    """Of a recipient; `postmaster` without a domain is the one here (RFC 5321 §4.5.1)."""
    return taker.rcpt.address if "@" in taker.rcpt.address else taker.mailbox.address


def check_author(message: Message, mailbox: Mailbox) -> None:
    """Raise Refusal unless everybody whom From and Sender name is the mailbox."""
    named = [
        address
        for header in message.headers
        if header.name.lower() in ("from", "sender", "resent-from", "resent-sender")
        for address in parse_address_list(header.value)
    ]
    if message.from_ is None:
        raise refusal(554, "5.6.0", "The message has no author", "content")
    for address in named:
        if not mailbox.owns(address.address):
            raise refusal(550, "5.7.1", f"<{address.address}>: you may not send as this", "sender")


def _actor(letter: Letter, mailbox: Mailbox, number: int) -> Actor:
    """Whom the audit log names: somebody who signed in by SMTP, without an application."""
    return Actor(
        "user",
        object_id=mailbox.object_id,
        person=mailbox.address,
        remote=letter.peer.address,
        right="owner",
        action=SMTP_AUTH,
        request_id=f"{number:016x}",
    )
