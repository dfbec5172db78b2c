"""Master categories: a name once, a colour as often as wanted."""

from __future__ import annotations

from typing import Any

import pytest
from tests.graph.desk import ADELE, ALEX
from tests.graph.study import Study, anyio_backend, open_store, postgres_url, study

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
PLACE = "outlook/masterCategories"


async def made(study: Study, **members: Any) -> str:
    answer = await study.post(PLACE, members)
    assert answer.status == 201, answer
    return answer.id


async def test_a_category_goes_through_its_life(study: Study) -> None:
    answer = await study.post(PLACE, {"DisplayName": "Project expenses", "Color": "Preset9"})
    assert answer.status == 201
    found = answer.json
    assert found["@odata.context"].endswith(
        f"/$metadata#users('{ADELE.object_id}')/outlook/masterCategories/$entity"
    )
    assert (found["displayName"], found["color"]) == ("Project expenses", "preset9")
    assert answer.headers["Location"].endswith(f"/outlook/masterCategories('{found['id']}')")
    one = f"{PLACE}/{found['id']}"
    changed = await study.patch(one, {"color": "preset10"})
    assert (changed.status, changed.json["color"]) == (200, "preset10")
    assert changed.json["displayName"] == "Project expenses"
    assert (await study.get(one)).json == changed.json
    assert (await study.get(f"{PLACE}('{found['id']}')")).status == 200
    assert (await study.delete(one)).status == 204
    for method in ("GET", "DELETE"):
        assert (await study.ask(method, one)).error == (404, "ErrorItemNotFound")
    assert (await study.patch(one, {"color": "none"})).error == (404, "ErrorItemNotFound")


async def test_they_are_listed_by_name_with_the_usual_options(study: Study) -> None:
    for name, color in (("beta", "preset1"), ("Alpha", "preset2"), ("gamma", "none")):
        await made(study, displayName=name, color=color)
    names = [each["displayName"] for each in (await study.get(PLACE)).json["value"]]
    assert names == ["Alpha", "beta", "gamma"]
    found = (await study.get(PLACE, query="$select=displayName&$top=1&$count=true&$orderby=color desc")).json
    assert found["@odata.count"] == 3
    assert "$skip=1" in found["@odata.nextLink"]
    assert [set(each) for each in found["value"]] == [{"id", "displayName"}]
    assert found["value"][0]["displayName"] == "Alpha"
    found = (await study.get(PLACE, query="$filter=displayName eq 'beta'")).json
    assert [each["color"] for each in found["value"]] == ["preset1"]


async def test_a_name_is_there_once_in_a_mailbox_whatever_its_case(study: Study) -> None:
    await made(study, displayName="Red", color="preset0")
    assert (await study.post(PLACE, {"displayName": "RED"})).error == (409, "nameAlreadyExists")
    assert (await study.post(PLACE, {"displayName": "RED"}, token=ALEX.address)).error[0] == 403


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "ErrorInvalidParameter"),
        ({"displayName": "  "}, "ErrorInvalidParameter"),
        ({"displayName": "x" * 256}, "ErrorInvalidParameter"),
        ({"displayName": "x", "color": "red"}, "RequestBodyRead"),
        ({"displayName": "x", "color": "preset25"}, "RequestBodyRead"),
        ({"displayName": ["x"]}, "RequestBodyRead"),
        ({"displayName": "x", "shade": "dark"}, "RequestBodyRead"),
    ],
)
async def test_what_no_category_can_be_is_refused(study: Study, body: Any, code: str) -> None:
    assert (await study.post(PLACE, body)).error == (400, code)
    assert (await study.get(PLACE)).json["value"] == []


async def test_only_the_colour_changes(study: Study) -> None:
    one = f"{PLACE}/{await made(study, displayName='Red')}"
    assert (await study.patch(one, {"displayName": "Blue"})).error == (400, "ErrorInvalidPropertySet")
    assert (await study.patch(one, {"displayName": "Red", "color": "preset3"})).json["color"] == "preset3"


@pytest.mark.parametrize("key", ["x", "%00", "a'b", "x" * 200, "é"])
async def test_an_id_that_is_none_is_not_found(study: Study, key: str) -> None:
    assert (await study.get(f"{PLACE}/{key}")).status in (400, 404)


async def test_another_mailbox_has_its_own(study: Study) -> None:
    one = await made(study, displayName="Red")
    for user, status in ((ADELE, 200), (ALEX, 404)):
        path = f"/v1.0/users/{user.object_id}/{PLACE}/{one}"
        assert (await study.get(path, token="app-with-everything")).status == status


async def test_reading_needs_another_permission_than_writing(study: Study) -> None:
    assert (await study.get(PLACE, token="user-with-settings")).status == 200
    assert (await study.post(PLACE, {"displayName": "x"}, token="user-with-settings")).error == (
        403,
        "ErrorAccessDenied",
    )
