"""An upload whose slices go to one node and the other, as behind a balancer."""

from __future__ import annotations

import json
import random
from urllib.parse import urlsplit

import pytest
from tests.cluster.conftest import Node
from tests.conformance.drafting import Session, attachment_id_of
from tests.conformance.wire import Wire

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DATA = random.Random(23).randbytes(1_500_000)
BOX = "/v1.0/users/adele@example.test"


def ask(node: Node, wire: Wire, method: str, path: str, body: object = None) -> bytes:
    headers = {"Authorization": f"Bearer {node.token}", "Content-Type": "application/json"}
    answer = wire.request(method, BOX + path, headers, json.dumps(body).encode() if body else b"")
    assert answer.status < 300, answer.body
    return answer.body


def test_slices_go_to_any_node(nodes: tuple[Node, Node]) -> None:
    wires = [node.wire() for node in nodes]
    draft = json.loads(ask(nodes[0], wires[0], "POST", "/messages", {"subject": "Large"}))["id"]
    item = {"AttachmentItem": {"attachmentType": "file", "name": "large.bin", "size": len(DATA)}}
    path = f"/messages/{draft}/attachments/createUploadSession"
    url = urlsplit(json.loads(ask(nodes[1], wires[1], "POST", path, item))["uploadUrl"])
    sessions = [Session(wire, url.geturl(), len(DATA)) for wire in wires]
    start = 0
    for number, size in enumerate([100_000, 300_000, 1, 600_000, 400_000]):
        slice_ = DATA[start : start + size]
        assert sessions[number % 2].put(start, slice_).status == 200
        assert sessions[(number + 1) % 2].put(start, slice_).status == 200
        start += size
    number = attachment_id_of(sessions[1].put(start, DATA[start:]))
    assert attachment_id_of(sessions[0].put(start, DATA[start:])) == number
    for node, wire in zip(nodes, wires, strict=True):
        assert ask(node, wire, "GET", f"/messages/{draft}/attachments/{number}/$value") == DATA
        wire.close()
