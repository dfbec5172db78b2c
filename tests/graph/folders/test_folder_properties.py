"""Extended properties of folders: set, expanded, computed."""

from __future__ import annotations

from typing import Any

import pytest
from tests.graph.study import (
    Study,
    anyio_backend,
    open_store,
    postgres_url,
    study,
)

from graphpost.graph.bodies.extended import normalise_property_id
from graphpost.graph.folders.properties import COMPUTED, MULTI, SINGLE
from graphpost.store.store import Tx

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
KEY = "String {00020329-0000-0000-c000-000000000046} Name Key"


async def values(study: Study, path: str, *ids: str, collection: str = SINGLE) -> dict[str, Any]:
    condition = " or ".join(f"id eq '{each}'" for each in ids)
    found = await study.get(path, query=f"$expand={collection}($filter={condition})")
    assert found.status == 200, found
    return {each["id"]: each["value"] for each in found.json.get(collection, [])}


def test_the_ids_of_computed_properties_are_normal() -> None:
    assert [normalise_property_id(each) for each in COMPUTED] == list(COMPUTED)


async def test_they_are_set_when_a_folder_is_made_and_later(study: Study) -> None:
    body = {
        "displayName": "Mine",
        SINGLE: [{"id": KEY, "value": "a"}, {"id": "Integer 0x0005", "value": "1"}],
        MULTI: [{"id": "StringArray 0x6", "value": ["x", "y"]}],
    }
    made = await study.post("mailFolders", body)
    path = f"mailFolders/{made.id}"
    assert await values(study, path, KEY, "Integer 0x5") == {KEY: "a", "Integer 0x5": "1"}
    assert await values(study, path, "StringArray 0x6", collection=MULTI) == {"StringArray 0x6": ["x", "y"]}
    changed = await study.patch(path, {SINGLE: [{"id": KEY, "value": "b"}]})
    assert (changed.status, changed.json["displayName"]) == (200, "Mine")
    assert changed.json["@odata.etag"] != made.json["@odata.etag"]
    assert await values(study, path, KEY, "Integer 0x5") == {KEY: "b", "Integer 0x5": "1"}
    both = await study.patch(path, {"displayName": "Ours", SINGLE: [{"id": KEY, "value": "c"}]})
    assert both.json["displayName"] == "Ours"
    assert await values(study, path, KEY) == {KEY: "c"}


async def test_default_folders_have_them_too_and_lists_expand_them(study: Study) -> None:
    assert (await study.patch("mailFolders/inbox", {SINGLE: [{"id": KEY, "value": "x"}]})).status == 200
    query = f"$top=100&$expand={SINGLE}($filter=id eq '{KEY}'),childFolders"
    found = (await study.get("mailFolders", query=query)).json["value"]
    assert [each["displayName"] for each in found if SINGLE in each] == ["Inbox"]
    assert all("childFolders" in each for each in found)


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        (f"{SINGLE}/Any(ep: ep/id eq '{KEY.lower()}' and ep/value eq 'x')", ["Mine"]),
        (f"{SINGLE}/any(ep: ep/id eq '{KEY}' and ep/value eq 'y')", []),
        (f"{MULTI}/any(ep: ep/id eq 'StringArray 0x0006' and ep/value/any(v: v eq 'b'))", ["Mine"]),
        (f"{SINGLE}/any(ep: ep/id eq 'String 0x3001' and startswith(ep/value,'inb'))", ["Inbox"]),
        (f"{SINGLE}/any(ep: ep/id eq '{KEY}') and displayName eq 'Inbox'", []),
    ],
)
async def test_folders_are_found_by_theirs(study: Study, condition: str, names: list[str]) -> None:
    body = {SINGLE: [{"id": KEY, "value": "x"}], MULTI: [{"id": "StringArray 0x6", "value": ["a", "b"]}]}
    assert (await study.post("mailFolders", {"displayName": "Mine", **body})).status == 201
    found = await study.get("mailFolders", query=f"$filter={condition}")
    assert found.status == 200, found
    assert [each["displayName"] for each in found.json["value"]] == names


@pytest.mark.parametrize(
    "condition",
    [
        f"{SINGLE}/any(ep: ep/id eq 'x')",
        f"{SINGLE}/any(ep: ep/x eq '1')",
        f"{SINGLE} eq 'x'",
        "messages/any()",
    ],
)
async def test_folders_are_found_by_nothing_else(study: Study, condition: str) -> None:
    assert (await study.get("mailFolders", query=f"$filter={condition}")).error == (400, "BadRequest")


async def test_what_a_folder_is_can_be_asked_for(study: Study) -> None:
    await study.post("mailFolders/inbox/messages", {"isRead": False})
    await study.post("mailFolders/inbox/messages", {"isRead": True})
    assert await values(study, "mailFolders/inbox", *COMPUTED) == {
        "Boolean 0x10F4": "false",
        "String 0x3001": "Inbox",
        "Integer 0x3602": "2",
        "Integer 0x3603": "1",
        "String 0x3613": "IPF.Note",
    }


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (f"$expand={SINGLE}", "ErrorInvalidUrlQueryFilter"),
        (f"$expand={MULTI}($filter=value eq 'x')", "ErrorInvalidUrlQueryFilter"),
        (f"$expand={SINGLE}($filter=id eq 'x')", "ErrorInvalidUrlQueryFilter"),
        ("$expand=messages", "ExpandNotSupported"),
    ],
)
async def test_what_cannot_be_expanded_is_refused(study: Study, query: str, code: str) -> None:
    assert (await study.get("mailFolders/inbox", query=query)).error == (400, code)


async def test_what_is_wrong_or_too_much_is_refused_and_nothing_kept(study: Study) -> None:
    for wrong, code in (
        ({"id": "x", "value": "y"}, "ErrorInvalidExtendedProperty"),
        ({"id": "Integer 0x5", "value": "y"}, "ErrorInvalidExtendedPropertyValue"),
        ({"id": KEY, "value": "y" * 40_000}, "ErrorInvalidRequest"),
    ):
        made = await study.post("mailFolders", {"displayName": "Mine", SINGLE: [wrong]})
        assert made.error == (400, code)
        assert (await study.patch("mailFolders/inbox", {SINGLE: [wrong]})).error == (400, code)
    names = [each["displayName"] for each in (await study.get("mailFolders")).json["value"]]
    assert "Mine" not in names
    assert await values(study, "mailFolders/inbox", KEY) == {}


async def test_they_go_with_the_folder(study: Study) -> None:
    made = await study.post("mailFolders", {"displayName": "Mine", SINGLE: [{"id": KEY, "value": "a"}]})
    assert (await study.post(f"mailFolders/{made.id}/permanentDelete")).status == 204

    def count(tx: Tx) -> int:
        row = tx.one("SELECT COUNT(*) FROM folder_properties WHERE mailbox_id = 1")
        assert row is not None
        return int(row[0])

    assert await study.store.read(count) == 0
