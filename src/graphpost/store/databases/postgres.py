"""The scale-out store: PostgreSQL through psycopg, writers and readers.

Each writer thread takes the functions that came together (`store.databases.turns`) and runs them as one transaction (READ COMMITTED; rows read
with the dialect's `for_update` stay as they are); what needs no result is sent in one pipeline with BEGIN and COMMIT.
Conflicts are run again.  When the server is gone, callers get StoreError at once while the connections come back with
growing pauses.  An answered write is committed with at least synchronous_commit = on.

A host that vanished is noticed within half a minute, and a server that cannot be written to is none.  A statement that is not
answered for half a minute (the server hangs, or somebody holds a lock) is given up with its connection, when closing after ten
seconds, so that nobody waits for ever.  What we hold when
we are stopped in the middle of a write, others need: the database ends such a transaction after WRITE_SECONDS.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from typing import Any, Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.numeric import Int8BinaryDumper
from psycopg.types.string import StrBinaryDumper

from graphpost.errors import StoreBusy, StoreError, Unstorable
from graphpost.store.databases import migrate
from graphpost.store.databases.commits import ConnectionLostError, run_jobs
from graphpost.store.databases.numbering import postgres_base
from graphpost.store.databases.threaded import ThreadedStore
from graphpost.store.databases.transaction import Transaction, Work, widened
from graphpost.store.databases.turns import Turns
from graphpost.store.store import Dialect, Params, Row, Tx

T = TypeVar("T")
POSTGRES: Final = Dialect(
    "postgres", skip_locked=" FOR UPDATE SKIP LOCKED", for_update=" FOR UPDATE", for_share=" FOR KEY SHARE"
)
_READING: Final = Dialect("postgres", skip_locked="", for_update="", for_share="")
_BEGIN_READING: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_MIGRATING: Final = 0x6772_6170_6870  # the advisory lock that migrations hold
_CHUNKS: Final = (64, 32, 16, 8, 4, 2, 1)
_OLDEST: Final = 130_000
_NUMBER: Final = "SELECT pg_current_xact_id()::text::bigint"
_HORIZON: Final = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1"
STATEMENT_SECONDS: Final = 30.0
CLOSING_SECONDS: Final = 10.0  # for a statement, once the store is being closed
_LOOK_SECONDS: Final = 1.0
WRITE_SECONDS: Final = 10  # from one statement of a write to the next
LOCK_SECONDS: Final = 20  # before STATEMENT_SECONDS: the database itself ends what waits for somebody else
_CHECKS_CLIENTS: Final = 140_000
_DEFAULTS: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 15,  # seconds, as the next one; of use to TCP alone, as all that follow
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds
}
_ENDED: Final = (  # what a server says before it hangs up
    psycopg.errors.AdminShutdown,
    psycopg.errors.CrashShutdown,
    psycopg.errors.CannotConnectNow,
    psycopg.errors.IdleInTransactionSessionTimeout,
)
_REFUSED: Final = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)
_PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class PostgresStore(ThreadedStore):
    """`Store` on a PostgreSQL database.  Made by `open`."""

    dialect = POSTGRES

    def __init__(self, url: str, connections: int, base: int = 0) -> None:
        super().__init__(connections)
        self._url = url
        self._base = base
        self._turns = Turns(self._submissions)
        self._local = threading.local()
        self._sessions = [PostgresSession(url, POSTGRES, "BEGIN", base=base) for _ in range(connections)]
        self._readers: list[PostgresSession] = []
        self._patience = STATEMENT_SECONDS
        self._ended = threading.Event()
        threading.Thread(target=self._give_up_on, name="store-patience", daemon=True).start()
        self._threads = [
            threading.Thread(target=self._write_on, args=(session,), name="store-writer", daemon=True)
            for session in self._sessions
        ]
        for thread in self._threads:
            thread.start()

    @classmethod
    def open(cls, url: str, *, connections: int = 4) -> PostgresStore:
        """Connect and bring the schema up to date; StoreError when that can't be."""
        session = PostgresSession(url, POSTGRES, "BEGIN")
        try:
            session.begin()
            session.change("SET LOCAL lock_timeout = 0", ())  # another server's migration may take its time
            session.query("SELECT pg_advisory_xact_lock(?)", (_MIGRATING,))
            migrate.apply(session)
            base = postgres_base(session)
            session.commit()
        finally:
            session.close()
        return cls(url, connections, base)

    async def close(self) -> None:
        self._patience = min(self._patience, CLOSING_SECONDS)
        await super().close()

    def _finish(self) -> None:
        for thread in self._threads:
            thread.join()
        self._pool.shutdown()
        self._ended.set()
        for session in (*self._readers, *self._sessions):
            session.close()

    def _give_up_on(self) -> None:
        """Cut connections whose server does not answer."""
        while not self._ended.wait(_LOOK_SECONDS):
            for session in (*self._sessions, *self._readers):
                session.give_up(self._patience)

    def _write_on(self, session: PostgresSession) -> None:
        while (jobs := self._turns.take()) is not None:
            run_jobs(session, jobs, self._submissions.tell)
            self._turns.end()

    def _read(self, fn: Callable[[Tx], T]) -> T:
        session: PostgresSession | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = PostgresSession(
                self._url, _READING, _BEGIN_READING, base=self._base
            )
            self._readers.append(session)
        tx = Transaction(Work(session), _READING)
        session.begin()
        try:
            return fn(tx)
        finally:
            tx.end()
            session.rollback()


class PostgresSession:
    """One connection, used by one thread at a time; it connects when it is needed, again after it was lost.

    BEGIN and statements without results wait for the next statement with one, or COMMIT, and go together.
    """

    def __init__(
        self,
        url: str,
        dialect: Dialect,
        begin: str,
        monotonic: Callable[[], float] = time.monotonic,
        base: int = 0,
    ) -> None:
        self.dialect = dialect
        self._base = base
        self._number = 0
        self._url = url
        self._begin = begin
        self._monotonic = monotonic
        self._connection: psycopg.Connection[Row] | None = None
        self._cursor: psycopg.RawCursor[Row] | None = None
        self._unsent: list[tuple[str, list[Params]]] = []
        self._failures = 0
        self._not_before = 0.0
        self._reason = ""
        self._asked_at = 0.0  # while a statement is not answered

    def begin(self) -> None:
        if self._connection is None or not _is_alive(self._connection):
            self._connect()
        self._unsent = [(self._begin, [()])]
        self._number = 0

    def change_number(self) -> int:
        if not self._number:
            self._number = self._base + self.query(_NUMBER, ())[0][0]
        return self._number

    def change_horizon(self) -> int:
        return int(self._base + self.query(_HORIZON, ())[0][0])

    def commit(self) -> None:
        if self._send("COMMIT", ()).statusmessage != "COMMIT":
            raise StoreError("the transaction had failed")  # what PostgreSQL says is ROLLBACK, and no error

    def rollback(self) -> None:
        begun = not self._unsent or self._unsent[0][0] is not self._begin
        self._unsent = []
        if self._connection is None or not begun:
            return
        try:
            self._send("ROLLBACK", ())
        except StoreError:
            self.close()

    def query(self, sql: str, params: Params) -> list[Row]:
        cursor = self._send(sql, params)
        return cursor.fetchall() if cursor.description else []

    def change(self, sql: str, params: Params) -> int:
        return max(self._send(sql, params).rowcount, 0)

    def change_many(self, batches: Sequence[tuple[str, list[Params]]]) -> None:
        self._unsent.extend(batches)

    def close(self) -> None:
        connection, self._connection, self._cursor = self._connection, None, None
        if connection is not None:
            connection.close()

    def _send(self, sql: str, params: Params) -> psycopg.RawCursor[Row]:
        """Send what waits and this statement; its result."""
        if self._connection is None or self._cursor is None:
            raise ConnectionLostError("the connection to the database is lost")
        unsent, self._unsent = self._unsent, []
        self._asked_at = self._monotonic()
        try:
            if not unsent:
                return self._cursor.execute(_numbered(sql), params)
            with self._connection.pipeline():
                for waiting, rows in unsent:
                    _send_many(self._connection, waiting, rows)
                cursor = self._cursor.execute(_numbered(sql), params)
        except psycopg.Error as error:
            raise self._translated(error) from error
        finally:
            self._asked_at = 0.0
        return cursor

    def give_up(self, seconds: float) -> None:
        """Cut the connection when its statement is not answered for so long; from another thread."""
        connection, asked_at = self._connection, self._asked_at
        if connection is None or not asked_at or self._monotonic() - asked_at < seconds:
            return
        try:
            with socket.socket(fileno=os.dup(connection.fileno())) as line:
                if self._asked_at == asked_at:
                    line.shutdown(socket.SHUT_RDWR)  # whoever waits for it sees its end
        except (OSError, psycopg.Error):
            return

    def _connect(self) -> None:
        self.close()
        if self._monotonic() < self._not_before:
            raise ConnectionLostError(f"the database cannot be reached: {self._reason}")
        try:
            self._connection = connection = _connected(self._url, writing=bool(self.dialect.for_update))
        except psycopg.Error as error:
            self._not_before = self._monotonic() + _PAUSES[min(self._failures, len(_PAUSES) - 1)]
            self._failures += 1
            self._reason = why_unreachable(error)
            raise ConnectionLostError(f"the database cannot be reached: {self._reason}") from error
        if (
            not self.dialect.for_update
        ):  # reading: filters and pages differ so much that each wants its own plan
            connection.execute("SET plan_cache_mode = force_custom_plan")
        self._failures = 0
        self._cursor = psycopg.RawCursor(connection)

    def _translated(self, error: psycopg.Error) -> StoreError:
        if self._connection is None or self._connection.broken or _is_ending(error):
            self.close()  # it may also be that COMMIT was done, and only then the connection ended
            return ConnectionLostError("the connection to the database was lost")
        if isinstance(error, psycopg.errors.LockNotAvailable):
            self.close()  # none of those that came together is tried again by itself: each would wait as long
            return ConnectionLostError("somebody else holds a lock in the database")
        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            self.close()  # perhaps another host can be written to by now
            return StoreError("the database can only be read")
        if isinstance(error, (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)):
            return StoreBusy("somebody else changed the same rows")
        if isinstance(error, psycopg.errors.DiskFull):
            return StoreError("the disk is full")
        if isinstance(error, _REFUSED):
            return Unstorable(f"the database refused it: {error.diag.message_primary or error}")
        return StoreError(f"the database failed: {error.diag.message_primary or error}")


def _connected(url: str, *, writing: bool) -> psycopg.Connection[Row]:
    """A new connection; StoreError when the database is not fit for us.  What the URL says counts."""
    given = conninfo_to_dict(url)
    words: dict[str, Any] = {**_DEFAULTS, **given}
    if writing or "," in str(given.get("host", "")):  # nobody is to read what another host does not have yet
        words.setdefault("target_session_attrs", "read-write")
    connection = psycopg.connect(**words, autocommit=True, prepare_threshold=2)
    connection.prepared_max = 400
    connection.adapters.register_dumper(int, Int8BinaryDumper)  # one type of number: one prepared statement
    connection.adapters.register_dumper(str, StrBinaryDumper)
    row = connection.execute(
        "SELECT current_setting('server_encoding'), current_setting('synchronous_commit'),"
        " current_setting('idle_in_transaction_session_timeout'), current_setting('lock_timeout')"
    ).fetchone()
    encoding, commit, patience, waiting = row or ("", "", "", "")
    if encoding != "UTF8" or connection.info.server_version < _OLDEST:
        connection.close()
        raise StoreError("the database must be PostgreSQL 13 or newer, with the encoding UTF8")
    if commit == "off":
        connection.execute("SET synchronous_commit = on")
    if writing and patience == "0":
        connection.execute(f"SET idle_in_transaction_session_timeout = '{WRITE_SECONDS}s'")
    if waiting == "0":  # what we give up ourselves the server goes on with, and commits, once it has its lock
        connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
    if connection.info.server_version >= _CHECKS_CLIENTS:
        with suppress(psycopg.errors.InvalidParameterValue):  # not on every system
            connection.execute("SET client_connection_check_interval = '5s'")
    return connection


def _is_alive(connection: psycopg.Connection[Row]) -> bool:
    """False when the server hung up while the connection was idle; asks it only when it said something."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if not poll.poll(0):
        return True
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def _send_many(connection: psycopg.Connection[Row], sql: str, rows: list[Params]) -> None:
    cursor = psycopg.RawCursor(connection)
    start = 0
    for width in _CHUNKS if widened(sql, 2) else (1,):
        text = _numbered(widened(sql, width) or sql)
        while len(rows) - start >= width:
            cursor.execute(text, tuple(chain.from_iterable(rows[start : start + width])))
            start += width


def _is_ending(error: psycopg.Error) -> bool:
    """Whether the connection is of no use any more, though psycopg may notice that only later."""
    is_ours = error.sqlstate is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return is_ours or isinstance(error, _ENDED)


@lru_cache(maxsize=1024)
def _numbered(sql: str) -> bytes:
    """The statement with PostgreSQL's parameter marks: `?` to `$1` and so on.  No statement has a `?` in a literal."""
    first, *rest = sql.split("?")
    return "".join([first, *(f"${number}{part}" for number, part in enumerate(rest, 1))]).encode()


def why_unreachable(error: psycopg.Error) -> str:
    """Why in one line, when a server was tried; other texts quote the URL, which has the password."""
    text = " ".join(str(error).split())
    start = text.find("connection to server ")
    return text[start:] if start >= 0 else "its URL or host name cannot be used"
