"""A full mailbox over Graph: nothing more gets in, all else goes on, and room that is made counts at once."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from msgspec.structs import replace
from tests.graph.desk import APP, MAILBOXES
from tests.graph.study import Study, anyio_backend, open_store, postgres_url, study, to

from graphpost.mail.mailbox import Directory

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
LETTER = {"message": {"subject": "Lunch", "toRecipients": to("zoe@one.test")}}
FILE = {
    "@odata.type": "#microsoft.graph.fileAttachment",
    "name": "a.txt",
    "contentBytes": base64.b64encode(b"x" * 3000).decode(),
}
SESSION = {"AttachmentItem": {"attachmentType": "file", "name": "a.bin", "size": 3_500_000}}


def bound(study: Study, quota: int) -> None:
    boxes = [replace(box, quota=quota) for box in MAILBOXES]
    study.office.directory = Directory.of(boxes, [APP])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("sendMail", LETTER),
        ("sendMail", {**LETTER, "saveToSentItems": False}),
        ("messages", LETTER["message"]),
        ("messages/{id}/createReply", None),
        ("messages/{id}/forward", {"toRecipients": to("zoe@one.test")}),
        ("messages/{id}/copy", {"destinationId": "archive"}),
        ("messages/{id}/send", None),
        ("messages/{id}/attachments", FILE),
        ("messages/{id}/attachments/createUploadSession", SESSION),
        ("mailFolders/drafts/copy", {"destinationId": "archive"}),
    ],
)
async def test_nothing_is_put_into_a_full_mailbox(study: Study, path: str, body: Any) -> None:
    draft = (await study.draft(body={"contentType": "text", "content": "x" * 200})).json
    bound(study, 100)
    answer = await study.post(path.format(id=draft["id"]), body)
    assert (answer.status, answer.json["error"]["code"]) == (507, "ErrorQuotaExceeded")
    assert answer.json["error"]["message"] == "Mailbox has exceeded maximum mailbox size."
    assert await study.office.queue() == []


async def test_who_makes_room_sends_at_once(study: Study) -> None:
    draft = (await study.draft(body={"contentType": "text", "content": "x" * 2000})).json
    bound(study, 1000)
    assert (await study.post("sendMail", LETTER)).status == 507
    assert (await study.patch(f"messages/{draft['id']}", {"isRead": False})).status == 200
    assert (await study.post(f"messages/{draft['id']}/move", {"destinationId": "archive"})).status == 201
    (moved,) = (await study.get("mailFolders/archive/messages")).json["value"]
    assert (await study.post(f"messages/{moved['id']}/permanentDelete")).status == 204
    assert (await study.post("sendMail", LETTER)).status == 202


async def test_what_is_there_is_not_made_longer_than_there_is_room(study: Study) -> None:
    """Not once either: what is asked for counts, and not only what is there."""
    draft = await study.draft(body={"contentType": "text", "content": "x" * 2000})
    bound(study, 5000)
    for length, status in ((9000, 507), (3000, 200), (100, 200), (9000, 507)):
        body = {"body": {"contentType": "text", "content": "y" * length}}
        assert (await study.patch(f"messages/{draft.id}", body)).status == status, length
    assert "y" * 100 in (await study.get(f"messages/{draft.id}")).json["body"]["content"]


async def test_a_copy_needs_room_for_all_that_is_copied(study: Study) -> None:
    draft = await study.draft(body={"contentType": "text", "content": "x" * 20_000})
    made = await study.post("mailFolders", {"displayName": "Kept"})
    inner = await study.post(f"mailFolders/{made.id}/childFolders", {"displayName": "Inner"})
    bound(study, 70_000)
    to_inner = {"destinationId": inner.id}
    assert (await study.post(f"messages/{draft.id}/copy", to_inner)).status == 201
    assert (await study.post(f"messages/{draft.id}/copy", to_inner)).status == 201
    for path in (f"messages/{draft.id}/copy", f"mailFolders/{made.id}/copy"):
        answer = await study.post(path, {"destinationId": "archive"})
        assert (answer.status, answer.json["error"]["code"]) == (507, "ErrorQuotaExceeded"), path
    assert (await study.get("mailFolders/archive/childFolders")).json["value"] == []
    bound(study, 120_000)
    assert (await study.post(f"mailFolders/{made.id}/copy", {"destinationId": "archive"})).status == 200


async def test_what_comes_back_from_where_it_does_not_count_needs_room(study: Study) -> None:
    draft = await study.draft(body={"contentType": "text", "content": "x" * 2000})
    moved = await study.post(f"messages/{draft.id}/move", {"destinationId": "recoverableitemsdeletions"})
    other = await study.draft(body={"contentType": "text", "content": "x" * 2000})
    bound(study, 3000)
    assert (await study.post(f"messages/{moved.id}/move", {"destinationId": "inbox"})).status == 507
    assert (await study.post(f"messages/{other.id}/move", {"destinationId": "inbox"})).status == 201
