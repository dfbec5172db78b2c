"""sendMail: who sends, what is submitted, in JSON and in MIME."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any

import pytest
from tests.graph.desk import ADELE, ALEX, Desk
from tests.graph.wrong_requests import GOOD, mime, to

from graphpost.delivery.acceptance.submissions import Submission
from graphpost.mail.message import Address, Item

SEND = "/v1.0/me/sendMail"


def sent(message: dict[str, Any], **parameters: Any) -> Submission:
    desk = Desk()
    reply = desk.post(SEND, {"message": {"toRecipients": to("a@x.org"), **message}, **parameters})
    assert reply.status == 202, reply
    return desk.last


def sent_mime(text: str | bytes, **options: Any) -> Submission:
    desk = Desk()
    reply = desk.post(SEND, mime(text), content_type="text/plain", **options)
    assert reply.status == 202, reply
    return desk.last


def test_a_message_without_author_is_from_its_mailbox() -> None:
    message = sent({}).message
    assert message.from_ == message.sender == Address("AdeleV@contoso.com", "Adele Vance")


@pytest.mark.parametrize("member", ["from", "sender"])
@pytest.mark.parametrize("address", ["ADELEV@contoso.com", "adele@contoso.com"])
def test_an_own_address_may_be_the_author_under_the_mailboxs_name(member: str, address: str) -> None:
    author = {"emailAddress": {"address": address, "name": "The Boss"}}
    message = sent({member: author}).message
    assert message.from_ == message.sender == Address(address, "Adele Vance")


def test_an_application_sends_as_the_mailbox_of_the_path() -> None:
    desk = Desk()
    for path in (
        "/v1.0/users/alexw@CONTOSO.com/sendMail",
        f"/beta/users('{ALEX.object_id.upper()}')/SendMail",
    ):
        assert desk.post(path, GOOD, token="app").status == 202
        assert desk.last.mailbox == ALEX
        assert desk.last.message.from_ == Address(ALEX.address)


@pytest.mark.parametrize("path", ["/v1.0/me/managedDevices/d/users/{}/sendMail", "/beta/users/{}/managedDevices('d')/users/{}/microsoft.graph.sendMail"])  # fmt: skip
@pytest.mark.parametrize("token", ["user", "app"])
def test_the_route_through_a_device_answers_204(path: str, token: str) -> None:
    desk = Desk()
    assert desk.post(path.format(ADELE.address, ADELE.object_id), GOOD, token=token).status == 204
    assert desk.last.mailbox == ADELE


@pytest.mark.parametrize(
    ("given", "saves"),
    [(True, True), (False, False), ("true", True), ("FALSE", False), (" false ", False), (None, True)],
)
def test_a_copy_is_saved_unless_told_otherwise(given: Any, saves: bool) -> None:
    assert sent({}, SaveToSentItems=given).save is saves
    assert sent({}).save is True


def test_the_wrapper_wins_over_stray_members() -> None:
    assert sent({"subject": "inside"}, subject="outside").message.subject == "inside"


def test_a_body_without_wrapper_may_say_whether_to_save() -> None:
    desk = Desk()
    assert desk.post(SEND, {"toRecipients": to("a@x.org"), "savetosentitems": "False"}).status == 202
    assert desk.last.save is False


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/json;odata.metadata=minimal;odata.streaming=False;IEEE754Compatible=False",
        None,
        "",
    ],
)
def test_json_is_known_by_its_media_type_or_its_look(content_type: str | None) -> None:
    assert Desk().post(SEND, b"\xef\xbb\xbf " + GOOD, content_type=content_type).status == 202


def test_five_headers_and_five_hundred_recipients_are_allowed() -> None:
    submission = sent(
        {
            "internetMessageHeaders": [{"name": f"x-h{n}", "value": "v"} for n in range(5)],
            "toRecipients": to(*(f"a{n}@x.org" for n in range(200))),
            "ccRecipients": to(*(f"b{n}@x.org" for n in range(200))),
            "bccRecipients": to(*(f"c{n}@x.org" for n in range(100))),
        }
    )
    assert (len(submission.message.headers), len(submission.message.recipients)) == (5, 500)


@pytest.mark.parametrize(
    "address", ["a+b@x.org", "o'neal@x.org", '"a b"@x.org', "grüße@bücher.example", "root@localhost"]
)
def test_unusual_addresses_are_addresses(address: str) -> None:
    assert sent({"toRecipients": to(address)}).message.to == (Address(address),)


def test_a_large_body_is_read_in_another_thread() -> None:
    seen: list[bool] = []
    desk = Desk()
    real = desk.services.numbers.next

    def watched() -> int:
        seen.append(threading.current_thread() is threading.main_thread())
        return real()

    desk.services.numbers.next = watched  # type: ignore[method-assign]
    for size in (1_000, 400_000):
        data = base64.b64encode(bytes(size)).decode()
        attachments = [{"name": "a", "contentBytes": data}]
        desk.post(SEND, {"message": {"toRecipients": to("a@x.org"), "attachments": attachments}})
    assert seen == [True, False]
    assert [sum(map(len, s.contents.values())) for s in desk.outbox.submissions] == [1_000, 400_000]


def test_the_answer_names_the_message_in_the_queue() -> None:
    desk = Desk()
    for path in (SEND, "/v1.0/me/managedDevices/d/users/AdeleV@contoso.com/sendMail"):
        reply = desk.post(path, GOOD)
        assert reply.headers["x-graphpost-message-id"] == f"{len(desk.outbox.submissions):016x}"
        assert (reply.body, reply.content_type) == (None, "")


# MIME


def test_mime_recipients_are_those_of_its_header() -> None:
    message = sent_mime(
        "To: A <a@x.org>, b@x.org\r\nCc: c@x.org\r\nBcc: d@x.org\r\nSubject: s\r\n\r\nbody"
    ).message
    assert [r.address for r in message.recipients] == ["a@x.org", "b@x.org", "c@x.org", "d@x.org"]
    assert message.subject == "s"


def test_mime_with_bcc_alone_is_sent() -> None:
    message = sent_mime("To: undisclosed-recipients:;\r\nBcc: d@x.org\r\n\r\nbody").message
    assert [r.address for r in message.recipients] == ["d@x.org"]


def test_mime_is_kept_as_it_came_but_for_line_ends_and_what_it_lacks() -> None:
    submission = sent_mime(
        "From: AdeleV@contoso.com\nTo: a@x.org\nX-Odd:  kept\n as it is\nDate: Mon, 5 Jan 2026 10:00:00 +0000\n"
        "Message-ID: <own@x>\n\nline\n\n.dot\n"
    )
    assert submission.message.raw is not None
    data = submission.contents[submission.message.raw.content_id]
    assert data == (
        b"From: AdeleV@contoso.com\r\nTo: a@x.org\r\nX-Odd:  kept\r\n as it is\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\n"
        b"Message-ID: <own@x>\r\n\r\nline\r\n\r\n.dot\r\n"
    )
    assert submission.message.internet_message_id == "<own@x>"


def test_mime_without_author_gets_its_mailboxs() -> None:
    submission = sent_mime("To: a@x.org\r\nSubject: s\r\n\r\nbody")
    assert submission.message.raw is not None
    data = submission.contents[submission.message.raw.content_id]
    assert data.count(b"From:") == 1
    assert b"From: Adele Vance <AdeleV@contoso.com>\r\n" in data
    assert submission.message.from_ == Address("AdeleV@contoso.com", "Adele Vance")


@pytest.mark.parametrize(
    "author",
    [
        "AdeleV@contoso.com",
        "adele@CONTOSO.com (Adele)",
        '"Vance, Adele" <AdeleV@contoso.com>',
        "=?utf-8?Q?Vance=2C_Adele?= <AdeleV@contoso.com>",
        "=?utf-8?B?ZXZpbEB4Lm9yZw==?= <AdeleV@contoso.com>",
        "Adele Vance\r\n <AdeleV@contoso.com>",
        '"<boss@evil.example>" < AdeleV@contoso.com > (or <me>)',
    ],
)
def test_mime_from_an_own_address_is_sent(author: str) -> None:
    sent_mime(f"From: {author}\r\nTo: a@x.org\r\n\r\nbody")


@pytest.mark.parametrize(
    "header",
    [
        "From: boss@evil.example",
        "from : boss@evil.example",
        "FROM:\r\n boss@evil.example",
        "From: AdeleV@contoso.com\nFrom: boss@evil.example",
        "From: AdeleV@contoso.com\rFrom: boss@evil.example",
        "From: AdeleV@contoso.com\r\nsender:\tboss@evil.example",
        "From: them: AdeleV@contoso.com, boss@evil.example;",
        'From: "AdeleV@contoso.com" <boss@evil.example>',
        "From:",
        "From: <AdeleV@contoso.com> <boss@evil.example>",
        "From: <@boss@evil.example:AdeleV@contoso.com>",
        "F\0rom: AdeleV@contoso.com\r\nFr\0om: boss@evil.example",
    ],
)
def test_mime_from_another_address_is_not_sent_however_it_hides(header: str) -> None:
    desk = Desk()
    body = mime(f"To: a@x.org\r\n{header}\r\nSubject: s\r\n\r\nbody")
    reply = desk.post(SEND, body, content_type="text/plain")
    assert (reply.status, desk.outbox.submissions) == (403, [])


def test_a_line_that_is_no_field_ends_the_header_for_every_reader() -> None:
    text = "To: a@x.org\r\nFrom: AdeleV@contoso.com\r\nno field at all\r\nFrom: boss@evil.example\r\n\r\nbody"
    submission = sent_mime(text)
    assert submission.message.raw is not None
    data = submission.contents[submission.message.raw.content_id]
    assert b"\r\n\r\nno field at all\r\nFrom: boss@evil.example\r\n" in data


def test_a_from_line_in_the_body_is_text() -> None:
    sent_mime("To: a@x.org\r\n\r\nFrom: boss@evil.example\r\n")


def test_mime_gets_a_date_and_an_id_when_it_has_none() -> None:
    submission = sent_mime("To: a@x.org\r\n\r\nbody")
    assert submission.message.internet_message_id.startswith("<")
    assert submission.message.internet_message_id.endswith("@contoso.com>")
    assert submission.message.date


def test_mime_loses_reserved_headers() -> None:
    submission = sent_mime("To: a@x.org\r\nX-MS-Exchange-Organization-SCL: -1\r\n\r\nbody")
    assert submission.message.raw is not None
    assert b"Organization" not in submission.contents[submission.message.raw.content_id]


def test_attachments_in_mime_are_slices_of_what_is_stored() -> None:
    data = base64.b64encode(b"attached").decode()
    submission = sent_mime(
        'To: a@x.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
        '--b\r\nContent-Type: application/pdf; name="a.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
        f"Content-Disposition: attachment\r\n\r\n{data}\r\n--b--\r\n"
    )
    (attachment,) = submission.message.attachments
    ref = attachment.content
    assert ref is not None
    assert (ref.encoding, attachment.name, attachment.size) == ("base64", "a.pdf", 8)
    assert submission.contents[ref.content_id][ref.offset : ref.offset + ref.length].strip() == data.encode()


@pytest.mark.parametrize("white", ["\n", "\r\n", " ", "\t", "\r\n\r\n"])
def test_white_space_in_base64_does_not_matter(white: str) -> None:
    text = mime("To: a@x.org\r\nSubject: white\r\n\r\nbody").decode()
    body = white.join(text[n : n + 7] for n in range(0, len(text), 7)) + white
    desk = Desk()
    assert desk.post(SEND, body.encode(), content_type="text/plain; charset=utf-8").status == 202
    assert desk.last.message.subject == "white"


def test_mime_has_a_preview() -> None:
    message = sent_mime("To: a@x.org\r\n\r\nfirst words").message
    assert message.preview == "first words"


def test_who_asks_gets_the_entity_of_a_mime_message() -> None:
    desk = Desk()
    reply = desk.post(
        SEND,
        mime("To: a@x.org\r\nSubject: s\r\n\r\nb"),
        content_type="text/plain",
        prefer="return=representation",
    )
    assert reply.status == 201
    assert isinstance(reply.body, bytes)
    entity = json.loads(reply.body)
    assert entity["subject"] == "s"
    assert entity["@odata.context"].endswith(f"/$metadata#users('{ADELE.object_id}')/messages/$entity")
    assert reply.headers["Location"].endswith(
        f"/users('{ADELE.object_id}')/messages('{entity['id'].replace('=', '%3D')}')"
    )
    assert desk.post(SEND, GOOD, prefer="return=representation").status == 202


def test_the_answer_waits_for_the_submission() -> None:
    class Slow:
        def __init__(self) -> None:
            self.done = False

        async def submit(self, submission: Submission) -> Item:
            self.done = True
            return Item(mailbox_id=1, message_id=1, folder_id=9, message=submission.message)

    desk, slow = Desk(), Slow()
    object.__setattr__(desk.services, "submitter", slow)
    assert desk.post(SEND, GOOD).status == 202
    assert slow.done
