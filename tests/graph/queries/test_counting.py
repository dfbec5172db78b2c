"""`/$count` says how many there are in each collection, whatever page was asked for."""

from __future__ import annotations

from typing import Any

import pytest
from tests.graph.study import Study, anyio_backend, open_store, postgres_url, study

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
FILE = {"@odata.type": "#microsoft.graph.fileAttachment", "name": "a.txt", "contentBytes": "YQ=="}
RULE = {"sequence": 1, "actions": {"markAsRead": True}}


async def counted(study: Study, collection: str, query: str = "") -> int:
    answer = await study.get(f"{collection}/$count", query=query)
    assert (answer.status, answer.content_type) == (200, "text/plain"), answer
    return int(answer.body)


@pytest.mark.parametrize(
    ("collection", "entries"),
    [
        ("outlook/masterCategories", [{"displayName": "One"}, {"displayName": "Two"}]),
        (
            "inferenceClassification/overrides",
            [
                {"classifyAs": "other", "senderEmailAddress": {"address": f"{name}@example.com"}}
                for name in ("a", "b")
            ],
        ),
        (
            "mailFolders/inbox/messageRules",
            [{"displayName": "One", **RULE}, {"displayName": "Two", **RULE}],
        ),
        ("mailFolders/inbox/childFolders", [{"displayName": "One"}, {"displayName": "Two"}]),
        ("mailFolders", [{"displayName": "One"}, {"displayName": "Two"}]),
        ("messages/{draft}/attachments", [FILE, {**FILE, "name": "b.txt"}]),
        ("messages/{draft}/extensions", [{"extensionName": "One"}, {"extensionName": "Two"}]),
    ],
)
async def test_each_collection_says_how_many_it_has(
    study: Study, collection: str, entries: list[dict[str, Any]]
) -> None:
    collection = collection.format(draft=(await study.draft()).id)
    before = await counted(study, collection)
    for entry in entries:
        assert (await study.post(collection, entry)).status == 201
    assert await counted(study, collection) == before + 2
    assert await counted(study, collection, "$skip=1&$top=1&$orderby=") == before + 2


async def test_a_filter_counts(study: Study) -> None:
    assert await counted(study, "mailFolders", "$filter=displayName eq 'Inbox'") == 1
    assert await counted(study, "mailFolders", "includeHiddenFolders=true") > await counted(
        study, "mailFolders"
    )
    assert (await study.get("mailFolders/$count", query="$filter=nosuch eq 1")).status == 400
