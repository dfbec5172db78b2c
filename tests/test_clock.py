"""Instants and their texts."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpost.clock import from_datetime, rest_after, to_datetime, to_text


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))
def test_an_instant_is_written_to_the_second(moment: datetime) -> None:
    text = to_text(from_datetime(moment.replace(tzinfo=UTC)))
    assert text == moment.replace(microsecond=0).isoformat() + "Z"


@pytest.mark.parametrize(
    ("took", "least", "rest"),
    [
        (0.0, 2.0, 2.0),
        (-5.0, 2.0, 2.0),
        (0.5, 2.0, 10.0),
        (10.0, 2.0, 30.0),
        (86_400.0, 2.0, 30.0),
        (1, 60.0, 60.0),
    ],
)
def test_who_looks_rests_for_longer_after_a_long_look_but_not_for_long(
    took: float, least: float, rest: float
) -> None:
    assert rest_after(took, least) == rest


@given(st.datetimes())
def test_a_datetime_comes_back_from_its_instant(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    assert to_datetime(from_datetime(aware)) == aware


@pytest.mark.parametrize(
    ("instant", "text"),
    [(0, "1970-01-01T00:00:00Z"), (999_999, "1970-01-01T00:00:00Z"), (-1, "1969-12-31T23:59:59Z")],
)
def test_fractions_are_cut_off(instant: int, text: str) -> None:
    assert to_text(instant) == text
