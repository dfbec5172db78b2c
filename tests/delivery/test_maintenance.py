"""Housekeeping: what is long done is forgotten, and nothing else."""

from __future__ import annotations

import pytest
from tests.delivery.post import LATER, Office

from graphpost.clock import SECOND
from graphpost.config import DeliverySettings
from graphpost.delivery.maintenance import Maintenance, forget
from graphpost.mail.message import Item
from graphpost.store import deliveries, messages

pytestmark = pytest.mark.anyio


def maintenance(office: Office) -> Maintenance:
    return Maintenance(
        office.store, office.blobs, lambda: office.directory, DeliverySettings(), office.clock, office.log
    )


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
