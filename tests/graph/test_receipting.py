"""Read receipts: told once to who asked, when it is safe, by the transaction that marks or deletes the message."""

from __future__ import annotations

import email
import email.policy
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.graph.desk import ADELE, ALEX
from tests.graph.study import (
    Answer,
    Study,
    anyio_backend,
    open_store,
    postgres_url,
    study,
    to,
)

from graphpost.config import Config, DeliverySettings, MailboxSettings
from graphpost.delivery.responses.receipts import Receipts
from graphpost.mail.mailbox import DELETED_ITEMS, INBOX, Mailbox
from graphpost.mail.message import Item
from graphpost.mail.rules import Actions, Rule
from graphpost.store.mailbox import messages, preferences
from graphpost.store.mailbox.preferences import Entry, Kind

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
THEIRS = f"/v1.0/users/{ALEX.object_id}"
APP = "app-with-everything"
READ = {"isRead": True}


@pytest.fixture
async def post(study: Study) -> AsyncIterator[Study]:
    """Two mailboxes, with a worker."""
    await study.office.worker.start()
    return study


async def send(post: Study, number: int = 1, **properties: Any) -> str:
    """Adele asks Alex for a receipt; the path of what arrived."""
    message = {
        "subject": "Lunch",
        "toRecipients": to(ALEX.address),
        "isReadReceiptRequested": True,
        **properties,
    }
    answer = await post.post("sendMail", {"message": message})
    assert answer.status == 202, answer
    await post.office.until_done(number)
    (arrived,) = (await post.get(f"{THEIRS}/mailFolders/inbox/messages", token=APP)).json["value"]
    return f"{THEIRS}/messages/{arrived['id']}"


async def found(post: Study, box: Mailbox = ADELE, folder: int = INBOX) -> list[Item]:
    items = await post.store.read(lambda tx: messages.find(tx, box.mailbox_id, folder_id=folder, top=100))
    return sorted(items, key=lambda item: item.message_id)


async def told(post: Study, done: int) -> list[str]:
    """The subjects of what Adele got, when so many deliveries are done."""
    await post.office.until_done(done)
    return [item.message.subject for item in await found(post)]


async def mark(post: Study, path: str, **changes: Any) -> Answer:
    answer = await post.patch(path, changes or READ, token=APP)
    assert answer.status == 200, answer
    return answer


async def test_the_receipt_comes_into_the_senders_inbox_when_the_message_is_read(post: Study) -> None:
    path = await send(post)
    assert await told(post, 1) == []
    await mark(post, path)
    assert await told(post, 2) == ["Read: Lunch"]
    (item,) = await found(post)
    parsed = email.message_from_bytes(await post.office.bytes_of(item), policy=email.policy.default)
    assert parsed.get_param("report-type") == "disposition-notification"
    sent = (await post.get("mailFolders/sentitems/messages")).json["value"][0]
    assert parsed["In-Reply-To"] == sent["internetMessageId"]
    (shown,) = (await post.get("mailFolders/inbox/messages")).json["value"]
    assert shown["from"]["emailAddress"]["address"] == ALEX.address
    assert shown["conversationId"] == sent["conversationId"]
    assert "was read on" in shown["body"]["content"]


async def test_the_receipt_has_the_null_reverse_path_and_no_copy(post: Study) -> None:
    await mark(post, await send(post))
    await post.office.until_done(2)
    (about,) = [each for each in await post.office.queue() if each.mailbox_id == ALEX.mailbox_id]
    assert (about.sender, about.hidden, about.recipients[0].address) == ("", True, ADELE.address)
    answer = await post.get(f"{THEIRS}/mailFolders/sentitems/messages", token=APP)
    assert answer.json["value"] == []
    assert "answered" not in (await post.get("messages")).json


async def test_there_is_never_a_second_one(post: Study) -> None:
    path = await send(post)
    for is_read in (True, False, True, False):
        await mark(post, path, isRead=is_read)
    await post.post(f"{path}/move", {"destinationId": "deleteditems"}, token=APP)
    assert await told(post, 2) == ["Read: Lunch"]
    assert len(await post.office.queue()) == 2


async def test_a_copy_owes_none(post: Study) -> None:
    path = await send(post)
    copy = await post.post(f"{path}/copy", {"destinationId": "archive"}, token=APP)
    await mark(post, f"{THEIRS}/messages/{copy.id}")
    assert [each.mailbox_id for each in await post.office.queue()] == [ADELE.mailbox_id]


async def test_the_read_mark_and_the_receipt_are_one_transaction(post: Study) -> None:
    path = await send(post)

    def refuse(fn: object) -> BaseException | None:
        from graphpost.errors import StoreError

        return StoreError("killed") if "write_message" in getattr(fn, "__qualname__", "") else None

    post.office.store.breaks = refuse
    assert (await post.patch(path, READ, token=APP)).status >= 500
    post.office.store.breaks = lambda fn: None
    assert [each.mailbox_id for each in await post.office.queue()] == [ADELE.mailbox_id]
    (item,) = await found(post, ALEX)
    assert (item.is_read, item.message.receipt_to) == (False, ADELE.address)
    await mark(post, path)
    assert await told(post, 2) == ["Read: Lunch"]


async def test_deleted_without_being_read_is_told_when_it_leaves_deleted_items(post: Study) -> None:
    path = await send(post)
    assert (await post.delete(path, token=APP)).status == 204
    assert await told(post, 1) == []
    (item,) = (await post.get(f"{THEIRS}/mailFolders/deleteditems/messages", token=APP)).json["value"]
    assert (await post.delete(f"{THEIRS}/messages/{item['id']}", token=APP)).status == 204
    assert await told(post, 2) == ["Not read: Lunch"]


async def test_deleted_for_good_is_told_at_once(post: Study) -> None:
    path = await send(post)
    assert (await post.post(f"{path}/permanentDelete", token=APP)).status == 204
    assert await told(post, 2) == ["Not read: Lunch"]


@pytest.mark.parametrize("is_read", [False, True])
@pytest.mark.parametrize("way", ["deleted twice", "permanentDelete"])
async def test_deleted_with_its_folder_is_told_when_the_folder_is_gone(
    post: Study, way: str, is_read: bool
) -> None:
    path = await send(post)
    folder = await post.post(
        f"{THEIRS}/mailFolders/inbox/childFolders", {"displayName": "Lunches"}, token=APP
    )
    place = f"{THEIRS}/mailFolders/{folder.json['id']}"
    moved = await post.post(f"{path}/move", {"destinationId": folder.json["id"]}, token=APP)
    if is_read:
        away = {**READ, "isReadReceiptRequested": False}
        assert (await post.patch(f"{THEIRS}/messages/{moved.json['id']}", away, token=APP)).status == 200
    if way == "permanentDelete":
        assert (await post.post(f"{place}/permanentDelete", token=APP)).status == 204
    else:
        assert (await post.delete(place, token=APP)).status == 204
        assert await told(post, 1) == []
        assert (await post.delete(place, token=APP)).status == 204
    assert await told(post, 1 if is_read else 2) == ([] if is_read else ["Not read: Lunch"])


async def test_what_was_read_is_not_told_to_be_deleted(post: Study) -> None:
    path = await send(post)
    await mark(post, path)
    await post.post(f"{path}/permanentDelete", token=APP)
    assert await told(post, 2) == ["Read: Lunch"]


@pytest.mark.parametrize(("is_silent", "subjects"), [(False, ["Read: Lunch"]), (True, [])])
async def test_a_whole_folder_is_read_with_or_without_receipts(
    post: Study, is_silent: bool, subjects: list[str]
) -> None:
    await send(post)
    path = f"/beta/users/{ALEX.object_id}/mailFolders/inbox/updateAllMessagesReadState"
    answer = await post.post(path, {"isRead": True, "suppressReceipts": is_silent}, token=APP)
    assert answer.status == 204, answer
    assert await told(post, 1 + len(subjects)) == subjects
    (item,) = await found(post, ALEX)
    assert (item.is_read, item.message.receipt_to) == (True, "")


async def test_a_client_that_takes_the_request_away_sends_none(post: Study) -> None:
    await mark(post, await send(post), isReadReceiptRequested=False, isRead=True)
    assert await told(post, 1) == []
    (item,) = await found(post, ALEX)
    assert item.message.receipt_to == ""


async def test_a_rule_that_marks_it_as_read_says_that_no_person_did(post: Study) -> None:
    rule = Rule(name="r", sequence=1, is_enabled=True, actions=Actions(mark_as_read=True, delete=True))
    entry = Entry("r", "r", rule)
    await post.store.write(lambda tx: preferences.add(tx, ALEX.mailbox_id, Kind.RULE, entry))
    await post.post(
        "sendMail",
        {"message": {"subject": "Lunch", "toRecipients": to(ALEX.address), "isReadReceiptRequested": True}},
    )
    assert await told(post, 2) == ["Read: Lunch"]
    assert "was marked as read by a rule" in (await found(post))[0].message.body.content
    (item,) = await found(post, ALEX, DELETED_ITEMS)
    assert item.message.receipt_to == ""


@pytest.mark.parametrize(
    "properties",
    [
        {"isReadReceiptRequested": False},
        {"internetMessageHeaders": [{"name": "X-Auto-Response-Suppress", "value": "RN, NRN"}]},
        {"internetMessageHeaders": [{"name": "X-Auto-Response-Suppress", "value": "All"}]},
        {"internetMessageHeaders": [{"name": "X-Loop", "value": "y"}]},
    ],
)
async def test_nobody_is_told_when_it_is_not_wanted_or_not_safe(
    post: Study, properties: dict[str, Any]
) -> None:
    await mark(post, await send(post, **properties))
    assert [each.mailbox_id for each in await post.office.queue()] == [ADELE.mailbox_id]


async def test_what_is_junk_is_not_told_to_be_read(post: Study) -> None:
    moved = await post.post(f"{await send(post)}/move", {"destinationId": "junkemail"}, token=APP)
    await mark(post, f"{THEIRS}/messages/{moved.id}")
    assert [each.mailbox_id for each in await post.office.queue()] == [ADELE.mailbox_id]


async def test_a_delivery_receipt_is_a_report_in_the_inbox(post: Study) -> None:
    message = {
        "subject": "Lunch",
        "toRecipients": to(ALEX.address, "zoe@one.test"),
        "isDeliveryReceiptRequested": True,
    }
    await post.post("sendMail", {"message": message})
    await post.office.until_done(2)
    assert sorted(item.message.subject for item in await found(post)) == [
        "Delivered: Lunch",
        "Relayed: Lunch",
    ]
    for item in await found(post):
        parsed = email.message_from_bytes(await post.office.bytes_of(item), policy=email.policy.default)
        assert parsed.get_param("report-type") == "delivery-status"
    shown = (await post.get("mailFolders/inbox/messages", query="$select=subject,body,conversationId")).json[
        "value"
    ]
    assert all("Your message was" in each["body"]["content"] for each in shown)
    sent = (await post.get("mailFolders/sentitems/messages")).json["value"][0]
    assert {each["conversationId"] for each in shown} == {sent["conversationId"]}


async def test_an_unread_receipt_is_suppressed_by_itself(post: Study) -> None:
    suppressed = [{"name": "X-Auto-Response-Suppress", "value": "NRN"}]
    path = await send(post, internetMessageHeaders=suppressed)
    await post.post(f"{path}/permanentDelete", token=APP)
    assert [each.mailbox_id for each in await post.office.queue()] == [ADELE.mailbox_id]


@pytest.mark.parametrize(
    "config",
    [
        Config(delivery=DeliverySettings(read_receipts=False)),
        Config(mailboxes=[MailboxSettings(address=ALEX.address.lower(), read_receipts=False)]),
    ],
)
async def test_a_server_or_a_mailbox_refuses(post: Study, config: Config) -> None:
    office = post.office
    vars(office.receipts).update(vars(Receipts.by_settings(config, office.automatic, "post.contoso.test")))
    path = await send(post)
    (item,) = await found(post, ALEX)
    assert (item.message.receipt_to, item.message.is_read_receipt_requested) == ("", True)
    await mark(post, path)
    assert [each.mailbox_id for each in await office.queue()] == [ADELE.mailbox_id]


async def test_what_one_sent_oneself_is_no_reason_for_a_receipt(post: Study) -> None:
    message = {"subject": "Lunch", "toRecipients": to(ADELE.address), "isReadReceiptRequested": True}
    await post.post("sendMail", {"message": message})
    await post.office.until_done(1)
    for folder in ("inbox", "sentitems"):
        (item,) = (await post.get(f"mailFolders/{folder}/messages")).json["value"]
        await post.patch(f"messages/{item['id']}", {"isRead": False})
        await post.patch(f"messages/{item['id']}", READ)
    assert len(await post.office.queue()) == 1
