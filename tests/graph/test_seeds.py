"""Every recorded request is answered as its page says."""

from __future__ import annotations

import json

import pytest
from tests.graph.desk import ADELE, Desk, token_named
from tests.seeds.replay import Recorded, recorded

from graphpost.graph.call import Request


@pytest.mark.parametrize("request_", recorded(), ids=lambda r: r.name)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_a_recorded_request_is_answered_as_its_page_says(request_: Recorded, line_end: bytes) -> None:
    desk = Desk()
    token = token_named("app" if request_.facts.get("as") == "app" else request_.facts["from"])
    reply = desk.send(
        Request(
            method=request_.method,
            path=request_.path,
            query_string="",
            headers=request_.headers | {"authorization": f"Bearer {token}"},
            body=request_.body.replace(b"\n", line_end),
            origin="https://graph.microsoft.com",
            request_id="0f0e0d0c-0b0a-4908-8706-050403020100",
        )
    )
    status = int(request_.facts["status"])
    assert reply.status == status, reply
    if status >= 400:
        assert isinstance(reply.body, bytes)
        error = json.loads(reply.body)["error"]
        assert error["code"] == request_.facts["code"]
        assert error["message"] == request_.facts.get("message", error["message"])
        assert desk.outbox.submissions == []
    else:
        assert len(desk.outbox.submissions) == 1
    if status in (202, 204):
        assert (reply.body, reply.content_type) == (None, "")


def replayed(name: str) -> Desk:
    desk = Desk()
    request = next(r for r in recorded() if r.name == name)
    desk.post(
        request.path, request.body, token=request.facts["from"], content_type=request.headers["content-type"]
    )
    return desk


def test_a_copy_that_is_not_wanted_is_not_kept() -> None:
    assert replayed("001-1-json").last.save is False
    assert replayed("001-2-custom-headers").last.save is True
    assert replayed("001-4-mime").last.save is True


def test_an_attachment_arrives_byte_for_byte() -> None:
    submission = replayed("001-3-attachment").last
    (attachment,) = submission.message.attachments
    assert (attachment.name, attachment.content_type, attachment.size) == ("attachment.txt", "text/plain", 12)
    assert attachment.content is not None
    assert submission.contents[attachment.content.content_id] == b"Hello World!"


def test_a_message_without_its_wrapper_is_the_message() -> None:
    message = replayed("001-5-flagged-unwrapped").last.message
    assert message.subject == "Please respond by Friday"
    assert message.flag.status == "flagged"
    assert message.flag.due is not None
    assert (message.flag.due.date_time, message.flag.due.time_zone) == (
        "2023-09-01T17:00:00",
        "Eastern Standard Time",
    )
    assert message.body.content == ""


def test_mime_of_the_page_keeps_its_bytes_and_is_read() -> None:
    submission = replayed("001-4-mime").last
    message = submission.message
    assert (message.subject, message.to[0].address) == ("Test Message", "AlexW@contoso.com")
    assert message.raw is not None
    data = submission.contents[message.raw.content_id]
    assert b"\r\nSubject:Test Message\r\n" in data
    assert [a.name for a in message.attachments] == ["test.txt"]
    assert message.from_ is not None
    assert message.from_.address == ADELE.address


def test_the_generated_page_without_addresses_is_full_of_ignored_properties() -> None:
    message = replayed("000-with-an-address").last.message
    assert message.subject == "Subject value"
    assert message.body.kind == "text"
    assert message.importance == "normal"
    assert message.internet_message_id == ""
    assert message.headers == ()
    assert message.flag.status == "notFlagged"
    assert message.categories == ("Categories value",)
    assert message.is_read_receipt_requested
