"""When to try again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpost.clock import SECOND
from graphpost.delivery.schedule import hold_until, next_attempt, speak_at

NOW = 1_790_000_000 * SECOND
WAITS: Any = st.lists(st.floats(1, 100_000), min_size=1, max_size=10)
ATTEMPTS: Any = st.integers(0, 1000)
CHANCE: Any = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 60), (1, 60), (2, 300), (3, 900), (4, 900), (99, 900)])
def test_each_failed_attempt_waits_for_its_own_time_and_the_last_repeats(attempts: int, seconds: int) -> None:
    assert next_attempt(NOW, attempts, [60, 300, 900], 0.0, 0.5) == NOW + seconds * SECOND
    assert hold_until(NOW, attempts, [60, 300, 900]) == NOW + seconds * SECOND


@pytest.mark.parametrize(("failures", "seconds"), [(1, 60), (3, 900), (4, 900), (99, 900)])
def test_a_destination_is_left_alone_for_a_quarter_of_an_hour_at_most(failures: int, seconds: int) -> None:
    assert hold_until(NOW, failures, [60, 300, 900, 1800, 14_400]) == NOW + seconds * SECOND


@given(waits=WAITS, attempts=ATTEMPTS, jitter=st.floats(0, 0.9), chance=CHANCE)
def test_the_next_attempt_is_within_the_jitter_of_its_wait(
    waits: list[float], attempts: int, jitter: float, chance: float
) -> None:
    wait = waits[min(max(attempts, 1), len(waits)) - 1]
    due = next_attempt(NOW, attempts, waits, jitter, chance)
    assert wait * (1 - jitter) * SECOND - 2 <= due - NOW <= wait * (1 + jitter) * SECOND + 2
    assert due > NOW


@given(waits=WAITS.map(sorted), attempts=ATTEMPTS, chance=CHANCE)
def test_growing_waits_make_later_attempts_wait_no_less(
    waits: list[float], attempts: int, chance: float
) -> None:
    assert next_attempt(NOW, attempts, waits, 0.0, chance) <= next_attempt(
        NOW, attempts + 1, waits, 0.0, chance
    )
    assert hold_until(NOW, attempts, waits) <= hold_until(NOW, attempts + 1, waits)


@given(waits=WAITS, attempts=ATTEMPTS, jitter=st.floats(0, 0.9), chances=st.tuples(CHANCE, CHANCE))
def test_a_greater_chance_is_never_earlier(
    waits: list[float], attempts: int, jitter: float, chances: tuple[float, float]
) -> None:
    low, high = sorted(chances)
    assert next_attempt(NOW, attempts, waits, jitter, low) <= next_attempt(NOW, attempts, waits, jitter, high)


@pytest.mark.parametrize(
    ("warning_seconds", "warned", "after"),
    [(60.0, False, 60), (60.0, True, 600), (0.0, False, 600), (9000.0, False, 600)],
)
def test_a_sender_is_told_of_a_delay_once_or_never_and_then_of_the_end(
    warning_seconds: float, warned: bool, after: int
) -> None:
    said_at = speak_at(NOW, NOW + 600 * SECOND, warning_seconds, warned=warned)
    assert said_at == NOW + after * SECOND
