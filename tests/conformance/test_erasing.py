"""A message that is put into a folder at the moment when the folder is erased."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.conformance.syncing import asking
from tests.conformance.targets import ADELE, OwnTarget
from tests.conformance.wire import Answer, Wire

from graphpost.ids import parse_folder_id
from graphpost.store.mailbox import trees
from graphpost.store.store import Tx

BOX = f"/v1.0/users/{ADELE}"
LANDINGS: dict[str, Callable[[str, str], tuple[str, str, object]]] = {
    "kept": lambda folder, message: ("POST", f"{BOX}/mailFolders/{folder}/messages", {"subject": "x"}),
    "moved": lambda folder, message: ("POST", f"{BOX}/messages/{message}/move", {"destinationId": folder}),
    "copied": lambda folder, message: ("POST", f"{BOX}/messages/{message}/copy", {"destinationId": folder}),
}


class Erasing:
    """An erasure that stops before its end."""

    def __init__(self, mailbox_id: int, number: int) -> None:
        self.place = (mailbox_id, number)
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, tx: Tx) -> bool:
        done = trees.erase_step(tx, *self.place)
        self.begun.set()
        assert self.go.wait(60)
        return done

    def left(self, tx: Tx) -> int:
        row = tx.one("SELECT COUNT(*) FROM messages WHERE mailbox_id = ? AND folder_id = ?", self.place)
        assert row is not None
        return int(row[0])


def is_waiting(tx: Tx) -> bool:
    return bool(tx.all("SELECT 1 FROM pg_locks WHERE NOT granted"))


@pytest.mark.kinds("postgres")  # SQLite has one writer: nothing is written at the same moment
@pytest.mark.parametrize("landing", LANDINGS)
def test_nothing_lands_in_a_folder_that_is_being_erased(own: OwnTarget, landing: str) -> None:
    ask = asking(own.wire, own.token("reader"))
    folder = ask("POST", f"{BOX}/mailFolders", {"displayName": f"Erased {landing}"}, {}).json["id"]
    message = ask("POST", f"{BOX}/messages", {"subject": "x"}, {}).json["id"]
    server = own.server
    number = parse_folder_id(folder)[1]
    erasing = Erasing(mailbox_of(own, number), number)
    method, path, body = LANDINGS[landing](folder, message)

    def request() -> Answer:
        wire = Wire(server.url, own.trust)
        answer = asking(wire, own.token("reader"))(method, path, body, {})
        wire.close()
        return answer

    with ThreadPoolExecutor(2) as pool:
        erased = pool.submit(server.call, lambda: server.store.write(erasing))
        assert erasing.begun.wait(60)
        landed = pool.submit(request)
        while not landed.done() and not server.call(lambda: server.store.read(is_waiting)):
            pass
        erasing.go.set()
        assert erased.result()
        assert landed.result().error[:2] == (404, "ErrorItemNotFound")
    assert server.call(lambda: server.store.read(erasing.left)) == 0


def mailbox_of(own: OwnTarget, folder: int) -> int:
    """Whose folder that is."""
    sql = "SELECT mailbox_id FROM folders WHERE folder_id = ?"
    ((number,),) = own.server.call(lambda: own.server.store.read(lambda tx: tx.all(sql, (folder,))))
    return int(number)
