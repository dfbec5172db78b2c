"""What a mailbox may have: nothing more is put into a full one, and who cleans it up goes on at once."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from tests.delivery.post import ADELE, ALEX, Office, letter

from graphpost.config import AccountSettings
from graphpost.delivery.acceptance.submissions import Draft, Submission
from graphpost.delivery.quotas import FRESH_SECONDS, MOMENT_SECONDS, Quotas
from graphpost.errors import InsufficientStorage
from graphpost.mail.mailbox import DRAFTS, INBOX, RECOVERABLE, Directory, Mailbox
from graphpost.mail.message import Body, Item, Message
from graphpost.store.mailbox import folders, messages

pytestmark = pytest.mark.anyio
BOUND = 10_000
BOUNDED = replace(ADELE, quota=BOUND)


async def fill(office: Office, box: Mailbox, size: int, number: int = 1, folder: int = INBOX) -> Item:
    item = Item(mailbox_id=box.mailbox_id, message_id=number, folder_id=folder, message=Message(), size=size)
    await office.store.write(lambda tx: messages.add(tx, item))
    return item


def bounded(office: Office, *, usual: int = BOUND) -> Quotas:
    return Quotas(office.store, AccountSettings(quota_bytes=usual), office.clock, office.log)


async def refused(quotas: Quotas, box: Mailbox, size: int) -> bool:
    try:
        await quotas.check(box, size)
    except InsufficientStorage:
        return True
    return False


@pytest.mark.parametrize(
    ("usual", "own", "size", "is_refused"),
    [
        (0, -1, 10**15, False),
        (BOUND, -1, BOUND, False),
        (BOUND, -1, BOUND + 1, True),
        (BOUND, 0, BOUND + 1, False),
        (BOUND, BOUND + 1, BOUND + 1, False),
        (0, BOUND, BOUND + 1, True),
    ],
)
async def test_a_mailboxs_own_bound_goes_before_the_usual_one(
    office: Office, usual: int, own: int, size: int, is_refused: bool
) -> None:
    assert await refused(bounded(office, usual=usual), replace(ADELE, quota=own), size) is is_refused


async def test_what_is_taken_is_counted_until_the_store_is_asked_again(office: Office) -> None:
    quotas = bounded(office)
    for _ in range(4):
        assert not await refused(quotas, ADELE, BOUND // 4)
    await office.clock.advance(2 * MOMENT_SECONDS)
    assert not await refused(quotas, ADELE, BOUND)  # none of it came to the store: it is asked again
    await fill(office, ADELE, BOUND)
    await office.clock.advance(FRESH_SECONDS + 1)
    assert await refused(quotas, ADELE, 1)


async def test_many_who_come_at_once_share_the_room_that_is_left(office: Office) -> None:
    """None of what they bring is in the store when the last of them is looked at."""
    quotas = bounded(office)
    await fill(office, ADELE, BOUND // 2)
    for _ in range(2):
        ends = await asyncio.gather(*(refused(quotas, ADELE, BOUND // 20) for _ in range(30)))
        assert sum(not end for end in ends) == 10
        await office.clock.advance(2 * MOMENT_SECONDS)  # none of it came to be stored


async def test_who_deletes_for_good_has_room_at_once(office: Office) -> None:
    quotas = bounded(office)
    item = await fill(office, ADELE, BOUND)
    assert await refused(quotas, ADELE, 1)
    await office.store.write(lambda tx: messages.change(tx, item, replace(item, folder_id=RECOVERABLE)))
    assert not await refused(quotas, ADELE, 1)


async def test_who_deletes_what_came_just_now_has_room_at_once(office: Office) -> None:
    quotas = bounded(office)
    assert not await refused(quotas, ADELE, BOUND * 6 // 10)
    item = await fill(office, ADELE, BOUND * 6 // 10)
    await office.store.write(lambda tx: messages.change(tx, item, replace(item, folder_id=RECOVERABLE)))
    assert not await refused(quotas, ADELE, BOUND * 6 // 10)


async def test_what_is_stored_already_is_counted_once(office: Office) -> None:
    quotas = bounded(office)
    await quotas.check(ADELE, 9_700)
    await fill(office, ADELE, 9_700)
    for _ in range(2):
        assert await refused(quotas, ADELE, 400)
        assert not await refused(quotas, ADELE, 100)
    assert not await refused(quotas, ADELE, 100)
    assert await refused(quotas, ADELE, 1)  # two of a hundred have not come to the store


async def test_what_comes_to_the_store_late_is_not_taken_for_what_came_just_now(office: Office) -> None:
    """Half of it was stored since the store was asked, and nothing of the rest."""
    quotas = bounded(office)
    await quotas.check(ADELE, BOUND // 2)
    await fill(office, ADELE, BOUND // 2)
    await office.clock.advance(3 * MOMENT_SECONDS)
    ends = await asyncio.gather(*(refused(quotas, ADELE, BOUND // 20) for _ in range(30)))
    assert sum(not end for end in ends) == 10


async def test_who_only_asks_takes_no_room(office: Office) -> None:
    quotas = bounded(office)
    for _ in range(3):
        assert await quotas.has_room(ADELE, BOUND, is_report=False)
        assert not await quotas.has_room(ADELE, BOUND + 1, is_report=False)
        assert await quotas.has_room(ADELE, BOUND + 1, is_report=True)
    assert not await refused(quotas, ADELE, BOUND)
    assert not await quotas.has_room(ADELE, 1, is_report=False)


async def test_the_log_warns_once_a_day_of_a_mailbox_that_is_almost_full(office: Office) -> None:
    quotas = bounded(office)
    await quotas.check(ADELE, BOUND * 8 // 10)
    assert "almost_full" not in office.said()
    await fill(office, ADELE, BOUND)
    for _ in range(3):
        await refused(quotas, ADELE, BOUND)
    assert office.said().count("almost_full") == 1
    await office.clock.advance(86_400)
    await refused(quotas, ADELE, BOUND)
    assert office.said().count("almost_full") == 2


async def test_a_full_mailbox_sends_and_writes_nothing(office: Office) -> None:
    full = replace(ADELE, quota=1)
    draft = Draft(mailbox=full, message=Message(body=Body("x" * 99)), contents={}, folder_id=DRAFTS)
    with pytest.raises(InsufficientStorage):
        await office.submitter.keep(draft)
    await fill(office, ADELE, 5)
    with pytest.raises(InsufficientStorage):
        await office.submitter.submit(Submission(mailbox=full, message=letter("a@one.test"), contents={}))
    assert await office.queue() == []
    assert await office.store.read(lambda tx: folders.size_of(tx, ADELE.mailbox_id)) == 5


@pytest.mark.parametrize(("room", "state"), [(10_000, "delivered"), (0, "failed")])
async def test_mail_for_a_full_mailbox_comes_back(office: Office, room: int, state: str) -> None:
    await fill(office, ALEX, 10_000)
    office.directory = Directory.of([ADELE, replace(ALEX, quota=10_000 + room)])
    await office.send(ALEX.address)
    await office.until_done()
    (delivery,) = await office.queue()
    assert [each.state for each in delivery.recipients] == [state]
    if state == "failed":
        reply = delivery.recipients[0].reply
        assert reply is not None
        assert (reply.code, reply.status) == (552, "5.2.2")


async def test_a_report_is_taken_a_little_above_the_bound(office: Office) -> None:
    quotas = bounded(office)
    await fill(office, ADELE, BOUND)
    assert not await quotas.takes(BOUNDED, 100, is_report=False)
    assert await quotas.takes(BOUNDED, 100, is_report=True)
    assert not await quotas.takes(BOUNDED, BOUND // 10, is_report=True)
