"""Preferences over the wire: the zone of flags' times, the size of pages of folders."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.targets import Target
from tests.conformance.test_drafts import draft, write

START = {"dateTime": "2026-07-01T09:30:00", "timeZone": "W. Europe Standard Time"}
DUE = {"dateTime": "2026-12-31T23:30:00.5", "timeZone": "UTC"}


def flag_of(answer: Any) -> tuple[dict[str, str], dict[str, str]]:
    flag = answer.json["flag"]
    return flag["startDateTime"], flag["dueDateTime"]


@pytest.mark.parametrize(
    ("zone", "start", "due"),
    [
        ("Pacific Standard Time", "2026-07-01T00:30:00.0000000", "2026-12-31T15:30:00.5000000"),
        ("Europe/Berlin", "2026-07-01T09:30:00.0000000", "2027-01-01T00:30:00.5000000"),
        ("India Standard Time", "2026-07-01T13:00:00.0000000", "2027-01-01T05:00:00.5000000"),
        ("UTC", "2026-07-01T07:30:00.0000000", "2026-12-31T23:30:00.5000000"),
    ],
)
def test_the_times_of_a_flag_are_in_the_zone_that_is_asked_for(
    target: Target, zone: str, start: str, due: str
) -> None:
    made = draft(target, flag={"flagStatus": "flagged", "startDateTime": START, "dueDateTime": DUE})
    asked = {"Prefer": f'outlook.timezone="{zone}"'}
    found = write(target, "GET", f"/v1.0/me/messages/{made['id']}", **asked)
    assert flag_of(found) == ({"dateTime": start, "timeZone": zone}, {"dateTime": due, "timeZone": zone})
    assert found.headers["preference-applied"] == f'outlook.timezone="{zone}"'
    changed = write(target, "PATCH", f"/v1.0/me/messages/{made['id']}", {"isRead": False}, **asked)
    assert flag_of(changed) == flag_of(found)
    listed = write(target, "GET", "/v1.0/me/mailFolders/drafts/messages?$select=flag&$top=1", **asked)
    assert listed.json["value"][0]["flag"] == found.json["flag"]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", ""])
def test_a_zone_that_there_is_not_is_ignored(target: Target, zone: str) -> None:
    made = draft(target, flag={"flagStatus": "flagged", "startDateTime": START})
    found = write(target, "GET", f"/v1.0/me/messages/{made['id']}", Prefer=f'outlook.timezone="{zone}"')
    assert found.json["flag"]["startDateTime"] == {
        "dateTime": "2026-07-01T09:30:00.0000000",
        "timeZone": "W. Europe Standard Time",
    }
    assert "preference-applied" not in found.headers


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
def test_the_first_and_the_last_day_stay_as_they_are(target: Target, text: str) -> None:
    when = {"dateTime": text, "timeZone": "UTC"}
    made = draft(target, flag={"flagStatus": "flagged", "startDateTime": when, "dueDateTime": when})
    for zone in ("Pacific Standard Time", "Asia/Tokyo"):
        found = write(target, "GET", f"/v1.0/me/messages/{made['id']}", Prefer=f'outlook.timezone="{zone}"')
        assert found.status == 200


@pytest.mark.parametrize("place", ["/v1.0/me/mailFolders", "/v1.0/me/mailFolders/msgfolderroot/childFolders"])
def test_pages_of_folders_have_the_size_that_is_asked_for(target: Target, place: str) -> None:
    every = [each["id"] for each in write(target, "GET", f"{place}?$top=1000").json["value"]]
    asked = {"Prefer": "odata.maxpagesize=2"}
    found: list[str] = []
    path = place
    while path:
        answer = write(target, "GET", path, **asked)
        assert answer.headers["preference-applied"] == "odata.maxpagesize=2"
        page = [each["id"] for each in answer.json["value"]]
        assert 0 < len(page) <= 2
        found += page
        link = answer.json.get("@odata.nextLink", "")
        path = link[link.index("/v1.0/") :] if link else ""
    assert found == every
    both = write(target, "GET", f"{place}?$top=3", **asked)
    assert len(both.json["value"]) == 3
    assert "preference-applied" not in both.headers
