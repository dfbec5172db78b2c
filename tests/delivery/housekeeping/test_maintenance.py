"""Housekeeping: what is long done is forgotten, what a message still names is kept."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.delivery.conftest import MakeOffice
from tests.delivery.post import ADELE, ALEX, HOUR, LATER, YES, Office

from graphpost.clock import SECOND
from graphpost.config import AccountSettings
from graphpost.delivery.housekeeping.indexing import Indexer
from graphpost.delivery.housekeeping.maintenance import (
    GRACE_SECONDS,
    INTERVAL_SECONDS,
    RECOVERABLE_SECONDS,
    Maintenance,
    forget,
)
from graphpost.errors import StoreError
from graphpost.mail.mailbox import INBOX, RECOVERABLE
from graphpost.mail.message import Attachment, ContentRef, Item, Message
from graphpost.store import contents
from graphpost.store.directory import accounts, deleted
from graphpost.store.mailbox import changes, forgetting, messages
from graphpost.store.mailbox.changes import Mark
from graphpost.store.queue import deliveries
from graphpost.store.store import Tx

pytestmark = pytest.mark.anyio
LARGE = bytes(100_000)
REMOVALS_SECONDS = 1000 * HOUR
REPEATS_SECONDS = 24 * HOUR


def maintenance(office: Office) -> Maintenance:
    return Maintenance(
        office.store,
        office.blobs,
        AccountSettings(),
        office.settings,
        office.clock,
        office.log,
        REMOVALS_SECONDS,
        REPEATS_SECONDS,
        Indexer(office.store, office.log, office.clock).keep,
        _nothing,
    )


def blob(office: Office, data: bytes, age_seconds: float) -> Path:
    """A blob that nothing names yet, written so long ago."""
    path = office.blobs.path(office.blobs.write([data]).sha256)
    written = office.clock.now() / SECOND - age_seconds
    os.utime(path, (written, written))
    return path


async def test_finished_deliveries_are_forgotten_after_their_time_and_no_sooner(office: Office) -> None:
    office.one.says(YES)
    await office.send("a@one.test")
    await office.until_done()
    await maintenance(office).once()
    assert len(await office.queue()) == 1
    await office.clock.advance(office.settings.retention_seconds + HOUR)
    await maintenance(office).once()
    assert await office.queue() == []


async def test_removals_are_forgotten_after_their_time_and_no_sooner(office: Office) -> None:
    async def removed() -> int:
        return await office.store.read(
            lambda tx: len(
                changes.messages_since(tx, ALEX.mailbox_id, INBOX, Mark(0, 0), changes.latest(tx), 9).found
            )
        )

    def add_and_remove(tx: Tx) -> None:
        item = Item(mailbox_id=ALEX.mailbox_id, message_id=1, folder_id=INBOX, message=Message())
        messages.add(tx, item)
        messages.remove(tx, item)

    await office.store.write(add_and_remove)
    begun = await office.store.read(changes.latest)
    for _ in range(2):
        await maintenance(office).once()
        assert await removed() == 1
        await office.clock.advance(REMOVALS_SECONDS - 1)
    await office.clock.advance(2)
    await maintenance(office).once()
    assert await removed() == 0
    assert begun <= await office.store.read(changes.forgotten)


async def test_a_deleted_mailbox_keeps_its_files_until_its_time_is_over(office: Office) -> None:
    def file_it(tx: Tx) -> None:
        item = Item(mailbox_id=ALEX.mailbox_id, message_id=1, folder_id=INBOX, message=Message())
        messages.add(tx, item)
        contents.add(tx, ALEX.mailbox_id, 1, [contents.Content(1, 7, of_alex.name)])
        deleted.delete(tx, ALEX, office.clock.now())

    of_alex = blob(office, b"of Alex", 10 * GRACE_SECONDS)
    await office.store.write(file_it)
    await office.clock.advance(AccountSettings().deleted_seconds - HOUR)
    await maintenance(office).once()
    assert of_alex.exists()
    assert [each.mailbox for each in await office.store.read(deleted.list_deleted)] == [ALEX]
    await office.clock.advance(2 * HOUR)
    await maintenance(office).once()
    assert not of_alex.exists()
    assert await office.store.read(accounts.list_numbers) == [ADELE.mailbox_id]
    assert await office.store.read(lambda tx: messages.count(tx, ALEX.mailbox_id, None)) == 0


async def test_erasing_goes_on_after_it_was_interrupted(office: Office) -> None:
    def fill(tx: Tx) -> None:
        for number in range(1, 3 * deleted.ROWS):
            item = Item(mailbox_id=ALEX.mailbox_id, message_id=number, folder_id=INBOX, message=Message())
            messages.add(tx, item)
        deleted.delete(tx, ALEX, office.clock.now())

    await office.store.write(fill)
    await office.clock.advance(AccountSettings().deleted_seconds + HOUR)
    assert await office.store.write(lambda tx: deleted.begin_erasing(tx, ALEX.mailbox_id, office.clock.now()))
    assert not await office.store.write(lambda tx: deleted.erase_step(tx, ALEX.mailbox_id))
    await maintenance(office).once()
    assert await office.store.read(accounts.list_numbers) == [ADELE.mailbox_id]


async def test_a_blob_that_any_mailbox_names_is_kept_and_the_others_go(office: Office) -> None:
    content_id = office.numbers.next()
    attachment = Attachment(
        attachment_id=1, name="a.bin", size=len(LARGE), content=ContentRef(content_id, encoding="")
    )
    await office.send("a@one.test", contents={content_id: LARGE}, attachments=(attachment,))
    named = blob(office, LARGE, GRACE_SECONDS + 60)
    of_alex = blob(office, b"of Alex", GRACE_SECONDS + 60)
    unnamed = blob(office, b"of nobody", GRACE_SECONDS + 60)
    young = blob(office, b"of nobody yet", GRACE_SECONDS - 60)

    def name_it(tx: Tx) -> None:
        content = contents.Content(1, 7, of_alex.name)
        contents.add(tx, ALEX.mailbox_id, 1, [content])

    await office.store.write(name_it)
    await maintenance(office).once()
    assert [path.exists() for path in (named, of_alex, unnamed, young)] == [True, True, False, True]


async def test_nothing_is_swept_when_it_cannot_be_asked_what_is_named(make_office: MakeOffice) -> None:
    office = make_office()
    lost = blob(office, b"of nobody", GRACE_SECONDS + 60)

    async def refuse(fn: Any) -> Any:
        raise StoreError("locked")

    office.store.read = refuse  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        await maintenance(office).once()
    assert lost.exists()


async def test_a_round_that_fails_is_told_and_the_next_one_comes(make_office: MakeOffice) -> None:
    office = make_office()
    office.store.breaks = lambda fn: StoreError("locked")
    running = asyncio.create_task(maintenance(office).run())
    for number in (1, 2):
        await office.clock.until_sleeping(1)
        await office.clock.advance(INTERVAL_SECONDS + 1)
        await office.until(lambda number=number: office.said().count("where=maintenance") == number)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def place(office: Office, item: Item, folder_id: int) -> Item:
    """Put a message into that folder now."""
    after = replace(item, folder_id=folder_id, modified_at=office.clock.now())
    return await office.store.write(lambda tx: messages.change(tx, item, after))


async def is_kept(office: Office, item: Item) -> bool:
    found = await office.store.read(lambda tx: messages.get(tx, item.mailbox_id, item.message_id))
    return found is not None


async def test_recoverable_items_are_kept_for_their_time(office: Office) -> None:
    office.one.says(YES)
    sent = await office.send("a@one.test")
    await office.until_done()
    await place(office, sent, RECOVERABLE)
    await office.clock.advance(RECOVERABLE_SECONDS - HOUR)
    await maintenance(office).once()
    assert await is_kept(office, sent)
    await office.clock.advance(2 * HOUR)
    await maintenance(office).once()
    assert not await is_kept(office, sent)


async def test_what_is_in_no_folder_is_kept_while_the_queue_knows_it(office: Office) -> None:
    office.one.says(LATER)
    sent = await office.send("a@one.test")
    await office.until_attempts(office.one, 1)
    await office.store.write(lambda tx: forgetting.forget(tx, sent))
    await maintenance(office).once()
    assert await is_kept(office, sent)
    office.one.says(YES)
    await office.clock.advance(office.settings.retry_seconds[0])
    await office.until_done()
    await office.clock.advance(office.settings.retention_seconds + HOUR)
    await maintenance(office).once()
    assert not await is_kept(office, sent)
    assert await office.store.read(lambda tx: contents.of_message(tx, sent.mailbox_id, sent.message_id)) == {}


# Copies nobody wanted


async def is_there(office: Office, item: Item) -> bool:
    return await office.store.read(lambda tx: messages.get(tx, 7, item.message_id)) is not None


async def test_a_captured_message_without_a_copy_goes_with_its_place_in_the_queue(office: Office) -> None:
    item = await office.send("x@else.test", save=False)
    await office.until_done()
    await maintenance(office).once()
    assert await is_there(office, item)
    office.clock.jump_to(office.clock.now() + 604_801 * SECOND)
    await maintenance(office).once()
    assert await office.queue() == []
    assert not await is_there(office, item)


async def test_a_copy_in_sent_items_stays(office: Office) -> None:
    item = await office.send("x@else.test")
    await office.until_done()
    office.clock.jump_to(office.clock.now() + 604_801 * SECOND)
    await maintenance(office).once()
    assert await office.queue() == []
    assert await is_there(office, item)


async def test_a_message_without_a_copy_stays_while_anything_of_it_waits(office: Office) -> None:
    office.one.says(LATER)
    item = await office.send("x@else.test", "a@one.test", save=False)
    await office.until_attempts(office.one, 1)
    await office.settle_down()
    assert await office.store.write(lambda tx: forget(tx, 7, office.clock.now() + 1)) == 1
    assert [delivery.state for delivery in await office.queue()] == [deliveries.QUEUED]
    assert await is_there(office, item)


async def _nothing() -> None:
    """There are no records."""
