"""Reception: a message that came whole is filed before it is acknowledged.

It takes the way of local delivery: rules, folders, what they send on.  The filings of all recipients are one transaction
(LMTP: one for each mailbox, because each recipient has an answer of its own); a mailbox named by several of its addresses
gets the message once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from msgspec import Struct

from graphpost.clock import SECOND, Clock, Instant
from graphpost.delivery import filing
from graphpost.delivery.arrival.arriving import Arrival, Arrivals
from graphpost.delivery.filing import Filer, Filing
from graphpost.delivery.responses.confirming import Asked, Confirmer
from graphpost.errors import MimeError, StoreError
from graphpost.inbound.commands import Mail, Rcpt
from graphpost.inbound.replies import Reply, refusal
from graphpost.inbound.spool import Spool
from graphpost.inbound.trace import (
    Peer,
    header_of,
    hops,
    is_field,
    received,
    return_path,
    without_claims,
)
from graphpost.mail.mailbox import Mailbox
from graphpost.maillog import MailLog
from graphpost.store.store import Store, Tx

LARGE_AT_ONCE: Final = 2  # messages whose parts are looked for at a time: some need memory for their texts


class Taker(Struct, frozen=True):
    """A recipient, and whose mailbox that is."""

    rcpt: Rcpt
    mailbox: Mailbox


class Letter(Struct, frozen=True):
    """The envelope of a message, and who brought it."""

    peer: Peer
    mail: Mail
    takers: tuple[Taker, ...]

    @property
    def boxes(self) -> list[Mailbox]:
        """Each mailbox once."""
        return list({taker.mailbox.mailbox_id: taker.mailbox for taker in self.takers}.values())


Evaluate = Callable[[Letter, Spool], Awaitable[bytes]]
"""Of an envelope and a message: the Authentication-Results fields to put on top, each with its CRLF.  It may raise Refusal."""


async def no_results(letter: Letter, data: Spool) -> bytes:
    """An Evaluate that looks at nothing."""
    return b""


class Reception:
    """Takes messages for one store."""

    def __init__(
        self,
        *,
        store: Store,
        filer: Filer,
        arrivals: Arrivals,
        confirmer: Confirmer,
        hostname: str,
        most_hops: int,
        header_bytes: int,
        clock: Clock,
        log: MailLog,
        evaluate: Evaluate = no_results,
    ) -> None:
        self._store = store
        self._filer = filer
        self._arrivals = arrivals
        self._confirmer = confirmer
        self._hostname = hostname
        self._most_hops = most_hops
        self._header_bytes = header_bytes
        self._clock = clock
        self._log = log
        self._evaluate = evaluate
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    @property
    def in_memory(self) -> int:
        """Up to how many octets a message is held in memory."""
        return self._filer.inline_limit

    async def take(self, letter: Letter, spool: Spool, *, apart: bool = False) -> dict[int, Reply]:
        """The reply for each mailbox.  Without `apart` it is one for all: everything is filed, or nothing.

        Raises Refusal when the message is at fault.
        """
        now, number = self._clock.now(), self._filer.number()
        try:
            header = header_of(iter(spool), self._header_bytes)
            before = await self._top(letter, header, spool, number, now)
            size = len(before) + spool.size - len(header)
            chunks = chain((before,), _after(spool, len(header)))
            if size > self._filer.inline_limit:
                return await self._take_large(letter, chunks, number, now, apart=apart)
            data = b"".join(chunks)
            arrival = Arrival(letter.mail.sender, data, self._filer.content(data), True)
            return await self._file(letter, arrival, number, now, apart=apart)
        except MimeError as error:
            raise refusal(554, "5.6.0", f"The message cannot be filed: {error}", "content") from error
        except StoreError as error:
            self._log.problem("inbound", error)
            reply = Reply(452, "4.3.1", "The message cannot be filed at the moment")
            return dict.fromkeys((box.mailbox_id for box in letter.boxes), reply)

    async def _top(self, letter: Letter, header: bytes, spool: Spool, number: int, now: Instant) -> bytes:
        """The fields that are put on top, and the header below them."""
        if len(header) >= self._header_bytes:
            raise refusal(552, "5.3.4", "The header is too large", "content")
        if hops(header) > self._most_hops:
            raise refusal(554, "5.4.6", "Routing loop: too many hops", "loop")
        results = await self._evaluate(letter, spool)
        only = letter.takers[0].rcpt.address if len(letter.takers) == 1 else ""
        top = return_path(letter.mail.sender) + results
        top += received(letter.peer, only, self._hostname, number, now)
        if not spool.size or (header and not is_field(header)):
            top += b"\r\n"  # the header ends here: what follows is no field
        return top + without_claims(header, self._hostname, trusted="LMTP" in letter.peer.protocol)

    async def _take_large(
        self, letter: Letter, chunks: Iterator[bytes], number: int, now: Instant, *, apart: bool
    ) -> dict[int, Reply]:
        async with self._large:
            content, mapped = await asyncio.to_thread(self._filer.large_content, chunks)
            try:
                arrival = Arrival(letter.mail.sender, mapped, content, True)
                return await self._file(letter, arrival, number, now, apart=apart)
            finally:
                mapped.close()

    async def _file(
        self, letter: Letter, arrival: Arrival, number: int, now: Instant, *, apart: bool
    ) -> dict[int, Reply]:
        boxes, size = letter.boxes, arrival.content.size
        filings = await self._arrivals.filings(boxes, letter.mail.sender, size, lambda: arrival, now)
        filings += tuple(self._confirmations(letter, filings, arrival, now, apart=apart))
        shares: list[tuple[list[Mailbox], Sequence[Filing]]] = [(boxes, filings)]
        if apart:
            shares = [
                ([box], [one for one in filings if one.item.mailbox_id == box.mailbox_id]) for box in boxes
            ]
        replies = await asyncio.gather(*(self._write(mine, number) for _, mine in shares))
        given = {
            box.mailbox_id: reply for (some, _), reply in zip(shares, replies, strict=True) for box in some
        }
        self._say(
            letter, [one for one in filings if given[one.item.mailbox_id].code == 250], number, size, now
        )
        return given

    def _confirmations(
        self, letter: Letter, filings: Sequence[Filing], arrival: Arrival, now: Instant, *, apart: bool
    ) -> Iterator[Filing]:
        """The report that was asked for, if any was; with `apart` one for each mailbox."""
        asking = [
            (taker.mailbox, taker.rcpt.address, taker.rcpt.original)
            for taker in letter.takers
            if "SUCCESS" in taker.rcpt.notify
        ]
        if not asking:
            return
        header = header_of(iter((bytes(arrival.data[: self._header_bytes]),)), self._header_bytes)
        boxes = {each[0].mailbox_id for each in asking}
        for some in [{box} for box in boxes] if apart else [boxes]:
            named = tuple(each for each in asking if each[0].mailbox_id in some)
            asked = Asked(letter.mail.sender, letter.mail.envelope_id, named)
            made = self._confirmer.filing(filings, asked, header, now)
            if made is not None:
                yield made

    async def _write(self, filings: Sequence[Filing], number: int) -> Reply:
        """File it, durable on return."""

        def add(tx: Tx) -> None:
            for one in filings:
                filing.add(tx, one)

        try:
            await self._store.write(add)
        except StoreError as error:
            self._log.problem("inbound", error)
            return Reply(451, "4.3.0", "The message cannot be filed at the moment")
        except Exception as error:  # what is a defect of ours must not lose the message: its sender keeps it
            self._log.problem("inbound", error)
            return Reply(451, "4.3.0", "An internal error; the server's log has the details")
        return Reply(250, "2.0.0", f"Ok: filed as {number:016x}")

    def _say(self, letter: Letter, filings: Sequence[Filing], number: int, size: int, began: Instant) -> None:
        if not filings:
            return
        seconds = (self._clock.now() - began) / SECOND
        peer = letter.peer
        self._log.received(
            number,
            peer.address,
            peer.helo,
            letter.mail.sender,
            len(letter.takers),
            size,
            seconds,
            [one.item.message_id for one in filings],
        )
        for one in filings:
            filing.say(one, self._log)


def _after(chunks: Iterable[bytes], skipped: int) -> Iterator[bytes]:
    """The octets but for so many at the beginning."""
    for chunk in chunks:
        if skipped < len(chunk):
            yield chunk[skipped:] if skipped else chunk
        skipped = max(0, skipped - len(chunk))
