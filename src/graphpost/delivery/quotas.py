"""Quotas: how much a mailbox may have before nothing more is put into it.

What a mailbox has is kept by the store as its folders' counts are (`folders.size_of`), without what was deleted for good
and can be recovered, as Exchange counts.  It is read when it is needed, remembered for `FRESH_SECONDS`, and added to
here meanwhile; who is about to be refused is looked at anew.  What was counted in the last moment may not be in what is
read yet, and is added to it, so that many who come at once share the room that is left.  Other processes add too, so the
bound is kept about, not exactly.  A mailbox without a bound costs a look at two numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    """`this` was counted in the present moment, which began then, `last` in the one before."""

    size: int = 0
    read_at: Instant = 0
    warned_at: Instant = 0
    began_at: Instant = 0
    this: int = 0
    last: int = 0

    def count(self, size: int, now: Instant) -> None:
        self._turn(now)
        self.size += size
        self.this += size

    def read(self, size: int, now: Instant) -> None:
        self._turn(now)
        self.size, self.read_at = size + self.this + self.last, now

    def _turn(self, now: Instant) -> None:
        moments = (now - self.began_at) / (MOMENT_SECONDS * SECOND)
        if not 0 <= moments < 1:
            self.last = self.this if 1 <= moments < 2 else 0
            self.began_at, self.this = now, 0


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

    async def takes(self, mailbox: Mailbox, size: int, *, is_report: bool) -> bool:
        """Whether a message of that size may come in; then it is counted."""
        bound = self.bound(mailbox)
        if not bound:
            return True
        return await self._take(mailbox, size, bound + bound // REPORT_SHARE if is_report else bound)

    async def _take(self, mailbox: Mailbox, size: int, bound: int) -> bool:
        known = self._known.get(mailbox.mailbox_id)
        oldest = self._clock.now() - int(FRESH_SECONDS * SECOND)
        if known is None or known.read_at < oldest or known.size + size > bound:
            known = await self._look(mailbox.mailbox_id)
        if known.size + size > bound:
            self._warn(mailbox, known, bound)
            return False
        known.count(size, self._clock.now())
        if known.size > bound * self._warning:
            self._warn(mailbox, known, bound)
        return True

    async def _look(self, number: int) -> _Known:
        size, now = await self._store.read(lambda tx: folders.size_of(tx, number)), self._clock.now()
        known = self._known.pop(number, None) or _Known()
        while len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[number] = known
        known.read(size, now)
        return known

    def _warn(self, mailbox: Mailbox, known: _Known, bound: int) -> None:
        """Once a day."""
        now = self._clock.now()
        if not known.warned_at or known.warned_at <= now - int(_WARN_SECONDS * SECOND):
            known.warned_at = now
            self._log.almost_full(mailbox.address, known.size, bound)
