"""A share: always something free for who has little, however many want however much."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpost.delivery.queue.share import Share


def test_one_alone_gets_a_quarter() -> None:
    share, held = Share(1000, 1), 0
    while share.room(held) > 0:
        held, share.used = held + 1, share.used + 1
    assert 249 <= held <= 250


@pytest.mark.parametrize("wanting", [2, 9, 100, 400])
def test_those_who_want_much_get_the_same_and_leave_as_much(wanting: int) -> None:
    share, held = Share(1000, 1), [0] * wanting
    for _ in range(1000):
        for who in range(wanting):
            if share.room(held[who]) > 0:
                held[who] += 1
                share.used += 1
    assert max(held) - min(held) <= 1
    assert share.used <= max(500, wanting)
    assert share.room(0) >= 1


def test_who_has_too_much_is_told_so_when_others_came() -> None:
    share = Share(100, 1)
    share.used = 20
    assert share.room(20) >= 0
    share.used = 45
    assert share.room(20) < 0
    assert share.room(1) >= 0


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 50)), max_size=200))
def test_never_more_than_the_total_is_given(wishes: list[tuple[int, int]]) -> None:
    share, held = Share(100, 3), [0] * 31
    for who, wanted in wishes:
        given_now = min(wanted, max(0, share.room(held[who])))
        held[who] += given_now
        share.used += given_now
        assert sum(held) == share.used <= 100
    if share.used < 100 and min(held) < 3:
        assert share.room(min(held)) > 0
