"""Moving, copying, deleting: where a message is afterwards, under which id, and what the folders count."""

from __future__ import annotations

import base64

import pytest
from tests.graph.study import Study, anyio_backend, open_store, postgres_url, study, to

from graphpost.graph.keys import parse_item_id
from graphpost.mail.mailbox import NO_FOLDER
from graphpost.store import contents
from graphpost.store.mailbox import messages

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
GONE = (404, "ErrorItemNotFound")
IMMUTABLE = {"prefer": 'IdType="ImmutableId"'}
FILE = {
    "@odata.type": "#microsoft.graph.fileAttachment",
    "name": "a.txt",
    "contentBytes": base64.b64encode(b"hello").decode(),
}


@pytest.mark.parametrize("name", ["destinationId", "DestinationId", "DESTINATIONID"])
@pytest.mark.parametrize("folder", ["inbox", "Inbox", "ArChIvE", "id"])
async def test_a_message_moves_to_a_folder_by_id_or_name(study: Study, name: str, folder: str) -> None:
    draft = await study.draft(isRead=False)
    inbox = (await study.get("mailFolders/inbox")).json["id"]
    moved = await study.post(f"messages/{draft.id}/move", {name: inbox if folder == "id" else folder})
    target = "archive" if folder.lower() == "archive" else "inbox"
    assert (moved.status, moved.json["isDraft"], moved.id != draft.id) == (201, True, True)
    assert moved.json["parentFolderId"] == (await study.get(f"mailFolders/{target}")).json["id"]
    assert moved.headers["Location"].endswith(f"/messages('{moved.id.replace('=', '%3D')}')")
    assert (await study.get(f"messages/{draft.id}")).error == GONE
    assert (await study.get(f"mailFolders/{target}/messages/{moved.id}")).status == 200
    assert (await study.counts("drafts"), await study.counts(target)) == ((0, 0), (1, 1))


async def test_a_message_that_comes_back_has_a_third_id(study: Study) -> None:
    draft = await study.draft()
    there = await study.post(f"messages/{draft.id}/move", {"destinationId": "inbox"})
    back = await study.post(f"messages/{there.id}/move", {"destinationId": "drafts"})
    assert len({draft.id, there.id, back.id}) == 3
    for old in (draft.id, there.id):
        assert (await study.post(f"messages/{old}/move", {"destinationId": "inbox"})).error == GONE
    assert (await study.post(f"messages/{back.id}/send")).status == 202


async def test_the_immutable_id_stays_on_a_move(study: Study) -> None:
    draft = await study.post("messages", {"subject": "Lunch"}, **IMMUTABLE)
    moved = await study.post(f"messages/{draft.id}/move", {"destinationId": "inbox"}, **IMMUTABLE)
    assert moved.id == draft.id
    assert moved.headers["Preference-Applied"] == 'IdType="ImmutableId"'
    copied = await study.post(f"messages/{draft.id}/copy", {"destinationId": "inbox"}, **IMMUTABLE)
    assert copied.id != draft.id


async def test_a_move_to_where_it_is_changes_nothing(study: Study) -> None:
    draft = await study.draft()
    moved = await study.post(f"messages/{draft.id}/move", {"destinationId": "drafts"})
    assert (moved.status, moved.id, moved.json["changeKey"]) == (201, draft.id, draft.json["changeKey"])


async def test_a_copy_is_a_message_of_its_own(study: Study) -> None:
    draft = await study.draft(attachments=[FILE], isRead=False)
    copy = await study.post(f"messages/{draft.id}/copy", {"destinationId": "inbox"})
    assert (copy.status, copy.json["internetMessageId"]) == (201, draft.json["internetMessageId"])
    assert (await study.counts("drafts"), await study.counts("inbox")) == ((1, 1), (1, 1))
    await study.patch(f"messages/{copy.id}", {"subject": "Copy"})
    assert (await study.get(f"messages/{draft.id}")).json["subject"] == "Lunch"
    assert (await study.post(f"messages/{draft.id}/permanentDelete")).status == 204
    (attachment,) = (await study.get(f"messages/{copy.id}/attachments")).json["value"]
    assert base64.b64decode(attachment["contentBytes"]) == b"hello"
    assert (await study.post(f"messages/{copy.id}/send")).status == 202


@pytest.mark.parametrize(
    ("destination", "error"),
    [
        ("nowhere", (400, "ErrorInvalidIdMalformed")),
        ("", (400, "RequestBodyRead")),
        (None, (400, "RequestBodyRead")),
        (7, (400, "RequestBodyRead")),
        ("gone", GONE),
        ("alex", GONE),
    ],
)
@pytest.mark.parametrize("operation", ["move", "copy"])
async def test_a_destination_must_be_a_folder_of_the_mailbox(
    study: Study, operation: str, destination: object, error: tuple[int, str]
) -> None:
    from tests.graph.desk import ADELE, ALEX

    from graphpost.ids import folder_id_text

    draft = await study.draft()
    if destination in ("gone", "alex"):
        destination = folder_id_text((ADELE if destination == "gone" else ALEX).object_id, 999)
    answer = await study.post(f"messages/{draft.id}/{operation}", {"destinationId": destination})
    assert answer.error == error
    assert (await study.counts("drafts"), await study.counts("inbox")) == ((1, 0), (0, 0))


async def test_deleting_goes_by_way_of_deleted_items_and_the_recoverable_ones(study: Study) -> None:
    key = (await study.post("messages", {"subject": "Lunch"}, **IMMUTABLE)).id
    for place in ("deleteditems", "recoverableitemsdeletions"):
        deleted = await study.delete(f"messages/{key}")
        assert (deleted.status, deleted.body) == (204, b"")
        assert await study.subjects(place) == ["Lunch"]
        assert await study.counts(place) == (1, 0)
    assert await study.counts("deleteditems") == (0, 0)
    assert (await study.delete(f"messages/{key}")).status == 204
    assert (await study.get(f"messages/{key}")).error == GONE
    assert await study.counts("recoverableitemsdeletions") == (0, 0)


async def test_what_is_recoverable_is_not_among_all_messages_but_can_be_moved_back(study: Study) -> None:
    key = (await study.post("messages", {"subject": "Lunch"}, **IMMUTABLE)).id
    for _ in range(2):
        await study.delete(f"messages/{key}")
    for query in ("", "$orderby=subject", "$filter=isRead%20eq%20true", "$count=true"):
        found = (await study.get("messages", query=query)).json
        assert (found["value"], found.get("@odata.count", 0)) == ([], 0)
    assert (await study.get("messages/$count")).body == b"0"
    await study.post(f"messages/{key}/move", {"destinationId": "inbox"})
    assert len((await study.get("messages")).json["value"]) == 1


async def test_a_deleted_draft_is_sent_no_more_under_its_old_id(study: Study) -> None:
    draft = await study.draft()
    await study.delete(f"messages/{draft.id}")
    assert (await study.post(f"messages/{draft.id}/send")).error == GONE
    assert (await study.delete(f"messages/{draft.id}")).error == GONE
    assert await study.office.queue() == []


async def test_deleting_for_good_leaves_nothing(study: Study) -> None:
    draft = await study.draft(attachments=[FILE])
    assert (await study.post(f"messages/{draft.id}/microsoft.graph.permanentDelete")).status == 204
    assert (await study.post(f"messages/{draft.id}/permanentDelete")).error == GONE
    number = parse_item_id(draft.id).message_id
    assert await study.store.read(lambda tx: messages.get(tx, 1, number)) is None
    assert await study.store.read(lambda tx: contents.of_message(tx, 1, number)) == {}
    assert await study.counts("drafts") == (0, 0)


async def test_what_is_on_its_way_arrives_though_it_was_deleted_for_good(study: Study) -> None:
    draft = await study.post(
        "messages", {"toRecipients": to("zoe@one.test"), "attachments": [FILE]}, **IMMUTABLE
    )
    await study.post(f"messages/{draft.id}/send")
    assert (await study.post(f"messages/{draft.id}/permanentDelete")).status == 204
    assert (await study.get(f"messages/{draft.id}")).error == GONE
    assert await study.counts("sentitems") == (0, 0)
    number = parse_item_id(draft.id).message_id
    item = await study.store.read(lambda tx: messages.get(tx, 1, number))
    assert item is not None
    assert item.folder_id == NO_FOLDER
    await study.office.worker.start()
    await study.office.until_done()
    ((_, _, data),) = study.office.one.taken
    assert base64.b64encode(b"hello") in data
