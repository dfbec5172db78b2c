"""Clients that synchronise by way of either node, while others write by way of both."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.cluster.conftest import Node
from tests.conformance.syncing import Replica, asking
from tests.conformance.wire import Answer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BOX = "/v1.0/users/adele@example.test"
WRITES = 60


def write(node: Node, folder: str, other: str, done: threading.Event) -> None:
    """Messages that come, change and go, until they are all written."""
    wire = node.wire()
    ask = asking(wire, node.token)
    for number in range(WRITES):
        made = ask("POST", f"{folder}/messages", {"subject": f"{number}"}, {})
        assert made.status == 201, made.body
        path = f"{BOX}/messages/{made.json['id']}"
        if number % 3 == 0:
            assert ask("PATCH", path, {"isRead": True}, {}).status == 200
        elif number % 3 == 1:
            assert ask("POST", f"{path}/move", {"destinationId": other}, {}).status == 201
    wire.close()
    done.set()


def test_copies_are_the_folder_wherever_they_ask(nodes: tuple[Node, Node]) -> None:
    wires = [node.wire() for node in nodes]
    asks = [asking(wire, node.token) for wire, node in zip(wires, nodes, strict=True)]
    made = asks[0]("POST", f"{BOX}/mailFolders", {"displayName": "Both"}, {})
    folder = f"{BOX}/mailFolders/{made.json['id']}"
    turns = iter(range(10**9))

    def either(method: str, path: str, body: Any, headers: Mapping[str, str]) -> Answer:
        return asks[next(turns) % 2](method, path, body, headers)

    done = [threading.Event() for _ in nodes]
    replica = Replica(either, folder, query="$top=5", select="subject,isRead")
    with ThreadPoolExecutor(2) as pool:
        writing = [
            pool.submit(write, node, folder, "archive", event)
            for node, event in zip(nodes, done, strict=True)
        ]
        while not all(event.is_set() or each.done() for event, each in zip(done, writing, strict=True)):
            replica.step()
        for each in writing:
            each.result()
    replica.settle()
    assert len(replica.entries) == 2 * WRITES * 2 // 3
    for wire in wires:
        wire.close()
