"""The auditor: takes records as they come, and writes them together.

What was sent is in the table already, written with the message itself; everything else is added to it some
milliseconds after the answer.  The files get all of it: one a day, JSON lines, never written to but at their end, deleted
when they are older than what is kept.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from graphpost.clock import SECOND, Clock, Instant
from graphpost.config import AuditSettings
from graphpost.errors import ConfigurationError, GraphpostError
from graphpost.files import make_directory, open_made
from graphpost.ids import Numbers
from graphpost.maillog import MailLog
from graphpost.store import audit
from graphpost.store.audit import (
    ADMINISTRATION,
    ISSUER,
    NO_MAILBOX,
    SMTP_AUTH,
    Actor,
    Entry,
    Record,
    entry_of,
)
from graphpost.store.directory import accounts
from graphpost.store.store import Store, Tx

WAIT_SECONDS: Final = 0.2
FAILED_SECONDS: Final = 1.0  # after a failure, before it is tried again
MOST_WAITING: Final = 100_000  # records that could not be written yet
STRANGERS_A_MINUTE: Final = 60  # of each kind: requests without a right token, sign-ins with a wrong password
GUESSED_AT: Final = (
    ISSUER,
    SMTP_AUTH,
    ADMINISTRATION,
)  # actions where somebody could try passwords or tokens
_TOGETHER: Final = 500  # records in one transaction
_FILE: Final = re.compile(r"audit-(\d{4}-\d\d-\d\d)\.jsonl")


def open_files(settings: AuditSettings) -> None:
    """Have the directory of the files there; ConfigurationError when nothing can be written to it."""
    if not settings.directory:
        return
    directory = Path(settings.directory)
    try:
        make_directory(directory)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        problem = f"{directory} cannot be written to: {error.strerror}"
        raise ConfigurationError("audit.directory", problem) from error


class Auditor:
    """`reads` says whether requests that change nothing are recorded too."""

    def __init__(
        self,
        store: Store,
        settings: AuditSettings,
        numbers: Numbers,
        clock: Clock,
        log: MailLog,
    ) -> None:
        self.reads = settings.reads
        self._store = store
        self._settings = settings
        self._numbers = numbers
        self._clock = clock
        self._log = log
        self._waiting: deque[tuple[Instant, Entry, bool]] = deque()
        self._some = asyncio.Event()
        self._turn = asyncio.Lock()
        self._strangers: dict[str, tuple[Instant, int]] = {}  # the minute, and how many came in it

    def note(
        self,
        actor: Actor,
        *,
        mailbox_id: int = NO_MAILBOX,
        mailbox: str = "",
        message_id: int = 0,
        status: int,
        code: str = "",
    ) -> None:
        """Something that was asked has come to its end.  Strangers are recorded as far as they are few."""
        now = self._clock.now()
        if actor.kind == "nobody" and not self._is_worth(actor, now):
            return
        record = Record(mailbox_id, self._numbers.next(), now, actor, mailbox, message_id, (), status, code)
        self._keep(now, entry_of(record), False)

    def sent(self, at: Instant, entry: Entry) -> None:
        """A message is durable, and so is its record: for the files."""
        if self._settings.directory:
            self._keep(at, entry, True)

    def _is_worth(self, actor: Actor, now: Instant) -> bool:
        """Whether it is one of the first of its kind in this minute: who floods one of them hides no other."""
        kind = next((each for each in GUESSED_AT if actor.action.startswith(each)), "")
        since, count = self._strangers.get(kind, (0, 0))
        minute = now // (60 * SECOND)
        count = count + 1 if since == minute else 1
        self._strangers[kind] = minute, count
        return count <= STRANGERS_A_MINUTE

    async def close(self) -> None:
        """Write what waits; what cannot be written any more is lost, and said."""
        try:
            await self.flush()
        except (GraphpostError, OSError) as error:
            self._log.problem("audit", error)

    def _keep(self, at: Instant, entry: Entry, is_written: bool) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._log.problem("audit", GraphpostError("too many records wait; the oldest is dropped"))
        self._waiting.append((at, entry, is_written))
        self._some.set()

    async def run(self) -> None:
        """Write for ever; what cannot be written waits."""
        while True:
            await self._some.wait()
            await self._clock.sleep(WAIT_SECONDS)
            self._some.clear()
            try:
                await asyncio.shield(self.flush())
            except Exception as error:  # the records wait
                self._log.problem("audit", error)
                await self._clock.sleep(FAILED_SECONDS)
                self._some.set()

    async def flush(self) -> None:
        """Write what waits now; one at a time."""
        async with self._turn:
            await self._flush()

    async def _flush(self) -> None:
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(_TOGETHER, len(self._waiting)))]
            new = [entry for _, entry, is_written in some if not is_written]
            try:
                if new:
                    await self._store.write(partial(_add, new))
            except BaseException:
                self._waiting.extendleft(reversed(some))
                raise
            if self._settings.directory:
                try:
                    await asyncio.to_thread(self._append, [(at, entry) for at, entry, _ in some])
                except OSError:
                    self._waiting.extendleft((at, entry, True) for at, entry, _ in reversed(some))
                    raise

    def _append(self, entries: Sequence[tuple[Instant, Entry]]) -> None:
        """To the day's file, in one write; a day's file begins with the first record of it."""
        directory = Path(self._settings.directory)
        if directory.parent.is_dir():  # else what it is in was taken away, and may be put back
            make_directory(directory)
        lines: dict[str, list[bytes]] = {}
        for at, entry in entries:
            lines.setdefault(_day(at), []).append(entry.line + b"\n")
        for day, some in lines.items():
            flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW
            descriptor = open_made(directory / f"audit-{day}.jsonl", flags)
            try:
                _write(descriptor, b"".join(some))
            finally:
                os.close(descriptor)

    async def forget(self) -> None:
        """Delete what is older than it is kept, now."""
        before = self._clock.now() - int(self._settings.retention_seconds * SECOND)
        number = Numbers(lambda: before, node=0).next()
        for box in (NO_MAILBOX, *await self._store.read(accounts.list_numbers)):
            while await self._store.write(lambda tx, box=box: audit.prune(tx, box, number, _TOGETHER)):  # type: ignore[misc]
                pass
        if self._settings.directory:
            await asyncio.to_thread(self._unlink, _day(before))

    def _unlink(self, before: str) -> None:
        directory = Path(self._settings.directory)
        if directory.is_dir():
            for path in directory.iterdir():
                found = _FILE.fullmatch(path.name)
                if found and found[1] < before:
                    path.unlink(missing_ok=True)


def _add(entries: Sequence[Entry], tx: Tx) -> None:
    for entry in entries:
        audit.add(tx, entry)


def _write(descriptor: int, lines: bytes) -> None:
    """Add all of it or nothing: when the disk is full in the middle of a line, no half line stays."""
    size = os.fstat(descriptor).st_size
    rest = memoryview(lines)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        if os.fstat(descriptor).st_size == size + len(lines) - len(
            rest
        ):  # else another process writes there too
            os.ftruncate(descriptor, size)
        raise


def _day(at: Instant) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).date().isoformat()
