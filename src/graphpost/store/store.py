"""The Store seam: functions that take a transaction, run on either database.

Store functions are plain synchronous functions `fn(tx, ...)` in the modules beside this one; they hold the SQL, one
text for both databases.  `?` is the parameter mark everywhere.  A function given to `write` may be run more than once
(after a conflict, or when a function it shared a group commit with failed), so it does nothing but speak to `tx`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = tuple[Any, ...]
Params = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Dialect:
    """The few places where one SQL text is not enough: fragments to put into it."""

    name: str  # "sqlite" | "postgres"
    skip_locked: str  # "" | " FOR UPDATE SKIP LOCKED"
    for_update: str  # "" | " FOR UPDATE"
    for_share: str  # "" | " FOR KEY SHARE": the row stays, and may be counted up meanwhile
    updates_one_by_one: bool = False  # many UPDATEs cost less than one of many VALUES: no network between


class Tx(Protocol):
    """A transaction under way."""

    dialect: Dialect

    def execute(self, sql: str, params: Params = ()) -> int:
        """Run a statement; the number of rows it changed."""
        ...

    def executemany(self, sql: str, rows: Iterable[Params]) -> None:
        """Run a statement for each row of parameters."""
        ...

    def all(self, sql: str, params: Params = ()) -> list[Row]:
        """Every row of a query (or of a statement with RETURNING)."""
        ...

    def one(self, sql: str, params: Params = ()) -> Row | None:
        """The first row, or None."""
        ...

    def change_number(self) -> int:
        """The number of this write (`store/databases/numbering.py`): what it changes is marked with it."""
        ...

    def change_horizon(self) -> int:
        """Every change with this number or a lower one is visible; in a write, those of others."""
        ...

    def touch(self, mailbox_id: int) -> None:
        """Have whoever watches be told that the mailbox changed; counting in its folders does so too."""
        ...

    def count_folder(self, mailbox_id: int, folder_id: int, total: int, unread: int, size: int = 0) -> None:
        """Add to a folder's counts and size.  Added up and written once per commit, in key order (so never a deadlock)."""
        ...

    def weigh_folder(self, mailbox_id: int, folder_id: int, size: int) -> None:
        """Add to a folder's size, as `count_folder`; the folder is no changed one for clients by that."""
        ...

    def counted_size(self, mailbox_id: int, without: int) -> int:
        """How many bytes this commit has added to a mailbox so far that its folders do not show yet; without a folder's."""
        ...


class Store(Protocol):
    """A database that keeps what it acknowledged."""

    dialect: Dialect

    async def read(self, fn: Callable[[Tx], T]) -> T:
        """Run fn in a read-only transaction (one consistent snapshot) and return its result."""
        ...

    async def write(self, fn: Callable[[Tx], T]) -> T:
        """Run fn and return its result once it is durable.

        Functions submitted at about the same time share one commit; one that raises undoes only its own work and
        gets its exception back.
        """
        ...

    async def join(self) -> None:
        """Return with the commit that others wait for now, at once when nobody does, and soon in any case.

        Of use to whoever has nothing to write, and would otherwise disturb those who keep step with each other.
        """
        ...

    def watch(self, told: Callable[[Collection[int]], None]) -> None:
        """Call it after each commit, from any thread, with the mailboxes whose folders or messages it changed."""
        ...

    async def close(self) -> None:
        """Finish what was submitted, then let go of the database."""
        ...
