"""Rules are followed when mail is filed: in the transaction that settles it, and without going round in circles."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from tests.delivery.post import ADELE, ALEX, NEVER, ONE, Office, settling

from graphpost.mail.mailbox import DELETED_ITEMS, INBOX, NO_FOLDER, WELL_KNOWN, Folder, Mailbox
from graphpost.mail.message import Address, Attachment, Body, ContentRef, Item
from graphpost.mail.preferences import SenderOverride
from graphpost.mail.rules import Actions, Predicates, Rule
from graphpost.mail.traits import LOOP
from graphpost.store.mailbox import folders, messages, preferences
from graphpost.store.mailbox.preferences import Entry, Kind
from graphpost.store.queue import deliveries
from graphpost.store.store import Tx

pytestmark = pytest.mark.anyio
ARCHIVE = WELL_KNOWN["archive"][0]
ZOE = (Address("zoe@one.test", "Zoe"),)


async def obey(office: Office, *rules: Rule, box: Mailbox = ALEX) -> None:
    """Give a mailbox these rules."""

    def add(tx: Tx) -> None:
        for number, rule in enumerate(rules):
            entry = Entry(f"{rule.name}{number}", f"{rule.name}{number}", rule)
            assert preferences.add(tx, box.mailbox_id, Kind.RULE, entry)

    await office.store.write(add)


def rule(asked: Predicates | None = None, sequence: int = 1, **done: Any) -> Rule:
    return Rule(name="r", sequence=sequence, is_enabled=True, conditions=asked, actions=Actions(**done))


async def found(office: Office, folder: int = INBOX, box: Mailbox = ALEX) -> list[Item]:
    return await office.store.read(lambda tx: messages.find(tx, box.mailbox_id, folder_id=folder, top=100))


async def counts(office: Office, folder: int, box: Mailbox = ALEX) -> tuple[int, int]:
    stored = await office.store.read(lambda tx: folders.get(tx, box.mailbox_id, folder))
    assert stored is not None
    return stored.total_count, stored.unread_count


async def deliver(office: Office, *to: str, number: int = 1, **fields: Any) -> Item:
    """Send, and wait until so many deliveries are done."""
    sent = await office.send(*(to or (ALEX.address,)), **fields)
    await office.until_done(number)
    return sent


async def test_a_message_is_moved_marked_and_categorised_as_the_rules_say(office: Office) -> None:
    asked = Predicates(subject_contains=("lunch",), from_addresses=(Address(ADELE.address),))
    await obey(
        office,
        rule(asked, move_to_folder=ARCHIVE, mark_as_read=True, mark_importance="high"),
        rule(asked, sequence=2, assign_categories=("Food",)),
        rule(Predicates(subject_contains=("dinner",)), delete=True),
    )
    await deliver(office)
    assert await found(office) == []
    (item,) = await found(office, ARCHIVE)
    assert (item.is_read, item.message.importance, item.message.categories) == (True, "high", ("Food",))
    assert await counts(office, ARCHIVE) == (1, 0)
    assert await counts(office, INBOX) == (0, 0)
    assert "filed" in office.said()
    assert "folder=archive" in office.said()


async def test_copies_are_messages_of_their_own(office: Office) -> None:
    await obey(office, rule(copy_to_folder=ARCHIVE), rule(sequence=2, copy_to_folder=DELETED_ITEMS))
    await deliver(office)
    items = [(await found(office, folder))[0] for folder in (INBOX, ARCHIVE, DELETED_ITEMS)]
    assert len({item.message_id for item in items}) == 3
    assert [await office.bytes_of(item) for item in items] == [await office.bytes_of(items[0])] * 3


@pytest.mark.parametrize(
    ("actions", "inbox", "deleted"),
    [({"delete": True}, 0, 1), ({"permanent_delete": True}, 0, 0), ({"mark_as_read": True}, 1, 0)],
)
async def test_what_is_deleted_is_deleted(
    office: Office, actions: dict[str, bool], inbox: int, deleted: int
) -> None:
    await obey(office, rule(**actions))
    await deliver(office)
    assert (await counts(office, INBOX))[0] == inbox
    assert (await counts(office, DELETED_ITEMS))[0] == deleted
    (delivery,) = await office.queue()
    assert delivery.recipients[0].state == "delivered"


async def test_another_mailbox_of_the_same_message_has_its_own_rules(office: Office) -> None:
    await obey(office, rule(delete=True), box=ADELE)
    await deliver(office, ADELE.address, ALEX.address)
    assert len(await found(office)) == 1
    assert await found(office, box=ADELE) == []


async def test_a_folder_that_is_gone_leaves_the_rule_without_effect(office: Office) -> None:
    await obey(office, rule(move_to_folder=4711, mark_as_read=True))
    await deliver(office)
    (item,) = await found(office)
    assert not item.is_read


async def test_a_folder_that_goes_before_the_message_is_filed_leaves_it_in_the_inbox(office: Office) -> None:
    folder = Folder(mailbox_id=ALEX.mailbox_id, folder_id=4711, parent_id=1, name="Soon gone")
    await office.store.write(lambda tx: folders.add(tx, folder))
    await obey(office, rule(move_to_folder=4711))
    office.store.breaks = settling
    await office.send(ALEX.address)
    await office.until(lambda: office.store.broke > 0)
    await office.store.store.write(lambda tx: folders.remove(tx, ALEX.mailbox_id, 4711))
    office.store.breaks = lambda fn: None
    await office.clock.until_sleeping(2)
    await office.clock.advance(1)
    await office.until_done()
    assert len(await found(office)) == 1


async def test_a_sender_is_classified_as_the_mailbox_wants(office: Office) -> None:
    entry = Entry("x", ADELE.address, SenderOverride(Address(ADELE.address), "other"))
    await office.store.write(lambda tx: preferences.add(tx, ALEX.mailbox_id, Kind.OVERRIDE, entry))
    await deliver(office)
    assert [item.message.inference for item in await found(office)] == ["other"]


def outgoing(office: Office) -> EmailMessage:
    """The one message that left."""
    ((_, _, data),) = office.one.taken
    message = message_from_bytes(data, policy=default)
    assert isinstance(message, EmailMessage)
    return message


async def test_a_forward_is_a_message_of_the_mailboxs_own_that_says_it_is_automatic(office: Office) -> None:
    await obey(office, rule(forward_to=ZOE))
    sent = await deliver(
        office,
        number=2,
        contents={5: b"a,b"},
        attachments=(
            Attachment(attachment_id=1, name="a.csv", content_type="text/csv", size=3, content=ContentRef(5)),
        ),
    )
    letter = outgoing(office)
    assert (letter["From"], letter["To"]) == (f"{ALEX.name} <{ALEX.address}>", "Zoe <zoe@one.test>")
    assert letter["Subject"] == "FW: Lunch"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter[LOOP] == ALEX.address
    assert sent.message.internet_message_id in letter["References"]
    body = letter.get_body(("plain",))
    assert body is not None
    assert "Soup." in body.get_content()
    assert [(each.get_filename(), each.get_content()) for each in letter.iter_attachments()] == [
        ("a.csv", "a,b")
    ]
    assert office.one.taken[0][1].sender == ALEX.address
    assert len(await found(office)) == 1
    assert await found(office, WELL_KNOWN["sentitems"][0]) == []
    assert "sent_on" in office.said()


async def test_a_forward_as_attachment_has_all_of_the_message_in_it(office: Office) -> None:
    await obey(office, rule(forward_as_attachment_to=ZOE))
    await deliver(office, number=2)
    (attached,) = outgoing(office).iter_attachments()
    inner = attached.get_content()
    assert (inner["Subject"], inner["From"]) == ("Lunch", f"{ADELE.name} <{ADELE.address}>")
    assert "Soup." in inner.get_content()


async def test_a_redirection_is_the_message_as_it_came_below_who_sent_it_on(office: Office) -> None:
    await obey(office, rule(redirect_to=ZOE))
    await deliver(office, number=2)
    ((_, envelope, data),) = office.one.taken
    (item,) = await found(office)
    assert data.endswith(await office.bytes_of(item))
    letter = outgoing(office)
    assert letter["From"] == f"{ADELE.name} <{ADELE.address}>"
    assert letter["Resent-From"] == f"{ALEX.name} <{ALEX.address}>"
    assert letter["Resent-To"] == "Zoe <zoe@one.test>"
    assert letter["Resent-Date"]
    assert letter["Resent-Message-ID"] != letter["Message-ID"]
    assert letter[LOOP] == ALEX.address
    assert (envelope.sender, envelope.recipients) == (ALEX.address, ("zoe@one.test",))


async def test_what_is_sent_on_leaves_nothing_behind_but_its_bounce(office: Office) -> None:
    office.one.says(NEVER)
    await obey(office, rule(forward_to=ZOE))
    await deliver(office, number=2)
    subjects = sorted(item.message.subject for item in await found(office))
    assert subjects == ["Lunch", "Undeliverable: FW: Lunch"]
    hidden = await office.store.read(lambda tx: messages.find(tx, ALEX.mailbox_id, folder_id=NO_FOLDER))
    assert hidden == []
    assert await found(office, box=ADELE) == [], "the author has nothing to do with it"


@pytest.mark.parametrize("action", ["forward_to", "redirect_to", "forward_as_attachment_to"])
async def test_two_mailboxes_that_send_everything_on_to_each_other_come_to_rest(
    office: Office, action: str
) -> None:
    await obey(office, rule(**{action: (Address(ADELE.address),)}))
    await obey(office, rule(**{action: (Address(ALEX.address),)}), box=ADELE)
    await deliver(office, number=2)
    await office.settle_down()
    assert len(await office.queue()) == 2
    assert len(await found(office)) == 1
    assert len(await found(office, box=ADELE)) == 1


async def test_a_mailbox_that_forwards_to_itself_gets_one_more_message(office: Office) -> None:
    await obey(office, rule(forward_to=(Address("al@contoso.test"),)))
    await deliver(office, number=2)
    await office.settle_down()
    assert sorted(item.message.subject for item in await found(office)) == ["FW: Lunch", "Lunch"]


async def test_bounces_are_not_looked_at(office: Office) -> None:
    office.one.says(NEVER)
    await obey(office, rule(delete=True, forward_to=ZOE), box=ADELE)
    await deliver(office, "zoe@one.test")
    assert len(await found(office, box=ADELE)) == 1


async def test_a_conclusion_that_has_to_be_written_again_sends_nothing_on_twice(office: Office) -> None:
    await obey(office, rule(forward_to=ZOE, copy_to_folder=ARCHIVE))
    office.store.breaks = settling
    await office.send(ALEX.address)
    for tries in range(1, 4):
        await office.until(lambda least=tries: office.store.broke >= least)  # type: ignore[misc]
        await office.clock.until_sleeping(2)
        await office.clock.advance(1)
    assert (await counts(office, ARCHIVE), office.one.taken) == ((0, 0), [])
    office.store.breaks = lambda fn: None
    await office.clock.advance(1)
    await office.until_done(2)
    assert (await counts(office, ARCHIVE))[0] == 1
    assert len(office.one.taken) == 1


async def test_a_large_message_is_sent_on_from_its_blob(office: Office) -> None:
    await obey(office, rule(redirect_to=ZOE, forward_to=ZOE))
    await deliver(office, number=3, body=Body("line\r\n" * 30_000))
    assert len(office.one.taken) == 2
    assert all(len(data) > 180_000 for _, _, data in office.one.taken)


async def test_the_queue_shows_what_is_sent_on_as_what_it_is(office: Office) -> None:
    await obey(office, rule(forward_to=ZOE))
    await deliver(office, number=2)
    forwarded = (await office.queue())[-1]
    assert (forwarded.destination, forwarded.sender, forwarded.subject) == (ONE, ALEX.address, "FW: Lunch")
    assert forwarded.state == deliveries.DONE
