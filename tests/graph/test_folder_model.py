"""A tree of folders in plain Python and the server, driven by the same random operations, never disagree."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.graph.cabinet import Cabinet, number_of
from tests.store.conftest import postgres_server, postgres_url  # noqa: F401
from tests.store.made import delivery, item

from graphpost.mail.mailbox import DELETED_ITEMS, WELL_KNOWN
from graphpost.store import deliveries, trees
from graphpost.store.postgres import PostgresStore
from graphpost.store.sqlite import SqliteStore
from graphpost.store.store import Store, Tx

NAMES = st.sampled_from(["a", "A", "b", "Übung", "übung", "Inbox", "x" * 255])
PICK = st.integers(0, 1000)
ROOT = 1
BINS = {DELETED_ITEMS, WELL_KNOWN["recoverableitemsdeletions"][0]}
HIDDEN = {
    "Clutter",
    "Conflicts",
    "Local Failures",
    "Deletions",
    "Scheduled",
    "Search Folders",
    "Server Failures",
}
HIDDEN |= {"Sync Issues"}


@dataclass
class Node:
    parent: int
    name: str
    hidden: bool = False
    unread: list[bool] = field(default_factory=list)


class Model:
    """What a mailbox's folders shall be; every operation answers with the status that the server shall give."""

    def __init__(self) -> None:
        self.nodes = {number: Node(ROOT, name, name in HIDDEN) for number, name in WELL_KNOWN.values()}
        self.nodes[ROOT].parent = 0

    def children(self, number: int) -> list[int]:
        return [each for each, node in self.nodes.items() if node.parent == number]

    def has(self, parent: int, name: str, but: int = 0) -> bool:
        taken = {self.nodes[each].name.casefold() for each in self.children(parent) if each != but}
        return name.casefold() in taken

    def above(self, number: int) -> list[int]:
        found = []
        while number:
            found.append(number)
            number = self.nodes[number].parent
        return found

    def erase(self, number: int) -> None:
        for child in self.children(number):
            self.erase(child)
        del self.nodes[number]

    def throw_away(self, number: int) -> None:
        if BINS.intersection(self.above(number)):
            self.erase(number)
            return
        node, name, count = self.nodes[number], self.nodes[number].name, 0
        free = name
        while self.has(DELETED_ITEMS, free):
            count += 1
            free = name[: 255 - len(str(count))] + str(count)
        node.parent, node.name = DELETED_ITEMS, free

    def shape(self, number: int) -> tuple[Any, ...]:
        """A tree without its numbers."""
        node = self.nodes[number]
        inner = sorted(self.shape(child) for child in self.children(number))
        return (node.name, node.hidden, sorted(node.unread), inner)

    def copy(self, number: int, parent: int, numbers: dict[tuple[int, str], int]) -> None:
        """`numbers`: what the server called the copies, by parent and name."""
        node = self.nodes[number]
        called = numbers[parent, node.name]
        below = self.children(number)
        self.nodes[called] = Node(parent, node.name, node.hidden, list(node.unread))
        for child in below:
            self.copy(child, called, numbers)


class Folders(RuleBasedStateMachine):
    """Set `opened` to a function that gives a fresh mailbox."""

    opened: Callable[[], Cabinet]

    @initialize()
    def begin(self) -> None:
        self.cabinet = type(self).opened()
        self.model = Model()
        self.messages = 0

    def teardown(self) -> None:
        if hasattr(self, "cabinet"):
            self.cabinet.close()

    def any_of(self, pick: int) -> tuple[int, str]:
        """A folder's number, and its key in a path."""
        number = sorted(self.model.nodes)[pick % len(self.model.nodes)]
        return number, self.cabinet.key(number)

    def own(self, pick: int) -> tuple[int, str] | None:
        """One that is no default folder."""
        own = sorted(each for each in self.model.nodes if each > len(WELL_KNOWN))
        if not own:
            return None
        number = own[pick % len(own)]
        return number, self.cabinet.key(number)

    @rule(pick=PICK, name=NAMES, hidden=st.booleans())
    def create(self, pick: int, name: str, hidden: bool) -> None:
        parent, key = self.any_of(pick)
        body = {"displayName": name, "isHidden": hidden}
        answer = self.cabinet.ask("POST", f"mailFolders/{key}/childFolders", body)
        if self.model.has(parent, name):
            assert answer.error == (409, "ErrorFolderExists")
            return
        assert answer.status == 201
        self.model.nodes[number_of(answer.json["id"])] = Node(parent, name, hidden)

    @rule(pick=PICK, unread=st.lists(st.booleans(), min_size=1, max_size=4), queued=st.booleans())
    def receive(self, pick: int, unread: list[bool], queued: bool) -> None:
        number, _ = self.any_of(pick)
        for each in unread:
            self.messages += 1
            one = item(self.messages, 1, number, is_read=not each)
            self.cabinet.put([one])
            if queued:
                self.cabinet.write(lambda tx, number=one.message_id: deliveries.add(tx, delivery(number, 1)))
        self.model.nodes[number].unread += unread

    @rule(pick=PICK, name=NAMES)
    def rename(self, pick: int, name: str) -> None:
        if (own := self.own(pick)) is None:
            return
        number, key = own
        answer = self.cabinet.ask("PATCH", f"mailFolders/{key}", {"displayName": name})
        if self.model.has(self.model.nodes[number].parent, name, number):
            assert answer.error == (409, "ErrorFolderExists")
            return
        assert (answer.status, answer.json["displayName"]) == (200, name)
        self.model.nodes[number].name = name

    @rule(pick=PICK, place=PICK)
    def move(self, pick: int, place: int) -> None:
        if (own := self.own(pick)) is None:
            return
        number, key = own
        to, destination = self.any_of(place)
        answer = self.cabinet.ask("POST", f"mailFolders/{key}/move", {"destinationId": destination})
        node = self.model.nodes[number]
        if number in self.model.above(to):
            assert answer.error == (400, "ErrorMoveCopyFailed")
        elif self.model.has(to, node.name, number):
            assert answer.error == (409, "ErrorFolderExists")
        else:
            assert answer.status == 200
            node.parent = to

    @rule(pick=PICK, place=PICK)
    def copy(self, pick: int, place: int) -> None:
        number, key = self.any_of(pick)
        to, destination = self.any_of(place)
        answer = self.cabinet.ask("POST", f"mailFolders/{key}/copy", {"destinationId": destination})
        if number in self.model.above(to):
            assert answer.error == (400, "ErrorMoveCopyFailed")
        elif self.model.has(to, self.model.nodes[number].name):
            assert answer.error == (409, "ErrorFolderExists")
        else:
            assert answer.status == 200
            sql = "SELECT parent_id, name, folder_id FROM folders WHERE mailbox_id = ?"
            stored = self.cabinet.read(lambda tx: tx.all(sql, (1,)))
            self.model.copy(number, to, {(row[0], row[1]): row[2] for row in stored})

    @rule(pick=PICK)
    def delete(self, pick: int) -> None:
        if (own := self.own(pick)) is not None:
            assert self.cabinet.ask("DELETE", f"mailFolders/{own[1]}").status == 204
            self.model.throw_away(own[0])

    @rule(pick=PICK)
    def delete_for_good(self, pick: int) -> None:
        if (own := self.own(pick)) is not None:
            assert self.cabinet.ask("POST", f"mailFolders/{own[1]}/permanentDelete").status == 204
            self.model.erase(own[0])

    @invariant()
    def the_folders_are_the_models_and_their_counts_a_recount(self) -> None:
        if not hasattr(self, "cabinet"):
            return
        stored, recounted = self.cabinet.read(counted)
        assert {each: row[2:] for each, row in stored.items()} == {
            each: recounted.get(each, (0, 0)) for each in stored
        }
        assert {each: row[:2] for each, row in stored.items()} == {
            each: (node.parent, node.name) for each, node in self.model.nodes.items()
        }
        assert recounted == {
            each: (len(node.unread), sum(node.unread))
            for each, node in self.model.nodes.items()
            if node.unread
        }

    @rule(pick=PICK)
    def look(self, pick: int) -> None:
        number, key = self.any_of(pick)
        node, below = self.model.nodes[number], self.model.children(number)
        shown = [each for each in below if not self.is_hidden(each)]
        assert self.cabinet.counts(key) == (len(shown), len(node.unread), sum(node.unread))
        assert sorted(self.cabinet.names(key)) == sorted(self.model.nodes[each].name for each in below)

    def is_hidden(self, number: int) -> bool:
        value = self.cabinet.ask("GET", f"mailFolders/{self.cabinet.key(number)}").json["isHidden"]
        assert value == self.model.nodes[number].hidden
        return bool(value)


def counted(tx: Tx) -> tuple[dict[int, tuple[Any, ...]], dict[int, tuple[int, int]]]:
    """The folders as they say they are, and what of messages there is in them."""
    rows = tx.all(
        "SELECT folder_id, parent_id, name, total_count, unread_count FROM folders WHERE mailbox_id = ?", (1,)
    )
    messages = tx.all(
        "SELECT folder_id, COUNT(*), COUNT(*) - SUM(is_read) FROM messages"
        " WHERE mailbox_id = ? AND folder_id > 0 GROUP BY folder_id",
        (1,),
    )
    return {row[0]: row[1:] for row in rows}, {row[0]: (row[1], int(row[2])) for row in messages}


def run(opened: Callable[[Path], Store], examples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of a few rows, so that most deletions and copies take several."""
    defaults = (3,)
    monkeypatch.setattr(trees.copy_step, "__defaults__", defaults)
    monkeypatch.setattr(trees.erase_step, "__defaults__", defaults)
    with tempfile.TemporaryDirectory() as directory:
        numbers = iter(range(10**6))

        def cabinet() -> Cabinet:
            place = Path(directory) / str(next(numbers))
            place.mkdir()
            return Cabinet(lambda: opened(place), place)

        machine = type("Machine", (Folders,), {"opened": staticmethod(cabinet)})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


def test_a_tree_of_folders_is_as_the_model_says(monkeypatch: pytest.MonkeyPatch) -> None:
    run(lambda place: SqliteStore.open(place / "mail.db", readers=1), 25, monkeypatch)


@pytest.mark.slow
def test_a_tree_of_folders_is_as_the_model_says_on_postgresql(
    postgres_url: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def opened(place: Path) -> Store:
        import psycopg

        with psycopg.connect(postgres_url, autocommit=True) as connection:
            schema = postgres_url.rpartition("%3D")[2]
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
            connection.execute(f"CREATE SCHEMA {schema}")
        return PostgresStore.open(postgres_url, connections=2)

    run(opened, 8, monkeypatch)
