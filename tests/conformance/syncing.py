"""Clients that keep a copy of a folder by delta queries, over any wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from tests.client import eventually
from tests.conformance.wire import Answer, Wire

Ask = Callable[[str, str, Any, Mapping[str, str]], Answer]


def asking(wire: Wire, token: str) -> Ask:
    """A function that asks with that token."""

    def ask(method: str, path: str, body: Any, headers: Mapping[str, str]) -> Answer:
        fields = {"Authorization": f"Bearer {token}", **headers}
        if body is not None:
            fields["Content-Type"] = "application/json"
        return wire.request(method, path, fields, b"" if body is None else json.dumps(body).encode())

    return ask


class Replica:
    """A client's copy of a folder: entries by their id."""

    def __init__(self, ask: Ask, folder: str, *preferences: str, query: str = "", select: str = "") -> None:
        self.ask = ask
        self.folder = folder  # its path
        self.headers = {"Prefer": ", ".join(preferences)} if preferences else {}
        self.entries: dict[str, Any] = {}
        self.select = f"&$select={select}" if select else ""
        self.link = f"{folder}/messages/delta?{query}{self.select}"
        self.rounds = 0

    def step(self) -> int:
        """Take one page; the number of its entries."""
        parts = urlsplit(self.link)
        answer = self.ask("GET", f"{parts.path}?{parts.query}", None, self.headers)
        assert answer.status == 200, answer.body
        for entry in answer.json["value"]:
            assert entry.pop("@odata.type") == "#microsoft.graph.message"
            if "@removed" in entry:
                self.entries.pop(entry["id"], None)
            else:
                self.entries[entry["id"]] = entry
        self.rounds += "@odata.deltaLink" in answer.json
        self.link = answer.json.get("@odata.nextLink") or answer.json["@odata.deltaLink"]
        return len(answer.json["value"])

    def listed(self) -> dict[str, Any]:
        """What the folder holds."""
        answer = self.ask("GET", f"{self.folder}/messages?$top=1000{self.select}", None, self.headers)
        assert answer.status == 200, answer.body
        return {entry["id"]: entry for entry in answer.json["value"]}

    def settle(self) -> None:
        """Take rounds until the copy is the folder; AssertionError with the difference when it never is.

        One round is enough on SQLite.  On PostgreSQL what another transaction held back comes a little later.
        """
        with suppress(TimeoutError):
            eventually(self._is_settled)
        assert self.entries == self.listed()

    def _is_settled(self) -> bool:
        begun = self.rounds
        while self.rounds == begun:
            self.step()
        return self.entries == self.listed()
