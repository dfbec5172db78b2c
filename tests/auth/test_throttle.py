"""Guessing slowed down."""

from __future__ import annotations

from tests.auth.world import SetClock

from graphpost.auth.throttle import PER_ACCOUNT, PER_ACCOUNT_AND_ADDRESS, PER_ADDRESS, Throttle


def fail(throttle: Throttle, times: int, account: str = "a", remote: str = "192.0.2.1") -> None:
    for _ in range(times):
        throttle.failed(account, remote)


def test_an_account_is_blocked_for_one_address_only() -> None:
    throttle = Throttle(SetClock())
    fail(throttle, PER_ACCOUNT_AND_ADDRESS)
    assert throttle.is_blocked("A", "192.0.2.1")
    assert not throttle.is_blocked("a", "192.0.2.2")
    assert not throttle.is_blocked("b", "192.0.2.1")


def test_an_address_that_tries_many_accounts_is_blocked_for_all() -> None:
    throttle = Throttle(SetClock())
    for number in range(PER_ADDRESS):
        throttle.failed(str(number), "192.0.2.1")
    assert throttle.is_blocked("new", "192.0.2.1")
    assert not throttle.is_blocked("new", "192.0.2.2")


def test_an_account_that_many_addresses_try_is_blocked_for_all() -> None:
    throttle = Throttle(SetClock())
    for number in range(PER_ACCOUNT):
        throttle.failed("a", f"192.0.2.{number}")
    assert throttle.is_blocked("a", "198.51.100.1")


def test_addresses_of_one_ipv6_network_are_one() -> None:
    throttle = Throttle(SetClock())
    for number in range(PER_ACCOUNT_AND_ADDRESS):
        throttle.failed("a", f"2001:db8::{number:x}")
    assert throttle.is_blocked("a", "2001:db8::ffff")
    assert not throttle.is_blocked("a", "2001:db8:0:1::1")


def test_the_right_password_forgets_the_wrong_ones_of_its_address() -> None:
    throttle = Throttle(SetClock())
    fail(throttle, PER_ACCOUNT_AND_ADDRESS - 1)
    throttle.succeeded("a", "192.0.2.1")
    fail(throttle, PER_ACCOUNT_AND_ADDRESS - 1)
    assert not throttle.is_blocked("a", "192.0.2.1")


def test_it_ends_after_ten_minutes() -> None:
    clock = SetClock()
    throttle = Throttle(clock)
    fail(throttle, 50)
    clock.pass_seconds(601)
    assert not throttle.is_blocked("a", "192.0.2.1")


def test_it_is_bounded_and_filling_it_blocks_who_fills_it() -> None:
    throttle = Throttle(SetClock())
    fail(throttle, PER_ACCOUNT_AND_ADDRESS)
    for number in range(20_000):
        throttle.failed(str(number), "198.51.100.1")
    assert len(throttle._tries) <= 10_000
    assert throttle.is_blocked("a", "198.51.100.1")


def test_a_clock_that_is_set_back_locks_nobody_out_for_longer() -> None:
    clock = SetClock()
    throttle = Throttle(clock)
    fail(throttle, PER_ACCOUNT_AND_ADDRESS)
    clock.pass_seconds(-86_400)
    assert not throttle.is_blocked("a", "192.0.2.1")
