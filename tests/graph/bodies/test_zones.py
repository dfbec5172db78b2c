"""Time zones are known by Windows' names and by IANA's."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from graphpost.graph.bodies.zones import WINDOWS, is_time_zone, zone_named


def test_every_windows_name_stands_for_a_zone_that_exists() -> None:
    assert len(WINDOWS) >= 130
    assert [name for name, zone in WINDOWS.items() if not ZoneInfo(zone).key] == []


@pytest.mark.parametrize(
    "name",
    ["UTC", "W. Europe Standard Time", "eastern standard time", "Europe/Berlin", "America/Argentina/Ushuaia"],
)
def test_both_kinds_of_names_are_known(name: str) -> None:
    assert is_time_zone(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Mars/Olympus",
        "../../etc/passwd",
        "/etc/localtime",
        "Europe",
        "Europe/Berlin\0",
        "posixrules/x",
        "A" * 500,
    ],
)
def test_anything_else_is_no_time_zone(name: str) -> None:
    assert not is_time_zone(name)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("eastern standard time", "America/New_York"),
        ("Asia/Tokyo", "Asia/Tokyo"),
        ("UTC", "Etc/UTC"),
        ("Mars/Olympus", None),
        ("../../etc/passwd", None),
        ("", None),
    ],
)
def test_a_name_finds_its_zone(name: str, key: str | None) -> None:
    zone = zone_named(name)
    assert (zone.key if zone is not None else None) == key
