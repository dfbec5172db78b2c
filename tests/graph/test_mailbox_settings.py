"""A mailbox's settings can be read, whole and one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.graph.desk import ADELE, Desk
from tests.graph.test_metadata import members, schema


def get(path: str, query: str = "") -> tuple[int, Any]:
    reply = Desk().post(
        f"/v1.0/me/{path}", method="GET", content_type=None, query=query, token="user-with-settings"
    )
    assert isinstance(reply.body, bytes)
    return reply.status, json.loads(reply.body)


def test_the_settings_say_utc_and_english() -> None:
    status, found = get("mailboxSettings")
    assert status == 200
    assert found["@odata.context"].endswith(f"/$metadata#users('{ADELE.object_id}')/mailboxSettings")
    assert (found["timeZone"], found["language"]["locale"]) == ("UTC", "en-US")
    assert found["automaticRepliesSetting"]["status"] == "disabled"
    assert found["automaticRepliesSetting"]["scheduledEndDateTime"] == {
        "dateTime": "2026-09-22T00:00:00.0000000",
        "timeZone": "UTC",
    }


def test_some_can_be_chosen() -> None:
    _, found = get("mailboxSettings", "$select=TimeZone,language")
    assert found.keys() == {"@odata.context", "timeZone", "language"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timezone", {"value": "UTC"}),
        ("language", {"locale": "en-US", "displayName": "English (United States)"}),
        ("userPurpose", {"value": "user"}),
    ],
)
def test_one_can_be_read_alone(name: str, value: dict[str, str]) -> None:
    status, found = get(f"mailboxSettings/{name}")
    assert found.pop("@odata.context").lower().endswith(f"/mailboxsettings/{name.lower()}")
    assert (status, found) == (200, value)


@pytest.mark.parametrize(("path", "query"), [("/nothing", ""), ("", "$select=nothing"), ("", "$expand=x")])
def test_what_there_is_not_is_refused(path: str, query: str) -> None:
    assert get(f"mailboxSettings{path}", query)[0] == 400


def test_they_cannot_be_changed() -> None:
    assert Desk().post("/v1.0/me/mailboxSettings", {"timeZone": "UTC"}, method="PATCH").status == 405


def test_the_metadata_describes_every_setting() -> None:
    described = members(schema())
    _, found = get("mailboxSettings")
    assert found.keys() - {"@odata.context"} == described["mailboxSettings"].keys()
    for name, type_ in described["mailboxSettings"].items():
        if (inner := described.get(type_.removeprefix("graph."))) is not None:
            assert found[name].keys() == inner.keys(), name
