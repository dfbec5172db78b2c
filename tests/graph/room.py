"""Adele's mailbox on either database, filled directly and asked through the API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.graph.desk import ADELE
from tests.graph.oracle import Plain
from tests.graph.study import Answer, Study

from graphpost.graph.messages import listing
from graphpost.ids import parse_item_id
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.mailbox import messages
from graphpost.store.store import Store, Tx

__all__ = ["room"]
BOX = ADELE.mailbox_id


class Room:
    """Adele's mailbox, filled anew by every example."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.study = Study(store, folder)
        self.runner.run(self.study.furnish())

    def close(self) -> None:
        self.runner.run(self.study.store.close())
        self.study.office.log.close()
        self.runner.close()

    def fill(self, plains: list[Plain]) -> None:
        def fill(tx: Tx) -> None:
            for table in ("messages", "words", "indexes", "removals"):
                tx.execute(f"DELETE FROM {table} WHERE mailbox_id = ?", (BOX,))
            for each in plains:
                messages.add(tx, each.item(BOX))

        self.write(fill)

    def write(self, fn: Any) -> Any:
        return self.runner.run(self.study.store.write(fn))

    def read(self, fn: Any) -> Any:
        return self.runner.run(self.study.store.read(fn))

    def ask(self, path: str, query: str) -> Answer:
        answer = self.runner.run(self.study.ask("GET", path, query=query, prefer='IdType="ImmutableId"'))
        assert answer.status == 200, answer
        return answer


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def room(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    folder = tmp_path_factory.mktemp("room")
    opened = Room(open_store(request, folder), folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "CHUNK", 4)  # many chunks of few messages
        patch.setattr(listing, "_SPARE", 2)
        yield opened
    opened.close()


def open_store(request: pytest.FixtureRequest, folder: Path) -> Store:
    if request.param == "sqlite":
        return SqliteStore.open(folder / "mail.db", readers=2)
    server = request.getfixturevalue("postgres_server")
    import psycopg

    from graphpost.store.databases.postgres import PostgresStore

    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {folder.name}")
    return PostgresStore.open(f"{server.url}&options=-csearch_path%3D{folder.name}", connections=2)


def numbers(answer: Answer) -> list[int]:
    return [parse_item_id(value["id"]).message_id for value in answer.json["value"]]
