"""Attachments of a body: kinds, types, bytes."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.graph.desk import Desk
from tests.graph.wrong_requests import to

from graphpost.mail.message import Attachment, Message


def sent(*attachments: dict[str, Any]) -> tuple[Message, list[bytes]]:
    desk = Desk()
    reply = desk.post(
        "/v1.0/me/sendMail", {"message": {"toRecipients": to("a@x.org"), "attachments": list(attachments)}}
    )
    assert reply.status == 202, reply
    message, contents = desk.last.message, desk.last.contents
    return message, [contents[a.content.content_id] for a in message.attachments if a.content is not None]


def one(**members: Any) -> Attachment:
    (attachment,) = sent({"contentBytes": "", **members})[0].attachments
    return attachment


@pytest.mark.parametrize(
    "type_", ["#microsoft.graph.fileAttachment", "microsoft.graph.FileAttachment", "#Microsoft.OutlookServices.FileAttachment", None]
)  # fmt: skip
def test_a_file_attachment_is_known_in_every_spelling(type_: str | None) -> None:
    members = {"name": "a.bin", "contentBytes": "AAEC"} | ({"@odata.type": type_} if type_ else {})
    message, contents = sent(members)
    assert (message.attachments[0].kind, message.attachments[0].size, contents) == ("file", 3, [b"\0\1\2"])


def test_all_octets_arrive_with_or_without_line_breaks() -> None:
    data = bytes(range(256)) * 4
    wrapped = base64.encodebytes(data).decode().replace("\n", "\r\n")
    assert sent({"contentBytes": base64.b64encode(data).decode()}, {"contentBytes": wrapped})[1] == [
        data,
        data,
    ]


def test_attachments_are_numbered_in_order() -> None:
    message, _ = sent({"contentBytes": ""}, {"contentBytes": ""})
    assert [a.attachment_id for a in message.attachments] == [1, 2]


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        ("text/plain", "a.pdf", "text/plain"),
        ("text/plain; charset=utf-8", "a.txt", "text/plain; charset=utf-8"),
        (None, "a.pdf", "application/pdf"),
        ("", "a.PNG", "image/png"),
        (None, "a.unheard-of", "application/octet-stream"),
        (None, "a.tar.gz", "application/octet-stream"),
        (None, "", "application/octet-stream"),
        ("pdf", "a.pdf", "application/pdf"),
        ("text/plain\r\nBcc: e@v.il", "a", "application/octet-stream"),
        ("text/plain; name=\"a\r\nb\"", "a", "application/octet-stream"),
        ("multipart/mixed; boundary=x", "a", "application/octet-stream"),
    ],
)  # fmt: skip
def test_the_content_type_is_the_one_given_else_guessed(given: str | None, name: str, expected: str) -> None:
    assert one(contentType=given, name=name).content_type == expected


def test_names_and_content_ids_never_break_a_line() -> None:
    attachment = one(name="a\r\nb.txt", contentId="<x\r\ny>", isInline="true", contentLocation="l\nm")
    assert (attachment.name, attachment.content_id, attachment.content_location) == ("a b.txt", "xy", "l m")
    assert attachment.is_inline


def test_an_attached_message_is_kept_as_mime() -> None:
    message, (data,) = sent(
        {
            "@odata.type": "#microsoft.graph.itemAttachment",
            "item": {
                "@odata.type": "#microsoft.graph.message",
                "subject": "Inner",
                "from": to("megan@x.org")[0],
                "body": {"content": "inside"},
                "bccRecipients": to("hidden@x.org"),
                "attachments": [{"name": "deep.txt", "contentBytes": "ZGVlcA=="}],
            },
        }
    )
    (attachment,) = message.attachments
    assert (attachment.kind, attachment.name, attachment.content_type) == ("item", "Inner", "message/rfc822")
    assert attachment.size == len(data)
    assert b"Subject: Inner\r\n" in data
    assert b"inside" in data
    assert b"ZGVlcA==" in data
    assert b"Bcc: hidden@x.org\r\n" in data


def test_attached_messages_end_at_the_limit() -> None:
    def nested(levels: int) -> dict[str, Any]:
        item: dict[str, Any] = {"subject": "core"}
        for _ in range(levels):
            item = {"attachments": [{"@odata.type": "#microsoft.graph.itemAttachment", "item": item}]}
        return {"message": {"toRecipients": to("a@x.org"), **item}}

    desk = Desk(json_depth=200)
    assert desk.post("/v1.0/me/sendMail", nested(30)).status == 202
    refused = desk.post("/v1.0/me/sendMail", nested(31))
    assert b"ErrorAttachmentNestLevelLimitExceeded" in refused.body


def test_a_reference_attachment_is_a_link() -> None:
    message, contents = sent(
        {
            "@odata.type": "#microsoft.graph.referenceAttachment",
            "name": "Report",
            "sourceUrl": "https://files.x.org/report",
            "providerType": "OneDriveBusiness",
            "permission": "view",
            "isFolder": False,
        }
    )
    (attachment,) = message.attachments
    assert (attachment.kind, attachment.source_url) == ("reference", "https://files.x.org/report")
    assert (attachment.provider_type, attachment.permission) == ("oneDriveBusiness", "view")
    assert contents == []
