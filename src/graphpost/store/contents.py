"""Contents: bytes of attachments and MIME, in the database or in blobs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from mmap import mmap
from typing import Final

from msgspec import Struct

from graphpost.errors import ContentLost
from graphpost.mail.message import ContentRef
from graphpost.store.blobs import Blobs
from graphpost.store.store import Tx

_CHUNK: Final = 256 * 1024
_NAMES: Final = 256  # to a statement, at most


class Content(Struct, frozen=True):
    """Stored bytes.  `data` is None when they are in the blob named `sha256`."""

    content_id: int
    size: int
    sha256: str
    data: bytes | None = None


def prepare(
    blobs: Blobs, content_id: int, data: bytes | mmap, inline_limit: int, before: bytes = b""
) -> Content:
    """Make bytes ready to be added, `before` and then `data`; larger ones than `inline_limit` are written to a blob here."""
    size = len(before) + len(data)
    if size <= inline_limit:
        whole = before + data[:]
        return Content(content_id, size, sha256(whole).hexdigest(), whole)
    blob = blobs.write(_pieces(before, data))
    return Content(content_id, blob.size, blob.sha256)


def _pieces(before: bytes, data: bytes | mmap) -> Iterator[bytes]:
    yield before
    for start in range(0, len(data), _CHUNK):
        yield data[start : start + _CHUNK]


def add(tx: Tx, mailbox_id: int, message_id: int, contents: Sequence[Content]) -> None:
    """Give a message its contents."""
    tx.executemany(
        "INSERT INTO contents (mailbox_id, message_id, content_id, size, sha256, data) VALUES (?, ?, ?, ?, ?, ?)",
        [(mailbox_id, message_id, c.content_id, c.size, c.sha256, c.data) for c in contents],
    )


def of_message(tx: Tx, mailbox_id: int, message_id: int) -> dict[int, Content]:
    """A message's contents by content id."""
    rows = tx.all(
        "SELECT content_id, size, sha256, data FROM contents WHERE mailbox_id = ? AND message_id = ?",
        (mailbox_id, message_id),
    )
    return {row[0]: Content(*row) for row in rows}


def remove_some(tx: Tx, mailbox_id: int, message_id: int, content_ids: Iterable[int]) -> None:
    """Delete these contents of a message."""
    for content_id in content_ids:
        tx.execute(
            "DELETE FROM contents WHERE mailbox_id = ? AND message_id = ? AND content_id = ?",
            (mailbox_id, message_id, content_id),
        )


def copy(tx: Tx, mailbox_id: int, message_id: int, to: int) -> None:
    """Give message `to` the contents of another; bytes in blobs are shared."""
    tx.execute(
        "INSERT INTO contents (mailbox_id, message_id, content_id, size, sha256, data)"
        " SELECT mailbox_id, ?, content_id, size, sha256, data FROM contents WHERE mailbox_id = ? AND message_id = ?",
        (to, mailbox_id, message_id),
    )


def copy_some(tx: Tx, mailbox_id: int, message_id: int, to: int, content_ids: Iterable[int]) -> bool:
    """Give message `to` these contents of another; False, with some perhaps given, when not all are there."""
    changed = [
        tx.execute(
            "INSERT INTO contents (mailbox_id, message_id, content_id, size, sha256, data)"
            " SELECT mailbox_id, ?, content_id, size, sha256, data FROM contents"
            " WHERE mailbox_id = ? AND message_id = ? AND content_id = ?",
            (to, mailbox_id, message_id, content_id),
        )
        for content_id in content_ids
    ]
    return all(changed)


def remove(tx: Tx, mailbox_id: int, message_id: int) -> None:
    """Delete a message's contents; blobs that nothing names any more are left to the sweep."""
    tx.execute("DELETE FROM contents WHERE mailbox_id = ? AND message_id = ?", (mailbox_id, message_id))


def blobs_of(tx: Tx, mailbox_id: int, names: Collection[str]) -> set[str]:
    """Which of these blobs a mailbox's contents are in."""
    found: set[str] = set()
    asked = sorted(names)
    for start in range(0, len(asked), _NAMES):
        some = asked[start : start + _NAMES]
        found.update(row[0] for row in tx.all(_named(len(some)), (mailbox_id, *some)))
    return found


def opener(blobs: Blobs, contents: Mapping[int, Content]) -> Callable[[ContentRef], Iterator[bytes]]:
    """A function that gives the bytes a ContentRef names, as stored (the encoding is not undone), in chunks."""

    def open_(ref: ContentRef) -> Iterator[bytes]:
        content = contents.get(ref.content_id)
        if content is None:
            raise ContentLost("a message names a content that it does not have")
        if content.data is None:
            length = ref.length if ref.length >= 0 else content.size - ref.offset
            return blobs.read(content.sha256, ref.offset, length)
        end = content.size if ref.length < 0 else ref.offset + ref.length
        return iter((content.data[ref.offset : end],))

    return open_


@lru_cache(maxsize=_NAMES)
def _named(number: int) -> str:
    marks = ", ".join("?" * number)
    return (
        f"SELECT DISTINCT sha256 FROM contents WHERE mailbox_id = ? AND data IS NULL AND sha256 IN ({marks})"  # noqa: S608
    )
