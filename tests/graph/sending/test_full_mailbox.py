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
