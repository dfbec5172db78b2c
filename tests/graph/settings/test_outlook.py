"""What is below `outlook`: the languages and time zones that the settings take."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.graph.desk import ADELE, Desk

from graphpost.graph.settings.languages import LANGUAGES


def get(path: str, query: str = "") -> tuple[int, Any]:
    reply = Desk().post(
        f"/v1.0/me/outlook{path}", method="GET", content_type=None, query=query, token="user-with-settings"
    )
    assert isinstance(reply.body, bytes)
    return reply.status, json.loads(reply.body)


def test_it_is_an_entity() -> None:
    status, found = get("")
    assert (status, found["id"]) == (200, ADELE.object_id)
    assert found["@odata.context"].endswith("/outlook/$entity")


@pytest.mark.parametrize(
    "spelling", ["/supportedLanguages", "/supportedLanguages()", "/microsoft.graph.SupportedLanguages()"]
)
def test_every_language_is_listed(spelling: str) -> None:
    status, found = get(spelling)
    assert status == 200
    assert found["@odata.context"].endswith("/$metadata#Collection(microsoft.graph.localeInfo)")
    assert {"locale": "de-DE", "displayName": "German (Germany)"} in found["value"]
    assert len(found["value"]) == len(LANGUAGES)


@pytest.mark.parametrize(
    ("spelling", "zone"),
    [
        ("", "W. Europe Standard Time"),
        ("()", "W. Europe Standard Time"),
        ("(TimeZoneStandard=microsoft.graph.timeZoneStandard'Windows')", "W. Europe Standard Time"),
        ("(TimeZoneStandard=microsoft.graph.timeZoneStandard'Iana')", "Europe/Berlin"),
        ("(TimeZoneStandard='iana')", "Europe/Berlin"),
    ],
)
def test_every_time_zone_is_listed_in_the_standard_asked_for(spelling: str, zone: str) -> None:
    status, found = get(f"/supportedTimeZones{spelling}")
    assert status == 200
    shown = {each["alias"]: each["displayName"] for each in found["value"]}
    assert shown[zone] == f"(UTC+02:00) {zone}"
    assert len(shown) > 100


def test_a_page_leads_to_the_next() -> None:
    _, found = get("/supportedTimeZones", "$top=2")
    assert len(found["value"]) == 2
    assert "$skip=2" in found["@odata.nextLink"]


def test_another_standard_is_refused() -> None:
    assert get("/supportedTimeZones('mayan')")[0] == 400
