"""Large contents in files: named by their bytes, durable, swept only when nobody names them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from graphpost.clock import SECOND
from graphpost.errors import StoreError
from graphpost.store.blobs import Blob, FileBlobs

DATA = bytes(range(256)) * 4000


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path / "data" / "blobs")


def put(blobs: FileBlobs, data: bytes = DATA) -> str:
    return blobs.write([data]).sha256


def test_a_blob_is_named_by_its_bytes(blobs: FileBlobs) -> None:
    blob = blobs.write(DATA[start : start + 1000] for start in range(0, len(DATA), 1000))
    assert blob == Blob(hashlib.sha256(DATA).hexdigest(), len(DATA))
    assert blobs.path(blob.sha256).read_bytes() == DATA
    assert put(blobs) == blob.sha256
    assert list((blobs.root / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("offset", "length"), [(0, -1), (0, 0), (5, 10), (300_000, 600_000), (len(DATA), -1), (len(DATA) - 1, 1)]
)
def test_slices_are_read(blobs: FileBlobs, offset: int, length: int) -> None:
    expected = DATA[offset:] if length < 0 else DATA[offset : offset + length]
    assert b"".join(blobs.read(put(blobs), offset, length)) == expected


def test_an_empty_blob_is_a_blob(blobs: FileBlobs) -> None:
    assert b"".join(blobs.read(blobs.write([]).sha256)) == b""


def test_reading_more_than_there_is_or_what_is_not_there_is_a_store_error(blobs: FileBlobs) -> None:
    name = put(blobs)
    with pytest.raises(StoreError, match="shorter"):
        list(blobs.read(name, 10, len(DATA)))
    with pytest.raises(StoreError):
        list(blobs.read("0" * 64))


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n", "/" + "0" * 63]
)
def test_a_name_cannot_lead_elsewhere(blobs: FileBlobs, name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        blobs.path(name)


def test_files_are_for_their_owner_only(blobs: FileBlobs) -> None:
    path = blobs.path(put(blobs))
    modes = [each.stat().st_mode & 0o777 for each in (path, path.parent, blobs.root, blobs.root / "incoming")]
    assert modes == [0o600, 0o700, 0o700, 0o700]


def test_a_source_that_fails_leaves_nothing(blobs: FileBlobs) -> None:
    def broken() -> Iterator[bytes]:
        yield DATA
        raise ConnectionError

    with pytest.raises(StoreError):
        blobs.write(broken())
    assert [p for p in blobs.root.rglob("*") if p.is_file() and p.name != "lock"] == []


def test_a_damaged_file_is_replaced_when_its_bytes_come_again(blobs: FileBlobs) -> None:
    path = blobs.path(put(blobs))
    path.write_bytes(b"torn")
    put(blobs)
    assert path.read_bytes() == DATA


NOW = 2_000_000_000 * SECOND


def made_old(blobs: FileBlobs, *names: str) -> None:
    for name in names:
        os.utime(blobs.path(name), (1_000_000_000, 1_000_000_000))


def test_the_sweep_removes_old_files_that_nobody_names(blobs: FileBlobs) -> None:
    used, unused, young = (put(blobs, data) for data in (b"used", b"unused", b"young"))
    made_old(blobs, used, unused)
    left_over = blobs.root / "incoming" / "left over"
    left_over.write_bytes(b"")
    os.utime(left_over, (1, 1))
    now = 1_000_090_000 * SECOND

    def referenced(names: Collection[str]) -> Collection[str]:
        return [name for name in names if name == used]

    assert blobs.sweep(referenced, now, 86_400) == 1
    exist = [blobs.path(name).exists() for name in (used, unused, young)]
    assert (exist, left_over.exists()) == ([True, False, True], False)


def test_a_blob_written_again_during_the_sweep_stays(blobs: FileBlobs) -> None:
    name = put(blobs)
    made_old(blobs, name)

    def meanwhile(names: Collection[str]) -> Collection[str]:
        put(blobs)
        return ()

    assert blobs.sweep(meanwhile, 1_000_090_000 * SECOND, 86_400) == 0
    assert blobs.path(name).exists()
