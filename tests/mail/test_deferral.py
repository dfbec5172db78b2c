"""When a message is to be sent, by the properties it has."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpost.clock import SECOND, from_datetime, to_text
from graphpost.mail.deferral import (
    DELIVERY_TIME,
    LATEST,
    SEND_NUMBER,
    SEND_TIME,
    SEND_UNITS,
    is_timed,
    merged,
    send_time,
    settled,
)
from graphpost.mail.message import ExtendedProperty, Message
from graphpost.mail.parse import parse

NOW = from_datetime(datetime(2026, 11, 20, 12, tzinfo=UTC))
TEN = from_datetime(datetime(2026, 11, 21, 10, tzinfo=UTC))


def with_(**values: str) -> Message:
    ids = {"time": SEND_TIME, "delivery": DELIVERY_TIME, "number": SEND_NUMBER, "units": SEND_UNITS}
    return Message(extended=tuple(ExtendedProperty(ids[name], value) for name, value in values.items()))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, 0),
        ({"time": "2026-11-21T10:00:00Z"}, TEN),
        ({"time": "2026-11-21T10:00:00"}, TEN),
        ({"time": "2026-11-21T11:00:00+01:00"}, TEN),
        ({"time": "2026-11-21T10:00:00.0000000Z"}, TEN),
        ({"time": "2001-01-01T00:00:00Z"}, from_datetime(datetime(2001, 1, 1, tzinfo=UTC))),
        ({"time": "0001-01-01T00:00:00+23:59"}, 1),
        ({"time": "9999-12-31T23:59:59-23:59"}, LATEST),
        ({"time": "tomorrow"}, 0),
        ({"delivery": "2026-11-21T10:00:00Z"}, TEN),
        ({"delivery": "2030-01-01T00:00:00Z", "time": "2026-11-21T10:00:00Z"}, TEN),
        ({"number": "10", "units": "0"}, NOW + 600 * SECOND),
        ({"number": "2", "units": "1"}, NOW + 7200 * SECOND),
        ({"number": "2", "units": "2"}, NOW + 172_800 * SECOND),
        ({"number": "1", "units": "3", "time": "2026-11-21T10:00:00Z"}, NOW + 604_800 * SECOND),
        ({"number": "0", "units": "0"}, NOW),
        ({"number": "10"}, 0),
        ({"number": "10", "time": "2026-11-21T10:00:00Z"}, TEN),
        ({"number": "1000", "units": "0"}, 0),
        ({"number": "1", "units": "4"}, 0),
    ],
)
def test_the_time_follows_from_the_properties(values: dict[str, str], expected: int) -> None:
    assert send_time(with_(**values), NOW) == expected
    assert is_timed(with_(**values)) is bool(values)


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_none(text: str) -> None:
    time = send_time(with_(time=text), NOW)
    assert 0 <= time <= LATEST
    assert to_text(time)


def test_a_number_of_units_makes_the_send_time_once_and_for_all() -> None:
    message = settled(with_(number="2", units="1", time="2001-01-01T00:00:00Z"), NOW)
    assert message.extended[-1] == ExtendedProperty(SEND_TIME, "2026-11-20T14:00:00Z")
    assert len(message.extended) == 3
    assert settled(with_(time="2026-11-21T10:00:00Z"), NOW) == with_(time="2026-11-21T10:00:00Z")


def test_a_time_that_is_set_later_counts_instead_of_a_number_of_units() -> None:
    before = with_(number="2", units="1").extended
    new = with_(time="2026-11-21T10:00:00Z").extended
    assert send_time(Message(extended=merged(before, new)), NOW) == TEN
    both = with_(time="2026-11-21T10:00:00Z", number="1", units="0").extended
    assert send_time(Message(extended=merged(new, both)), NOW) == NOW + 60 * SECOND


def test_in_mime_the_time_is_a_field() -> None:
    data = b"From: a@b.c\r\nDeferred-Delivery: Sat, 21 Nov 2026 11:00:00 +0100\r\n\r\nHello\r\n"
    assert send_time(parse(data), NOW) == TEN
    assert send_time(parse(b"From: a@b.c\r\nDeferred-Delivery: later\r\n\r\n"), NOW) == 0
