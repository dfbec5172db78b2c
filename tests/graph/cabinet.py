"""A GraphApi over a real store, with Adele's mailbox in it; requests are made as over the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from tests.graph.desk import ADELE, ALEX, Desk, make_request

from graphpost.graph.api import GraphApi
from graphpost.ids import folder_id_text, parse_folder_id
from graphpost.mail.message import Item
from graphpost.store import contents
from graphpost.store.blobs import FileBlobs
from graphpost.store.contents import Content
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.mailbox import folders, messages
from graphpost.store.store import Store, Tx

T = TypeVar("T")
BASE = "https://localhost:8443/v1.0"


class Answer:
    """A reply; `json` None when it had no body."""

    def __init__(self, status: int, body: bytes | None, headers: dict[str, str]) -> None:
        self.status = status
        self.headers = headers
        self.json: Any = json.loads(body) if body else None

    @property
    def error(self) -> tuple[int, str]:
        return self.status, self.json["error"]["code"]

    @property
    def message(self) -> str:
        return str(self.json["error"]["message"])


class Cabinet:
    """`ask` is synchronous, for tests."""

    def __init__(self, open_store: Callable[[], Store], directory: Path) -> None:
        self.runner = asyncio.Runner()
        self.runner.get_loop()
        self.store = self.run_now(open_store)
        self.blobs = FileBlobs(directory / "blobs")
        desk = Desk()
        self.services = replace(desk.services, store=self.store, blobs=self.blobs)
        self.api = GraphApi(self.services)
        for box in (ADELE, ALEX):
            self.write(lambda tx, number=box.mailbox_id: folders.create_defaults(tx, number))

    @classmethod
    def in_file(cls, directory: Path) -> Cabinet:
        return cls(lambda: SqliteStore.open(directory / "mail.db", readers=1), directory)

    def close(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()

    def run_now(self, fn: Callable[[], T]) -> T:
        async def run() -> T:
            return fn()

        return self.runner.run(run())

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask as Adele, with every permission; the path is below `/me`."""
        data = b"" if body is None else json.dumps(body).encode()
        kind = None if body is None else "application/json"
        path, _, query = path.partition("?")
        request = make_request(method, f"/v1.0/me/{path}", data, "user-with-everything", kind, query, headers)
        reply = self.runner.run(self.api.handle(request))
        assert reply.body is None or isinstance(reply.body, bytes)
        return Answer(reply.status, reply.body, dict(reply.headers))

    def raw(self, path: str) -> bytes:
        """The bytes of a streamed answer to a GET."""
        request = make_request("GET", f"/v1.0/me/{path}", b"", "user-with-everything", None)

        async def read() -> bytes:
            body = (await self.api.handle(request)).body
            assert body is not None
            assert not isinstance(body, bytes)
            return b"".join([chunk async for chunk in body])

        return self.runner.run(read())

    def key(self, number: int) -> str:
        """A folder's id."""
        return folder_id(number)

    def write(self, fn: Callable[[Tx], T]) -> T:
        return self.runner.run(self.store.write(fn))

    def read(self, fn: Callable[[Tx], T]) -> T:
        return self.runner.run(self.store.read(fn))

    def put(self, items: Iterable[Item], kept: Iterable[Content] = ()) -> None:
        """Messages into Adele's mailbox, each with the contents given."""
        kept = list(kept)

        def add(tx: Tx) -> None:
            for item in items:
                messages.add(tx, item)
                contents.add(tx, item.mailbox_id, item.message_id, kept)

        self.write(add)

    def folder(self, name: str, parent: str = "", **properties: Any) -> str:
        """Make a folder; its id."""
        place = f"mailFolders/{parent}/childFolders" if parent else "mailFolders"
        answer = self.ask("POST", place, {"displayName": name, **properties})
        assert answer.status == 201, answer.json
        return str(answer.json["id"])

    def names(self, parent: str = "msgfolderroot") -> list[str]:
        """The names of the child folders, hidden ones too."""
        found = self.ask("GET", f"mailFolders/{parent}/childFolders?includeHiddenFolders=true&$top=1000")
        return [each["displayName"] for each in found.json["value"]]

    def counts(self, folder: str) -> tuple[int, int, int]:
        """Child folders, messages, unread messages, as the folder says."""
        value = self.ask("GET", f"mailFolders/{folder}").json
        return value["childFolderCount"], value["totalItemCount"], value["unreadItemCount"]


def folder_id(number: int) -> str:
    return folder_id_text(ADELE.object_id, number)


def number_of(key: str) -> int:
    return parse_folder_id(key)[1]
