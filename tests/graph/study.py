"""A GraphApi on a real store with a real submitter: what one request writes, the next one reads."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from tests.delivery.post import SETTINGS, Office
from tests.graph.desk import APP, MAILBOXES, SCOPED, TENANT, Desk, make_request
from tests.store.conftest import anyio_backend, open_store, postgres_url

from graphpost.config import DeliverySettings, LimitSettings
from graphpost.delivery.housekeeping.indexing import Indexer
from graphpost.graph.api import GraphApi
from graphpost.graph.call import Services
from graphpost.mail.mailbox import Directory
from graphpost.store.blobs import FileBlobs
from graphpost.store.directory import accounts
from graphpost.store.store import Store, Tx
from graphpost.testing.clock import JumpingClock

__all__ = ["Study", "anyio_backend", "open_store", "postgres_url", "study"]
ALL = "user-with-everything"


@dataclass(frozen=True)
class Answer:
    """A reply with its body read; `json` is None when there is none."""

    status: int
    headers: dict[str, str]
    body: bytes
    content_type: str

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    @property
    def error(self) -> tuple[int, str]:
        """Status and code of a refusal."""
        return self.status, self.json["error"]["code"]

    @property
    def id(self) -> str:
        """Of the entity that came with a success."""
        assert self.status in (200, 201), self
        return str(self.json["id"])


class Study:
    """Somebody's requests, one after the other or together.  The office's worker is at rest unless it is started."""

    def __init__(
        self, store: Store, folder: Path, *, delivery: DeliverySettings = SETTINGS, **limits: Any
    ) -> None:
        self.office = Office(store, FileBlobs(folder / "blobs"), JumpingClock(), settings=delivery)
        self.office.directory = Directory.of(MAILBOXES, [APP, SCOPED])
        self.store, self.clock = store, self.office.clock
        self.indexer = Indexer(self.office.store, self.office.log, self.office.clock)
        self.services = Services(
            store=self.office.store,
            blobs=self.office.blobs,
            directory=lambda: self.office.directory,
            verifier=Desk().verifier,
            submitter=self.office.submitter,
            numbers=self.office.numbers,
            clock=self.clock,
            limits=LimitSettings(**limits),
            tenant_id=TENANT,
            notifier=cast(Any, None),
            quotas=self.office.quotas,
            searched=self.indexer.searched,
            receipt_of=self.office.receipts.filing,
        )
        self.api = GraphApi(self.services)

    async def furnish(self) -> None:
        def make(tx: Tx) -> None:
            for box in MAILBOXES:
                accounts.add_mailbox(tx, box)

        await self.store.write(make)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = ALL,
        content_type: str | None = "application/json",
        query: str = "",
        **headers: str,
    ) -> Answer:
        """Ask for a path below `/v1.0/me` (or `/…`, from the root); bodies that are no bytes are written as JSON."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        whole = path if path.startswith("/") else f"/v1.0/me/{path}"
        kind = content_type if data else None
        reply = await self.api.handle(make_request(method, whole, data, token, kind, query, headers))
        if isinstance(reply.body, bytes) or reply.body is None:
            raw = reply.body or b""
        else:
            raw = b"".join([chunk async for chunk in reply.body])
        return Answer(reply.status, dict(reply.headers), raw, reply.content_type)

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> Answer:
        return await self.ask("POST", path, body, **more)

    async def patch(self, path: str, body: Any, **more: Any) -> Answer:
        return await self.ask("PATCH", path, body, **more)

    async def delete(self, path: str, **more: Any) -> Answer:
        return await self.ask("DELETE", path, **more)

    async def draft(self, **properties: Any) -> Answer:
        answer = await self.post(
            "messages", {"subject": "Lunch", "toRecipients": to("zoe@one.test"), **properties}
        )
        assert answer.status == 201, answer
        return answer

    async def subjects(self, folder: str) -> list[str]:
        found = await self.get(f"mailFolders/{folder}/messages", query="$top=100")
        return sorted(message["subject"] for message in found.json["value"])

    async def counts(self, folder: str) -> tuple[int, int]:
        found = (await self.get(f"mailFolders/{folder}")).json
        return found["totalItemCount"], found["unreadItemCount"]


def to(*addresses: str) -> list[dict[str, Any]]:
    return [{"emailAddress": {"address": address}} for address in addresses]


@pytest.fixture
async def study(anyio_backend: str, open_store: Callable[[], Store], tmp_path: Path) -> AsyncIterator[Study]:
    """On an empty SQLite database, then on an empty PostgreSQL schema."""
    store = open_store()
    made = Study(store, tmp_path)
    await made.furnish()
    yield made
    await made.office.worker.stop(1.0)
    made.office.log.close()
    await store.close()
