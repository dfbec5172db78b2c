"""Drafts: made, read back, and sent once."""

from __future__ import annotations

import asyncio
import base64
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from tests.delivery.post import accepting
from tests.graph.desk import ADELE
from tests.graph.study import Study, anyio_backend, open_store, postgres_url, study, to

from graphpost.clock import SECOND
from graphpost.errors import PreconditionFailed
from graphpost.ids import folder_id_text
from graphpost.store.queue import deliveries

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
IMMUTABLE = {"prefer": 'IdType="ImmutableId"'}
MIME = (
    b"From: AdeleV@contoso.com\r\nTo: zoe@one.test\r\nBcc: bo@one.test\r\nSubject: As MIME\r\nX-Mine: 1\r\n"
    b"Message-ID: <mine@contoso.com>\r\nDate: Mon, 01 Jan 2024 00:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n'
    b'--b\r\nContent-Type: text/csv; name="a.csv"\r\nContent-Disposition: attachment; filename="a.csv"\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\nYSxiCg==\r\n--b--\r\n"
)


async def mime_draft(study: Study, data: bytes = MIME, path: str = "messages") -> Any:
    answer = await study.post(path, base64.b64encode(data), content_type="text/plain")
    assert answer.status == 201, answer
    return answer


async def test_a_draft_is_made_in_drafts_with_all_that_the_server_sets(study: Study) -> None:
    answer = await study.post(
        "messages",
        {
            "subject": "Lunch",
            "body": {"contentType": "HTML", "content": "<p>Soup <b>today</b></p>"},
            "toRecipients": to("zoe@one.test"),
            "importance": "High",
            "id": "mine",
            "isDraft": False,
            "changeKey": "mine",
        },
    )
    made = answer.json
    assert answer.status == 201
    drafts = (await study.get("mailFolders/drafts")).json
    assert (made["isDraft"], made["isRead"], made["parentFolderId"]) == (True, True, drafts["id"])
    assert (made["subject"], made["bodyPreview"], made["importance"]) == ("Lunch", "Soup today", "high")
    assert made["internetMessageId"].endswith("@contoso.com>")
    assert made["id"].startswith("AAMk")
    assert (
        made["createdDateTime"]
        == made["lastModifiedDateTime"]
        == made["receivedDateTime"]
        == made["sentDateTime"]
    )
    assert made["@odata.context"] == (
        f"https://localhost:8443/v1.0/$metadata#users('{ADELE.object_id}')/messages/$entity"
    )
    assert answer.headers["ETag"] == made["@odata.etag"] == f'W/"{made["changeKey"]}"'
    path = answer.headers["Location"].removeprefix("https://localhost:8443")
    found = (await study.get(path)).json
    assert {**found, "@odata.context": None} == {**made, "@odata.context": None}
    assert await study.counts("drafts") == (1, 0)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"from": "AdeleV@contoso.com"}, ("AdeleV@contoso.com", "AdeleV@contoso.com")),
        ({"from": "a@contoso.com", "sender": "b@contoso.com"}, ("a@contoso.com", "b@contoso.com")),
        ({"sender": "b@contoso.com"}, (None, "b@contoso.com")),
    ],
)
async def test_who_is_given_as_from_is_the_sender_too_unless_another_is(
    study: Study, given: dict[str, str], shown: tuple[str | None, ...]
) -> None:
    made = await study.draft(**{name: to(address)[0] for name, address in given.items()})
    people = [made.json[name] for name in ("from", "sender")]
    assert tuple(each and each["emailAddress"]["address"] for each in people) == shown


async def test_a_draft_is_made_in_the_folder_of_the_path(study: Study) -> None:
    for path, folder in (
        ("mailFolders/Drafts/messages", "drafts"),
        ("mailFolders('Inbox')/messages", "inbox"),
    ):
        made = await study.post(path, {"subject": folder, "isRead": False})
        assert made.status == 201
        assert await study.subjects(folder) == [folder]
        assert await study.counts(folder) == (1, 1)


@pytest.mark.parametrize("body", [{}, {"subject": None, "body": None, "toRecipients": None, "flag": None}])
async def test_an_empty_draft_is_a_draft(study: Study, body: dict[str, Any]) -> None:
    made = (await study.post("messages", body)).json
    assert (made["subject"], made["body"]["content"], made["toRecipients"]) == ("", "", [])


async def test_attachments_come_with_the_draft(study: Study) -> None:
    big = bytes(range(256)) * 1000
    made = await study.draft(
        attachments=[
            {
                "@odata.type": "#microsoft.graph.fileAttachment",
                "name": name,
                "contentBytes": base64.b64encode(data).decode(),
            }
            for name, data in (("a.txt", b"small"), ("b.bin", big))
        ]
    )
    assert made.json["hasAttachments"] is True
    found = (await study.get(f"messages/{made.id}/attachments")).json["value"]
    assert [base64.b64decode(each["contentBytes"]) for each in found] == [b"small", big]
    assert (await study.post(f"messages/{made.id}/send")).status == 202
    (sent,) = (await study.get("mailFolders/sentitems/messages", query="$expand=attachments")).json["value"]
    assert [base64.b64decode(each["contentBytes"]) for each in sent["attachments"]] == [b"small", big]


@pytest.mark.parametrize(
    "given", [{}, {"isDeliveryReceiptRequested": None}, {"isDeliveryReceiptRequested": False}]
)
async def test_a_delivery_receipt_is_not_asked_for_unless_it_is(study: Study, given: dict[str, Any]) -> None:
    made = (await study.post("messages", {"subject": "Lunch", **given})).json
    assert made["isDeliveryReceiptRequested"] is False
    assert (await mime_draft(study)).json["isDeliveryReceiptRequested"] is None


async def test_a_mime_draft_keeps_its_bytes(study: Study) -> None:
    made = await mime_draft(study)
    assert (made.json["subject"], made.json["isDraft"], made.json["hasAttachments"]) == (
        "As MIME",
        True,
        True,
    )
    assert made.json["bccRecipients"][0]["emailAddress"]["address"] == "bo@one.test"
    assert (await study.get(f"messages/{made.id}/$value")).body == MIME
    await mime_draft(study, path="mailFolders/inbox/messages")
    assert await study.subjects("inbox") == ["As MIME"]


async def test_a_mime_draft_without_an_author_is_the_mailboxs(study: Study) -> None:
    made = await mime_draft(study, b"Subject: x\r\n\r\nb\r\n")
    assert made.json["from"]["emailAddress"]["address"] == ADELE.address


async def test_a_draft_is_sent_once_and_its_old_id_is_gone(study: Study) -> None:
    made = await study.draft(bccRecipients=to("bo@two.test"), ccRecipients=to("ZOE@one.test"))
    study.clock.jump_to(study.clock.now() + 60 * SECOND)
    sent = await study.post(f"messages/{made.id}/send")
    assert (sent.status, sent.body, sent.content_type) == (202, b"", "")
    assert (await study.get(f"messages/{made.id}")).error == (404, "ErrorItemNotFound")
    assert (await study.post(f"messages/{made.id}/send")).error == (404, "ErrorItemNotFound")
    assert (await study.counts("drafts"), await study.counts("sentitems")) == ((0, 0), (1, 0))
    (copy,) = (await study.get("mailFolders/sentitems/messages")).json["value"]
    assert copy["internetMessageId"] == made.json["internetMessageId"]
    assert (copy["isDraft"], copy["from"]["emailAddress"]["address"]) == (False, ADELE.address)
    assert copy["conversationId"] == made.json["conversationId"]
    assert (
        copy["createdDateTime"] == made.json["createdDateTime"],
        copy["sentDateTime"] > made.json["sentDateTime"],
    ) == (
        True,
        True,
    )
    queued = await study.office.queue()
    assert [(d.destination, [r.address for r in d.recipients]) for d in queued] == [
        ("smtp://one.test:25", ["zoe@one.test"]),
        ("smtp://two.test:25", ["bo@two.test"]),
    ]
    assert sent.headers["x-graphpost-message-id"] == f"{queued[0].message_id:016x}"


async def test_the_immutable_id_outlives_the_sending(study: Study) -> None:
    made = await study.post("messages", {"toRecipients": to("zoe@one.test")}, **IMMUTABLE)
    assert made.headers["Preference-Applied"] == 'IdType="ImmutableId"'
    assert (await study.post(f"messages/{made.id}/send")).status == 202
    found = await study.get(f"messages/{made.id}", **IMMUTABLE)
    sent_items = (await study.get("mailFolders/sentitems")).json["id"]
    assert (found.id, found.json["isDraft"], found.json["parentFolderId"]) == (made.id, False, sent_items)
    assert (await study.post(f"messages/{made.id}/send")).error == (404, "ErrorItemNotFound")
    assert len(await study.office.queue()) == 1


async def test_a_draft_in_sent_items_loses_its_id_too(study: Study) -> None:
    made = await study.post("mailFolders/sentitems/messages", {"toRecipients": to("zoe@one.test")})
    assert (await study.post(f"mailFolders/sentitems/messages/{made.id}/send")).status == 202
    assert (await study.get(f"messages/{made.id}")).error == (404, "ErrorItemNotFound")
    assert await study.counts("sentitems") == (1, 0)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", None),
        (b"", "application/json"),
        (b"{}", "application/json"),
        (b"null", "application/json"),
        (b"", "application/octet-stream"),
        (b"not json", "application/json"),
        (b"aGVsbG8=", "text/plain"),
        (b'{"saveToSentItems": false}', "application/json"),
    ],
)
async def test_a_body_says_nothing_to_send(study: Study, body: bytes, content_type: str | None) -> None:
    made = await study.draft()
    sent = await study.post(f"messages/{made.id}/microsoft.graph.send", body, content_type=content_type)
    assert sent.status == 202
    assert await study.counts("sentitems") == (1, 0)


@pytest.mark.parametrize(
    ("properties", "error"),
    [
        ({"toRecipients": []}, (400, "ErrorInvalidRecipients")),
        ({"toRecipients": to(*(f"u{n}@one.test" for n in range(501)))}, (400, "ErrorInvalidRecipients")),
        ({"from": to("boss@evil.example")[0]}, (403, "ErrorSendAsDenied")),
        ({"sender": to("boss@evil.example")[0]}, (403, "ErrorSendAsDenied")),
        ({"subject": "s" * 262_100}, (400, "ErrorMessageSizeExceeded")),
    ],
)
async def test_what_sendmail_refuses_stays_a_draft(
    study: Study, properties: dict[str, Any], error: tuple[int, str]
) -> None:
    made = await study.draft(**properties)
    await study.patch(f"messages/{made.id}", {"ccRecipients": [], "replyTo": to("r" * 60 + "@one.test")})
    assert (await study.post(f"messages/{made.id}/send")).error == error
    assert (await study.get(f"messages/{made.id}")).json["isDraft"] is True
    assert await study.office.queue() == []


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (b"From: boss@evil.example\r\nTo: zoe@one.test\r\n", (403, "ErrorSendAsDenied")),
        (
            b"From: AdeleV@contoso.com\r\nFrom: boss@evil.example\r\nTo: zoe@one.test\r\n",
            (403, "ErrorSendAsDenied"),
        ),
        (
            b"From: AdeleV@contoso.com\r\nSender:\r\n boss@evil.example\r\nTo: zoe@one.test\r\n",
            (403, "ErrorSendAsDenied"),
        ),
        (
            b"From: AdeleV@contoso.com\r\nresent-from: Boss\r\n <boss@evil.example>\r\nTo: zoe@one.test\r\n",
            (403, "ErrorSendAsDenied"),
        ),
        (
            b"From: AdeleV@contoso.com\r\nResent-Sender: boss@evil.example\r\nTo: zoe@one.test\r\n",
            (403, "ErrorSendAsDenied"),
        ),
        (b"From: AdeleV@contoso.com\r\n", (400, "ErrorInvalidRecipients")),
        (b"From: AdeleV@contoso.com\r\nTo: nobody\r\n", (400, "ErrorInvalidRecipients")),
    ],
)
@pytest.mark.parametrize("padding", [0, 100_000], ids=["in the database", "in a file"])
async def test_any_mime_may_be_kept_but_not_sent(
    study: Study, header: bytes, error: tuple[int, str], padding: int
) -> None:
    made = await mime_draft(study, header + b"Subject: x\r\n\r\n" + b"b\r\n" * padding)
    assert (await study.post(f"messages/{made.id}/send")).error == error
    assert await study.office.queue() == []


async def test_a_draft_arrives_as_it_was_written(study: Study) -> None:
    await study.office.worker.start()
    made = await study.draft(
        body={"contentType": "text", "content": "Soup."}, bccRecipients=to("bo@one.test")
    )
    study.clock.jump_to(study.clock.now() + 3600 * SECOND)
    await study.post(f"messages/{made.id}/send")
    await study.office.until_done()
    ((_, envelope, data),) = study.office.one.taken
    mail = message_from_bytes(data, policy=default)
    assert (envelope.sender, envelope.recipients) == (ADELE.address, ("zoe@one.test", "bo@one.test"))
    assert (mail["message-id"], mail["bcc"]) == (made.json["internetMessageId"], None)
    assert mail["date"].datetime.timestamp() == study.clock.now() // SECOND
    assert mail.get_content().strip() == "Soup."


async def test_a_mime_draft_is_relayed_unchanged_but_for_bcc(study: Study) -> None:
    await study.office.worker.start()
    made = await mime_draft(study)
    assert (await study.patch(f"messages/{made.id}", {"categories": ["Red"], "isRead": False})).status == 200
    assert (await study.post(f"messages/{made.id}/send")).status == 202
    await study.office.until_done()
    ((_, envelope, data),) = study.office.one.taken
    assert data == MIME.replace(b"Bcc: bo@one.test\r\n", b"")
    assert envelope.recipients == ("zoe@one.test", "bo@one.test")


async def test_a_mime_draft_that_was_changed_is_sent_as_it_now_is(study: Study) -> None:
    await study.office.worker.start()
    made = await mime_draft(study)
    changed = await study.patch(f"messages/{made.id}", {"subject": "Anew", "bccRecipients": []})
    assert (changed.json["subject"], changed.json["hasAttachments"]) == ("Anew", True)
    assert b"Subject: Anew" in (await study.get(f"messages/{made.id}/$value")).body
    await study.post(f"messages/{made.id}/send")
    await study.office.until_done()
    ((_, envelope, data),) = study.office.one.taken
    mail = message_from_bytes(data, policy=default)
    assert envelope.recipients == ("zoe@one.test",)
    assert (mail["subject"], mail["x-mine"], mail["message-id"]) == ("Anew", "1", "<mine@contoso.com>")
    (part,) = mail.iter_attachments()
    assert (part.get_filename(), part.get_content()) == ("a.csv", "a,b\n")


async def test_many_sends_of_one_draft_send_it_once(study: Study) -> None:
    made = await study.draft()
    key = (await study.get(f"messages/{made.id}", **IMMUTABLE)).id
    answers = await asyncio.gather(*(study.post(f"messages/{each}/send") for each in [made.id, key] * 8))
    assert sorted(answer.status for answer in answers) == [202] + [404] * 15
    assert len(await study.office.queue()) == 1
    assert (await study.counts("drafts"), await study.counts("sentitems")) == ((0, 0), (1, 0))


async def test_patches_while_it_is_sent_are_in_the_mail_or_refused(study: Study) -> None:
    made = await study.draft(subject="0")
    patches = [study.patch(f"messages/{made.id}", {"subject": str(n)}) for n in range(1, 6)]
    *patched, sent = await asyncio.gather(*patches, study.post(f"messages/{made.id}/send"))
    assert sent.status in (202, 412)
    assert {answer.status for answer in patched} <= {200, 404}
    if sent.status == 202:
        (delivery,) = await study.office.queue()
        assert delivery.subject == max(
            ["0", *(answer.json["subject"] for answer in patched if answer.status == 200)],
            key=int,
        )


@pytest.mark.parametrize("method", ["patch", "send", "move", "copy", "delete", "permanentDelete"])
async def test_a_write_on_an_outdated_version_is_refused(study: Study, method: str) -> None:
    made = await study.draft()
    old = made.json["@odata.etag"]
    new = (await study.patch(f"messages/{made.id}", {"subject": "New"}, if_match=old)).json["@odata.etag"]
    assert new != old

    async def write(tag: str) -> Any:
        path, headers = f"messages/{made.id}", {"if_match": tag}
        match method:
            case "patch":
                return await study.patch(path, {"subject": "Newer"}, **headers)
            case "delete":
                return await study.delete(path, **headers)
            case "move" | "copy":
                return await study.post(f"{path}/{method}", {"destinationId": "inbox"}, **headers)
        return await study.post(f"{path}/{method}", **headers)

    for tag in (old, '"nothing"', 'W/""', old.strip('W/"')):
        answer = await write(tag)
        assert answer.error == (412, "ErrorIrresolvableConflict")
    assert (await study.get(f"messages/{made.id}")).json["@odata.etag"] == new
    assert (await write(f'"x", {new}')).status in (200, 201, 202, 204)


@pytest.mark.parametrize("tag", ["*", "", "bare"])
async def test_a_condition_that_holds_lets_the_write_through(study: Study, tag: str) -> None:
    made = await study.draft()
    given = made.json["changeKey"] if tag == "bare" else tag
    assert (await study.patch(f"messages/{made.id}", {"subject": "New"}, if_match=given)).status == 200


async def test_a_draft_of_somebody_else_is_not_there(study: Study) -> None:
    made = await study.draft()
    for method, path in (("POST", "/send"), ("PATCH", ""), ("DELETE", ""), ("POST", "/permanentDelete")):
        answer = await study.ask(
            method,
            f"/v1.0/users/AlexW@contoso.com/messages/{made.id}{path}",
            {"subject": "x"},
            token="app-with-everything",
        )
        assert answer.error == (404, "ErrorItemNotFound")
    assert (await study.get(f"messages/{made.id}")).status == 200


async def test_the_printed_placeholder_is_no_id(study: Study) -> None:
    for path in ("messages/{id}/send", "messages/%7Bid%7D/send"):
        assert (await study.post(path)).error == (400, "ErrorInvalidIdMalformed")


async def test_what_is_lost_at_acceptance_stays_a_draft(study: Study) -> None:
    made = await study.draft()
    study.office.store.breaks = accepting
    assert (await study.post(f"messages/{made.id}/send")).error == (503, "ServiceUnavailable")
    study.office.store.breaks = lambda fn: None
    assert (await study.get(f"messages/{made.id}")).json["isDraft"] is True
    assert (await study.store.read(deliveries.depth))[0] == 0
    assert await study.counts("sentitems") == (0, 0)


async def test_a_draft_that_changes_faster_than_it_can_be_sent_is_a_conflict(study: Study) -> None:
    made = await study.draft()
    await study.office.worker.start()
    study.office.store.breaks = lambda fn: PreconditionFailed("changed") if accepting(fn) else None
    assert (await study.post(f"messages/{made.id}/send")).error == (412, "ErrorIrresolvableConflict")
    assert study.office.store.broke == 10
    study.office.store.breaks = lambda fn: None
    assert (await study.post(f"messages/{made.id}/send")).status == 202
    await study.office.until_done()
    assert len(study.office.one.taken) == 1


@pytest.mark.parametrize("number", [0, 999])
async def test_a_draft_in_a_folder_that_is_gone_is_refused(study: Study, number: int) -> None:
    folder = folder_id_text(ADELE.object_id, number)
    answer = await study.post(f"mailFolders/{folder}/messages", {"subject": "Lost"})
    assert answer.error == (404, "ErrorItemNotFound")
    assert (await study.get("messages")).json["value"] == []
