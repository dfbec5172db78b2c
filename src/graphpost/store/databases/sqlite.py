"""The embedded store: one SQLite file, one writer with group commit, readers.

Durable means WAL with synchronous=FULL: an answered write is in the log and synced.  Readers have read-only
connections and see one snapshot each; they never wait for the writer, nor it for them.  One process owns the file
(a lock beside it); a second one is refused with StoreError.  Files are 0600, made directories 0700.  Nothing is written
once a file was removed or replaced (`store.databases.presence`): it would be gone after the next start.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Final, TypeVar

import apsw

from graphpost.errors import StoreBusy, StoreError, Unstorable
from graphpost.files import make_directory, open_made
from graphpost.store.databases import migrate
from graphpost.store.databases.commits import run_jobs
from graphpost.store.databases.numbering import Counter, begin_generation
from graphpost.store.databases.presence import Presence
from graphpost.store.databases.threaded import ThreadedStore
from graphpost.store.databases.transaction import Transaction, Work, widened
from graphpost.store.store import Dialect, Params, Row, Tx

T = TypeVar("T")
SQLITE: Final = Dialect("sqlite", skip_locked="", for_update="", for_share="", updates_one_by_one=True)
_ROWS: Final = (
    64  # to a statement, at most: each number of them has a text, and prepared ones are to be found again
)
_OLDEST: Final = 3_051_003  # before it, SQLite could corrupt a WAL database


class SqliteStore(ThreadedStore):
    """`Store` on a SQLite file.  Made by `open`."""

    dialect = SQLITE

    def __init__(self, path: Path, lock: int, writer: SqliteSession, readers: int) -> None:
        super().__init__(readers)
        self.path = path
        self._lock = lock
        self._writer = writer
        self._local = threading.local()
        self._readers: list[SqliteSession] = []
        self._thread = threading.Thread(target=self._write_on, name="store-writer", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, path: Path, *, readers: int = 4) -> SqliteStore:
        """Open or create the database and bring its schema up to date; StoreError when that can't be."""
        if apsw.SQLITE_VERSION_NUMBER < _OLDEST:
            raise StoreError(f"SQLite {apsw.sqlite_lib_version()} is too old to be safe")
        lock = -1
        try:
            make_directory(path.parent)
            lock = _lock(path)
            os.close(open_made(path, os.O_RDWR))
            writer = SqliteSession.writer(path)
        except (OSError, StoreError) as error:
            if lock >= 0:
                os.close(lock)
            if isinstance(error, StoreBusy):
                raise
            raise StoreError(f"{path}: {error.strerror if isinstance(error, OSError) else error}") from error
        return cls(path, lock, writer, readers)

    def _finish(self) -> None:
        self._thread.join()
        self._pool.shutdown()
        for session in (*self._readers, self._writer):
            session.close()
        os.close(self._lock)

    def _write_on(self) -> None:
        while (jobs := self._submissions.take()) is not None:
            run_jobs(self._writer, jobs, self._submissions.tell)

    def _read(self, fn: Callable[[Tx], T]) -> T:
        session: SqliteSession | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = SqliteSession.reader(self.path, self._writer.counter)
            self._readers.append(session)
        tx = Transaction(Work(session), SQLITE)
        session.begin_reading()
        try:
            return fn(tx)
        finally:
            tx.end()
            session.rollback()


class SqliteSession:
    """One connection, used by one thread at a time."""

    dialect = SQLITE

    def __init__(self, connection: apsw.Connection, counter: Counter | None = None) -> None:
        self.connection = connection
        self.counter = counter or Counter()
        self._cursor = connection.cursor()
        self._number = 0
        self._horizon = 0
        self._presence: Presence | None = None  # of the writer

    @classmethod
    def writer(cls, path: Path) -> SqliteSession:
        """The one connection that writes; migrates."""
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOMUTEX
        session = cls._open(path, flags, 16_384)
        try:
            # The page size takes effect in a new file only, and before it becomes a WAL database.
            session.query("PRAGMA page_size = 16384", ())
            mode = session.query("PRAGMA journal_mode = WAL", ())
            if mode != [("wal",)]:
                raise StoreError(f"{path}: SQLite cannot keep a write-ahead log here")
            session.query("PRAGMA synchronous = FULL", ())
            session.query("PRAGMA journal_size_limit = 67108864", ())
            session.begin()
            migrate.apply(session)
            session.counter = Counter(begin_generation(session))
            session.commit()
            session._presence = Presence(path)
        except BaseException:
            session.rollback()
            session.close()
            raise
        return session

    @classmethod
    def reader(cls, path: Path, counter: Counter | None = None) -> SqliteSession:
        session = cls._open(path, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_NOMUTEX, 4_096)
        session.counter = counter or session.counter
        return session

    @classmethod
    def _open(cls, path: Path, flags: int, cache_kilobytes: int) -> SqliteSession:
        try:
            connection = apsw.Connection(str(path), flags=flags, statementcachesize=256)
        except apsw.Error as error:
            raise _translated(error) from error
        session = cls(connection)
        session.query("PRAGMA busy_timeout = 5000", ())
        session.query(f"PRAGMA cache_size = -{cache_kilobytes}", ())
        session.query("PRAGMA temp_store = MEMORY", ())
        return session

    def begin(self) -> None:
        self.rollback()  # of no effect, unless a roll-back failed before
        if self._presence is not None and (missing := self._presence.missing()):
            self._rescue()
            raise StoreError(f"{missing} was removed or replaced: nothing is written until the next start")
        self.change("BEGIN IMMEDIATE", ())
        self._number, self._horizon = 0, self.counter.committed

    def begin_reading(self) -> None:
        self._horizon = self.counter.committed  # the snapshot is taken later, by the first statement
        self.change("BEGIN", ())

    def commit(self) -> None:
        self.change("COMMIT", ())
        if self._number:
            self.counter.committed = self._number

    def change_number(self) -> int:
        if not self._number:
            self._number = self.counter.next()
        return self._number

    def change_horizon(self) -> int:
        return self._horizon

    def rollback(self) -> None:
        if self.connection.in_transaction:
            try:
                self._cursor.execute("ROLLBACK")
            except apsw.Error:
                return

    def _rescue(self) -> None:
        """Put into the database what was acknowledged, when the log that has it lost its name."""
        if self._presence is not None and self._presence.is_log_alone_missing:
            self.query("PRAGMA wal_checkpoint(FULL)", ())

    def query(self, sql: str, params: Params) -> list[Row]:
        try:
            return self._cursor.execute(sql, params).fetchall()
        except apsw.Error as error:
            raise _translated(error) from error

    def change(self, sql: str, params: Params) -> int:
        try:
            self._cursor.execute(sql, params)
            return self.connection.changes()
        except apsw.Error as error:
            raise _translated(error) from error

    def change_many(self, batches: Sequence[tuple[str, list[Params]]]) -> None:
        try:
            for sql, rows in batches:
                self._many(sql, rows)
        except apsw.Error as error:
            raise _translated(error) from error

    def _many(self, sql: str, rows: list[Params]) -> None:
        if widened(sql, 2) is None:
            self._cursor.executemany(sql, rows)
            return
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            self._cursor.execute(widened(sql, len(some)) or sql, tuple(chain.from_iterable(some)))

    def close(self) -> None:
        self.connection.close()


def _lock(path: Path) -> int:
    """Take the lock beside the database; StoreError when another process (or store) has it."""
    descriptor = open_made(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise StoreBusy(f"{path} is in use by another process (pid {holder})") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _translated(error: apsw.Error) -> StoreError:
    if isinstance(error, apsw.FullError):
        return StoreError("the disk is full")
    if isinstance(error, (apsw.BusyError, apsw.LockedError)):
        return StoreBusy("the database is locked")
    if isinstance(error, (apsw.ConstraintError, apsw.TooBigError, apsw.MismatchError)):
        return Unstorable(f"the database refused it: {error}")
    return StoreError(f"the database failed: {error}")
