"""A peer that says nothing: the watchdog ends every wait, on an event loop whose time the test lets pass."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from anyio.lowlevel import checkpoint
from tests.jumping_loop import anyio_backend, let_pass
from tests.transport.letters import Endless, envelope

from graphpost.testing.smtp_peer import Gate, Hold, SmtpPeer
from graphpost.transport.courier import Deferred, Delivered, Envelope, Outcome
from graphpost.transport.smtp import SmtpCourier

__all__ = ["anyio_backend"]
pytestmark = pytest.mark.anyio

MakePeer = Callable[..., SmtpPeer]
MakeCourier = Callable[..., SmtpCourier]


@pytest.mark.parametrize(
    ("step", "seconds", "wanted", "whole"),
    [
        ("connect", 300, "waiting for the greeting", True),
        ("EHLO", 300, "waiting for the reply to EHLO", True),
        ("AUTH", 300, "authenticating", True),
        ("MAIL", 300, "waiting for the reply to MAIL", True),
        ("RCPT", 300, "waiting for the reply to RCPT", False),
        ("DATA", 300, "waiting for the reply to DATA", False),
        ("content", 600, "waiting for the reply to the message", False),
    ],
)
async def test_a_silence_is_deferred_and_says_where(
    smtp_peer: MakePeer, courier: MakeCourier, step: str, seconds: int, wanted: str, whole: bool
) -> None:
    peer = smtp_peer(users={"adele": "secret"})
    gate = Gate()
    peer.rule(step, Hold(gate))
    one = courier(peer.port, tls="none", username="adele", password="secret", connect_seconds=1e9)
    delivery = asyncio.create_task(one.deliver(envelope()))
    await asyncio.to_thread(gate.reached.wait)
    while not delivery.done():  # a peer can have accepted a connection that we do not know of yet
        let_pass(301)
        await checkpoint()
    [outcome] = await delivery
    assert isinstance(outcome, Deferred)
    assert (outcome.reply.code, outcome.reply.status) == (0, "4.4.2")
    assert outcome.reply.text == f"nothing happened for {seconds} s while {wanted} (127.0.0.1)"
    assert outcome.whole_destination is whole


async def test_a_slow_peer_is_waited_for(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer()
    gates = [Gate(), Gate(), Gate()]
    for gate, step in zip(gates, ("EHLO", "MAIL", "content"), strict=True):
        peer.rule(step, Hold(gate))
    delivery = asyncio.create_task(courier(peer.port).deliver(envelope()))
    for gate, seconds in zip(gates, (250, 250, 550), strict=True):
        await asyncio.to_thread(gate.reached.wait)
        let_pass(seconds)
        gate.open()
    [outcome] = await delivery
    assert isinstance(outcome, Delivered)


async def test_an_address_that_swallows_everything_leaves_the_next_its_time(
    smtp_peer: MakePeer, courier: MakeCourier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host with an IPv6 address that leads nowhere, say."""
    peer, loop, begun = smtp_peer(), asyncio.get_running_loop(), asyncio.Event()
    connect = loop.sock_connect

    async def note(sock: socket.socket, address: Any) -> None:
        begun.set()
        await connect(sock, address)

    def look_up(host: str, port: int, **hints: Any) -> list[tuple[Any, ...]]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("127.0.0.2", "127.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(loop, "sock_connect", note)
    with swallowing("127.0.0.2", peer.port):
        delivery = asyncio.create_task(courier(peer.port, host="mx.test", tls="none").deliver(envelope()))
        await begun.wait()
        assert peer.connections == 0
        let_pass(31)
        [outcome] = await delivery
    assert isinstance(outcome, Delivered)


async def test_a_name_server_that_is_away_keeps_no_threads_from_other_work(
    courier: MakeCourier, monkeypatch: pytest.MonkeyPatch
) -> None:
    comes_back = threading.Event()

    def look_up(*what: Any, **hints: Any) -> list[tuple[Any, ...]]:
        comes_back.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    one = courier(25, host="mx.test", connections=40)
    deliveries = [asyncio.create_task(one.deliver(envelope())) for _ in range(40)]
    await checkpoint()
    try:
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "done"), 30) == "done"
    finally:
        comes_back.set()
    for [outcome] in await asyncio.gather(*deliveries):
        assert (outcome.reply.code, outcome.reply.status) == (0, "4.4.3")


@contextlib.contextmanager
def swallowing(host: str, port: int) -> Iterator[None]:
    """Have a port neither take nor refuse a connection: those that wait to be accepted are too many."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind((host, port))
        listening.listen(0)
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((host, port))
        yield


async def test_a_peer_that_stops_reading_is_given_up(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer(keep_content=False)
    gate = Gate()
    peer.rule("body", Hold(gate))
    one = courier(peer.port)
    delivery = asyncio.create_task(one.deliver(Envelope("", ("a@x.test",), Endless(peer))))
    await asyncio.to_thread(gate.reached.wait)
    [connection] = one._connections
    while connection.is_writable:
        await checkpoint()
    let_pass(301)
    [outcome] = await delivery
    assert isinstance(outcome, Deferred)
    assert outcome.reply.text == "nothing happened for 300 s while sending the message (127.0.0.1)"
    assert not outcome.whole_destination


async def test_an_idle_connection_is_closed_with_quit(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer()
    one = courier(peer.port)
    await one.deliver(envelope())
    [connection] = one._connections
    let_pass(16)
    await connection.lost
    assert peer.commands[-1] == "QUIT"
    assert not one._connections
    assert not one._idle


def begin(one: SmtpCourier, *names: str) -> list[asyncio.Task[tuple[Outcome, ...]]]:
    return [asyncio.create_task(one.deliver(envelope(sender=f"{name}@x.test"))) for name in names]


async def test_a_silence_is_of_the_message_before_not_of_its_follower(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer()
    gate = Gate()
    peer.rule("content", Hold(gate, "451 4.3.0 never mind"), times=1)
    deliveries = begin(courier(peer.port, connections=1), "a", "b")
    await asyncio.to_thread(gate.reached.wait)
    let_pass(601)
    [[first], [second]] = await asyncio.gather(*deliveries)
    assert isinstance(first, Deferred)
    assert first.reply.text.startswith(
        "nothing happened for 600 s while waiting for the reply to the message"
    )
    assert isinstance(second, Delivered)
    assert [(message.sender, message.connection) for message in peer.messages] == [("b@x.test", 2)]
    gate.open()


async def test_a_silence_after_the_answer_to_the_message_before_is_the_followers(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer()
    gate = Gate()
    peer.rule("MAIL", Hold(gate), match="b@*")
    first, second = begin(courier(peer.port, connections=1), "a", "b")
    await asyncio.to_thread(gate.reached.wait)
    assert isinstance((await first)[0], Delivered)
    let_pass(301)
    [outcome] = await second
    assert isinstance(outcome, Deferred)
    assert outcome.reply.text.startswith("nothing happened for 300 s while waiting for the reply to MAIL")
    assert outcome.whole_destination
    assert peer.connections == 1


async def test_a_follower_has_all_the_time_from_the_answer_before_it(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer()
    content, mail = Gate(), Gate()
    peer.rule("content", Hold(content), times=1)
    peer.rule("MAIL", Hold(mail), match="b@*")
    first, second = begin(courier(peer.port, connections=1), "a", "b")
    await asyncio.to_thread(content.reached.wait)
    let_pass(250)
    content.open()
    assert isinstance((await first)[0], Delivered)
    await asyncio.to_thread(mail.reached.wait)
    let_pass(250)
    mail.open()
    assert isinstance((await second)[0], Delivered)
    assert peer.connections == 1


async def test_patience_with_one_message_is_not_added_to_that_with_the_next(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer()
    gates = [Gate() for _ in range(4)]
    for gate in gates:
        peer.rule("content", Hold(gate), times=1)
    *slow, last = begin(courier(peer.port, connections=1), "a", "b", "c", "d")
    for gate, delivery in zip(gates, slow, strict=False):
        await asyncio.to_thread(gate.reached.wait)
        let_pass(350)
        for _ in range(5):  # until the time is noticed
            await checkpoint()
        gate.open()
        assert isinstance((await delivery)[0], Delivered)
    await asyncio.to_thread(gates[-1].reached.wait)
    let_pass(601)
    [outcome] = await asyncio.wait_for(last, 30)
    assert isinstance(outcome, Deferred)
    assert outcome.reply.text.startswith(
        "nothing happened for 600 s while waiting for the reply to the message"
    )
    assert peer.connections == 1
