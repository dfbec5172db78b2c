"""Partial files: only acknowledged bytes count, and one writer at a time."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from graphpost.errors import ContentLost, StoreBusy, StoreError
from graphpost.store.blobs import Blob, FileBlobs
from graphpost.store.parts import Parts

NAME = "00000000000000ab"
DATA = bytes(range(256)) * 4000


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path / "blobs")


@pytest.fixture
def parts(blobs: FileBlobs) -> Parts:
    return blobs.parts


def append(parts: Parts, size: int, data: bytes, *, acknowledged: bool = True) -> str:
    """Append to a part of that size; the digest so far."""
    part = parts.open(NAME)
    try:
        part.rewind(size)
        part.append([data[:1], data[1:]])
        part.sync()
        if acknowledged:
            parts.remember(NAME, part)
        return part.sha256
    finally:
        part.close()


def test_slices_become_one_file_and_its_digest(parts: Parts) -> None:
    append(parts, 0, DATA[:1000])
    append(parts, 1000, DATA[1000:1001])
    digest = append(parts, 1001, DATA[1001:])
    assert digest == hashlib.sha256(DATA).hexdigest()
    assert parts.read(NAME) == DATA
    assert parts.path(NAME).stat().st_mode & 0o777 == 0o600


def test_another_process_goes_on_with_the_digest_of_the_file(parts: Parts) -> None:
    append(parts, 0, DATA[:700_000])
    assert append(Parts(parts.root), 700_000, DATA[700_000:]) == hashlib.sha256(DATA).hexdigest()


def test_what_was_not_acknowledged_is_cut_off(parts: Parts) -> None:
    append(parts, 0, b"abc")
    append(parts, 3, b"lost", acknowledged=False)
    assert parts.size(NAME) == 7
    assert append(parts, 3, b"def") == hashlib.sha256(b"abcdef").hexdigest()
    assert parts.read(NAME) == b"abcdef"


def test_a_digest_of_bytes_that_were_replaced_is_not_used(parts: Parts) -> None:
    append(parts, 0, b"abc", acknowledged=False)
    other = Parts(parts.root)
    append(other, 0, b"xyz")
    assert append(parts, 3, b"!") == hashlib.sha256(b"xyz!").hexdigest()


def test_a_file_that_is_shorter_than_what_was_acknowledged_says_so(parts: Parts) -> None:
    append(parts, 0, b"abc")
    os.truncate(parts.path(NAME), 2)
    part = parts.open(NAME)
    part.rewind(3)
    assert part.size == 2
    assert part.sha256 == hashlib.sha256(b"ab").hexdigest()
    part.close()


def test_one_writer_at_a_time(parts: Parts) -> None:
    part = parts.open(NAME)
    with pytest.raises(StoreBusy):
        Parts(parts.root).open(NAME)
    part.close()
    parts.open(NAME).close()


def test_a_link_is_not_followed(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    parts.path(NAME).symlink_to(tmp_path / "victim")
    with pytest.raises(StoreError):
        parts.open(NAME)
    assert (tmp_path / "victim").read_bytes() == b"precious"


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "0" * 15, "0" * 17, "0" * 15 + "G", "0" * 16 + "\n"]
)
def test_a_name_cannot_lead_elsewhere(parts: Parts, name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        parts.path(name)


def test_a_complete_part_becomes_a_blob_without_a_copy(blobs: FileBlobs) -> None:
    blob = Blob(append(blobs.parts, 0, DATA), len(DATA))
    inode = blobs.parts.path(NAME).stat().st_ino
    blobs.adopt(NAME, blob)
    assert blobs.path(blob.sha256).stat().st_ino == inode
    assert b"".join(blobs.read(blob.sha256)) == DATA
    assert blobs.parts.size(NAME) == 0
    blobs.adopt(NAME, blob)  # again, as after a crash


def test_a_part_that_is_there_as_a_blob_already_is_that_blob(blobs: FileBlobs) -> None:
    blob = blobs.write([DATA])
    append(blobs.parts, 0, DATA)
    os.utime(blobs.path(blob.sha256), (0, 0))
    blobs.adopt(NAME, blob)
    assert list(blobs.parts.root.iterdir()) == []
    assert blobs.path(blob.sha256).stat().st_mtime > 0


def test_a_part_that_is_nowhere_or_of_another_length_is_an_error(blobs: FileBlobs) -> None:
    with pytest.raises(ContentLost):
        blobs.adopt(NAME, Blob("a" * 64, 3))
    digest = append(blobs.parts, 0, b"abc")
    with pytest.raises(ContentLost):
        blobs.adopt(NAME, Blob(digest, 4))
    assert blobs.parts.read(NAME) == b"abc"


def test_a_part_that_was_begun_anew_does_not_hide_the_blob(blobs: FileBlobs) -> None:
    blob = blobs.write([DATA])
    blobs.parts.open(NAME).close()
    blobs.adopt(NAME, blob)
    assert b"".join(blobs.read(blob.sha256)) == DATA
    assert list(blobs.parts.root.iterdir()) == []


def test_opening_changes_nothing(parts: Parts) -> None:
    append(parts, 0, b"abc")
    part = parts.open(NAME)
    assert part.size == 3
    part.close()
    assert parts.read(NAME) == b"abc"


def test_old_parts_are_swept_unless_they_are_needed(parts: Parts) -> None:
    names = [f"{number:016x}" for number in range(3)]
    for name in names:
        parts.open(name).close()
        os.utime(parts.path(name), (1000, 1000))
    os.utime(parts.path(names[2]), (2000, 2000))
    assert parts.sweep(lambda old: {names[1]}, 1500) == 1
    assert sorted(path.name for path in parts.root.iterdir()) == names[1:]
    assert parts.sweep(lambda old: set(), 3000) == 2
    assert parts.sweep(lambda old: pytest.fail("nothing is old"), 3000) == 0
