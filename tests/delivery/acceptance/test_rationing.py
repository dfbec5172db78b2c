"""A mailbox that sends much: its messages wait in the queue; to too many recipients, it is told that they were not sent."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.delivery.post import ADELE, ALEX, Office, accepting, furnish, letter, open_sqlite
from tests.store.conftest import anyio_backend

from graphpost.clock import SECOND
from graphpost.config import LogSettings, ThrottlingSettings
from graphpost.delivery.acceptance.submissions import Draft, Submission
from graphpost.errors import StoreError
from graphpost.mail.mailbox import DRAFTS, INBOX
from graphpost.maillog import MailLog
from graphpost.store.blobs import FileBlobs
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.mailbox import messages
from graphpost.testing.clock import JumpingClock
from graphpost.throttling.rations import Rations
from graphpost.throttling.sharing import Sharing

__all__ = ["anyio_backend"]
pytestmark = pytest.mark.anyio


class Rationed:
    """An office whose mailboxes may send so much."""

    def __init__(
        self, store: SqliteStore, folder: Path, clock: JumpingClock, *, owner: int = 1, **limits: Any
    ) -> None:
        log = MailLog(LogSettings(), io.StringIO(), clock.now)
        self.sharing = Sharing(store, clock, log)
        rations = Rations(ThrottlingSettings(profile="custom", **limits), self.sharing, log)
        self.office = Office(store, FileBlobs(folder), clock, owner=owner, rations=rations)

    async def stop(self) -> None:
        await self.office.worker.stop(1.0)
        await self.sharing.close()
        self.office.log.close()


@pytest.fixture
async def store(anyio_backend: str, tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = open_sqlite(tmp_path)
    await furnish(opened)
    yield opened
    await opened.close()


async def test_messages_beyond_the_limit_wait_their_turn(store: SqliteStore, tmp_path: Path) -> None:
    clock = JumpingClock()
    rationed = Rationed(store, tmp_path, clock, messages=3)
    office = rationed.office
    await office.worker.start()
    for number in range(8):
        await office.send(f"n{number}@one.test")
    await office.until_attempts(office.one, 3)
    await office.settle_down()
    assert office.one.addresses == ["n0@one.test", "n1@one.test", "n2@one.test"]
    for before, after in ((3, 6), (6, 8)):
        clock.jump_to(clock.now() + 60 * SECOND)
        await office.settle_down()
        assert len(office.one.taken) == before
        clock.jump_to(clock.now() + SECOND)
        await office.until_attempts(office.one, after)
    await office.until_done(8)
    assert sorted(office.one.addresses) == [f"n{number}@one.test" for number in range(8)]
    await rationed.stop()


async def test_each_mailbox_has_messages_of_its_own(store: SqliteStore, tmp_path: Path) -> None:
    clock = JumpingClock()
    rationed = Rationed(store, tmp_path, clock, messages=1)
    office = rationed.office
    for mailbox in (ADELE, ALEX):
        await office.submitter.submit(Submission(mailbox=mailbox, message=letter("a@one.test"), contents={}))
    assert {delivery.due_at for delivery in await office.queue()} == {clock.now()}
    await rationed.stop()


async def test_drafts_count_when_they_are_sent(store: SqliteStore, tmp_path: Path) -> None:
    clock = JumpingClock()
    rationed = Rationed(store, tmp_path, clock, messages=1)
    office = rationed.office
    drafts = [
        await office.submitter.keep(
            Draft(mailbox=ADELE, message=letter("a@one.test"), contents={}, folder_id=DRAFTS)
        )
        for _ in range(2)
    ]
    for draft in drafts:
        await office.submitter.submit_draft(ADELE, draft, draft.message, "r")
    waits = sorted((delivery.due_at - clock.now()) // SECOND for delivery in await office.queue())
    assert waits == [0, 61]
    await rationed.stop()


async def test_recipients_beyond_the_limit_are_reported_and_get_nothing(
    store: SqliteStore, tmp_path: Path
) -> None:
    clock = JumpingClock()
    rationed = Rationed(store, tmp_path, clock, recipients=3)
    office = rationed.office
    await office.worker.start()
    await office.send("a@one.test", "b@one.test")
    await office.send("c@one.test", "d@two.test", ALEX.address)
    await office.send("e@one.test")
    await office.until_done(3)
    assert sorted(office.one.addresses) == ["a@one.test", "b@one.test", "e@one.test"]
    assert office.two.addresses == []
    assert await office.inbox(ALEX) == []
    (report,) = await office.inbox()
    text = (await office.bytes_of(report)).decode()
    assert text.count("Status: 5.1.90") == 3
    await rationed.stop()


async def test_recipients_are_counted_over_a_restart(store: SqliteStore, tmp_path: Path) -> None:
    clock = JumpingClock()
    first = Rationed(store, tmp_path, clock, recipients=2)
    await first.office.send("a@one.test", "b@one.test")
    await first.stop()
    second = Rationed(store, tmp_path, clock, owner=2, recipients=2)
    await second.office.send("c@one.test")
    destinations = sorted(delivery.destination for delivery in await second.office.queue())
    assert destinations == ["exceeded", "smtp://one.test:25"]
    clock.jump_to(clock.now() + 25 * 3600 * SECOND)
    await second.office.send("d@one.test")
    destinations = sorted(delivery.destination for delivery in await second.office.queue())
    assert destinations == ["exceeded", "smtp://one.test:25", "smtp://one.test:25"]
    await second.stop()


async def test_a_copy_is_in_sent_items_whether_it_waits_or_not(store: SqliteStore, tmp_path: Path) -> None:
    clock = JumpingClock()
    rationed = Rationed(store, tmp_path, clock, messages=1, recipients=2)
    for _ in range(3):
        await rationed.office.send("a@one.test")
    found = await store.read(lambda tx: messages.find(tx, ADELE.mailbox_id, top=10))
    assert [item.folder_id for item in found] == [9, 9, 9]
    assert INBOX not in {item.folder_id for item in found}
    await rationed.stop()


async def test_those_who_send_together_are_all_counted(store: SqliteStore, tmp_path: Path) -> None:
    clock = JumpingClock()
    rationed = Rationed(store, tmp_path, clock, recipients=5)
    await asyncio.gather(*(rationed.office.send(f"n{number}@one.test") for number in range(20)))
    destinations = [delivery.destination for delivery in await rationed.office.queue()]
    assert destinations.count("exceeded") == 15
    await rationed.stop()


async def test_what_was_not_accepted_does_not_count(store: SqliteStore, tmp_path: Path) -> None:
    clock = JumpingClock()
    rationed = Rationed(store, tmp_path, clock, recipients=3, messages=2)
    office = rationed.office
    office.store.breaks = accepting
    for _ in range(10):
        with pytest.raises(StoreError):
            await office.send("a@one.test", "b@one.test")
    office.store.breaks = lambda fn: None
    await office.send("a@one.test", "b@one.test")
    await office.send("c@one.test")
    await office.send("d@one.test")
    queued = [(delivery.destination, delivery.due_at - clock.now()) for delivery in await office.queue()]
    assert queued == [("smtp://one.test:25", 0), ("smtp://one.test:25", 0), ("exceeded", 0)]
    await rationed.stop()
