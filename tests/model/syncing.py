"""Clients that synchronise: what they have after a round of changes is what there is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.model.comparing import folder_shown
from tests.model.filing import Filing
from tests.model.given import BOX, PICK
from tests.model.mailbox import Folder
from tests.model.place import BOXES, IMMUTABLE

USUAL = 4  # clients that are there from the beginning
MOST = 3  # others at a time


@dataclass(eq=False)
class Client:
    """One that keeps a copy of a folder's messages, or (None) of the folders; page by page, as it likes."""

    number: int
    folder: Folder | None
    stable: bool
    hidden: bool
    link: str
    copy: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_new: bool = True  # its first request is still to come

    def take(self, entries: list[dict[str, Any]]) -> None:
        for entry in entries:
            if "@removed" in entry:
                self.copy.pop(entry["id"], None)
            else:
                self.copy[entry["id"]] = entry


class Syncing(Filing):
    """Delta queries on messages and on folders; pages are fetched between other operations, and rounds at once."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: list[Client] = []

    @rule(number=BOX, place=st.none() | PICK, stable=st.booleans(), hidden=st.booleans())
    def begin_to_sync(self, number: int, place: int | None, stable: bool, hidden: bool) -> None:
        folder = None if place is None else self.folder(number, place)
        self.clients = [*self.clients[:USUAL], *self.clients[USUAL:][1 - MOST :]]
        self.next_page(self.client(number, folder, stable, hidden), 3)

    def client(self, number: int, folder: Folder | None, stable: bool, hidden: bool = False) -> Client:
        if folder is None:
            path = f"mailFolders/delta?includeHiddenFolders={str(hidden).lower()}"
        else:
            path = f"mailFolders/{folder.key}/messages/delta?$select=subject,isRead,parentFolderId"
        self.clients.append(Client(number, folder, stable, hidden, path))
        return self.clients[-1]

    def furnish(self) -> None:
        """Clients of the folders that most mail goes through."""
        super().furnish()
        for known in ("inbox", "drafts", "deleteditems"):
            self.client(0, self.boxes[0].folder(known), known == "inbox")
        self.client(0, None, False)
        assert len(self.clients) == USUAL

    @rule(pick=PICK, size=st.integers(1, 4))
    def sync_a_page(self, pick: int, size: int) -> None:
        self.next_page(self.clients[pick % len(self.clients)], size)

    @rule(size=st.integers(1, 5))
    def sync_all(self, size: int) -> None:
        """Every client, to the end of a round that began before, and one round more."""
        for client in tuple(self.clients):
            rounds = 0
            while rounds < 2 and (answer := self.next_page(client, size)) is not None:
                rounds += "@odata.deltaLink" in answer
            if client in self.clients:
                self.check_copy(client)

    def finish(self) -> None:
        super().finish()
        self.sync_all(50)

    def next_page(self, client: Client, size: int) -> dict[str, Any] | None:
        """The answer; None when the folder is gone, and the client with it."""
        prefer = f"odata.maxpagesize={size}" + (f", {IMMUTABLE}" if client.stable else "")
        assert self.place is not None
        ask = self.place.get if client.is_new else self.place.follow
        answer = ask(BOXES[client.number], client.link, Prefer=prefer)
        if client.folder is not None and client.folder.gone:
            assert answer.error == (404, "ErrorItemNotFound")
            self.clients.remove(client)
            return None
        client.take(answer.values)
        client.is_new = False
        assert ("@odata.nextLink" in answer.body) is not ("@odata.deltaLink" in answer.body)
        client.link = answer.body.get("@odata.nextLink") or answer.body["@odata.deltaLink"]
        return dict(answer.body)

    def check_copy(self, client: Client) -> None:
        box = self.boxes[client.number]
        if client.folder is None:
            shown = {key: folder_shown(entry) for key, entry in client.copy.items()}
            assert shown == {
                folder.key: self.folder_meant(box, folder)
                for folder in box.folders
                if folder.parent is not None and (client.hidden or not folder.hidden)
            }
            return
        has = {
            key: (entry["@odata.etag"], entry["subject"], entry["isRead"], entry["parentFolderId"])
            for key, entry in client.copy.items()
        }
        assert has == {
            kept.key if client.stable else kept.bound: (
                f'W/"{kept.tag}"',
                kept.seen["subject"],
                kept.seen["isRead"],
                client.folder.key,
            )
            for kept in box.inside(client.folder)
        }
