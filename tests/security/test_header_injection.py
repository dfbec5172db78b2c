"""No text of any field puts a header, a line, or a command on the wire."""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.security.conftest import Besieged

from graphpost.testing.smtp_peer import Received

Message = dict[str, Any]
_numbers = itertools.count(1)

EVIL = {
    "crlf": "x\r\nX-Evil: 1",
    "crlf-bcc": "x\r\nBcc: evil@else.test",
    "lf": "x\nX-Evil: 1",
    "cr": "x\rX-Evil: 1",
    "folded": "x\r\n\tX-Evil: 1\r\nX-Evil: 2",
    "nul": "x\0\r\0\nX-Evil: 1",
    "body": "x\r\n\r\nX-Evil: 1\r\n",
    "end": "x\r\n.\r\nMAIL FROM:<evil@else.test>\r\nX-Evil: 1",
    "controls": "x\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029X-Evil: 1\x7f",
    "encoded": "=?utf-8?B?DQpYLUV2aWw6IDE=?=",
    "long": "x" * 2000 + "\r\nX-Evil: 1",
    "quoted": 'x"; name="\r\nX-Evil: 1',
    "boundary": "x\r\n--evil\r\nX-Evil: 1\r\n\r\n",
}


def recipient(**members: str) -> Message:
    return {"emailAddress": members}


def named(field: str, text: str) -> Message:
    return {field: [recipient(address="other@else.test", name=text)]}


def file(**members: Any) -> Message:
    attachment = {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": "a.txt",
        "contentBytes": "eA==",
        **members,
    }
    return {"attachments": [attachment]}


def item(**members: Any) -> Message:
    attachment = {"@odata.type": "#microsoft.graph.itemAttachment", "name": "a", **members}
    return {"attachments": [attachment]}


def reference(**members: Any) -> Message:
    attachment = {
        "@odata.type": "#microsoft.graph.referenceAttachment",
        "name": "a",
        "sourceUrl": "https://else.test/",
        **members,
    }
    return {"attachments": [attachment]}


def inner(**members: Any) -> Message:
    return item(item={"@odata.type": "#microsoft.graph.message", **members})


FIELDS: dict[str, Callable[[str], Message]] = {
    "subject": lambda text: {"subject": text},
    "name of to": lambda text: named("ccRecipients", text),
    "name of bcc": lambda text: named("bccRecipients", text),
    "name of reply-to": lambda text: named("replyTo", text),
    "name of from": lambda text: {"from": recipient(address="AdeleV@contoso.com", name=text)},
    "name of sender": lambda text: {"sender": recipient(address="AdeleV@contoso.com", name=text)},
    "address": lambda text: {"ccRecipients": [recipient(address=text + "@else.test")]},
    "quoted address": lambda text: {"ccRecipients": [recipient(address=f'"{text}"@else.test')]},
    "address of reply-to": lambda text: {"replyTo": [recipient(address=text + "@else.test")]},
    "header value": lambda text: {"internetMessageHeaders": [{"name": "x-good", "value": text}]},
    "header name": lambda text: {"internetMessageHeaders": [{"name": "x-" + text, "value": "v"}]},
    "file name": lambda text: file(name=text),
    "file's content type": lambda text: file(contentType="text/" + text),
    "content id": lambda text: file(contentId=text, isInline=True),
    "content location": lambda text: file(contentLocation=text),
    "item's name": lambda text: item(name=text, item={"@odata.type": "#microsoft.graph.message"}),
    "inner subject": lambda text: inner(subject=text),
    "inner name": lambda text: inner(toRecipients=[recipient(address="a@else.test", name=text)]),
    "inner message id": lambda text: inner(internetMessageId=f"<{text}>"),
    "inner header": lambda text: inner(internetMessageHeaders=[{"name": "x-good", "value": text}]),
    "reference's name": lambda text: reference(name=text),
    "reference's url": lambda text: reference(sourceUrl="https://else.test/" + text),
    "category": lambda text: {"categories": [text]},
    "message id": lambda text: {"internetMessageId": f"<{text}@else.test>"},
    "conversation index": lambda text: {"conversationIndex": base64.b64encode(text.encode()).decode()},
    "content type": lambda text: {"body": {"contentType": text, "content": ""}},
    "importance": lambda text: {"importance": text},
    "extended value": lambda text: {
        "singleValueExtendedProperties": [
            {"id": "String {00020386-0000-0000-C000-000000000046} Name x-good", "value": text}
        ]
    },
    "extended name": lambda text: {
        "singleValueExtendedProperties": [
            {"id": "String {00020386-0000-0000-C000-000000000046} Name x-" + text, "value": "v"}
        ]
    },
}


def delivered(besieged: Besieged, to: str) -> Received:
    """The message that came for that address."""
    while True:
        came = list(besieged.relay.messages)
        for message in came:
            if to in message.recipients:
                return message
        besieged.relay.wait_for_messages(len(came) + 1)


def check(message: Received) -> None:
    data = message.data
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", data), "a bare CR, LF or NUL"
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert not re.search(rb"(?im)^(x-evil|bcc|mail from|--evil)", data), data.decode("latin-1")
    assert "evil@else.test" not in message.recipients
    assert len(message.recipients) <= 2
    head = data.partition(b"\r\n\r\n")[0]
    for line in head.split(b"\r\n"):
        assert re.match(rb"[ \t]+\S|[!-9;-~]+: ?", line), line


@pytest.mark.parametrize("field", FIELDS)
def test_no_field_reaches_the_wire_as_a_header(besieged: Besieged, field: str) -> None:
    sent = []
    for payload in EVIL.values():
        to = f"u{next(_numbers)}@else.test"
        message = {"subject": "s", "toRecipients": [recipient(address=to)], **FIELDS[field](payload)}
        answer = besieged.target.post("/v1.0/me/sendMail", {"message": message})
        assert answer.status in (202, 400), answer.body
        assert "x-evil" not in answer.headers
        if answer.status == 202:
            sent.append(to)
    for to in sent:
        check(delivered(besieged, to))
    assert b"X-Evil: 1" not in b"\r\n".join(command.encode() for command in besieged.relay.commands)


MIME = {
    "a bare CR": b"Subject: a\rBcc: evil@else.test\r\n",
    "a bare LF": b"Subject: a\nBcc: evil@else.test\r\n",
    "a NUL before a colon": b"Bc\0c: evil@else.test\r\n",
    "a space before a colon": b"Bcc : evil@else.test\r\n",
    "a folded one": b"Bcc:\r\n evil@else.test\r\n",
    "upper case": b"BCC: evil@else.test\r\n",
    "an end of data": b"Subject: a\r\n.\r\nMAIL FROM:<evil@else.test>\r\n",
    "a resent one": b"Resent-Bcc: evil@else.test\r\n",
}


@pytest.mark.parametrize("case", MIME)
def test_no_mime_shows_its_bcc_nor_ends_the_data(besieged: Besieged, case: str) -> None:
    to = f"u{next(_numbers)}@else.test"
    data = (
        b"From: AdeleV@contoso.com\r\nTo: " + to.encode() + b"\r\n" + MIME[case] + b"\r\n.\r\nbody\r\n..\r\n"
    )
    headers = {
        "Authorization": f"Bearer {besieged.target.token('user')}",
        "Content-Type": "text/plain",
    }
    answer = besieged.target.wire.request("POST", "/v1.0/me/sendMail", headers, base64.b64encode(data))
    assert answer.status in (202, 400), answer.body
    if answer.status == 202:
        message = delivered(besieged, to)
        assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", message.data)
        assert not re.search(rb"(?im)^(resent-)?bcc\s*:", message.data), message.data
        assert b"\r\n.\r\nbody\r\n..\r\n" in message.data
    assert not [command for command in besieged.relay.commands if command == "MAIL FROM:<evil@else.test>"]


def test_a_body_of_lines_with_dots_arrives_as_it_is(besieged: Besieged) -> None:
    to = f"u{next(_numbers)}@else.test"
    content = "one\n.\nMAIL FROM:<evil@else.test>\r\n..\r\n.x\rfrom\n\nFrom x"
    body = {"contentType": "Text", "content": content}
    message = {"toRecipients": [recipient(address=to)], "body": body}
    assert besieged.target.post("/v1.0/me/sendMail", {"message": message}).status == 202
    import email
    import email.policy

    received = email.message_from_bytes(delivered(besieged, to).data, policy=email.policy.SMTP)
    wanted = re.sub(r"\r\n|\r|\n", "\n", content)
    assert received.get_content().replace("\r\n", "\n").rstrip("\n") == wanted
    assert "MAIL FROM:<evil@else.test>" not in besieged.relay.commands


def test_what_is_stored_is_given_back_as_data_not_as_headers(besieged: Besieged) -> None:
    to = f"u{next(_numbers)}@else.test"
    message = {"subject": EVIL["crlf"], "toRecipients": [recipient(address=to)]}
    assert besieged.target.post("/v1.0/me/sendMail", {"message": message}).status == 202
    delivered(besieged, to)
    target = (
        "/v1.0/users/AdeleV@contoso.com/mailFolders/sentitems/messages?$top=1&$orderby=sentDateTime%20desc"
    )
    answer = besieged.target.get(target)
    (shown,) = json.loads(answer.body)["value"]
    assert "x-evil" not in answer.headers
    value = besieged.target.get(f"/v1.0/users/AdeleV@contoso.com/messages/{shown['id']}/$value")
    assert not re.search(rb"(?m)^X-Evil", value.body)
