"""A transaction as store functions see it: rows gathered, counts added up.

`executemany` of an INSERT only gathers (inserts can change places with each other); the rows go to the database before
any other statement of the group, or at its end, many to a statement.  So an error of such a row shows up later than the
call, but always before anything is durable, and only the function that gave the row gets it.  `count_folder` is written
once per group, in key order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, Protocol

from graphpost.errors import StoreError
from graphpost.store.store import Dialect, Params, Row

COUNT: Final = (
    "UPDATE folders SET total_count = total_count + ?, unread_count = unread_count + ?, size = size + ?,"
    " changed = COALESCE(?, changed) WHERE mailbox_id = ? AND folder_id = ?"
)
_VALUES: Final = re.compile(r"\A(INSERT\b.*\bVALUES\s*)(\([?,\s]+\))(.*)\Z", re.DOTALL)


class Session(Protocol):
    """One database connection.  Its errors are StoreErrors; StoreBusy means: run it again."""

    dialect: Dialect

    def begin(self) -> None: ...
    def commit(self) -> None: ...
    def rollback(self) -> None:
        """End the transaction if there is one; never raises."""
        ...

    def change_number(self) -> int:
        """The number of the transaction under way."""
        ...

    def change_horizon(self) -> int:
        """Every change up to this number is visible in the transaction under way."""
        ...

    def query(self, sql: str, params: Params) -> list[Row]: ...
    def change(self, sql: str, params: Params) -> int: ...
    def change_many(self, batches: Sequence[tuple[str, list[Params]]]) -> None:
        """Each statement once for each of its rows, in order; no results are needed."""
        ...


class Work:
    """What a group has gathered and not yet written."""

    __slots__ = ("_number", "before", "counts", "rows", "session", "touched")

    def __init__(self, session: Session, before: Work | None = None) -> None:
        """`before` is what others of the group have gathered, when that is kept apart."""
        self.session = session
        self.before = before
        self._number = 0
        self.rows: dict[str, list[Params]] = {}
        self.counts: dict[tuple[int, int], tuple[int, int, int, bool]] = {}
        self.touched: set[int] = set()

    def change_number(self) -> int:
        if not self._number:
            self._number = self.session.change_number()
        return self._number

    def flush(self) -> None:
        """Send the gathered rows."""
        if self.rows:
            rows, self.rows = self.rows, {}
            self.session.change_many(list(rows.items()))

    def add_counts(self, other: Work) -> None:
        """Take over what another has counted, and what it touched."""
        self.touched |= other.touched
        for key, counts in other.counts.items():
            self.count(key, counts)

    def count(self, key: tuple[int, int], counts: tuple[int, int, int, bool]) -> None:
        """Messages, unread ones and bytes more, and whether the folder changes by it for clients."""
        before = self.counts.get(key)
        if before is not None:
            total, unread, size, is_change = before
            counts = total + counts[0], unread + counts[1], size + counts[2], is_change or counts[3]
        self.counts[key] = counts

    def size(self, mailbox_id: int, without: int) -> int:
        """How many bytes were counted for a mailbox, but for one of its folders."""
        own = sum(
            counts[2] for key, counts in self.counts.items() if key[0] == mailbox_id and key[1] != without
        )
        return own + (self.before.size(mailbox_id, without) if self.before else 0)

    def finish(self) -> set[int]:
        """Send everything: rows, then counts in key order; the mailboxes that were changed."""
        batches = list(self.rows.items())
        counts, self.rows, self.counts = self.counts, {}, {}
        if counts:
            number = self.change_number()
            rows: list[Params] = [
                (*found[:3], number if found[3] else None, *key) for key, found in sorted(counts.items())
            ]
            batches.append((COUNT, rows))
        if batches:
            self.session.change_many(batches)
        return self.touched.union(mailbox_id for mailbox_id, _ in counts)


class Transaction:
    """The Tx of one function.  `wrote`: it may have changed something.  Of no use once the function returned."""

    __slots__ = ("_work", "dialect", "wrote")

    def __init__(self, work: Work, dialect: Dialect) -> None:
        self._work: Work | None = work
        self.dialect = dialect
        self.wrote = False

    def execute(self, sql: str, params: Params = ()) -> int:
        work = self._work or _ended()
        self.wrote = True
        work.flush()
        return work.session.change(sql, params)

    def executemany(self, sql: str, rows: Iterable[Params]) -> None:
        work = self._work or _ended()
        self.wrote = True
        gathered = work.rows.get(sql)
        if gathered is not None:
            gathered.extend(rows)
        elif is_plain_insert(sql):
            work.rows[sql] = list(rows)
        else:
            work.flush()
            work.session.change_many([(sql, list(rows))])

    def all(self, sql: str, params: Params = ()) -> list[Row]:
        work = self._work or _ended()
        self.wrote = self.wrote or not sql.startswith("SELECT")
        if work.rows:
            work.flush()
        return work.session.query(sql, params)

    def one(self, sql: str, params: Params = ()) -> Row | None:
        rows = self.all(sql, params)
        return rows[0] if rows else None

    def change_number(self) -> int:
        work = self._work or _ended()
        self.wrote = True
        return work.change_number()

    def change_horizon(self) -> int:
        return (self._work or _ended()).session.change_horizon()

    def touch(self, mailbox_id: int) -> None:
        (self._work or _ended()).touched.add(mailbox_id)

    def count_folder(self, mailbox_id: int, folder_id: int, total: int, unread: int, size: int = 0) -> None:
        work = self._work or _ended()
        self.wrote = True
        work.count((mailbox_id, folder_id), (total, unread, size, True))

    def weigh_folder(self, mailbox_id: int, folder_id: int, size: int) -> None:
        work = self._work or _ended()
        self.wrote = True
        work.count((mailbox_id, folder_id), (0, 0, size, False))

    def counted_size(self, mailbox_id: int, without: int) -> int:
        return (self._work or _ended()).size(mailbox_id, without)

    def end(self) -> None:
        self._work = None


def _ended() -> Work:
    raise StoreError("this transaction is over: its function has returned")


@lru_cache(maxsize=512)
def is_plain_insert(sql: str) -> bool:
    """Whether a statement adds rows and never changes one, so that the order among such statements is no matter."""
    return _VALUES.match(sql) is not None and "DO UPDATE" not in sql


@lru_cache(maxsize=512)
def widened(sql: str, rows: int) -> str | None:
    """The INSERT … VALUES (?, …) with that many rows of values; None when the statement is not of that form."""
    if rows == 1:
        return sql
    found = _VALUES.match(sql)
    if found is None or not is_plain_insert(sql):
        return None
    head, values, tail = found.groups()
    return head + ",".join([values] * rows) + tail
