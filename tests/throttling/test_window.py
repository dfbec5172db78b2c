"""A window never lets more through than its limit, and says rightly how long to wait."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphpost.clock import SECOND
from graphpost.testing.clock import START
from graphpost.throttling.window import Window

steps = st.lists(
    st.tuples(st.integers(0, 30 * SECOND), st.integers(1, 5)), min_size=1, max_size=120
)  # how long after the one before, and how much


def room_in(taken: list[tuple[int, int]], start: int, end: int) -> int:
    return sum(amount for instant, amount in taken if start < instant <= end)


@settings(max_examples=150)
@given(steps=steps, limit=st.integers(5, 12), seconds=st.sampled_from([0.5, 1.0, 10.0, 60.0, 90.5, 600.0]))
def test_no_stretch_of_its_length_has_more_than_the_limit(
    steps: list[tuple[int, int]], limit: int, seconds: float
) -> None:
    window, now, taken = Window(limit, seconds), START, list[tuple[int, int]]()
    length = round(seconds * SECOND)
    for wait, amount in steps:
        now += wait
        if window.take(now, amount):
            taken.append((now, amount))
            assert room_in(taken, now - length, now) <= limit
        else:  # refused rightly: as much was taken within the window and the cell before it
            assert room_in(taken, now - length - 2 * window.width, now) + amount > limit


@settings(max_examples=150)
@given(steps=steps, limit=st.integers(5, 12), seconds=st.sampled_from([1.0, 10.0, 600.0]))
def test_who_waits_as_long_as_told_is_let_through(
    steps: list[tuple[int, int]], limit: int, seconds: float
) -> None:
    window, now = Window(limit, seconds), START
    for wait, amount in steps:
        now += wait
        if not window.take(now, amount):
            told = window.wait(now, amount)
            assert 1 <= told <= seconds + window.width / SECOND + 1
            now += told * SECOND
            assert window.take(now, amount)


@settings(max_examples=100)
@given(steps=steps, limit=st.integers(1, 6))
def test_what_is_reserved_leaves_no_faster_than_the_limit(steps: list[tuple[int, int]], limit: int) -> None:
    window, now, leaving = Window(limit, 60.0), START, list[tuple[int, int]]()
    for wait, _ in steps:
        now += wait // 10
        at = window.reserve(now)
        assert at >= now
        assert not leaving or at >= leaving[-1][0] - window.width  # in their order, to a cell
        leaving.append((at, 1))
    for at, _ in leaving:
        assert room_in(leaving, at - 60 * SECOND, at) <= limit


@pytest.mark.parametrize("early", [1, SECOND // 2])
def test_a_burst_is_over_when_its_cell_is_older_than_the_window(early: int) -> None:
    window = Window(10, 60.0)
    assert all(window.take(START) for _ in range(10))
    assert window.wait(START) == 61
    assert not window.take(START + 61 * SECOND - early)
    assert window.take(START + 61 * SECOND)


def test_room_comes_back_little_by_little() -> None:
    window = Window(2, 60.0)
    assert window.take(START)
    assert window.take(START + 30 * SECOND)
    assert window.wait(START + 30 * SECOND) == 31
    assert window.take(START + 61 * SECOND)
    assert not window.take(START + 62 * SECOND)


def test_a_clock_that_is_a_little_behind_counts_on() -> None:
    window = Window(2, 60.0)
    assert window.take(START + 5 * SECOND)
    assert window.take(START)
    assert not window.take(START)


def test_a_clock_that_was_set_back_begins_anew() -> None:
    window = Window(1, 60.0)
    assert window.take(START)
    assert window.take(START - 3600 * SECOND)


def test_what_was_given_back_can_be_taken() -> None:
    window = Window(1, 60.0)
    assert window.take(START)
    window.give_back(START)
    assert window.take(START)
    assert not window.take(START + 59 * SECOND)


def test_what_was_given_back_late_is_taken_from_its_own_cell() -> None:
    window = Window(4, 60.0)
    assert window.take(START, 2)
    assert window.take(START + 30 * SECOND)
    window.give_back(START, 2)
    assert window.total == 1
    assert not window.take(START + 62 * SECOND, 4)
    assert window.take(START + 91 * SECOND, 4)


def test_a_place_that_was_reserved_in_vain_is_free_again() -> None:
    window = Window(1, 60.0)
    assert window.reserve(START) == START
    later = window.reserve(START)
    window.give_back(later)
    assert window.reserve(START) == later


def test_what_others_counted_counts() -> None:
    window = Window(10, 60.0)
    assert window.take(START, 4)
    assert window.unpublished() == [(START, 4)]
    window.publish([(START, 4)])
    window.learn([(START - SECOND, 3), (START, 6)])
    assert (window.total, window.fresh, window.unpublished()) == (9, 0, [])
    assert not window.take(START, 2)
    assert window.take(START)
    assert window.unpublished() == [(START, 1)]


def test_what_is_counted_while_the_store_is_told_is_news() -> None:
    window = Window(10, 60.0)
    assert window.take(START, 4)
    sent = window.unpublished()
    assert window.take(START, 2)
    window.publish(sent)
    window.learn([(START, 5)])
    assert (window.total, window.fresh) == (7, 2)


def test_a_window_is_idle_when_nothing_in_it_counts() -> None:
    window = Window(10, 60.0)
    assert window.is_idle(START)
    assert window.take(START)
    assert not window.is_idle(START + 60 * SECOND)
    assert window.is_idle(START + 61 * SECOND)
