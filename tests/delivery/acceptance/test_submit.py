"""Acceptance: all of a message is durable, or nothing of it."""

import asyncio
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.delivery.conftest import MakeOffice
from tests.delivery.post import ADELE, ALEX, LATER, ONE, TWO, YES, Office, accepting, letter

from graphpost.clock import SECOND
from graphpost.config import RouteSettings
from graphpost.delivery.acceptance.accepting import Source
from graphpost.delivery.acceptance.submissions import Draft, Submission
from graphpost.delivery.queueing import unique
from graphpost.errors import NotFound, PreconditionFailed, StoreError
from graphpost.mail.mailbox import DRAFTS, NO_FOLDER, SENT_ITEMS
from graphpost.mail.message import Address, Attachment, ContentRef, Item
from graphpost.mail.thread import conversation_of
from graphpost.store import contents
from graphpost.store.blobs import Blob
from graphpost.store.mailbox import messages
from graphpost.store.mailbox.forgetting import forget
from graphpost.store.queue import deliveries

pytestmark = pytest.mark.anyio


async def stored(office: Office) -> list[Item]:
    found: list[Item] = await office.store.read(
        lambda tx: messages.find(tx, ADELE.mailbox_id, folder_id=SENT_ITEMS, top=1000)
    )
    return found


def attached(content_id: int, size: int) -> Attachment:
    return Attachment(attachment_id=1, name="a.bin", size=size, content=ContentRef(content_id, encoding=""))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["a@one.test"], ["a@one.test"]),
        (["a@one.test", "A@ONE.test", "a@One.Test"], ["a@one.test"]),
        (["b@one.test", "a@one.test", "b@one.test"], ["b@one.test", "a@one.test"]),
        (["ß@one.test", "SS@one.test"], ["ß@one.test", "SS@one.test"]),
        (["a@faß.test", "a@fass.test"], ["a@xn--fa-hia.test", "a@fass.test"]),
        (["a@Bücher.test", "A@xn--bcher-kva.test"], ["a@xn--bcher-kva.test"]),
        (["ü@bücher.test"], ["ü@bücher.test"]),
        ([], []),
    ],
)
def test_an_address_gets_a_message_once_however_it_is_spelt(given: list[str], kept: list[str]) -> None:
    assert unique(map(Address, given)) == kept


async def test_there_is_one_delivery_per_destination_with_its_recipients_inside(office: Office) -> None:
    office.one.says(LATER)
    office.two.says(LATER)
    item = await office.send(
        "a@one.test",
        "b@two.test",
        cc=(Address("A@one.test"), Address("c@one.test")),
        bcc=(Address("alex@contoso.test"), Address("gone@contoso.test"), Address("x@else.test")),
    )
    found = await office.queue()
    assert [(d.position, d.destination, [r.address for r in d.recipients]) for d in found] == [
        (0, ONE, ["a@one.test", "c@one.test"]),
        (1, TWO, ["b@two.test"]),
        (2, "local", ["alex@contoso.test"]),
        (3, "unknown", ["gone@contoso.test"]),
        (4, "capture", ["x@else.test"]),
    ]
    for delivery in found:
        assert delivery.siblings == 5
        assert delivery.message_id == item.message_id
        assert delivery.sender == ADELE.address
        assert delivery.subject == "Lunch"
        assert delivery.internet_message_id == item.message.internet_message_id
        assert delivery.expires_at == delivery.created_at + 172_800 * SECOND
        assert not delivery.hidden


async def test_the_envelope_has_internationalised_domains_in_ascii(make_office: MakeOffice) -> None:
    """So that a relay without SMTPUTF8 can take the message."""
    office = make_office(routes=(RouteSettings(domains=["bücher.test"], to=ONE),))
    await office.worker.start()
    await office.send("a@Bücher.test")
    await office.until_done()
    ((_, envelope, _),) = office.one.taken
    assert envelope.recipients == ("a@xn--bcher-kva.test",)
    assert not envelope.needs_smtputf8


async def test_what_is_missing_is_filled_in_and_what_is_given_stays(office: Office) -> None:
    item = await office.send("a@one.test")
    message = item.message
    assert message.internet_message_id.startswith(f"<{item.message_id:016x}.")
    assert message.internet_message_id.endswith("@contoso.test>")
    assert message.date == office.clock.now()
    assert conversation_of(message.conversation_index) == item.conversation_id
    given = await office.send(
        "a@one.test",
        internet_message_id="<mine@x>",
        date=5,
        conversation_index=message.conversation_index,
    )
    assert (given.message.internet_message_id, given.message.date) == ("<mine@x>", 5)
    assert given.message.conversation_index == message.conversation_index
    assert given.conversation_id == item.conversation_id


async def test_two_messages_never_share_an_id(office: Office) -> None:
    items = await asyncio.gather(*(office.send("a@one.test") for _ in range(50)))
    assert len({item.message_id for item in items}) == 50
    assert len({item.message.internet_message_id for item in items}) == 50
    assert len({item.conversation_id for item in items}) == 50


async def test_a_kept_message_is_in_sent_items_before_anything_is_sent(office: Office) -> None:
    office.one.gate.clear()
    item = await office.send("a@one.test")
    assert item.folder_id == SENT_ITEMS
    assert [i.message_id for i in await stored(office)] == [item.message_id]
    assert office.one.taken == []


async def test_an_unwanted_copy_is_in_no_folder_and_gone_when_all_is_delivered(office: Office) -> None:
    office.two.says(LATER, YES)
    item = await office.send("a@one.test", "b@two.test", save=False)
    assert item.folder_id == NO_FOLDER
    await office.until_attempts(office.two, 1)
    assert await office.store.read(lambda tx: messages.get(tx, 7, item.message_id)) is not None
    await office.clock.advance(60)
    await office.until_done(2)
    assert await office.store.read(lambda tx: messages.get(tx, 7, item.message_id)) is None
    assert await office.store.read(lambda tx: contents.of_message(tx, 7, item.message_id)) == {}
    assert await stored(office) == []


async def test_a_captured_message_is_kept_to_be_looked_at_though_no_copy_was_wanted(office: Office) -> None:
    item = await office.send("a@one.test", "b@else.test", save=False)
    await office.until_done(2)
    assert await office.store.read(lambda tx: messages.get(tx, 7, item.message_id)) is not None


@pytest.mark.parametrize("size", [10, 100_000, 400_000])
async def test_contents_are_stored_and_sent_whatever_their_size(office: Office, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    item = await office.send("a@one.test", contents={5: data}, attachments=(attached(5, size),))
    await office.until_done()
    held = await office.store.read(lambda tx: contents.of_message(tx, 7, item.message_id))
    assert b"".join(contents.opener(office.blobs, held)(ContentRef(5))) == data
    assert (held[5].data is None) == (size > 65_536)
    assert len(office.one.taken[0][2]) > size * 4 / 3


async def test_contents_of_a_stored_message_are_shared_and_outlive_it(office: Office) -> None:
    first = await office.send("a@one.test", contents={5: bytes(100_000), 6: b"other"})
    await office.until_done()
    message = letter("b@one.test", attachments=(attached(5, 100_000),))
    source = Source(message_id=first.message_id, contents=(5,), size=100_000)
    sent = await office.submitter.submit(
        Submission(mailbox=ADELE, message=message, contents={}, source=source)
    )
    draft = await office.submitter.keep(
        Draft(mailbox=ADELE, message=message, contents={}, folder_id=DRAFTS, source=source)
    )
    await office.store.write(lambda tx: forget(tx, first))
    await office.until_done(2)
    for item in (sent, draft):
        held = await office.store.read(lambda tx, item=item: contents.of_message(tx, 7, item.message_id))
        assert set(held) == {5}
        assert item.size > 100_000
        assert b"".join(contents.opener(office.blobs, held)(ContentRef(5))) == bytes(100_000)
    assert len(office.one.taken[1][2]) > 100_000


async def test_a_source_that_is_gone_leaves_nothing(office: Office) -> None:
    first = await office.send("a@one.test", contents={5: b"x"})
    await office.until_done()
    message = letter("b@one.test", attachments=(attached(5, 1),))
    room = office.worker._lanes.lane(ONE).room()
    for gone in (
        Source(message_id=first.message_id, contents=(5, 6)),
        Source(message_id=99, contents=(5,)),
    ):
        with pytest.raises(NotFound):
            await office.submitter.submit(
                Submission(mailbox=ADELE, message=message, contents={}, source=gone)
            )
        with pytest.raises(NotFound):
            await office.submitter.keep(
                Draft(mailbox=ADELE, message=message, contents={}, folder_id=DRAFTS, source=gone)
            )
    assert office.worker._lanes.lane(ONE).room() == room
    assert len(await office.queue()) == len(await stored(office)) == 1
    assert await office.store.read(lambda tx: messages.count(tx, 7, DRAFTS, None)) == 0


async def test_bcc_is_in_the_envelope_and_in_the_copy_but_not_on_the_wire(office: Office) -> None:
    item = await office.send("a@one.test", bcc=(Address("secret@one.test"),))
    await office.until_done()
    ((_, envelope, data),) = office.one.taken
    assert envelope.recipients == ("a@one.test", "secret@one.test")
    assert item.message.bcc == (Address("secret@one.test"),)
    assert b"secret" not in data


async def test_nothing_is_left_of_what_the_store_did_not_take(office: Office) -> None:
    office.store.breaks = accepting
    with pytest.raises(StoreError, match="the disk is full"):
        await office.send("a@one.test", "b@two.test", contents={5: b"x"}, attachments=(attached(5, 1),))
    assert await office.queue() == []
    assert await stored(office) == []
    assert office.one.taken == []
    assert " accepted " not in office.said()
    office.store.breaks = lambda fn: None
    await office.send("a@one.test")
    await office.until_done()
    assert len(office.one.taken) == 1


async def test_refusals_of_the_store_use_up_no_room(office: Office) -> None:
    office.store.breaks = accepting
    room = office.worker._lanes.lane(ONE).room()
    for _ in range(5):
        with pytest.raises(StoreError):
            await office.send("a@one.test")
    assert office.worker._lanes.lane(ONE).room() == room


async def test_a_blob_that_cannot_be_written_is_a_refusal(office: Office) -> None:
    incoming = Path(office.blobs.root) / "incoming"
    incoming.rmdir()
    incoming.write_text("in the way")
    with pytest.raises(StoreError, match="blob store"):
        await office.send("a@one.test", contents={5: bytes(100_000)}, attachments=(attached(5, 100_000),))
    assert await office.queue() == []
    assert await stored(office) == []


async def test_a_caller_that_goes_away_leaves_a_whole_message_or_none(office: Office) -> None:
    """The commit cannot be taken back: the message is then delivered when its lease is over."""
    task = asyncio.create_task(office.send("a@one.test"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await office.store.write(lambda tx: None)  # what was submitted before is decided now
    queued, kept = await office.queue(), await stored(office)
    assert len(queued) == len(kept)
    await office.clock.advance(office.settings.lease_seconds + 1)
    await office.until_done(len(queued))
    assert len(office.one.taken) == len(queued)


async def test_without_a_running_worker_a_message_waits_in_the_queue(make_office: object) -> None:
    office: Office = make_office()  # type: ignore[operator]
    await office.send("a@one.test")
    (delivery,) = await office.queue()
    assert (delivery.state, delivery.owner, delivery.attempts) == (deliveries.QUEUED, 0, 0)
    await office.worker.start()
    await office.until_done()
    assert office.one.addresses == ["a@one.test"]


async def test_a_message_that_a_local_mailbox_gets_by_two_addresses_is_there_once(office: Office) -> None:
    await office.send("alex@contoso.test", "al@contoso.test")
    await office.until_done()
    assert len(await office.inbox(ALEX)) == 1


async def test_a_receipt_was_asked_for(office: Office) -> None:
    await office.submitter.submit(
        Submission(
            mailbox=ADELE, message=letter("a@one.test", is_delivery_receipt_requested=True), contents={}
        )
    )
    await office.until_done()
    assert office.one.taken[0][1].wants_success_report
    (receipt,) = await office.inbox()
    assert receipt.message.subject == "Relayed: Lunch"


async def test_a_draft_becomes_a_sent_message_with_its_deliveries_or_stays_one(office: Office) -> None:
    draft = await office.submitter.keep(
        Draft(mailbox=ADELE, message=letter("a@one.test"), contents={}, folder_id=DRAFTS)
    )
    assert (draft.is_draft, draft.folder_id, await office.queue()) == (True, DRAFTS, [])
    office.store.breaks = accepting
    with pytest.raises(StoreError):
        await office.submitter.submit_draft(ADELE, draft, draft.message, "r")
    office.store.breaks = lambda fn: None
    assert await stored(office) == []
    sent = await office.submitter.submit_draft(ADELE, draft, draft.message, "r")
    assert (sent.is_draft, sent.moves, sent.version) == (False, draft.moves + 1, draft.version + 1)
    assert sent.message.internet_message_id == draft.message.internet_message_id
    assert [item.message_id for item in await stored(office)] == [draft.message_id]
    with pytest.raises(PreconditionFailed):
        await office.submitter.submit_draft(ADELE, draft, draft.message, "r")
    await office.until_done()
    assert office.one.addresses == ["a@one.test"]
    assert "accepted" in office.said()


@pytest.mark.parametrize(("to", "size"), [("a@one.test", 70_000), ("alex@contoso.test", 70_000)])
async def test_the_loop_never_waits_for_a_file(office: Office, to: str, size: int) -> None:
    """Neither when a message is accepted nor when it is filed here."""
    writers: list[threading.Thread] = []
    write = office.blobs.write

    def watched(chunks: Iterable[bytes]) -> Blob:
        writers.append(threading.current_thread())
        return write(chunks)

    office.blobs.write = watched  # type: ignore[method-assign]
    content_id = office.numbers.next()
    await office.send(to, contents={content_id: bytes(size)}, attachments=(attached(content_id, size),))
    await office.until_done()
    assert len(writers) == (2 if to == ALEX.address else 1)
    assert threading.current_thread() not in writers
