"""PATCH: every property on a draft and on a message that is none, and what the message is then."""

from __future__ import annotations

import asyncio
import base64
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pytest
from tests.delivery.post import LATER, YES
from tests.graph.desk import ADELE
from tests.graph.study import Study, anyio_backend, open_store, postgres_url, study, to
from tests.store.made import item

from graphpost.errors import BadRequest
from graphpost.graph.messages.patching import Patch
from graphpost.graph.schema import MESSAGE
from graphpost.mail.mailbox import SENT_ITEMS
from graphpost.store.mailbox import folders, messages

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
OK = (200, "")
NOT_SET = (400, "ErrorInvalidPropertySet")
DENIED = (403, "ErrorAccessDenied")
OWN = to("adele@contoso.com")[0]
SHOWN = {"emailAddress": {"name": "adele@contoso.com", "address": "adele@contoso.com"}}
WHEN = {"dateTime": "2026-05-01T12:00:00", "timeZone": "UTC"}
READ_BACK = {"dateTime": "2026-05-01T12:00:00.0000000", "timeZone": "UTC"}
ZOE = [{"emailAddress": {"name": "Zoe", "address": "zoe@two.test"}}]


@dataclass(frozen=True)
class Set:
    """What a value does: on a draft, on others, on others with the permission to change them; and how it reads back."""

    value: Any
    draft: tuple[int, str] = OK
    sent: tuple[int, str] = OK
    advanced: tuple[int, str] = OK
    shown: Any = None  # as it was given, when None


ALWAYS: dict[str, Any] = {}
CONTENT: dict[str, Any] = {"sent": DENIED}
AUTHOR: dict[str, Any] = {"sent": NOT_SET, "advanced": NOT_SET}
NEVER: dict[str, Any] = {"draft": NOT_SET, "sent": NOT_SET, "advanced": NOT_SET}
TABLE: dict[str, Set] = {
    "id": Set("x", **NEVER),
    "createdDateTime": Set("2026-01-01T00:00:00Z", **NEVER),
    "lastModifiedDateTime": Set("2026-01-01T00:00:00Z", **NEVER),
    "changeKey": Set("x", **NEVER),
    "categories": Set(["Red", "Blue"], **ALWAYS),
    "receivedDateTime": Set("2026-01-01T00:00:00Z", **NEVER),
    "sentDateTime": Set("2026-01-01T00:00:00Z", **NEVER),
    "hasAttachments": Set(True, **NEVER),
    "internetMessageId": Set("<mine@contoso.com>", **CONTENT),
    "internetMessageHeaders": Set([{"name": "x-a", "value": "b"}], **NEVER),
    "subject": Set("New", **CONTENT),
    "bodyPreview": Set("New", **NEVER),
    "importance": Set("HIGH", shown="high"),
    "parentFolderId": Set("x", **NEVER),
    "conversationId": Set("x", **NEVER),
    "conversationIndex": Set("AQ==", **NEVER),
    "isDeliveryReceiptRequested": Set(True, **ALWAYS),
    "isReadReceiptRequested": Set(True, **ALWAYS),
    "isRead": Set(False, **ALWAYS),
    "isDraft": Set(False, **NEVER),
    "webLink": Set("https://x.org", **NEVER),
    "mentionsPreview": Set({"isMentioned": True}, **NEVER),
    "mentions": Set([{"mentioned": {"address": "a@x.test"}}], **NEVER),
    "inferenceClassification": Set("other", **ALWAYS),
    "unsubscribeData": Set(["mailto:x@x.org"], **NEVER),
    "unsubscribeEnabled": Set(True, **NEVER),
    "body": Set({"contentType": "text", "content": "New"}, **CONTENT),
    "uniqueBody": Set({"contentType": "text", "content": "New"}, **NEVER),
    "sender": Set(OWN, shown=SHOWN, **AUTHOR),
    "from": Set(OWN, shown=SHOWN, **AUTHOR),
    "toRecipients": Set(ZOE, **CONTENT),
    "ccRecipients": Set(ZOE, **CONTENT),
    "bccRecipients": Set(ZOE, **CONTENT),
    "replyTo": Set(ZOE, **CONTENT),
    "flag": Set({"flagStatus": "flagged"}, **ALWAYS),
    "attachments": Set([], **NEVER),
    "extensions": Set([], **NEVER),
    "singleValueExtendedProperties": Set([{"id": "Integer 0x36", "value": "2"}], shown=[], **ALWAYS),
    "multiValueExtendedProperties": Set([{"id": "StringArray 0x37", "value": ["a"]}], shown=[], **ALWAYS),
}


def test_the_table_has_every_property() -> None:
    assert TABLE.keys() == {each.name for each in MESSAGE.properties.values()}


async def made(study: Study, kind: str) -> str:
    """The id of a draft, or of one that was sent."""
    draft = await study.post("messages", {"toRecipients": to("zoe@one.test")}, prefer='IdType="ImmutableId"')
    if kind != "draft":
        assert (await study.post(f"messages/{draft.id}/send")).status == 202
    return draft.id


@pytest.mark.parametrize("kind", ["draft", "sent", "advanced"])
async def test_every_property_can_be_set_where_the_table_says_so(study: Study, kind: str) -> None:
    token = "user-advanced" if kind == "advanced" else "user-with-everything"
    for name, row in TABLE.items():
        expected = getattr(row, kind)
        key = await made(study, kind)
        before = (await study.get(f"messages/{key}")).json
        answer = await study.patch(f"messages/{key}", {name: row.value}, token=token)
        if expected != OK:
            assert answer.error == expected, name
            message = answer.json["error"]["message"]
            if expected == NOT_SET:
                assert message in ("Set action is invalid for property.", "Message is not draft."), name
            assert (await study.get(f"messages/{key}")).json == before
            continue
        assert answer.status == 200, name
        found = (await study.get(f"messages/{key}", query=f"$select={name}" if row.shown != [] else "")).json
        assert found["@odata.etag"] not in ("", before["@odata.etag"]), name
        if row.shown != []:
            assert found[name] == (row.value if row.shown is None else row.shown), name


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"subject": "A"}, {"subject": None}, {"subject": ""}),
        ({"toRecipients": ZOE}, {"toRecipients": None}, {"toRecipients": []}),
        ({"toRecipients": ZOE}, {"toRecipients": []}, {"toRecipients": []}),
        ({"ccRecipients": ZOE}, {"toRecipients": ZOE}, {"ccRecipients": ZOE, "toRecipients": ZOE}),
        ({"categories": ["A", "B"]}, {"categories": ["C"]}, {"categories": ["C"]}),
        ({"categories": ["A"]}, {"categories": None}, {"categories": []}),
        ({"importance": "high"}, {"importance": ""}, {"importance": "high"}),
        ({"importance": "high"}, {"importance": None}, {"importance": "normal"}),
        ({"importance": "high"}, {"IMPORTANCE": "Low"}, {"importance": "low"}),
        ({"inferenceClassification": "other"}, {"inferenceClassification": ""}, {"inferenceClassification": "other"}),
        ({"isRead": False}, {"isRead": None}, {"isRead": False}),
        ({"isRead": False}, {"isRead": "true"}, {"isRead": True}),
        ({"from": OWN}, {"from": None}, {"from": None, "sender": None}),
        ({}, {"from": OWN}, {"from": SHOWN, "sender": SHOWN}),
        ({"internetMessageId": "<a@b>"}, {"internetMessageId": None}, {"internetMessageId": "<a@b>"}),
        ({"internetMessageId": "<a@b>"}, {"internetMessageId": "no id"}, {"internetMessageId": "<a@b>"}),
        (
            {"body": {"contentType": "html", "content": "<b>A</b>"}},
            {"body": {"contentType": "", "content": "<i>B</i>"}},
            {"bodyPreview": "B"},
        ),
        ({"body": {"content": "A"}}, {"body": None}, {"bodyPreview": "", "body": {"contentType": "text", "content": ""}}),
        (
            {"body": {"content": "A"}},
            {"subject": "S"},
            {"bodyPreview": "A", "body": {"contentType": "text", "content": "A"}},
        ),
        (
            {"body": {"contentType": "text", "content": "<b>A</b>"}},
            {"body": {"contentType": "html"}},
            {"bodyPreview": "A"},
        ),
        (
            {"flag": {"flagStatus": "flagged", "startDateTime": WHEN}},
            {"flag": {"dueDateTime": WHEN}},
            {"flag": {"flagStatus": "flagged", "dueDateTime": READ_BACK, "startDateTime": READ_BACK}},
        ),
        (
            {"flag": {"flagStatus": "flagged", "startDateTime": WHEN, "dueDateTime": WHEN}},
            {"flag": {"flagStatus": "notFlagged"}},
            {"flag": {"flagStatus": "notFlagged"}},
        ),
        ({"flag": {"flagStatus": "flagged"}}, {"flag": None}, {"flag": {"flagStatus": "notFlagged"}}),
        ({"flag": {"flagStatus": "flagged"}}, {"flag": {"flagStatus": ""}}, {"flag": {"flagStatus": "flagged"}}),
        ({}, {"flag": {"startDateTime": WHEN}}, {"flag": {"flagStatus": "flagged", "startDateTime": READ_BACK}}),
        ({"subject": "A"}, {"@odata.type": "#microsoft.graph.message", "subject@odata.type": "x"}, {"subject": "A"}),
        ({"subject": "A"}, {"subject": "B\r\nBcc: evil@x.org"}, {"subject": "B Bcc: evil@x.org"}),
    ],
)  # fmt: skip
async def test_what_is_given_changes_and_what_is_not_stays(
    study: Study, first: dict[str, Any], second: dict[str, Any], expected: dict[str, Any]
) -> None:
    key = (await study.post("messages", first)).id
    answer = await study.patch(f"messages/{key}", second)
    assert answer.status == 200, answer
    found = (await study.get(f"messages/{key}")).json
    assert found == answer.json
    assert {name: found[name] for name in expected} == expected


async def test_a_due_date_needs_a_start_date_there_or_given(study: Study) -> None:
    key = (await study.post("messages", {})).id
    answer = await study.patch(f"messages/{key}", {"flag": {"dueDateTime": WHEN}})
    assert answer.error == (400, "ErrorInvalidRequest")


async def test_extended_properties_are_set_one_by_one(study: Study) -> None:
    single = "singleValueExtendedProperties"
    ids = "id eq 'Integer 0x36' or id eq 'String 0x1042' or id eq 'String 0x1039'"
    key = (await study.post("messages", {single: [{"id": "Integer 0x36", "value": "1"}]})).id
    for values in ([{"id": "String 0x1042", "value": "<a@b>"}], [{"id": "Integer 0x36", "value": "2"}]):
        assert (await study.patch(f"messages/{key}", {single: values})).status == 200
    query = f"$expand={single}($filter={ids})"
    found = (await study.get(f"messages/{key}", query=query.replace(" ", "%20"))).json[single]
    assert sorted(each["value"] for each in found) == ["2", "<a@b>"]
    assert b"In-Reply-To: <a@b>" in (await study.get(f"messages/{key}/$value")).body


async def test_a_changed_body_changes_the_size_and_the_version_and_the_time(study: Study) -> None:
    key = (await study.draft(body={"content": "A"})).id
    before = (await study.get(f"messages/{key}")).json
    study.clock.jump_to(study.clock.now() + 10_000_000)
    after = (await study.patch(f"messages/{key}", {"body": {"content": "AB"}})).json
    assert after["lastModifiedDateTime"] > before["lastModifiedDateTime"]
    assert after["changeKey"] != before["changeKey"]
    assert after["createdDateTime"] == before["createdDateTime"]
    assert (after["id"], after["parentFolderId"]) == (before["id"], before["parentFolderId"])


async def test_a_patch_that_changes_nothing_makes_no_version(study: Study) -> None:
    draft = await study.draft()
    for body in ({}, {"subject": "Lunch"}, {"toRecipients": to("zoe@one.test")}):
        assert (await study.patch(f"messages/{draft.id}", body)).json["changeKey"] == draft.json["changeKey"]


async def test_reading_state_is_counted(study: Study) -> None:
    keys = [(await study.post("mailFolders/inbox/messages", {"subject": str(n)})).id for n in range(3)]
    assert await study.counts("inbox") == (3, 0)
    for key in keys[:2]:
        await study.patch(f"messages/{key}", {"isRead": False})
    assert await study.counts("inbox") == (3, 2)
    await study.patch(f"mailFolders/inbox/messages/{keys[0]}", {"isRead": True})
    assert await study.counts("inbox") == (3, 1)


async def test_patches_that_come_together_all_count(study: Study) -> None:
    key = (await study.draft()).id
    names = ["subject", "importance", "isRead", "categories", "flag", "body", "bccRecipients", "replyTo"]
    answers = await asyncio.gather(
        *(study.patch(f"messages/{key}", {name: TABLE[name].value}) for name in names)
    )
    assert [answer.status for answer in answers] == [200] * len(names)
    found = (await study.get(f"messages/{key}")).json
    for name in names:
        assert found[name] == (TABLE[name].shown or TABLE[name].value)


async def test_of_conditional_patches_that_come_together_one_wins(study: Study) -> None:
    draft = await study.draft()
    answers = await asyncio.gather(
        *(
            study.patch(f"messages/{draft.id}", {"subject": str(n)}, if_match=draft.json["@odata.etag"])
            for n in range(8)
        )
    )
    assert sorted(answer.status for answer in answers) == [200] + [412] * 7
    (winner,) = [answer.json["subject"] for answer in answers if answer.status == 200]
    assert (await study.get(f"messages/{draft.id}")).json["subject"] == winner


async def test_who_wants_no_answer_gets_none(study: Study) -> None:
    key = (await study.draft()).id
    answer = await study.patch(f"messages/{key}", {"subject": "New"}, prefer="return=minimal")
    assert (answer.status, answer.body, answer.headers["Preference-Applied"]) == (204, b"", "return=minimal")
    assert (await study.get(f"messages/{key}")).json["subject"] == "New"


async def test_an_author_is_changed_to_an_own_address_only(study: Study) -> None:
    key = (await study.draft()).id
    for name in ("from", "sender"):
        answer = await study.patch(f"messages/{key}", {name: to("AlexW@contoso.com")[0]})
        assert answer.error == (403, "ErrorSendAsDenied")
    assert (await study.patch(f"messages/{key}", {"from": to(ADELE.address)[0]})).status == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"colour": "red"}, "RequestBodyRead"),
        ({"subject": ["A"]}, "RequestBodyRead"),
        ({"isRead": "perhaps"}, "RequestBodyRead"),
        ({"importance": "huge"}, "RequestBodyRead"),
        ({"toRecipients": to("nobody")}, "ErrorInvalidRecipients"),
        ({"subject": "B", "isDraft": False}, "ErrorInvalidPropertySet"),
        ({"flag": {"startDateTime": {"dateTime": "soon"}}}, "RequestBodyRead"),
        ({"singleValueExtendedProperties": [{"id": "x", "value": "y"}]}, "ErrorInvalidExtendedProperty"),
        ({"subject": "s" * 300_000}, "ErrorMessageSizeExceeded"),
        ({"categories": ["c" * 300_000]}, "ErrorMessageSizeExceeded"),
        (
            {"from": {"emailAddress": {"address": ADELE.address, "name": "n" * 300_000}}},
            "ErrorMessageSizeExceeded",
        ),
        ({"categories": [f"{n}" for n in range(60_000)]}, "ErrorMessageSizeExceeded"),
    ],
)
async def test_a_fault_leaves_the_message_as_it_was(study: Study, body: dict[str, Any], code: str) -> None:
    draft = await study.draft()
    assert (await study.patch(f"messages/{draft.id}", body)).error == (400, code)
    assert (await study.get(f"messages/{draft.id}")).json["changeKey"] == draft.json["changeKey"]


async def size_of(study: Study) -> int:
    return await study.store.read(lambda tx: folders.size_of(tx, ADELE.mailbox_id))


async def test_what_is_added_request_by_request_has_a_bound_and_a_weight(study: Study) -> None:
    """A message that has more than a header may could not be read any more; and a mailbox has all of it."""
    key = (await study.draft()).id
    before = await size_of(study)
    texts: list[Any] = ["x" * 100_000, ["x"] * 50_000, "x" * 100_000]
    for number, value in enumerate(texts):
        is_one = isinstance(value, str)
        name = f"String{'' if is_one else 'Array'} {{00020329-0000-0000-C000-000000000046}} Name n{number}"
        body = {f"{'single' if is_one else 'multi'}ValueExtendedProperties": [{"id": name, "value": value}]}
        answer = await study.patch(f"messages/{key}", body)
        assert answer.status == (200 if number < 2 else 400)
    assert answer.error == (400, "ErrorMessageSizeExceeded")
    assert 200_000 < await size_of(study) - before < 200_200
    full = await size_of(study)
    for categories, more in ((["Red", "Blue"], 9), ([], 0)):
        await study.patch(f"messages/{key}", {"categories": categories})
        assert await size_of(study) - full == more


@pytest.mark.parametrize(
    ("categories", "is_taken"),
    [
        ((), True),
        (("c" * 300,), True),
        (("d" * 299,), True),
        (("c" * 300, "d"), False),
        (("e" * 301,), False),
    ],
)
async def test_what_a_message_has_too_much_of_from_before_can_become_less(
    categories: tuple[str, ...], is_taken: bool
) -> None:
    patch = Patch({"categories": lambda old: categories}, (), {}, most_marks=100)
    with nullcontext() if is_taken else pytest.raises(BadRequest):
        assert patch.apply(item(categories=("d" * 300,)), 1).message.categories == categories


async def test_a_large_body_is_kept_whole(study: Study) -> None:
    key, text = (await study.draft()).id, "Ä<b>ö</b>" * 100_000
    await study.patch(f"messages/{key}", {"body": {"content": text}})
    found = (await study.get(f"messages/{key}")).json
    assert (found["body"]["content"], len(found["bodyPreview"])) == (text, 255)


async def attempts(study: Study, number: int) -> list[bytes]:
    await study.office.until_attempts(study.office.one, number)
    return [data for _, _, data in study.office.one.taken]


@pytest.mark.parametrize("form", ["JSON", "MIME"])
async def test_what_waits_for_another_attempt_goes_out_as_it_was_sent(study: Study, form: str) -> None:
    study.office.one.says(LATER, LATER, YES)
    await study.office.worker.start()
    if form == "JSON":
        message = {"subject": "As sent", "toRecipients": to("zoe@one.test"), "body": {"content": "Before"}}
        assert (await study.post("sendMail", {"message": message})).status == 202
    else:
        data = b"From: AdeleV@contoso.com\r\nTo: zoe@one.test\r\nSubject: As sent\r\n\r\nBefore\r\n"
        answer = await study.post("sendMail", base64.b64encode(data), content_type="text/plain")
        assert answer.status == 202
    (first,) = await attempts(study, 1)
    (sent,) = (await study.get("mailFolders/sentitems/messages")).json["value"]
    for change in (
        {"importance": "high", "isReadReceiptRequested": True},
        {"subject": "Changed", "body": {"content": "After"}, "toRecipients": to("yan@one.test")},
    ):
        changed = await study.patch(f"messages/{sent['id']}", change, token="user-advanced")
        assert changed.status == 200
        await study.clock.advance(400)
        study.office.worker.forget_holds()
        await study.office.until(lambda: len(study.office.one.taken) >= 2)
    await study.office.until_done()
    taken = await attempts(study, 3)
    assert taken == [first] * 3
    found = (await study.get(f"messages/{sent['id']}")).json
    assert (found["subject"], found["importance"], found["body"]["content"]) == ("Changed", "high", "After")


async def test_what_is_delivered_keeps_nothing_of_before(study: Study) -> None:
    made = await study.draft()
    prefer = {"prefer": 'IdType="ImmutableId"'}
    number = (await study.get(f"messages/{made.id}", **prefer)).json["id"]
    await study.office.worker.start()
    await study.post(f"messages/{number}/send", **prefer)
    await study.office.until_done()
    assert (await study.patch(f"messages/{number}", {"importance": "high"}, **prefer)).status == 200
    (item,) = await study.store.read(lambda tx: messages.find(tx, 1, folder_id=SENT_ITEMS))
    assert item.message.as_sent is None
