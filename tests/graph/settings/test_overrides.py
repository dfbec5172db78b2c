"""Overrides of the inference: one for each sender."""

from __future__ import annotations

from typing import Any

import pytest
from tests.graph.desk import ALEX
from tests.graph.study import Study, anyio_backend, open_store, postgres_url, study

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
PLACE = "inferenceClassification/overrides"


def override(address: str, word: str = "other", **more: str) -> dict[str, Any]:
    return {"classifyAs": word, "senderEmailAddress": {"address": address, **more}}


async def test_an_override_goes_through_its_life(study: Study) -> None:
    answer = await study.post(PLACE, override("News@X.test", "Focused", name="News"))
    assert answer.status == 201, answer
    found = answer.json
    assert found["senderEmailAddress"] == {"name": "News", "address": "News@X.test"}
    assert found["classifyAs"] == "focused"
    one = f"{PLACE}/{found['id']}"
    changed = await study.patch(one, {"classifyAs": "other"})
    assert (changed.status, changed.json["classifyAs"]) == (200, "other")
    assert [each["id"] for each in (await study.get(PLACE)).json["value"]] == [found["id"]]
    assert (await study.get(one)).json["classifyAs"] == "other"
    assert (await study.delete(one)).status == 204
    assert (await study.get(one)).error == (404, "ErrorItemNotFound")


async def test_a_second_one_for_a_sender_takes_the_place_of_the_first(study: Study) -> None:
    first = await study.post(PLACE, override("news@x.test"))
    second = await study.post(PLACE, override("NEWS@X.test", "focused"))
    assert second.id == first.id
    found = (await study.get(PLACE)).json["value"]
    assert [(each["id"], each["classifyAs"]) for each in found] == [(first.id, "focused")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "ErrorInvalidRecipients"),
        ({"classifyAs": "other"}, "ErrorInvalidRecipients"),
        (override("nobody"), "ErrorInvalidRecipients"),
        (override("a@x.test", "spam"), "RequestBodyRead"),
        ({"senderEmailAddress": {"address": "a@x.test"}}, "ErrorInvalidParameter"),
        ({**override("a@x.test"), "colour": "red"}, "RequestBodyRead"),
    ],
)
async def test_what_no_override_can_be_is_refused(study: Study, body: Any, code: str) -> None:
    assert (await study.post(PLACE, body)).error == (400, code)


async def test_its_sender_stays(study: Study) -> None:
    one = f"{PLACE}/{(await study.post(PLACE, override('a@x.test'))).id}"
    refused = await study.patch(one, override("b@x.test"))
    assert refused.error == (400, "ErrorInvalidPropertySet")
    renamed = await study.patch(one, override("A@x.test", "focused", name="A"))
    assert renamed.json["senderEmailAddress"] == {"name": "A", "address": "A@x.test"}


async def test_the_entity_above_them_is_there(study: Study) -> None:
    found = (await study.get("inferenceClassification")).json
    assert found["@odata.context"].endswith("/inferenceClassification/$entity")


async def test_they_are_mail_and_not_settings_to_a_token(study: Study) -> None:
    for token in ("user-with-settings", ALEX.address):
        assert (await study.get(PLACE, token=token)).error[0] == 403
