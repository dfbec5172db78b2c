"""Replies and forwards: who they go to, what is in them, and that they are sent or kept."""

from __future__ import annotations

import base64
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from tests.graph.desk import ADELE
from tests.graph.study import Study, anyio_backend, open_store, postgres_url, study, to

from graphpost.clock import SECOND
from graphpost.mail.thread import conversation_of, is_index
from graphpost.store.queue import deliveries

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
CREATING = ("createReply", "createReplyAll", "createForward")
SENDING = ("reply", "replyAll", "forward")
PNG = b"\x89PNG picture"
MIME = (
    b"From: =?utf-8?q?Zo=C3=AB?= <zoe@one.test>\r\n"
    b"To: Adele <adele@contoso.com>, Bo <bo@two.test>, zoe@ONE.test\r\n"
    b"Cc: AdeleV@contoso.com, Cy <cy@two.test>, BO@two.test\r\n"
    b"Subject: Lunch\r\nMessage-ID: <first@one.test>\r\nReferences: <zero@one.test>\r\n"
    b"Date: Mon, 01 Jan 2024 15:04:05 +0000\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="m"\r\n\r\n--m\r\n'
    b'Content-Type: multipart/related; boundary="r"\r\n\r\n--r\r\n'
    b"Content-Type: text/html; charset=utf-8\r\n\r\n"
    b'<html><head><style>\r\np {color: red}\r\n</style></head><body bgcolor="white"><p>Soup?</p><img src="cid:logo@one">'
    b"<script>alert(1)</script></body></html>\r\n"
    b'--r\r\nContent-Type: image/png; name="logo.png"\r\nContent-ID: <logo@one>\r\n'
    b"Content-Disposition: inline; filename=logo.png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.b64encode(PNG)
    + b'\r\n--r--\r\n--m\r\nContent-Type: text/csv; name="a.csv"\r\n'
    b"Content-Disposition: attachment; filename=a.csv\r\nContent-Transfer-Encoding: base64\r\n\r\nYSxiCg==\r\n--m--\r\n"
)


async def received(study: Study, data: bytes = MIME) -> Any:
    answer = await study.post("mailFolders/inbox/messages", base64.b64encode(data), content_type="text/plain")
    assert answer.status == 201, answer
    return answer


def addresses(message: dict[str, Any], name: str) -> list[str]:
    return [each["emailAddress"]["address"] for each in message[f"{name}Recipients"]]


async def sent_item(study: Study) -> Any:
    (item,) = (await study.get("mailFolders/sentitems/messages", query="$expand=attachments")).json["value"]
    return item


async def taken(study: Study, number: int = 1) -> list[EmailMessage]:
    """The mail that the first relay has got."""
    await study.office.worker.start()
    await study.office.until_done(number)
    mails = [message_from_bytes(data, policy=default) for _, _, data in study.office.one.taken]
    assert not [part.defects for mail in mails for part in mail.walk() if part.defects]
    return mails


def attached(message: dict[str, Any]) -> list[tuple[str, bytes, bool]]:
    return [
        (each["name"], base64.b64decode(each["contentBytes"]), each["isInline"])
        for each in message["attachments"]
    ]


@pytest.mark.parametrize(
    ("operation", "subject", "to_", "cc", "files"),
    [
        ("createReply", "RE: Lunch", ["zoe@one.test"], [], ["logo.png"]),
        ("createReplyAll", "RE: Lunch", ["zoe@one.test", "bo@two.test"], ["cy@two.test"], ["logo.png"]),
        ("createForward", "FW: Lunch", [], [], ["logo.png", "a.csv"]),
    ],
)
async def test_a_draft_is_made_of_what_was_received(
    study: Study, operation: str, subject: str, to_: list[str], cc: list[str], files: list[str]
) -> None:
    original = await received(study)
    answer = await study.post(f"messages/{original.id}/{operation}")
    made = answer.json
    assert answer.status == 201
    path = answer.headers["Location"].removeprefix("https://localhost:8443")
    assert (await study.get(path)).id == made["id"]
    drafts = (await study.get("mailFolders/drafts")).json["id"]
    assert (made["isDraft"], made["isRead"], made["parentFolderId"]) == (True, True, drafts)
    assert (made["subject"], addresses(made, "to"), addresses(made, "cc")) == (subject, to_, cc)
    assert made["conversationId"] == original.json["conversationId"]
    assert made["internetMessageId"] not in ("", original.json["internetMessageId"])
    content = made["body"]["content"]
    assert made["body"]["contentType"] == "html"
    assert '<style>\r\np {color: red}\r\n</style></head><body bgcolor="white"><hr ' in content
    assert 'id="divRplyFwdMsg"' in content
    assert "<b>Subject:</b> Lunch</font>" in content
    assert content.rstrip().endswith('<div><p>Soup?</p><img src="cid:logo@one"></div></body></html>')
    whole = (await study.get(f"messages/{made['id']}", query="$expand=attachments")).json
    assert [each["name"] for each in whole["attachments"]] == files
    assert {name: data for name, data, _ in attached(whole)}.items() <= {
        "logo.png": PNG,
        "a.csv": b"a,b\n",
    }.items()
    assert whole["hasAttachments"] is ("a.csv" in files)


async def test_a_draft_of_an_answer_is_changed_and_sent_in_its_thread(study: Study) -> None:
    original = await received(study)
    made = await study.post(f"messages/{original.id}/createReply", {"comment": "Yes <1> & only"})
    assert '<body bgcolor="white">Yes &lt;1&gt; &amp; only<hr ' in made.json["body"]["content"]
    assert made.json["bodyPreview"].startswith("Yes <1> & only")
    assert (await study.patch(f"messages/{made.id}", {"importance": "high"})).status == 200
    assert (await study.post(f"messages/{made.id}/send")).status == 202
    (mail,) = await taken(study)
    assert (mail["subject"], mail["importance"], mail["thread-topic"]) == ("RE: Lunch", "High", "Lunch")
    assert mail["in-reply-to"] == "<first@one.test>"
    assert mail["references"] == "<zero@one.test> <first@one.test>"
    index = base64.b64decode(mail["thread-index"])
    assert (is_index(index), len(index)) == (True, 27)
    (picture,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert (picture["content-id"], picture.get_content()) == ("<logo@one>", PNG)
    assert (await sent_item(study))["conversationId"] == original.json["conversationId"]


@pytest.mark.parametrize("version", ["v1.0", "beta"])
@pytest.mark.parametrize("operation", SENDING)
async def test_an_answer_is_sent_at_once(study: Study, operation: str, version: str) -> None:
    original = await received(study)
    body = (
        {"Comment": "Yes", "ToRecipients": to("dee@one.test")}
        if operation == "forward"
        else {"COMMENT": "Yes"}
    )
    answer = await study.post(
        f"/{version}/me/mailFolders/inbox/messages/{original.id}/microsoft.graph.{operation}", body
    )
    assert (answer.status, answer.body, answer.content_type) == (202, b"", "")
    item = await sent_item(study)
    assert (item["isDraft"], item["from"]["emailAddress"]["address"]) == (False, ADELE.address)
    assert item["conversationId"] == original.json["conversationId"]
    queued = await study.office.queue()
    assert answer.headers["x-graphpost-message-id"] == f"{queued[0].message_id:016x}"
    mails = await taken(study, len(queued))
    expected = {
        "reply": ["zoe@one.test"],
        "replyAll": ["bo@two.test", "cy@two.test", "zoe@one.test"],
        "forward": ["dee@one.test"],
    }
    assert sorted(r.address for d in queued for r in d.recipients) == expected[operation]
    names = [part.get_filename() for part in mails[0].walk() if part.get_filename()]
    assert names == (["logo.png", "a.csv"] if operation == "forward" else ["logo.png"])
    assert await study.counts("drafts") == (0, 0)


async def test_an_own_letter_is_answered_with_its_contents(study: Study) -> None:
    big = bytes(range(256)) * 400
    files = [
        {"name": "b.bin", "contentBytes": base64.b64encode(big).decode()},
        {"name": "s.txt", "contentBytes": "c21hbGw="},
    ]
    await study.post(
        "sendMail",
        {
            "message": {
                "subject": "Report",
                "body": {"contentType": "text", "content": "Here."},
                "toRecipients": to("zoe@one.test"),
                "ccRecipients": to("cy@two.test"),
                "attachments": files,
            }
        },
    )
    original = await sent_item(study)
    replied = (await study.post(f"messages/{original['id']}/createReplyAll")).json
    assert (addresses(replied, "to"), addresses(replied, "cc")) == (["zoe@one.test"], ["cy@two.test"])
    assert replied["body"]["contentType"] == "text"
    lines = replied["body"]["content"].split("\r\n")
    assert lines[2] == "_" * 32
    assert lines[3] == "From: Adele Vance <AdeleV@contoso.com>"
    assert lines[-1] == "Here."
    assert replied["hasAttachments"] is False
    passed = await study.post(
        f"messages/{original['id']}/createForward",
        {
            "message": {
                "toRecipients": to("dee@one.test"),
                "attachments": [{"name": "n", "contentBytes": "bmV3"}],
            }
        },
    )
    found = (await study.get(f"messages/{passed.id}", query="$expand=attachments")).json
    assert attached(found) == [("b.bin", big, False), ("s.txt", b"small", False), ("n", b"new", False)]
    assert len({each["id"] for each in found["attachments"]}) == 3
    await study.delete(f"messages/{original['id']}")
    await study.post(f"messages/{original['id']}/permanentDelete")
    assert (await study.post(f"messages/{passed.id}/send")).status == 202
    mails = await taken(study, 3)
    (mail,) = [mail for mail in mails if mail["subject"] == "FW: Report"]
    assert [part.get_payload(decode=True) for part in mail.iter_attachments()] == [big, b"small", b"new"]


@pytest.mark.parametrize(
    ("original", "to_", "all_to", "all_cc"),
    [
        (
            b"From: z@one.test\r\nReply-To: list@one.test, y@one.test\r\nTo: x@one.test\r\n",
            "list y",
            "list y x",
            "",
        ),
        (b"From: z@one.test\r\nReply-To: nobody\r\nTo: AdeleV@contoso.com\r\n", "z", "z", ""),
        (b"Sender: s@one.test\r\nCc: z@one.test, z@one.test\r\n", "AdeleV", "", "z"),
        (b"From: AdeleV@contoso.com\r\nTo: adele@contoso.com\r\n", "AdeleV", "AdeleV", ""),
        (b"From: z@one.test\r\nTo: undisclosed-recipients:;\r\nBcc: adele@contoso.com\r\n", "z", "z", ""),
    ],
)
async def test_recipients_follow_from_the_original(
    study: Study, original: bytes, to_: str, all_to: str, all_cc: str
) -> None:
    message = await received(study, original + b"Subject: x\r\n\r\nb\r\n")
    for operation, expected in (("createReply", (to_, "")), ("createReplyAll", (all_to, all_cc))):
        made = (await study.post(f"messages/{message.id}/{operation}")).json
        names = tuple(
            " ".join(each.partition("@")[0] for each in addresses(made, name)) for name in ("to", "cc")
        )
        assert names == expected


async def test_properties_of_the_message_count_before_the_answers_own(study: Study) -> None:
    original = await received(study)
    made = await study.post(
        f"messages/{original.id}/createReplyAll",
        {
            "Message": {
                "Subject": "Something else",
                "toRecipients": to("new@one.test"),
                "ccRecipients": [],
                "bccRecipients": to("bcc@one.test"),
                "replyTo": None,
                "importance": "high",
                "categories": ["Red"],
                "internetMessageHeaders": [{"name": "x-mine", "value": "1"}],
                "attachments": [{"name": "n.txt", "contentBytes": "bmV3"}],
                "body": None,
                "isRead": False,
            }
        },
    )
    message = made.json
    assert (message["subject"], message["importance"], message["isRead"]) == ("Something else", "high", False)
    assert [addresses(message, name) for name in ("to", "cc", "bcc")] == [
        ["new@one.test"],
        [],
        ["bcc@one.test"],
    ]
    assert "divRplyFwdMsg" in message["body"]["content"]
    found = (await study.get(f"messages/{made.id}", query="$expand=attachments")).json
    assert [name for name, _, _ in attached(found)] == ["logo.png", "n.txt"]
    assert b"x-mine: 1" in (await study.get(f"messages/{made.id}/$value")).body
    assert message["conversationId"] == original.json["conversationId"]


@pytest.mark.parametrize("content", ["", "<p>All of it</p>"])
async def test_a_body_takes_the_place_of_the_quote(study: Study, content: str) -> None:
    original = await received(study)
    body = {"message": {"body": {"contentType": "html", "content": content}}, "comment": ""}
    made = (await study.post(f"messages/{original.id}/createReply", body)).json
    assert "Soup" not in made["body"]["content"]
    assert content in made["body"]["content"]
    assert made["bodyPreview"] == ("All of it" if content else "")
    passed = (await study.post(f"messages/{original.id}/createForward", body)).json
    found = (await study.get(f"messages/{passed['id']}", query="$expand=attachments")).json
    assert [name for name, _, _ in attached(found)] == ["a.csv"]


@pytest.mark.parametrize("operation", CREATING + SENDING)
@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"comment": "a", "message": {"body": {"content": "b"}}}, "ErrorInvalidRequest"),
        ({"comment": 1}, "RequestBodyRead"),
        ({"comment": {}}, "RequestBodyRead"),
        ({"message": "x"}, "RequestBodyRead"),
        ({"message": {"body": "x"}}, "RequestBodyRead"),
        ({"message": {"toRecipients": to("nobody")}}, "ErrorInvalidRecipients"),
        (b"[]", "UnableToDeserializePostBody"),
        (b"{", "BadRequest"),
    ],
)
async def test_wrong_bodies_are_refused_and_leave_nothing(
    study: Study, operation: str, body: Any, error: str
) -> None:
    original = await received(study)
    assert (await study.post(f"messages/{original.id}/{operation}", body)).error == (400, error)
    assert (await study.counts("drafts"))[0] == (await study.counts("sentitems"))[0] == 0


async def test_a_forward_names_its_recipients_in_one_place(study: Study) -> None:
    original = await received(study)
    here, there = {"toRecipients": to("a@one.test")}, {"message": {"toRecipients": to("b@one.test")}}
    for operation in ("forward", "createForward"):
        answer = await study.post(f"messages/{original.id}/{operation}", {**here, **there})
        assert answer.error == (400, "ErrorInvalidRequest")
    for nobody in (
        None,
        {},
        {"toRecipients": []},
        {"message": {"toRecipients": []}},
        {"message": {"ccRecipients": to("c@one.test")}},
    ):
        answer = await study.post(f"messages/{original.id}/forward", nobody)
        assert answer.error == (400, "ErrorInvalidRecipients")
    for body in (here, there):
        made = await study.post(f"messages/{original.id}/createForward", body)
        assert len(addresses(made.json, "to")) == 1
        assert (await study.post(f"messages/{original.id}/forward", body)).status == 202


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", None),
        (b"", "application/octet-stream"),
        (b" ", "text/plain"),
        (b"null", "application/json"),
        (b"{}", None),
    ],
)
async def test_an_answer_needs_no_body(study: Study, body: bytes, content_type: str | None) -> None:
    original = await received(study)
    for operation in (*CREATING, "reply", "replyAll"):
        answer = await study.post(f"messages/{original.id}/{operation}", body, content_type=content_type)
        assert answer.status == (201 if operation in CREATING else 202)


@pytest.mark.parametrize(
    ("prefer", "sent"),
    [
        ("", "Monday, January 1, 2024 3:04 PM"),
        ('outlook.timezone="Pacific Standard Time"', "Monday, January 1, 2024 7:04 AM"),
        (
            'IdType="ImmutableId", Outlook.TimeZone="w. europe standard time"',
            "Monday, January 1, 2024 4:04 PM",
        ),
        ("outlook.timezone=Asia/Tokyo", "Tuesday, January 2, 2024 12:04 AM"),
        ('outlook.timezone="Nowhere/At/All"', "Monday, January 1, 2024 3:04 PM"),
        ('outlook.timezone="../../etc/passwd"', "Monday, January 1, 2024 3:04 PM"),
    ],
)
async def test_the_time_is_in_the_zone_asked_for(study: Study, prefer: str, sent: str) -> None:
    original = await received(study)
    made = await study.post(f"messages/{original.id}/createReply", prefer=prefer)
    assert f"<b>Sent:</b> {sent}<br>" in made.json["body"]["content"]


OWN_MIME = b"Subject: Mine\r\nTo: dee@one.test\r\nIn-Reply-To: <other@one.test>\r\n\r\nAs MIME.\r\n"


async def test_an_answer_in_mime_gets_what_it_lacks(study: Study) -> None:
    original = await received(study)
    path = f"messages/{original.id}"
    bare = base64.b64encode(b"Content-Type: text/plain\r\n\r\nAs MIME.\r\n")
    made = (await study.post(f"{path}/createReplyAll", bare, content_type="text/plain")).json
    assert (made["subject"], addresses(made, "to"), addresses(made, "cc")) == (
        "RE: Lunch",
        ["zoe@one.test", "bo@two.test"],
        ["cy@two.test"],
    )
    assert (made["body"]["content"].strip(), made["isDraft"]) == ("As MIME.", True)
    assert made["conversationId"] == original.json["conversationId"]
    assert (await study.post(f"{path}/reply", bare, content_type="text/plain")).status == 202
    assert (await study.post(f"{path}/forward", bare, content_type="text/plain")).error == (
        400,
        "ErrorInvalidRecipients",
    )
    own = base64.b64encode(OWN_MIME)
    assert (await study.post(f"{path}/forward", own, content_type="text/plain")).status == 202
    first, second = sorted(await taken(study, 2), key=lambda mail: str(mail["subject"]), reverse=True)
    assert (first["from"], first["to"]) == ("Adele Vance <AdeleV@contoso.com>", "Zoë <zoe@one.test>")
    assert (first["in-reply-to"], first["references"]) == (
        "<first@one.test>",
        "<zero@one.test> <first@one.test>",
    )
    assert (second["subject"], second["in-reply-to"], second["references"]) == (
        "Mine",
        "<other@one.test>",
        None,
    )
    for mail in (first, second):
        assert len(base64.b64decode(mail["thread-index"])) == 27
        assert mail.get_content().strip() == "As MIME."
    forged = base64.b64encode(b"From: alexw@contoso.com\r\n" + OWN_MIME)
    assert (await study.post(f"{path}/reply", forged, content_type="text/plain")).error == (
        403,
        "ErrorSendAsDenied",
    )


HOSTILE = {
    "no body": b"From: z@one.test\r\nSubject: x\r\n\r\n",
    "no subject and no author": b"X: y\r\n\r\nb\r\n",
    "ids": b"From: z@one.test\r\nMessage-ID: <a b\x01@x>\r\nReferences: "
    + b" <r@x>\r\n" * 300
    + b"\r\nb\r\n",
    "many ids": b"From: z@one.test\r\nMessage-ID: bare@x\r\nReferences: "
    + b"".join(b" <%d@x>\r\n" % n for n in range(2000))
    + b"\r\nb\r\n",
    "index": b"From: z@one.test\r\nThread-Index: "
    + base64.b64encode(b"\1" * (22 + 5 * 5000))
    + b"\r\n\r\nb\r\n",
    "names": b"From: =?utf-8?q?a=0D=0ABcc:_x=40y=0D=0A?= <z@one.test>\r\nSubject: =?utf-8?q?s=0D=0AX-Evil:_1?=\r\n\r\nb\r\n",
    "script": b"From: z@one.test\r\nContent-Type: text/html\r\n\r\n<!-- <body> --><body onload=a()><script>b()</script><a href='javascript:c()'>d\r\n",
    "huge": b"From: z@one.test\r\nContent-Type: text/html\r\n\r\n" + b"<p onclick=a>x</p>\r\n" * 100_000,
    "deep": b"From: z@one.test\r\nContent-Type: text/html\r\n\r\n"
    + b"<div>" * 2000
    + b"a &lt;script&gt;\r\n",
    "unclosed": b"From: z@one.test\r\nContent-Type: text/html\r\n\r\n<p title='<script>b()</script>\r\n",
    "charset": b"From: z@one.test\r\nContent-Type: text/html; charset=utf-16\r\n\r\n\xff\xfe<\x00\xd8\r\n",
    "date": b"From: z@one.test\r\nDate: Fri, 31 Dec 9999 23:59:59 -1400\r\n\r\nb\r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_originals_are_answered(study: Study, name: str) -> None:
    original = await received(study, HOSTILE[name])
    prefer = 'outlook.timezone="Pacific/Kiritimati"'
    for operation in CREATING:
        made = await study.post(f"messages/{original.id}/{operation}", {"comment": "Here"}, prefer=prefer)
        assert made.status == 201
        assert made.json["conversationId"] == original.json["conversationId"]
        content = made.json["body"]["content"]
        assert not [bad for bad in ("<script", "onload", "onclick", "javascript:", "<!--") if bad in content]
    sent = await study.post(
        f"messages/{original.id}/reply", {"message": {"toRecipients": to("zoe@one.test")}}
    )
    assert sent.status == 202
    (mail,) = await taken(study)
    assert (mail["bcc"], mail["x-evil"]) == (None, None)
    assert is_index(base64.b64decode(mail["thread-index"]))
    assert len(str(mail["references"] or "").split()) <= 50
    assert str(mail["in-reply-to"] or "") == str(mail["references"] or "").rpartition(" ")[2] * (
        name != "ids"
    )


async def test_answers_go_on_in_their_conversation(study: Study) -> None:
    made = await study.draft(subject="Lunch")
    await study.post(f"messages/{made.id}/send")
    for level in range(1, 4):
        study.clock.jump_to(study.clock.now() + 60 * SECOND)
        found = (
            await study.get("mailFolders/sentitems/messages", query="$orderby=sentDateTime desc&$top=1")
        ).json
        assert (
            await study.post(f"messages/{found['value'][0]['id']}/replyAll", {"comment": f"{level}"})
        ).status == 202
    items = (
        await study.get(
            "mailFolders/sentitems/messages",
            query="$orderby=sentDateTime&$select=subject,conversationId,conversationIndex,internetMessageId",
        )
    ).json["value"]
    assert [item["subject"] for item in items] == ["Lunch", *["RE: Lunch"] * 3]
    assert len({item["conversationId"] for item in items}) == 1
    indexes = [base64.b64decode(item["conversationIndex"]) for item in items]
    assert [len(index) for index in indexes] == [22, 27, 32, 37]
    assert len({conversation_of(index) for index in indexes}) == 1
    mails = await taken(study, 4)
    last = mails[-1]
    assert last["references"].split() == [item["internetMessageId"] for item in items[:-1]]
    assert last["in-reply-to"] == items[-2]["internetMessageId"]


async def test_permissions_differ_for_sending_and_keeping(study: Study) -> None:
    original = await received(study)
    for operation in SENDING:
        answer = await study.post(f"messages/{original.id}/{operation}", token="user-without-permission")
        assert answer.error == (403, "ErrorAccessDenied")
    for operation in CREATING:
        answer = await study.post(f"messages/{original.id}/{operation}", token="user")
        assert answer.error == (403, "ErrorAccessDenied")
    assert (await study.post(f"messages/{original.id}/reply", token="user")).status == 202
    denied = {"message": {"from": to("alexw@contoso.com")[0]}}
    assert (await study.post(f"messages/{original.id}/reply", denied)).error == (403, "ErrorSendAsDenied")


@pytest.mark.parametrize("operation", CREATING + SENDING)
async def test_what_is_not_there_is_not_answered(study: Study, operation: str) -> None:
    original = await received(study)
    assert (await study.post(f"messages/x/{operation}")).error == (400, "ErrorInvalidIdMalformed")
    elsewhere = await study.post(f"mailFolders/drafts/messages/{original.id}/{operation}")
    assert elsewhere.error == (404, "ErrorItemNotFound")
    await study.post(f"messages/{original.id}/permanentDelete")
    assert (await study.post(f"messages/{original.id}/{operation}")).error == (404, "ErrorItemNotFound")
    assert (await study.store.read(deliveries.depth))[0] == 0
