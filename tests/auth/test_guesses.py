"""Guesses that several servers see: counted together, and told to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.auth.world import SetClock

from graphpost.auth.guesses import Guesses, Ledger
from graphpost.auth.throttle import PER_ACCOUNT, PER_ACCOUNT_AND_ADDRESS, PER_ADDRESS
from graphpost.store.databases.sqlite import SqliteStore

HERE = "192.0.2.1"


class Servers:
    """Two servers on one database."""

    def __init__(self, runner: asyncio.Runner, path: Path) -> None:
        self.run, self.clock = runner.run, SetClock()
        self.store = SqliteStore.open(path / "mail.db", readers=1)
        self.one, self.two = self.server(), self.server()

    def server(self, derive: Callable[[str], bytes] = str.encode) -> Guesses:
        return Guesses(self.clock, Ledger(self.store, self.clock, derive))

    def fail(self, times: int, account: str = "a", remote: str = HERE) -> None:
        """By turns at one and the other."""
        for number in range(times):
            self.run((self.one, self.two)[number % 2].failed(account, remote))

    def are_blocked(self, account: str, remote: str = HERE) -> list[bool]:
        return [self.run(each.is_blocked(account, remote)) for each in (self.one, self.two)]

    def rows(self) -> list[Any]:
        return self.run(self.store.read(lambda tx: tx.all("SELECT * FROM usage")))


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    with asyncio.Runner() as runner:
        made = Servers(runner, tmp_path)
        yield made
        runner.run(made.store.close())


def test_wrong_ones_at_all_servers_count_together(servers: Servers) -> None:
    servers.fail(PER_ACCOUNT_AND_ADDRESS - 1)
    assert servers.are_blocked("a") == [False, False]
    servers.fail(1)
    assert servers.are_blocked("A") == [True, True]
    assert servers.are_blocked("b") == servers.are_blocked("a", "198.51.100.1") == [False, False]


@pytest.mark.parametrize(
    ("guess", "number", "asked"),
    [
        (lambda n: ("a", f"192.0.2.{n}"), PER_ACCOUNT, ("a", "198.51.100.1")),
        (lambda n: (f"a{n}", HERE), PER_ADDRESS, ("new", HERE)),
    ],
)
def test_so_do_those_of_an_account_and_of_an_address(
    servers: Servers, guess: Callable[[int], tuple[str, str]], number: int, asked: tuple[str, str]
) -> None:
    for n in range(number - 1):
        servers.fail(1, *guess(n))
    assert servers.are_blocked(*asked) == [False, False]
    servers.run(servers.two.failed(*guess(number)))
    assert servers.are_blocked(*asked) == [True, True]


def test_the_right_one_at_any_server_forgets_the_wrong_ones(servers: Servers) -> None:
    servers.fail(PER_ACCOUNT_AND_ADDRESS - 1)
    servers.run(servers.one.succeeded("a", HERE))
    servers.fail(4)
    assert servers.are_blocked("a") == [False, False]


def test_it_ends_after_ten_minutes_and_nothing_stays(servers: Servers) -> None:
    servers.fail(PER_ACCOUNT_AND_ADDRESS)
    before = servers.rows()
    servers.clock.pass_seconds(601)
    assert servers.are_blocked("a") == [False, False]
    servers.clock.pass_seconds(120)
    servers.fail(1, "b", "198.51.100.1")
    assert before
    assert not set(before).intersection(servers.rows())


def test_a_clock_that_is_set_back_locks_nobody_out_for_longer(servers: Servers) -> None:
    servers.fail(PER_ACCOUNT_AND_ADDRESS)
    servers.clock.pass_seconds(-86_400)
    assert servers.are_blocked("a") == [False, False]


def test_what_was_typed_is_told_to_nobody_who_has_not_the_key(servers: Servers) -> None:
    other = servers.server(lambda purpose: b"other")
    servers.fail(PER_ACCOUNT_AND_ADDRESS, "my password")
    assert not servers.run(other.is_blocked("my password", HERE))
    names = {row[1] for row in servers.rows()}
    for _ in range(PER_ACCOUNT_AND_ADDRESS):
        servers.run(other.failed("my password", HERE))
    assert len(names) == 3
    assert len({row[1] for row in servers.rows()} - names) == 3
    assert "password" not in str(servers.rows())
    assert HERE not in str(servers.rows())
