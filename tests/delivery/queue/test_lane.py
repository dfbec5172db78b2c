"""Lanes: feedback widens and narrows them, retries get their part, dead destinations are probed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpost.delivery.queue.lane import FRESH_PER_RETRY, Job, Lane, Limits
from graphpost.delivery.queue.lanes import Lanes
from graphpost.store.queue.deliveries import Delivery

NOW = 1_767_225_600_000_000


def job(number: int = 1, attempts: int = 1) -> Job:
    return Job(
        Delivery(
            mailbox_id=7,
            message_id=number,
            position=0,
            destination="mx:one.test",
            due_at=NOW,
            created_at=NOW,
            expires_at=2 * NOW,
            sender="",
            recipients=(),
            attempts=attempts,
        )
    )


def lane(most: int = 20, **limits: int) -> Lane:
    return Lane("mx:one.test", Limits(most, **limits))


# Feedback


def test_a_host_that_answers_gets_one_more_each_time_up_to_the_limit() -> None:
    one = lane(8)
    seen = []
    for _ in range(10):
        one.active = one.window
        one.succeeded()
        seen.append(one.window)
    assert seen == [6, 7, 8, 8, 8, 8, 8, 8, 8, 8]


def test_the_window_stays_near_what_is_under_way() -> None:
    one = lane(100)
    one.active = 1
    for _ in range(50):
        one.succeeded()
    assert one.window == 1 + one.limits.initial


def test_a_few_failures_make_it_narrower_and_as_many_as_were_under_way_make_it_dead() -> None:
    one = lane()
    outcomes = []
    while not outcomes or not outcomes[-1]:
        outcomes.append(one.failed())
    assert len(outcomes) == 4  # 1/5 + 1/4 + 1/3 + 1/2
    assert (one.window, one.failures) == (1, 1)


@pytest.mark.parametrize(("cohorts", "failures"), [(1, 4), (2, 5), (3, 6)])
def test_the_settings_say_how_many_cohorts_it_takes(cohorts: int, failures: int) -> None:
    one = lane(failed_cohorts=cohorts)
    assert [one.failed() for _ in range(failures)] == [False] * (failures - 1) + [True]


def test_a_success_in_between_keeps_it_alive() -> None:
    one = lane()
    for _ in range(30):
        one.active = one.window
        assert not any(one.failed() for _ in range(2))
        assert one.succeeded()
        one.succeeded()


def test_a_dead_one_is_probed_by_one_and_only_a_success_widens_it() -> None:
    one = lane()
    while not one.failed():
        pass
    assert one.room() == one.room_for_stored() == 1
    assert one.failed()
    assert (one.window, one.failures) == (1, 2)
    one.active = 1
    assert one.succeeded()
    assert (one.window, one.failures) == (2, 0)
    assert one.room() > 100


@given(st.lists(st.booleans(), max_size=300), st.integers(1, 40), st.integers(1, 40))
def test_the_window_is_never_below_one_nor_above_the_limit(
    works: list[bool], most: int, initial: int
) -> None:
    one = lane(most, initial=initial)
    for is_working in works:
        one.active = one.window
        (one.succeeded if is_working else one.failed)()
        assert 1 <= one.window <= most


# Fresh and deferred


def taken(one: Lane, number: int) -> list[str]:
    """What goes next, when each is done before the next goes."""
    kinds = []
    for _ in range(number):
        found = one.next()
        assert found is not None
        kinds.append("retry" if found.delivery.attempts > 1 else "fresh")
        one.finished(found)
    return kinds


def test_while_there_is_fresh_mail_retries_have_every_fourth_turn() -> None:
    one = lane()
    for number in range(100):
        one.add(job(number, attempts=2))
        one.add(job(number + 100))
    kinds = taken(one, 40)
    assert kinds.count("retry") == 40 // (FRESH_PER_RETRY + 1)


def test_retries_leave_half_of_the_window_free() -> None:
    one = lane(8, initial=8)
    for number in range(100):
        one.add(job(number, attempts=2))
    under_way = []
    while one.wants_runner():
        found = one.next()
        assert found is not None
        one.active += 1
        under_way.append(found)
    assert len(under_way) == 4
    assert one.next() is None
    one.add(job(200))
    assert one.wants_runner()
    assert one.next() == job(200)
    one.finished(under_way[0])
    assert one.next() is not None


def test_a_window_of_one_lets_retries_go_too() -> None:
    one = lane(1)
    one.add(job(1, attempts=3))
    assert one.wants_runner()
    assert one.next() == job(1, attempts=3)


def test_stored_mail_leaves_half_of_the_room_to_fresh_mail() -> None:
    one = lane()
    one.held = one.room_for_stored()
    assert one.room_for_stored() == 0
    assert one.room() >= one.held


# What lanes share


def lanes(connections: int = 100, messages: int = 1000, *, is_remote: bool = True) -> Lanes:
    return Lanes(lambda destination: Limits(40, initial=40, is_remote=is_remote), connections, messages)


def test_whoever_has_no_place_gets_one_while_another_has_all_it_may() -> None:
    shared = lanes()
    slow = [shared.lane(f"mx:slow{n}.test") for n in range(50)]
    for _ in range(40):
        for one in slow:
            shared.begin(one)
    assert all(one.active >= 1 for one in slow)
    assert all(one.is_short for one in slow)
    assert shared.begin(shared.lane("mx:healthy.test"))


def test_when_all_places_are_taken_they_go_round() -> None:
    shared = lanes(4)
    first = [shared.lane(f"mx:{n}.test") for n in range(4)]
    assert [shared.begin(one) for one in first] == [True] * 4
    late = [shared.lane(f"mx:late{n}.test") for n in range(2)]
    assert [shared.begin(one) for one in late + late] == [False] * 4
    assert shared.must_end(first[0])
    shared.end(first[0])
    turns = []
    for one in shared.next_in_line():
        assert shared.begin(one)
        turns.append(one.destination)
    assert turns == ["mx:late0.test"]
    shared.end(first[1])
    assert [one.destination for one in shared.next_in_line() if shared.begin(one)] == ["mx:late1.test"]
    assert not shared.must_end(first[2])


def test_destinations_on_this_machine_need_no_place() -> None:
    shared = lanes(1, is_remote=False)
    here = shared.lane("local")
    assert all(shared.begin(here) for _ in range(40))
    assert not shared.must_end(here)


def test_room_in_memory_is_shared_and_everybody_has_some() -> None:
    shared = lanes()
    for number in range(50):
        one = shared.lane(f"mx:{number}.test")
        shared.hold(one, shared.room(one))
        assert one.held >= 10
    assert shared.room(shared.lane("mx:next.test")) >= 1


def test_lanes_that_do_nothing_are_forgotten() -> None:
    shared = lanes()
    for number in range(1000):
        shared.lane(f"mx:{number}.test")
    busy, dead = shared.lane("mx:1.test"), shared.lane("mx:2.test")
    shared.hold(busy)
    dead.held_until = NOW + 10
    shared.forget(NOW)
    assert len(shared) == 1000
    shared.forget(NOW)
    assert {one.destination for one in shared} == {"mx:1.test", "mx:2.test"}
    shared.let_go(busy)
    later = NOW + 7200 * 1_000_000
    shared.forget(later)
    shared.forget(later)
    assert len(shared) == 0
