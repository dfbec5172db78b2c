"""Large files attached by the SDKs' LargeFileUploadTask, python-o365 and Office365-REST, as released."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.clients import node
from tests.clients.world import ADELE, World
from tests.conformance.drafting import new_draft

from graphpost.ids import parse_item_id
from graphpost.mail.message import Item
from graphpost.store import contents
from graphpost.store.blobs import FileBlobs
from graphpost.store.directory import accounts
from graphpost.store.mailbox import messages
from graphpost.store.store import Tx

pytestmark = pytest.mark.slow
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """11.5 MB: two slices of 5 MiB, and a part of one."""
    path = tmp_path_factory.mktemp("large") / "Übersicht.bin"
    path.write_bytes(random.Random(5).randbytes(11_500_001))
    return path


@pytest.fixture
def draft(world: World) -> str:
    return new_draft(world.server, ADELE)


def attached(world: World, draft: str) -> dict[str, bytes]:
    """What is attached to the draft, by name."""
    number, store = parse_item_id(draft).message_id, world.server.store
    blobs = FileBlobs(world.server.config.data / "blobs")

    def read(tx: Tx) -> tuple[Item | None, dict[int, contents.Content]]:
        box = accounts.load_directory(tx).find(ADELE)
        assert box is not None
        item = messages.get(tx, box.mailbox_id, number)
        return item, contents.of_message(tx, box.mailbox_id, number)

    item, kept = world.server.call(lambda: store.read(read))
    assert item is not None
    assert len(kept) == len(item.message.attachments)
    opened = contents.opener(blobs, kept)
    return {each.name: b"".join(opened(each.content)) for each in item.message.attachments if each.content}


def test_the_python_sdk_uploads_in_slices_of_any_size(world: World, draft: str, large: Path) -> None:
    sizes = [0, 320 * 1024, 3 * MIB + 1, 64 * MIB]
    world.python("sdk_upload.py", draft, large, *sizes)
    data = large.read_bytes()
    assert attached(world, draft) == {f"{number} {large.name}": data for number in range(len(sizes))}


@pytest.mark.parametrize("size", [1, 2_500_000])
def test_the_python_sdk_uploads_small_files_once(world: World, draft: str, tmp_path: Path, size: int) -> None:
    small = tmp_path / "small.bin"
    small.write_bytes(bytes(range(1, 251)) * 10_000 if size > 1 else b"x")
    world.python("sdk_upload.py", draft, small, 0)
    assert attached(world, draft) == {"0 small.bin": small.read_bytes()}


def test_the_javascript_sdk_uploads_in_slices_of_any_size(world: World, draft: str, large: Path) -> None:
    sizes = [5 * MIB, 320 * 1024, 3 * MIB, 20 * MIB]
    command = [node.node(), str(node.DIRECTORY / "upload.js")]
    locations = world.run(command, draft, large, *sizes)
    data = large.read_bytes()
    assert attached(world, draft) == {f"{number} {large.name}": data for number in range(len(sizes))}
    for location in locations:
        assert location.partition("/Attachments('")[2].endswith("')")


def test_office365_rest_uploads_in_slices(world: World, draft: str, large: Path) -> None:
    progress = world.python("office365_upload.py", draft, large, 3_000_000)
    assert progress[-1] == large.stat().st_size
    assert attached(world, draft) == {large.name: large.read_bytes()}


def test_python_o365_attaches_small_files_and_uploads_large_ones(
    world: World, draft: str, large: Path, picture: Path
) -> None:
    assert world.python("o365_upload.py", draft, large, picture) is True
    assert attached(world, draft) == {
        large.name: large.read_bytes(),
        picture.name: picture.read_bytes(),
    }
