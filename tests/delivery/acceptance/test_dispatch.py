"""The dispatcher: once, whichever process does it, and whatever goes wrong in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from tests.delivery.conftest import MakeOffice
from tests.delivery.post import ADELE, HOUR, Office, accepting, furnish

from graphpost.clock import SECOND, Instant, to_text
from graphpost.delivery.acceptance.dispatch import LOOK_SECONDS, PUT_OFF
from graphpost.errors import BadRequest, StoreError
from graphpost.mail.mailbox import DRAFTS, SENT_ITEMS, Mailbox
from graphpost.mail.message import ContentRef, ExtendedProperty, Item, Message
from graphpost.store import contents
from graphpost.store.mailbox import deferrals, messages
from graphpost.store.mailbox.deferrals import Deferral
from graphpost.testing.clock import START

pytestmark = pytest.mark.anyio


def yes(row: Deferral, item: Item, header: bytes) -> tuple[Mailbox, Message]:
    return ADELE, item.message


def no(row: Deferral, item: Item, header: bytes) -> tuple[Mailbox, Message]:
    raise BadRequest("It may not.")


async def send_later(office: Office, *to: str, seconds: float = HOUR, save: bool = True) -> Item:
    time = to_text(office.clock.now() + int(seconds * SECOND))
    return await office.send(
        *(to or ("a@one.test",)), save=save, extended=(ExtendedProperty("SystemTime 0x3FEF", time),)
    )


async def folder(office: Office, number: int) -> int:
    return len(
        await office.store.read(lambda tx: messages.find(tx, ADELE.mailbox_id, folder_id=number, top=1000))
    )


async def due_times(office: Office) -> list[Instant]:
    return [row.due_at for row in await office.store.read(lambda tx: deferrals.listed(tx, 1000))]


async def test_it_looks_by_itself(office: Office) -> None:
    await send_later(office, seconds=5)
    running = asyncio.create_task(office.dispatcher(yes).run())
    for _ in range(6):
        await office.clock.until_sleeping(2)  # the worker's lease-keeper is the other
        await office.clock.advance(LOOK_SECONDS)
    await office.until(lambda: len(office.one.taken) == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    ((instant, _, _),) = office.one.taken
    assert 5 <= (instant - START) / SECOND <= 6


async def test_a_process_that_died_is_followed_by_one_that_sends(make_office: MakeOffice) -> None:
    first = make_office()
    await first.worker.start()
    item = await send_later(first)
    await first.worker.stop(1.0)
    await first.clock.advance(HOUR)
    second = make_office()
    await second.worker.start()
    await second.dispatcher(yes).once()
    await second.until_done()
    assert [envelope.recipients for _, envelope, _ in second.one.taken] == [("a@one.test",)]
    assert (first.one.taken, await due_times(second)) == ([], [])
    assert (await second.queue())[0].message_id == item.message_id


async def test_two_processes_on_one_database_send_each_once(make_nodes: MakeOffice) -> None:
    nodes = [make_nodes(), make_nodes()]
    await furnish(nodes[0].store)
    for node in nodes:
        await node.worker.start()
        for _ in range(60):
            await send_later(node)
    await nodes[0].clock.advance(HOUR)
    looking = [node.dispatcher(yes) for node in nodes]
    await asyncio.gather(*(each.once() for each in looking))
    for each in looking:
        await each.once()
    await nodes[0].until_done(120)
    taken = [envelope.envelope_id for node in nodes for _, envelope, _ in node.one.taken]
    assert (len(taken), len(set(taken))) == (120, 120)
    assert (await folder(nodes[0], SENT_ITEMS), await folder(nodes[0], DRAFTS)) == (120, 0)


async def test_two_processes_report_each_once(make_nodes: MakeOffice) -> None:
    nodes = [make_nodes(), make_nodes()]
    await furnish(nodes[0].store)
    for _ in range(20):
        await send_later(nodes[0])
    await nodes[0].clock.advance(HOUR)
    await asyncio.gather(*(node.dispatcher(no).once() for node in nodes))
    assert len(await nodes[0].inbox()) == 20
    assert (await folder(nodes[0], DRAFTS), await due_times(nodes[0])) == (20, [])


@pytest.mark.parametrize("save", [True, False])
async def test_what_the_store_could_not_take_is_sent_at_the_next_look(office: Office, save: bool) -> None:
    await send_later(office, save=save)
    await office.clock.advance(HOUR)
    office.store.breaks = accepting
    dispatcher = office.dispatcher(yes)
    await dispatcher.once()
    assert (office.store.broke, await office.queue()) == (1, [])
    office.store.breaks = lambda fn: None
    await dispatcher.once()
    await office.until_done()
    assert len(office.one.taken) == 1
    assert await folder(office, SENT_ITEMS) == int(save)
    assert await folder(office, DRAFTS) == 0


async def test_a_defect_of_ours_puts_one_off_and_holds_nobody_up(office: Office) -> None:
    bad = await send_later(office, "bad@one.test", seconds=HOUR - 1)
    await send_later(office, "good@one.test")
    await office.clock.advance(HOUR)
    office.dispatcher(yes)

    def check(row: Deferral, item: Item, header: bytes) -> tuple[Mailbox, Message]:
        if item.message_id == bad.message_id:
            raise ZeroDivisionError
        return ADELE, item.message

    await office.dispatcher(check).once()
    await office.until_done()
    assert office.one.addresses == ["good@one.test"]
    assert await due_times(office) == [office.clock.now() + PUT_OFF]
    assert "ZeroDivisionError" in office.said()
    await office.clock.advance(PUT_OFF / SECOND)
    await office.dispatcher(yes).once()
    await office.until_done(2)


async def test_what_cannot_be_read_any_more_is_reported(office: Office) -> None:
    """A MIME draft whose content is gone from the database."""
    item = await send_later(office)
    changed = replace(item, message=replace(item.message, raw=ContentRef(99)))
    await office.store.write(lambda tx: messages.change(tx, item, changed))
    await office.store.write(lambda tx: contents.remove(tx, item.mailbox_id, item.message_id))
    await office.clock.advance(HOUR)
    await office.dispatcher(yes).once()
    (report,) = await office.inbox()
    assert report.message.subject == "Undeliverable: Lunch"
    assert (await folder(office, DRAFTS), await office.queue(), await due_times(office)) == (1, [], [])


async def test_a_report_that_cannot_be_filed_is_filed_at_the_next_look(office: Office) -> None:
    await send_later(office)
    await office.clock.advance(HOUR)

    def filing(fn: Callable[..., object]) -> StoreError | None:
        return StoreError("full") if fn.__module__ == "graphpost.delivery.acceptance.dispatch" else None

    office.store.breaks = filing
    await office.dispatcher(no).once()
    assert (await office.inbox(), len(await due_times(office))) == ([], 1)
    office.store.breaks = lambda fn: None
    await office.dispatcher(no).once()
    (report,) = await office.inbox()
    assert (report.message.subject, await due_times(office)) == ("Undeliverable: Lunch", [])
    assert b"5.7.0" in await office.bytes_of(report)
    assert "unsent" in office.said()
