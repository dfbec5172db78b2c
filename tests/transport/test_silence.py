"""A peer that says nothing: the watchdog ends every wait, on an event loop whose time the test lets pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from anyio.lowlevel import checkpoint
from tests.transport.letters import Endless, envelope

from graphpost.testing.smtp_peer import Gate, Hold, SmtpPeer
from graphpost.transport.courier import Deferred, Delivered, Envelope
from graphpost.transport.smtp import SmtpCourier

pytestmark = pytest.mark.anyio

MakePeer = Callable[..., SmtpPeer]
MakeCourier = Callable[..., SmtpCourier]


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock can be put forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def let_pass(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    loop.ahead += seconds


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": JumpingLoop}


@pytest.mark.parametrize(
    ("step", "wanted", "whole"),
    [
        ("connect", "waiting for the greeting", True),
        ("EHLO", "waiting for the reply to EHLO", True),
        ("AUTH", "authenticating", True),
        ("MAIL", "waiting for the reply to MAIL", True),
        ("RCPT", "waiting for the reply to RCPT", False),
        ("DATA", "waiting for the reply to DATA", False),
        ("content", "waiting for the reply to the message", False),
    ],
)
async def test_a_silence_is_deferred_and_says_where(
    smtp_peer: MakePeer, courier: MakeCourier, step: str, wanted: str, whole: bool
) -> None:
    peer = smtp_peer(users={"adele": "secret"})
    gate = Gate()
    peer.rule(step, Hold(gate))
    one = courier(peer.port, tls="none", username="adele", password="secret")
    delivery = asyncio.create_task(one.deliver(envelope()))
    await asyncio.to_thread(gate.reached.wait)
    let_pass(301)
    [outcome] = await delivery
    assert isinstance(outcome, Deferred)
    assert (outcome.reply.code, outcome.reply.status) == (0, "4.4.2")
    assert outcome.reply.text == f"nothing happened for 300 s while {wanted} (127.0.0.1)"
    assert outcome.whole_destination is whole


async def test_a_slow_peer_is_waited_for(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer()
    gates = [Gate(), Gate(), Gate()]
    for gate, step in zip(gates, ("EHLO", "MAIL", "content"), strict=True):
        peer.rule(step, Hold(gate))
    delivery = asyncio.create_task(courier(peer.port).deliver(envelope()))
    for gate in gates:
        await asyncio.to_thread(gate.reached.wait)
        let_pass(250)
        gate.open()
    [outcome] = await delivery
    assert isinstance(outcome, Delivered)


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
