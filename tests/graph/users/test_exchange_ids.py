"""Ids go from any of Exchange's formats to any other and back, within one mailbox."""

from __future__ import annotations

from typing import Any

import pytest
from tests.graph.desk import ALEX
from tests.graph.study import Study, anyio_backend, open_store, postgres_url, study

from graphpost.graph.users.exchange_ids import FORMATS, MAX_IDS
from graphpost.ids import attachment_id_text, message_id_text

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
IMMUTABLE = {"prefer": 'IdType="ImmutableId"'}


async def translate(study: Study, ids: list[str], source: str = "restId", target: str = "ewsId") -> Any:
    body = {"InputIds": ids, "sourceIdType": source, "TargetIdType": target}
    answer = await study.post("translateExchangeIds", body)
    assert answer.status == 200, answer
    assert answer.json["@odata.context"].endswith("/$metadata#Collection(microsoft.graph.convertIdResult)")
    return answer.json["value"]


async def test_an_id_becomes_immutable_and_back_again(study: Study) -> None:
    made = await study.draft()
    fixed = (await study.get(f"messages/{made.id}", **IMMUTABLE)).id
    assert await translate(study, [made.id], "restId", "restImmutableEntryId") == [
        {"sourceId": made.id, "targetId": fixed}
    ]
    moved = (await study.post(f"messages/{made.id}/move", {"destinationId": "archive"})).id
    assert [
        each["targetId"] for each in await translate(study, [fixed, moved], "RestImmutableEntryId", "restid")
    ] == [
        moved,
        moved,
    ]
    gone = (await translate(study, [made.id]))[0]
    assert (gone["sourceId"], gone["errorDetails"]["code"]) == (made.id, "ErrorItemNotFound")


@pytest.mark.parametrize("target", FORMATS)
async def test_every_format_leads_back(study: Study, target: str) -> None:
    made = await study.draft()
    folder = (await study.get("mailFolders/inbox")).id
    there = [each["targetId"] for each in await translate(study, [made.id, folder], "restId", target)]
    back = [each["targetId"] for each in await translate(study, there, target, "restId")]
    assert back == [made.id, folder]
    assert ("_" in "".join(there) or "-" in "".join(there)) <= (target != "ewsId")


async def test_what_cannot_be_translated_is_told_id_by_id(study: Study) -> None:
    made = await study.draft()
    mine = made.id
    attachment = attachment_id_text("aaaaaaaa-0000-4000-8000-000000000001", 1, 0, 1)
    foreign = message_id_text(ALEX.object_id, 1, 0)
    found = await translate(study, ["nonsense", "", attachment, foreign, mine])
    codes = [each.get("errorDetails", {}).get("code") for each in found]
    malformed = "ErrorInvalidIdMalformed"
    assert codes == [malformed, malformed, malformed, "ErrorItemNotFound", None]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"InputIds": [], "SourceIdType": "restId"}, "RequestBodyRead"),
        ({"InputIds": [], "TargetIdType": "restId"}, "RequestBodyRead"),
        ({"InputIds": [], "SourceIdType": "restId", "TargetIdType": "any"}, "RequestBodyRead"),
        ({"InputIds": [5], "SourceIdType": "restId", "TargetIdType": "restId"}, "RequestBodyRead"),
        ({"InputIds": "x", "SourceIdType": "restId", "TargetIdType": "restId"}, "RequestBodyRead"),
        (
            {"InputIds": ["x"] * (MAX_IDS + 1), "SourceIdType": "restId", "TargetIdType": "restId"},
            "ErrorInvalidParameter",
        ),
    ],
)
async def test_a_wrong_wish_is_refused(study: Study, body: Any, code: str) -> None:
    assert (await study.post("translateExchangeIds", body)).error == (400, code)
