"""The administration on a real store of the test's own."""

import asyncio
import io
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from graphpost.admin.http import AdminApi, Answer
from graphpost.admin.operations import Operations
from graphpost.clock import SECOND, SystemClock
from graphpost.config import LogSettings
from graphpost.ids import Numbers
from graphpost.mail.mailbox import Mailbox
from graphpost.maillog import MailLog
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.directory import accounts
from graphpost.store.queue import deliveries
from graphpost.store.queue.deliveries import Delivery

TOKEN = "secret-token"
NOW = 1_700_000_000 * SECOND
ADELE = Mailbox(mailbox_id=21, object_id="00000000-0000-0000-0000-000000000021", address="Adele@a.test")


class StandingClock(SystemClock):
    """A clock that says one instant."""

    def now(self) -> int:
        return NOW


class Admin:
    """The API over a store of its own, called as the web layer calls it."""

    def __init__(self, path: Path) -> None:
        self.log = MailLog(LogSettings(), io.StringIO())
        self.path = path
        self.told: list[str] = []
        self.reason = ""
        self.store: SqliteStore

    def run(self, work: Callable[[AdminApi], Awaitable[Any]], *deliveries_there: Delivery) -> Any:
        async def on_store() -> Any:
            self.store = SqliteStore.open(self.path / "g.db")
            try:
                await self.store.write(lambda tx: _prepare(tx, deliveries_there))
                return await work(self.api())
            finally:
                await self.store.close()

        return asyncio.run(on_store())

    def api(self) -> AdminApi:
        async def accounts_changed() -> None:
            self.told.append("accounts")

        clock = StandingClock()
        operations = Operations(
            store=self.store,
            numbers=Numbers(clock.now, node=1),
            clock=clock,
            accounts_changed=accounts_changed,
            queue_changed=lambda: self.told.append("queue"),
        )
        return AdminApi(operations=operations, token=TOKEN, log=self.log, why_not_ready=lambda: self.reason)

    def ask(
        self, method: str, target: str, body: object = None, *there: Delivery, token: str = TOKEN
    ) -> tuple[int, Any]:
        """One request: the status and the JSON answered."""
        path, _, query = target.partition("?")
        content = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        answer: Answer = self.run(lambda api: api.handle(method, path, query, headers, content), *there)
        is_json = answer[1]["content-type"] == "application/json"
        return answer[0], msgspec.json.decode(answer[2]) if is_json else answer[2].decode()


def _prepare(tx: Any, there: tuple[Delivery, ...]) -> None:
    if not accounts.list_mailboxes(tx):
        accounts.add_mailbox(tx, ADELE)
    for delivery in there:
        deliveries.add(tx, delivery)


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[Admin]:
    made = Admin(tmp_path)
    yield made
    made.log.close()
