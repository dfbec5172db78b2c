"""Attachments added to drafts and deleted: what is there afterwards, and what is refused."""

from __future__ import annotations

import threading
from base64 import b64decode, b64encode
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from tests.conformance.drafting import Draft, new_draft
from tests.conformance.targets import ADELE, OwnTarget
from tests.conformance.wire import Wire

from graphpost.ids import attachment_id_text, message_id_text, parse_item_id

FILE = "#microsoft.graph.fileAttachment"
LARGE = bytes(range(256)) * 4000
MIME = (
    b"From: AdeleV@contoso.com\r\nTo: zoe@remote.example\r\nSubject: As it came\r\nX-Own: kept\r\n"
    b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n'
    b"Hello\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
    b"Content-Disposition: attachment; filename=first.bin\r\n\r\nAAECAw==\r\n--b--\r\n"
)


@pytest.fixture
def make(own: OwnTarget) -> Callable[..., Draft]:
    """Makes drafts of Adele's."""

    def made(**changes: object) -> Draft:
        return Draft(own, ADELE, new_draft(own.server, ADELE, **changes))  # type: ignore[arg-type]

    return made


@pytest.fixture
def draft(make: Callable[..., Draft]) -> Draft:
    return make()


def file(name: str, data: bytes) -> dict[str, object]:
    return {"@odata.type": FILE, "name": name, "contentBytes": b64encode(data).decode()}


def files_of(mime: bytes) -> dict[str | None, bytes]:
    letter = message_from_bytes(mime, policy=policy.default)
    assert isinstance(letter, EmailMessage)
    return {part.get_filename(): part.get_content() for part in letter.iter_attachments()}


@pytest.mark.parametrize("data", [b"", b"hello", LARGE], ids=len)
def test_a_file_is_attached_and_read_back(draft: Draft, data: bytes) -> None:
    before = draft.entity()
    answer = draft.add(**file("a.txt", data), contentId="<logo>", isInline=False)
    assert answer.status == 201
    made = answer.json
    assert made["@odata.context"].endswith("/attachments/$entity")
    assert (made["@odata.type"], made["name"], made["contentType"]) == (FILE, "a.txt", "text/plain")
    assert (made["size"], made["contentId"], made["isInline"]) == (len(data), "logo", False)
    assert b64decode(made["contentBytes"]) == data
    location = answer.headers["location"].removeprefix(draft.own.wire.host.join(("https://", "")))
    assert draft.ask("GET", location).json["id"] == made["id"]
    assert draft.value(made["id"]) == data
    after = draft.entity()
    assert after["hasAttachments"] is True
    assert after["changeKey"] != before["changeKey"]
    assert after["lastModifiedDateTime"] >= before["lastModifiedDateTime"]


def test_an_inline_picture_does_not_make_a_message_have_attachments(draft: Draft) -> None:
    assert draft.add(**file("l.png", b"x"), isInline=True, contentId="l").status == 201
    assert draft.entity()["hasAttachments"] is False


def test_a_message_is_attached(draft: Draft) -> None:
    item = {"@odata.type": "microsoft.graph.message", "subject": "Inside", "body": {"content": "Deep"}}
    answer = draft.add(**{"@odata.type": "#Microsoft.OutlookServices.ItemAttachment"}, name="In", item=item)
    assert (answer.status, answer.json["@odata.type"]) == (201, "#microsoft.graph.itemAttachment")
    assert b"Subject: Inside" in draft.value(answer.json["id"])


def test_a_reference_is_attached(draft: Draft) -> None:
    body = {
        "@odata.type": "#microsoft.graph.referenceAttachment",
        "name": "Link",
        "sourceUrl": "https://example.com/x",
    }
    answer = draft.ask("POST", draft.path.replace("v1.0", "beta") + "/attachments", body)
    assert (answer.status, answer.json["sourceUrl"]) == (201, "https://example.com/x")
    refused = draft.ask("GET", f"{draft.path}/attachments/{answer.json['id']}/$value")
    assert refused.status == 405


def test_an_attachment_is_deleted_and_its_id_names_nothing_again(draft: Draft) -> None:
    first, second = (draft.add(**file(name, LARGE)).json["id"] for name in ("1", "2"))
    path = f"{draft.path}/attachments/{second}"
    gone = draft.ask("DELETE", path)
    assert (gone.status, gone.body) == (204, b"")
    assert draft.ask("DELETE", path).error[:2] == (404, "ErrorItemNotFound")
    third = draft.add(**file("3", b"3")).json["id"]
    assert third != second
    assert draft.ask("GET", path).status == 404
    assert [each["id"] for each in draft.attachments()] == [first, third]
    for number in (first, third):
        assert draft.ask("DELETE", f"{draft.path}/attachments/{number}").status == 204
    assert draft.entity()["hasAttachments"] is False


def test_what_was_stored_of_a_deleted_attachment_goes_with_it(draft: Draft) -> None:
    before = draft.own.stored()["contents"]
    made = draft.add(**file("a", b"x")).json["id"]
    assert draft.own.stored()["contents"] == before + 1
    draft.ask("DELETE", f"{draft.path}/attachments/{made}")
    assert draft.own.stored()["contents"] == before


def test_attachments_added_at_the_same_time_are_all_there(draft: Draft) -> None:
    own, names = draft.own, {f"file {number}" for number in range(12)}
    own.token("reader")
    failures = []

    def add(name: str) -> None:
        wire = Wire(own.server.url, own.trust)
        mine = Draft(OwnTarget(own.server), draft.box, draft.id)
        mine.own.wire, mine.own._tokens = wire, own._tokens
        if mine.add(**file(name, name.encode())).status != 201:
            failures.append(name)
        wire.close()

    threads = [threading.Thread(target=add, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {each["name"]: b64decode(each["contentBytes"]) for each in draft.attachments()} == {
        name: name.encode() for name in names
    }


def test_a_draft_that_came_as_mime_is_composed_anew_with_what_it_had(make: Callable[..., Draft]) -> None:
    draft = make(mime=MIME)
    assert draft.ask("GET", f"{draft.path}/$value").body.startswith(b"From: AdeleV")
    added = draft.add(**file("second.bin", b"second")).json["id"]
    mime = draft.ask("GET", f"{draft.path}/$value").body
    assert files_of(mime) == {"first.bin": b"\0\1\2\3", "second.bin": b"second"}
    letter = message_from_bytes(mime, policy=policy.default)
    assert (letter["subject"], letter["x-own"], len(letter.get_all("to"))) == ("As it came", "kept", 1)
    first = next(each["id"] for each in draft.attachments() if each["name"] == "first.bin")
    assert draft.ask("DELETE", f"{draft.path}/attachments/{first}").status == 204
    assert files_of(draft.ask("GET", f"{draft.path}/$value").body) == {"second.bin": b"second"}
    assert draft.value(added) == b"second"


@pytest.mark.parametrize("method", ["POST", "session", "DELETE"])
def test_only_drafts_are_changed(make: Callable[..., Draft], draft: Draft, method: str) -> None:
    sent = make(is_draft=False)
    if method == "POST":
        answer = sent.add(**file("a", b"x"))
    elif method == "session":
        answer = sent.begin(5)
    else:
        made = draft.add(**file("a", b"x")).json["id"]
        other = draft.ask("DELETE", f"{sent.path}/attachments/{made}")
        assert other.error[:2] == (404, "ErrorItemNotFound")
        answer = sent.ask("DELETE", f"{sent.path}/attachments/{own_id(sent)}")
    assert answer.error[:2] == (400, "ErrorInvalidRequest")
    assert sent.attachments() == []


def own_id(draft: Draft) -> str:
    """An attachment id of that message."""
    key = parse_item_id(draft.id)
    return attachment_id_text(key.mailbox, key.message_id, 0, 1)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "RequestBodyRead"),
        ({"@odata.type": "#microsoft.graph.event"}, "RequestBodyRead"),
        ({"@odata.type": FILE, "name": "a"}, "ErrorRequiredPropertyMissing"),
        ({"@odata.type": FILE, "name": "a", "contentBytes": "?"}, "RequestBodyRead"),
        (
            {"@odata.type": "#microsoft.graph.referenceAttachment", "name": "a"},
            "ErrorRequiredPropertyMissing",
        ),
        ({"@odata.type": "#microsoft.graph.itemAttachment", "name": "a"}, "ErrorRequiredPropertyMissing"),
    ],
)
def test_what_is_no_attachment_is_refused(draft: Draft, body: dict[str, str], code: str) -> None:
    assert draft.add(**body).error[:2] == (400, code)
    assert draft.attachments() == []


def test_an_attachment_is_not_added_through_another_folder_or_to_what_is_gone(draft: Draft) -> None:
    path = f"/v1.0/users/{ADELE}/mailFolders/inbox/messages/{draft.id}/attachments"
    assert draft.ask("POST", path, file("a", b"x")).error[:2] == (404, "ErrorItemNotFound")
    key = parse_item_id(draft.id)
    missing = Draft(draft.own, ADELE, message_id_text(key.mailbox, 12345, 0))
    assert missing.add(**file("a", b"x")).error[:2] == (404, "ErrorItemNotFound")


def test_reading_permission_does_not_attach(draft: Draft) -> None:
    answer = draft.ask("POST", f"{draft.path}/attachments", file("a", b"x"), token="user")
    assert answer.error[:2] == (403, "ErrorAccessDenied")
