"""Upload sessions as rows: what one request acknowledged, no other overwrites."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.store.made import item, upload

from graphpost.mail.mailbox import DELETED_ITEMS, DRAFTS, RECOVERABLE
from graphpost.store.mailbox import messages, uploads
from graphpost.store.mailbox.deferrals import Requester
from graphpost.store.store import Store, Tx

pytestmark = pytest.mark.anyio


async def test_a_session_is_read_as_it_was_written(store: Store) -> None:
    made = upload(received=3, sha256="a" * 64)
    await store.write(lambda tx: uploads.add(tx, made))
    assert await store.read(lambda tx: uploads.get(tx, 7, 1)) == made
    assert await store.read(lambda tx: uploads.get(tx, 8, 1)) is None
    assert await store.read(lambda tx: uploads.get(tx, 7, 2)) is None


async def test_a_session_of_an_older_version_is_nobodys_in_particular(store: Store) -> None:
    made = upload()

    def write(tx: Tx) -> None:
        uploads.add(tx, replace(made, requester=Requester("user", "t", "o", "c", frozenset({"Mail.Send"}))))
        document = msgspec.msgpack.encode(made.attachment)
        tx.execute("UPDATE uploads SET document = ? WHERE mailbox_id = ? AND upload_id = ?", (document, 7, 1))

    await store.write(write)
    assert await store.read(lambda tx: uploads.get(tx, 7, 1)) == made


async def test_progress_is_made_from_where_it_was_only(store: Store) -> None:
    first = upload()
    further, complete = replace(first, received=4), replace(first, received=10, sha256="a" * 64)
    await store.write(lambda tx: uploads.add(tx, first))
    assert await store.write(lambda tx: uploads.advance(tx, first, further))
    assert not await store.write(lambda tx: uploads.advance(tx, first, complete))
    assert await store.read(lambda tx: uploads.get(tx, 7, 1)) == further
    assert await store.write(lambda tx: uploads.advance(tx, further, complete))
    attached = replace(complete, is_attached=True)
    assert await store.write(lambda tx: uploads.advance(tx, complete, attached))
    assert not await store.write(lambda tx: uploads.advance(tx, complete, attached))


async def test_a_session_ends_once(store: Store) -> None:
    await store.write(lambda tx: uploads.add(tx, upload()))
    assert await store.write(lambda tx: uploads.remove(tx, 7, 1))
    assert not await store.write(lambda tx: uploads.remove(tx, 7, 1))
    assert not await store.write(lambda tx: uploads.advance(tx, upload(), upload(received=4)))


async def test_sessions_expire_at_their_time_and_by_mailbox(store: Store) -> None:
    await store.write(lambda tx: messages.add(tx, item(1, 7, DRAFTS, is_draft=True)))
    for made in (upload(1), upload(2, expires_at=1001), upload(3, mailbox_id=8)):
        await store.write(lambda tx, made=made: uploads.add(tx, made))  # type: ignore[misc]
    assert await store.write(lambda tx: uploads.remove_ended(tx, 7, 999)) == 0
    assert await store.write(lambda tx: uploads.remove_ended(tx, 7, 1000)) == 1
    assert await store.read(lambda tx: uploads.get(tx, 7, 1)) is None
    assert await store.read(lambda tx: uploads.parts_of(tx, 7)) == {"0000000000000002"}
    assert await store.read(lambda tx: uploads.parts_of(tx, 8)) == {"0000000000000003"}


@pytest.mark.parametrize(
    "where",
    [
        {"folder_id": DRAFTS, "is_draft": False},
        {"folder_id": RECOVERABLE, "is_draft": True},
        {"mailbox_id": 8},
    ],
)
async def test_sessions_end_with_their_draft(store: Store, where: dict[str, Any]) -> None:
    await store.write(lambda tx: messages.add(tx, item(**{"is_draft": True, **where})))
    await store.write(lambda tx: messages.add(tx, item(2, 7, DELETED_ITEMS, is_draft=True)))
    for made in (upload(1), upload(2, message_id=2)):
        await store.write(lambda tx, made=made: uploads.add(tx, made))  # type: ignore[misc]
    assert await store.write(lambda tx: uploads.remove_ended(tx, 7, 0)) == 1
    assert await store.read(lambda tx: uploads.parts_of(tx, 7)) == {"0000000000000002"}


async def test_files_are_needed_until_they_are_attached(store: Store) -> None:
    complete = upload(1, received=10, sha256="a" * 64)
    await store.write(lambda tx: uploads.add(tx, complete))
    await store.write(lambda tx: uploads.add(tx, upload(2)))
    assert await store.read(lambda tx: uploads.blobs_of(tx, 7)) == {"a" * 64}
    assert len(await store.read(lambda tx: uploads.parts_of(tx, 7))) == 2
    await store.write(lambda tx: uploads.advance(tx, complete, replace(complete, is_attached=True)))
    assert await store.read(lambda tx: uploads.blobs_of(tx, 7)) == set()
    assert await store.read(lambda tx: uploads.parts_of(tx, 7)) == {"0000000000000002"}
