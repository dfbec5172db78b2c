"""Dates of header fields."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpost.clock import SECOND, from_datetime
from graphpost.mail.date import parse_date
from graphpost.mail.field import date_text

NOON = from_datetime(datetime(2024, 2, 1, 12, 0, 5, tzinfo=UTC))


@pytest.mark.parametrize(
    "text",
    [
        "Thu, 01 Feb 2024 12:00:05 +0000",
        "Thu, 1 Feb 2024 07:00:05 -0500 (EST)",
        "1 Feb 2024 07:00:05 EST",
        "Thu,1 Feb 24 12:00:05 GMT",
        "Thursday, 01-Feb-24 12:00:05 UT",
        "1 February 2024 12:00:05",
        "1 Feb 124 12:00:05 Z",
        "Thu, 01 Feb 2024 17:30:05.123 +0530",
    ],
)
def test_a_date_is_read_leniently(text: str) -> None:
    assert parse_date(text) == NOON


@pytest.mark.parametrize(
    "text", ["", "now", "31 Feb 2024 12:00:00", "1 Foo 2024 12:00:00", "1 Feb 2024 25:00:00", "2024-02-01"]
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_date(text) is None


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)))
def test_the_standard_librarys_dates_are_read(moment: datetime) -> None:
    whole = moment.astimezone(UTC).replace(microsecond=0)
    assert parse_date(format_datetime(whole)) == from_datetime(whole)


@given(st.integers(0, 4_000_000_000))
def test_a_date_written_is_read_back(seconds: int) -> None:
    assert parse_date(date_text(seconds * SECOND)) == seconds * SECOND


@given(st.text(max_size=100))
def test_reading_a_date_never_raises(text: str) -> None:
    parse_date(text)
    parse_date(f"1 Jan {text}")


def test_an_instant_outside_the_calendar_has_no_date() -> None:
    assert date_text(10**20) == ""
