"""A day's work with each released library, and what the server then has, looked at without it."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.clients import node
from tests.clients.reader import Reader
from tests.clients.relay import Delivered
from tests.clients.world import ALEX, World

pytestmark = pytest.mark.slow


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "größe.txt"
    path.write_bytes("fünf\n".encode() * 100)
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """More than any library sends in one request."""
    path = tmp_path / "large.bin"
    path.write_bytes(Random(7).randbytes(6_500_000))
    return path


@pytest.fixture
def alex(world: World) -> Iterator[Reader]:
    reader = Reader(world, ALEX)
    yield reader
    reader.web.close()


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def files_of(mail: Delivered) -> dict[str, str]:
    """Names and digests of what a relay was sent."""
    return {
        part.get_filename(): sha256(part.get_payload(decode=True)).hexdigest()
        for part in mail.message.iter_attachments()
    }


def counts(folder: dict[str, Any]) -> list[int]:
    return [folder["totalItemCount"], folder["unreadItemCount"], folder["childFolderCount"]]


def test_python_o365(world: World, alex: Reader, small: Path, large: Path) -> None:
    files = {small.name: digest(small), large.name: digest(large)}
    seen = world.python("o365_day.py", "O365", small, large, MAILBOX=ALEX)
    assert seen == {
        "high": ["O365 1", "O365 3", "O365 5"],
        "newest": ["O365 with files", *(f"O365 {number}" for number in range(6, 0, -1))],
        "files": [[small.name, 600], [large.name, 6_500_000]],
        "counts": [3, 0, 1],
        "answer": "RE: O365 with files",
    }
    top = alex.folders()["O365 top"]
    assert counts(top) == [3, 0, 1]
    left = alex.messages(top["id"])
    assert set(left) == {"O365 1", "O365 2", "O365 6"}
    marked = left["O365 1"]
    assert (marked["categories"], marked["flag"]["flagStatus"], marked["isRead"], marked["isDraft"]) == (
        ["O365 red"],
        "flagged",
        True,
        True,
    )
    inner = alex.folders(top["id"])
    assert set(alex.messages(inner["This year"]["id"])) == {"O365 2", "O365 3"}
    moved = alex.folders("archive")["O365 moved"]
    assert set(alex.messages(moved["id"])) == {"O365 6"}
    assert "O365 gone" in alex.folders("deleteditems")
    assert set(alex.messages("deleteditems", "O365")) == {"O365 4"}
    assert set(alex.messages("drafts", "RE: O365")) == {"RE: O365 with files"}
    sent = alex.messages("sentitems", "O365") | alex.messages("sentitems", "FW: O365")
    assert [name for name, each in sent.items() if not each["isRead"]] == ["O365 with files"]
    assert {name: alex.files(each) for name, each in sent.items()} == {
        "O365 with files": files,
        "O365 5": {},  # a draft that is sent leaves its copy whatever is asked
        "FW: O365 with files": files,
    }
    assert files_of(world.relay.wait_for("O365 with files")) == files
    assert files_of(world.relay.wait_for("FW: O365 with files")) == files
    (category,) = [
        each for each in alex.get("outlook/masterCategories")["value"] if each["displayName"] == "O365 red"
    ]
    assert category["color"] == "preset3"


def test_msgraph_sdk(world: World, alex: Reader, small: Path, large: Path) -> None:
    files = {small.name: digest(small), large.name: digest(large)}
    seen = world.python("sdk_day.py", "SDK", small, large, MAILBOX=ALEX)
    rule = seen.pop("rule")
    assert seen == {
        "first": [f"SDK {number}" for number in range(7)],
        "pages": [f"SDK {number}" for number in range(6, -1, -1)],
        "statuses": {"mark": 200, "move": 201, "send": 202},
        "then": [["SDK 2", "SDK with files"], 2],
        "gone_at_last": 1,
        "answer": ["RE: SDK with files", True, True],
    }
    top = alex.folders()["SDK top"]
    left = alex.messages(top["id"])
    assert set(left) == {"SDK 2", "SDK 4", "SDK 5", "SDK 6"}
    assert counts(top) == [4, 1, 0]
    assert (left["SDK 2"]["categories"], left["SDK 2"]["isRead"]) == (["SDK red"], False)
    assert set(alex.messages("archive", "SDK")) == {"SDK 1"}
    assert set(alex.messages("deleteditems", "SDK")) == {"SDK 3"}
    sent = alex.messages("sentitems", "SDK") | alex.messages("sentitems", "FW: SDK")
    assert {name: alex.files(each) for name, each in sent.items()} == {
        "SDK from a batch": {},
        "SDK with files": files,
        "FW: SDK with files": files,
    }
    (draft,) = alex.messages("drafts", "RE: SDK").values()
    assert "Danke." in draft["body"]["content"]
    assert files_of(world.relay.wait_for("SDK with files")) == files
    onward = world.relay.wait_for("FW: SDK with files")
    assert files_of(onward) == files
    assert "Siehe unten." in onward.message.get_body(("html",)).get_content()
    world.relay.wait_for("SDK from a batch")
    colours = {each["displayName"]: each["color"] for each in alex.get("outlook/masterCategories")["value"]}
    assert colours["SDK red"] == "preset3"
    assert alex.get(f"mailFolders/inbox/messageRules/{rule}")["displayName"] == "SDK rule"


def test_microsoft_graph_client_on_node(world: World, alex: Reader, small: Path, large: Path) -> None:
    files = {small.name: digest(small), large.name: digest(large)}
    seen = world.run([node.node(), str(node.DIRECTORY / "day.js")], "Node", small, large, MAILBOX=ALEX)
    assert seen == {
        "first": [f"Node {number}" for number in range(7)],
        "pages": [f"Node {number}" for number in range(6, -1, -1)],
        "statuses": [200, 201, 202],
        "then": [["Node 2", "Node with files"], 2],
        "last": [[], 1],
        "answer": ["RE: Node with files", True, True],
    }
    top = alex.folders()["Node top"]
    left = alex.messages(top["id"])
    assert set(left) == {"Node 2", "Node 4", "Node 5", "Node 6"}
    assert counts(top) == [4, 1, 0]
    assert (left["Node 2"]["categories"], left["Node 2"]["isRead"]) == (["Node red"], False)
    assert set(alex.messages("archive", "Node")) == {"Node 1", "Node 4"}
    assert set(alex.messages("deleteditems", "Node")) == {"Node 3"}
    sent = alex.messages("sentitems", "Node") | alex.messages("sentitems", "FW: Node")
    assert {name: alex.files(each) for name, each in sent.items()} == {
        "Node from a batch": {},
        "Node with files": files,
        "FW: Node with files": files,
    }
    (draft,) = alex.messages("drafts", "RE: Node").values()
    assert "Danke." in draft["body"]["content"]
    assert files_of(world.relay.wait_for("Node with files")) == files
    assert files_of(world.relay.wait_for("FW: Node with files")) == files
    world.relay.wait_for("Node from a batch")


def test_office365_rest_python_client(world: World, alex: Reader, small: Path, large: Path) -> None:
    files = {small.name: digest(small), large.name: digest(large)}
    seen = world.python("office365_day.py", "Office", small, large, MAILBOX=ALEX)
    assert seen == {
        "high": ["Office 1", "Office 3"],
        "paged": [f"Office {number}" for number in range(4, -1, -1)],
        "answer": "RE: Office with files",
    }
    top = alex.folders()["Office top"]
    left = alex.messages(top["id"])
    assert set(left) == {"Office 1", "Office 2"}
    assert all(each["isRead"] for each in left.values())
    assert set(alex.messages("archive", "Office")) == {"Office 2", "Office 3"}
    assert set(alex.messages("deleteditems", "Office")) == {"Office 4"}
    assert set(alex.messages("drafts", "RE: Office")) == {"RE: Office with files"}
    sent = alex.messages("sentitems", "Office") | alex.messages("sentitems", "FW: Office")
    assert {name: alex.files(each) for name, each in sent.items()} == {
        "Office with files": files,
        "FW: Office with files": files,
    }
    assert files_of(world.relay.wait_for("Office with files")) == files
    assert files_of(world.relay.wait_for("FW: Office with files")) == files
    assert "Office gone" in alex.folders("deleteditems")
