"""Noticing what comes back: reports and receipts are matched with what was sent.

A report is believed only as far as it can be: it has come to the address that the message was sent from, names that
message by the envelope id or Message-ID that we gave it, and a recipient that it had.  A forged one can change what is
shown of that recipient and nothing else.  Noticing the same report twice is as noticing it once.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from graphpost.clock import Instant
from graphpost.mail.address import to_wire
from graphpost.mail.mailbox import Mailbox
from graphpost.mail.returned import LONGEST, Returned, Told, read_returned
from graphpost.mail.scan import Buffer
from graphpost.maillog import MailLog
from graphpost.store.queue import deliveries, reported
from graphpost.store.queue.deliveries import Delivery
from graphpost.store.queue.reported import Reported
from graphpost.store.store import Store, Tx

_ENVELOPE_ID: Final = re.compile(r"[0-9a-fA-F]{16}")
_OWN_ID: Final = re.compile(r"<([0-9a-f]{16})\.[0-9a-f]+@")

Sent = list[Delivery]


class Noticing:
    """Looks at mail that arrives for one store."""

    def __init__(self, store: Store, log: MailLog) -> None:
        self._store = store
        self._log = log

    async def notice(
        self, envelope_sender: str, data: Buffer, boxes: Sequence[Mailbox], now: Instant
    ) -> None:
        """Note what a message says of others that these mailboxes sent.  Never raises: the message is mail all the same.

        What has a sender is no report (RFC 3464 §2, RFC 8098 §3), which is all that other mail is asked.
        """
        if envelope_sender or not boxes:
            return
        try:
            await self._notice(data, boxes, now)
        except Exception as error:  # a stranger's report, or a full disk, is no reason to refuse mail
            self._log.problem("report", error)

    async def _notice(self, data: Buffer, boxes: Sequence[Mailbox], now: Instant) -> None:
        found = await asyncio.to_thread(_read, data)
        if found is None:
            return
        matched = await self._store.read(lambda tx: list(_matched(tx, found, boxes, now)))
        if not matched:
            return

        def note(tx: Tx) -> list[tuple[Delivery, Reported]]:
            return [
                (sent, said)
                for sent, said in matched
                if reported.note(tx, sent.mailbox_id, sent.message_id, said)
            ]

        for sent, said in await self._store.write(note):
            self._log.reported(sent.message_id, said.recipient, said.state, said.status, said.text)


def _read(data: Buffer) -> Returned | None:
    return read_returned(bytes(data[:LONGEST]))


def _matched(
    tx: Tx, found: Returned, boxes: Iterable[Mailbox], now: Instant
) -> Iterator[tuple[Delivery, Reported]]:
    """What is said of recipients of messages that were sent from one of these mailboxes."""
    for box in boxes:
        sent = _sent(tx, found, box)
        addresses = {_key(each.address): (each.address, row) for row in sent for each in row.recipients}
        for told in found.told:
            match = _recipient(told, addresses, is_only=len(found.told) == 1)
            if match is not None:
                yield match[1], Reported(match[0], told.state, now, told.status, told.text)


def _sent(tx: Tx, found: Returned, box: Mailbox) -> Sent:
    """The deliveries of the message that the report is about, if it was sent from that mailbox."""
    numbers = []
    if _ENVELOPE_ID.fullmatch(found.envelope_id):
        numbers.append(int(found.envelope_id, 16))
    if own := _OWN_ID.match(found.message_id):
        numbers.append(int(own[1], 16))
    for number in numbers:
        rows = deliveries.find(tx, number) if 0 < number < 2**63 else []
        if rows and box.owns(rows[0].sender) and found.message_id in ("", rows[0].internet_message_id):
            return rows
    number_of = reported.find_sent(tx, box.mailbox_id, found.message_id) if found.message_id else None
    return [] if number_of is None else deliveries.get(tx, box.mailbox_id, number_of)


def _recipient(
    told: Told, addresses: dict[str, tuple[str, Delivery]], *, is_only: bool
) -> tuple[str, Delivery] | None:
    """Whom it is said of: a recipient by its address, or the only one there is."""
    for address in (told.original, told.address):
        if address and (match := addresses.get(_key(address))) is not None:
            return match
    return next(iter(addresses.values())) if is_only and len(addresses) == 1 else None


def _key(address: str) -> str:
    return to_wire(address).lower()
