"""Lookups of names: one at a time of the same name, however many wait, and for as long as anybody does."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from anyio.lowlevel import checkpoint
from tests.transport.letters import envelope

from graphpost.testing.smtp_peer import SmtpPeer
from graphpost.transport import lookup
from graphpost.transport.courier import Deferred, Delivered
from graphpost.transport.lookup import THREADS, look_up
from graphpost.transport.smtp import SmtpCourier

pytestmark = pytest.mark.anyio


class Resolver:
    """In place of the machine's: a slow name is answered when it may be, and one of nobody never."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, int, int]] = Counter()
        self.is_back = threading.Event()
        self.reached = threading.Semaphore(0)

    def getaddrinfo(self, host: str, port: int, *, family: int, type: int) -> list[tuple[Any, ...]]:
        self.asked[host, port, int(family)] += 1
        self.reached.release()
        if host.startswith("slow"):
            self.is_back.wait()
        if host.endswith("nobody.test"):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, type, 6, "", (address, port)) for address in ("127.0.0.1", "127.0.0.1")]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    made = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    yield made
    made.is_back.set()


def begin(host: str, times: int = 1) -> list[asyncio.Task[Any]]:
    return [asyncio.create_task(look_up(host, 25, socket.AF_UNSPEC)) for _ in range(times)]


async def test_a_name_that_takes_long_keeps_no_other_waiting(resolver: Resolver) -> None:
    slow = begin("slow.test", 50)
    await checkpoint()
    [quick] = begin("quick.test")
    assert await asyncio.wait_for(quick, 30) == ["127.0.0.1"]
    resolver.is_back.set()
    assert await asyncio.gather(*slow) == [["127.0.0.1"]] * 50
    assert resolver.asked["slow.test", 25, socket.AF_UNSPEC] == 1


async def test_mail_to_a_host_whose_name_takes_long_keeps_no_other_waiting(
    smtp_peer: Callable[..., SmtpPeer], courier: Callable[..., SmtpCourier], resolver: Resolver
) -> None:
    peer = smtp_peer()
    slow = courier(peer.port, host="slow.nobody.test", connections=50)
    late = [asyncio.create_task(slow.deliver(envelope())) for _ in range(50)]
    await asyncio.to_thread(resolver.reached.acquire)
    [outcome] = await courier(peer.port, host="quick.test").deliver(envelope())
    assert isinstance(outcome, Delivered)
    resolver.is_back.set()
    assert all(isinstance(outcome, Deferred) for [outcome] in await asyncio.gather(*late))


async def test_what_is_not_the_same_is_asked_for_itself_and_what_was_answered_is_asked_anew(
    resolver: Resolver,
) -> None:
    each = [("a.test", 25, socket.AF_INET), ("a.test", 25, socket.AF_INET6), ("a.test", 587, socket.AF_INET)]
    await asyncio.gather(*(look_up(*one) for one in each))
    await look_up(*each[0])
    assert [resolver.asked[one] for one in each] == [2, 1, 1]


async def test_who_gives_up_leaves_the_others_their_answer(resolver: Resolver) -> None:
    first, *others = begin("slow.test", 3)
    await checkpoint()
    first.cancel()
    await asyncio.wait([first])
    assert first.cancelled()
    others += begin("slow.test")
    resolver.is_back.set()
    assert await asyncio.gather(*others) == [["127.0.0.1"]] * 3
    assert resolver.asked.total() == 1


async def test_an_unknown_name_is_so_for_all_who_wait(resolver: Resolver) -> None:
    slow = begin("slow.nobody.test", 3)
    await checkpoint()
    resolver.is_back.set()
    for error in await asyncio.gather(*slow, return_exceptions=True):
        assert isinstance(error, socket.gaierror)
    assert resolver.asked.total() == 1
    assert asyncio.get_running_loop() not in {loop for loop, *_ in lookup._under_way}


async def test_a_lookup_that_nobody_waits_for_any_more_is_not_begun(resolver: Resolver) -> None:
    """The server's end would wait for it."""
    slow = [task for number in range(THREADS) for task in begin(f"slow{number}.test")]
    for _ in slow:
        await asyncio.to_thread(resolver.reached.acquire)
    late = begin("late.test", 2)
    await checkpoint()
    for task in late:
        task.cancel()
    await asyncio.wait(late)
    resolver.is_back.set()
    await asyncio.gather(*slow)
    await look_up("last.test", 25, socket.AF_UNSPEC)
    assert ("late.test", 25, 0) not in resolver.asked
    assert asyncio.get_running_loop() not in {loop for loop, *_ in lookup._under_way}


async def test_what_is_no_name_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="label"):
        await look_up(f"{'a' * 70}.test", 25, socket.AF_UNSPEC)
    assert asyncio.get_running_loop() not in {loop for loop, *_ in lookup._under_way}
