"""Extended properties over requests: expanded by id, computed, set on drafts and sent messages; answered marks."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.graph.study import (
    Study,
    anyio_backend,
    open_store,
    postgres_url,
    study,
    to,
)

from graphpost.clock import to_text
from graphpost.graph.bodies.extended import normalise_property_id
from graphpost.graph.messages.computed import COMPUTED

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
SINGLE = "singleValueExtendedProperties"
MULTI = "multiValueExtendedProperties"
NAMED = "String {00020329-0000-0000-C000-000000000046} Name Key"
MIME = (
    b"From: AdeleV@contoso.com\r\nTo: zoe@one.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"In-Reply-To: <a@b.c>\r\nReferences: <z@b.c> <a@b.c>\r\nMessage-ID: <m@b.c>\r\n\r\nHello\r\n"
)


async def values(study: Study, path: str, *ids: str, collection: str = SINGLE) -> dict[str, Any]:
    """The properties of a message by their id as it is shown."""
    condition = " or ".join(f"id eq '{each}'" for each in ids)
    entity = (await study.get(path, query=f"$expand={collection}($filter={condition})")).json
    return {each["id"]: each["value"] for each in entity.get(collection, [])}


async def last_answered(study: Study, number: str) -> list[str]:
    found = await values(study, f"messages/{number}", "Integer 0x1080", "Integer 0x1081", "SystemTime 0x1082")
    return [found[each] for each in sorted(found)]


def test_the_ids_of_computed_properties_are_normal() -> None:
    assert [normalise_property_id(each) for each in COMPUTED] == list(COMPUTED)


async def test_those_asked_for_are_expanded_in_one_message_and_in_lists(study: Study) -> None:
    single = [
        {"id": NAMED, "value": "x"},
        {"id": "Integer 0x0036", "value": "2"},
        {"id": "Long 0x5", "value": "1"},
    ]
    multi = [{"id": "StringArray 0x0045", "value": ["a", "b"]}]
    made = await study.draft(**{SINGLE: single, MULTI: multi})
    assert SINGLE not in made.json
    asked = ("integer 0x36", NAMED.lower().replace("key", "Key").replace("name", "Name"))
    expected = {"Integer 0x36": "2", NAMED.replace("C000", "c000"): "x"}
    assert await values(study, f"messages/{made.id}", *asked) == expected
    assert await values(study, f"messages/{made.id}", "StringArray 0x45", collection=MULTI) == {
        "StringArray 0x45": ["a", "b"]
    }
    query = f"$expand={SINGLE}($filter=id eq 'Long 0x5'),{MULTI}($filter=id eq 'StringArray 0x45')"
    for path in ("messages", "mailFolders/drafts/messages"):
        (found,) = (await study.get(path, query=query)).json["value"]
        assert found[SINGLE] == [{"id": "Long 0x5", "value": "1"}]
        assert found[MULTI] == [{"id": "StringArray 0x45", "value": ["a", "b"]}]


async def test_what_a_message_is_can_be_asked_for_as_properties(study: Study) -> None:
    made = await study.post("messages", base64.b64encode(MIME), content_type="text/plain")
    found = await values(study, f"messages/{made.id}", *COMPUTED)
    now = to_text(study.clock.now())
    assert found.pop("String 0x7D").startswith(
        "From: AdeleV@contoso.com\r\nTo: zoe@one.test\r\nSubject: =?utf-8?"
    )
    assert int(found.pop("Integer 0xE08")) >= len(MIME)
    assert base64.b64decode(found.pop("Binary 0x71"))[:1] == b"\x01"
    assert found == {
        "String 0x1A": "IPM.Note",
        "String 0x37": "Grüße",
        "SystemTime 0x39": now,
        "SystemTime 0xE06": now,
        "Integer 0xE07": "9",
        "Boolean 0xE1B": "false",
        "String 0x1035": "<m@b.c>",
        "String 0x1039": "<z@b.c> <a@b.c>",
        "String 0x1042": "<a@b.c>",
    }


async def test_what_is_computed_cannot_be_set(study: Study) -> None:
    """Clients that import messages set the flags; a draft is a draft."""
    made = await study.draft(**{SINGLE: [{"id": "Integer 0x0E07", "value": "1"}]})
    assert await values(study, f"messages/{made.id}", "Integer 0xE07") == {"Integer 0xE07": "9"}
    assert made.json["isDraft"] is True


async def test_a_message_without_mime_has_no_transport_headers(study: Study) -> None:
    made = await study.draft()
    assert await values(study, f"messages/{made.id}", "String 0x007D", "String 0x1042") == {}


async def test_they_are_set_on_drafts_and_on_what_was_sent(study: Study) -> None:
    made = await study.draft()
    prefer = {"prefer": 'IdType="ImmutableId"'}
    number = (await study.get(f"messages/{made.id}", **prefer)).json["id"]
    for step in ("draft", "sent"):
        change = {
            SINGLE: [{"id": NAMED, "value": step}],
            MULTI: [{"id": "IntegerArray 0x7", "value": ["1", "2"]}],
        }
        assert (await study.patch(f"messages/{number}", change)).status == 200
        assert list((await values(study, f"messages/{number}", NAMED)).values()) == [step]
        found = await values(study, f"messages/{number}", "IntegerArray 0x7", collection=MULTI)
        assert found == {"IntegerArray 0x7": ["1", "2"]}
        if step == "draft":
            assert (await study.post(f"messages/{number}/send")).status == 202


@pytest.mark.parametrize(
    ("operation", "marks"),
    [("reply", ["261", "102"]), ("replyAll", ["261", "103"]), ("forward", ["262", "104"])],
)
async def test_an_answered_message_is_marked_when_the_answer_is_sent(
    study: Study, operation: str, marks: list[str]
) -> None:
    original = await study.draft(subject="Asked")
    before = (await study.get(f"messages/{original.id}")).json
    await study.clock.advance(60)
    message = {"message": {"toRecipients": to("zoe@one.test")}}
    assert (await study.post(f"messages/{original.id}/{operation}", message)).status == 202
    assert await last_answered(study, original.id) == [*marks, to_text(study.clock.now())]
    after = (await study.get(f"messages/{original.id}")).json
    assert after["changeKey"] != before["changeKey"]
    assert {**after, "changeKey": "", "@odata.etag": "", "lastModifiedDateTime": ""} == {
        **before,
        "changeKey": "",
        "@odata.etag": "",
        "lastModifiedDateTime": "",
    }


async def test_a_draft_of_an_answer_marks_it_when_it_is_sent_and_the_last_one_counts(study: Study) -> None:
    original = await study.draft(subject="Asked")
    reply = await study.post(
        f"messages/{original.id}/createReply", {"message": {"toRecipients": to("zoe@one.test")}}
    )
    forward = await study.post(f"messages/{original.id}/createForward", {"toRecipients": to("yan@one.test")})
    assert (reply.status, forward.status) == (201, 201)
    assert await last_answered(study, original.id) == []
    await study.post(f"messages/{forward.id}/send")
    assert (await last_answered(study, original.id))[:2] == ["262", "104"]
    await study.post(f"messages/{reply.id}/send")
    assert (await last_answered(study, original.id))[:2] == ["261", "102"]


async def test_an_answer_in_mime_marks_it_too(study: Study) -> None:
    original = await study.draft(subject="Asked")
    answer = await study.post(
        f"messages/{original.id}/reply", base64.b64encode(MIME), content_type="text/plain"
    )
    assert answer.status == 202
    assert (await last_answered(study, original.id))[:2] == ["261", "102"]


async def test_an_answer_is_sent_when_what_it_answers_is_gone(study: Study) -> None:
    original = await study.draft(subject="Asked")
    reply = await study.post(
        f"messages/{original.id}/createReply", {"message": {"toRecipients": to("zoe@one.test")}}
    )
    assert (await study.post(f"messages/{original.id}/permanentDelete")).status == 204
    assert (await study.post(f"messages/{reply.id}/send")).status == 202
    assert await study.subjects("sentitems") == ["RE: Asked"]
