"""Quotas: how much a mailbox may have before nothing more is put into it.

What a mailbox has is kept by the store as its folders' counts are (`folders.size_of`), without what was deleted for good
and can be recovered, as Exchange counts.  It is read when it is needed, remembered for `FRESH_SECONDS`, and added to
here meanwhile; who is about to be refused is looked at anew.  What was counted in the last moment and has not come to
the store is added to what is read, so that many who come at once share the room that is left.  Other processes add too,
so the bound is kept about, not exactly.  A mailbox without a bound costs a look at two numbers.

Only what is there to be stored is counted: who announces a message only asks whether there is room.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from graphpost.clock import SECOND, Clock, Instant
from graphpost.config import AccountSettings
from graphpost.errors import InsufficientStorage
from graphpost.mail.mailbox import Mailbox
from graphpost.maillog import MailLog
from graphpost.store.mailbox import folders
from graphpost.store.store import Store, Tx

FRESH_SECONDS: Final = 10.0
MOMENT_SECONDS: Final = 1.0  # from being counted to being in the store, with much to spare
REPORT_SHARE: Final = 20  # reports are taken until a mailbox has such a part more than it may
_WARN_SECONDS: Final = 86_400.0
_REMEMBERED: Final = 10_000  # mailboxes
_FULL: Final = "Mailbox has exceeded maximum mailbox size."


@dataclass(slots=True)
class _Known:
    """`this` was counted in the present moment, which began then, `last` in the one before.

    `stored` is what the store had, with what can be recovered, and what was counted longer ago and has come to it since.
    """

    size: int = 0
    stored: int = 0
    read_at: Instant = 0
    warned_at: Instant = 0
    began_at: Instant = 0
    this: int = 0
    last: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # one reads at a time: none goes back in time

    def count(self, size: int, now: Instant) -> None:
        self._turn(now)
        self.size += size
        self.this += size

    def read(self, size: int, recoverable: int, now: Instant) -> None:
        """What the store has gained came from those who were counted, the first of them first, also when it is deleted."""
        self._turn(now)
        gained = max(0, size + recoverable - self.stored)
        self.stored = size + recoverable
        late = max(0, gained - self.last)
        self.last = max(0, self.last - gained)
        self.this = max(0, self.this - late)
        self.size, self.read_at = size + self.this + self.last, now

    def _turn(self, now: Instant) -> None:
        moments = (now - self.began_at) / (MOMENT_SECONDS * SECOND)
        if not 0 <= moments < 1:
            last = self.this if 1 <= moments < 2 else 0
            self.stored += self.last + self.this - last
            self.began_at, self.this, self.last = now, 0, last


class Quotas:
    """Of one process."""

    def __init__(self, store: Store, settings: AccountSettings, clock: Clock, log: MailLog) -> None:
        self._store = store
        self._usual = settings.quota_bytes
        self._warning = settings.quota_warning
        self._clock = clock
        self._log = log
        self._known: dict[int, _Known] = {}

    def bound(self, mailbox: Mailbox) -> int:
        """How many bytes it may have; 0: any number."""
        return mailbox.quota if mailbox.quota >= 0 else self._usual

    async def check(self, mailbox: Mailbox, size: int) -> None:
        """Count so many bytes as the mailbox's; InsufficientStorage, and nothing is counted, when they are too many."""
        if (bound := self.bound(mailbox)) and not await self._take(mailbox, size, bound):
            raise InsufficientStorage(_FULL)

    def check_growth(self, tx: Tx, mailbox: Mailbox, size: int) -> None:
        """Raise InsufficientStorage when so many bytes more are too many, in the transaction that adds them."""
        bound = self.bound(mailbox)
        if bound and size > 0 and folders.size_of(tx, mailbox.mailbox_id) + size > bound:
            raise InsufficientStorage(_FULL)

    def is_full(self, tx: Tx, mailbox: Mailbox) -> bool:
        """Whether nothing more goes into it."""
        bound = self.bound(mailbox)
        return bool(bound) and folders.size_of(tx, mailbox.mailbox_id) >= bound

    async def has_room(self, mailbox: Mailbox, size: int, *, is_report: bool) -> bool:
        """Whether a message of that size could come in now."""
        bound = self._incoming(mailbox, is_report=is_report)
        return not bound or await self._room(mailbox, size, bound) is not None

    async def takes(self, mailbox: Mailbox, size: int, *, is_report: bool) -> bool:
        """Whether a message of that size, which is here, may come in; then it is counted."""
        bound = self._incoming(mailbox, is_report=is_report)
        return not bound or await self._take(mailbox, size, bound)

    def _incoming(self, mailbox: Mailbox, *, is_report: bool) -> int:
        bound = self.bound(mailbox)
        return bound + bound // REPORT_SHARE if is_report else bound

    async def _take(self, mailbox: Mailbox, size: int, bound: int) -> bool:
        known = await self._room(mailbox, size, bound)
        if known is None:
            return False
        known.count(size, self._clock.now())
        if known.size > bound * self._warning:
            self._warn(mailbox, known, bound)
        return True

    async def _room(self, mailbox: Mailbox, size: int, bound: int) -> _Known | None:
        """What is known of a mailbox that has room for so much; None when it has not."""
        known = self._known.get(mailbox.mailbox_id)
        oldest = self._clock.now() - int(FRESH_SECONDS * SECOND)
        if known is None or known.read_at < oldest or known.size + size > bound:
            known = await self._look(mailbox.mailbox_id)
        if known.size + size > bound:
            self._warn(mailbox, known, bound)
            return None
        return known

    async def _look(self, number: int) -> _Known:
        known = self._known.pop(number, None) or _Known()
        while len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[number] = known
        async with known.turn:
            size, recoverable = await self._store.read(lambda tx: _sizes(tx, number))
            known.read(size, recoverable, self._clock.now())
        return known

    def _warn(self, mailbox: Mailbox, known: _Known, bound: int) -> None:
        """Once a day."""
        now = self._clock.now()
        if not known.warned_at or known.warned_at <= now - int(_WARN_SECONDS * SECOND):
            known.warned_at = now
            self._log.almost_full(mailbox.address, known.size, bound)


def _sizes(tx: Tx, number: int) -> tuple[int, int]:
    return folders.size_of(tx, number), folders.recoverable_size(tx, number)
