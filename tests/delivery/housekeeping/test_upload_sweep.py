"""Housekeeping of uploads: what nobody needs any more is removed, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.delivery.post import ADELE, SETTINGS, furnish, open_sqlite
from tests.store.made import item, upload

from graphpost.clock import SECOND
from graphpost.config import AccountSettings, LogSettings
from graphpost.delivery.housekeeping.indexing import Indexer
from graphpost.delivery.housekeeping.maintenance import Maintenance
from graphpost.mail.mailbox import DRAFTS
from graphpost.maillog import MailLog
from graphpost.store.blobs import FileBlobs
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.mailbox import messages, uploads
from graphpost.store.mailbox.uploads import Upload, part_name
from graphpost.testing.clock import JumpingClock

pytestmark = pytest.mark.anyio
DAY = 86_400 * SECOND


class House:
    """A store, its files, and housekeeping that runs when it is told to."""

    def __init__(self, store: SqliteStore, path: Path) -> None:
        self.store = store
        self.blobs = FileBlobs(path / "blobs")
        self.clock = JumpingClock()
        log = MailLog(LogSettings(), open(os.devnull, "w"), self.clock.now)  # noqa: SIM115
        self.maintenance = Maintenance(
            store,
            self.blobs,
            AccountSettings(),
            SETTINGS,
            self.clock,
            log,
            3600.0,
            3600.0,
            Indexer(store, log, self.clock).keep,
            _nothing,
        )

    async def begin(self, number: int, **changes: object) -> Upload:
        """A session of a day with a part of a file."""
        made = replace(upload(number, ADELE.mailbox_id, expires_at=self.clock.now() + DAY), **changes)
        await self.store.write(lambda tx: uploads.add(tx, made))
        part = self.blobs.parts.open(part_name(number))
        part.append([b"some"])
        part.close()
        self.age(self.blobs.parts.path(part_name(number)))
        return made

    def age(self, path: Path) -> None:
        """Make it as old as the clock says that it is new."""
        seconds = self.clock.now() / SECOND
        os.utime(path, (seconds, seconds))

    def parts(self) -> list[str]:
        return sorted(path.name for path in self.blobs.parts.root.iterdir())

    async def sessions(self) -> set[str]:
        return await self.store.read(lambda tx: uploads.parts_of(tx, ADELE.mailbox_id))


@pytest.fixture
async def house(anyio_backend: str, tmp_path: Path):  # type: ignore[no-untyped-def]
    store = open_sqlite(tmp_path)
    await furnish(store)
    await store.write(lambda tx: messages.add(tx, item(1, ADELE.mailbox_id, DRAFTS, is_draft=True)))
    yield House(store, tmp_path)
    await store.close()


async def test_an_upload_whose_time_is_over_goes_with_its_part(house: House) -> None:
    first = await house.begin(1)
    await house.begin(2, expires_at=first.expires_at + DAY)
    house.clock.jump_to(first.expires_at)
    await house.maintenance.once()
    assert await house.sessions() == {part_name(2)}
    assert house.parts() == [part_name(2)]


async def test_an_upload_whose_draft_is_gone_goes_with_its_part(house: House) -> None:
    await house.begin(1)
    made = await house.begin(2, message_id=2)
    house.clock.jump_to(made.expires_at - 1)
    await house.maintenance.once()
    assert await house.sessions() == {part_name(1)}
    assert house.parts() == [part_name(1)]


async def test_an_upload_that_waits_keeps_its_part_however_old(house: House) -> None:
    made = await house.begin(1, expires_at=house.clock.now() + 10 * DAY)
    house.clock.jump_to(made.expires_at - 1)
    await house.maintenance.once()
    assert house.parts() == [part_name(1)]


async def test_a_part_that_no_upload_has_goes_after_a_while(house: House) -> None:
    part = house.blobs.parts.open(part_name(9))
    part.close()
    house.age(house.blobs.parts.path(part_name(9)))
    await house.maintenance.once()
    assert house.parts() == [part_name(9)]
    house.clock.jump_to(house.clock.now() + 2 * 3600 * SECOND)
    await house.maintenance.once()
    assert house.parts() == []


async def test_a_blob_that_is_about_to_be_attached_stays(house: House) -> None:
    kept, lost = (house.blobs.write([data]).sha256 for data in (b"kept", b"lost"))
    await house.begin(1, received=10, sha256=kept, expires_at=house.clock.now() + 10 * DAY)
    for name in (kept, lost):
        house.age(house.blobs.path(name))
    house.clock.jump_to(house.clock.now() + 2 * DAY)
    await house.maintenance.once()
    assert house.blobs.path(kept).exists()
    assert not house.blobs.path(lost).exists()


async def _nothing() -> None:
    """There are no records."""
