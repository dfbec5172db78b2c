"""Envelopes that wait for a connection, and the one whose commands leave behind another's last dot (the follower)."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable

import pytest
from tests.transport.letters import HELLO, envelope

from graphpost.testing.smtp_peer import Drop, Gate, Hold, Received, Say, SmtpPeer
from graphpost.transport.courier import Deferred, Delivered, Envelope, Failed, Outcome
from graphpost.transport.smtp import SmtpCourier
from graphpost.transport.transaction import SMALL

pytestmark = pytest.mark.anyio

MakePeer = Callable[..., SmtpPeer]
MakeCourier = Callable[..., SmtpCourier]
LARGE = b"x" * 998 + b"\r\n"
LARGE *= SMALL // len(LARGE) + 1


def letter(name: str, data: bytes = HELLO) -> Envelope:
    return envelope(f"to-{name}@x.test", sender=f"{name}@x.test", data=data)


def begin(courier: SmtpCourier, *names: str) -> list[asyncio.Task[tuple[Outcome, ...]]]:
    return [asyncio.create_task(courier.deliver(letter(name))) for name in names]


async def deliver(courier: SmtpCourier, *names: str) -> list[Outcome]:
    """All at once, in that order; one recipient each."""
    return [outcome for (outcome,) in await asyncio.gather(*begin(courier, *names))]


def senders(messages: list[Received]) -> str:
    return "".join(message.sender.partition("@")[0] for message in messages)


def connections(peer: SmtpPeer) -> list[int]:
    return [message.connection for message in peer.messages]


async def test_the_next_leaves_with_the_content_before_it(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer()
    outcomes = await deliver(courier(peer.port, connections=1), *"abc")
    assert [type(outcome) for outcome in outcomes] == [Delivered] * 3
    assert [message.is_followed for message in peer.messages] == [True, True, False]
    assert connections(peer) == [1, 1, 1]


@pytest.mark.parametrize("segments", ["reply", "batch", "byte"])
@pytest.mark.parametrize("pipelining", [True, False])
async def test_who_waits_is_served_in_order(
    smtp_peer: MakePeer, courier: MakeCourier, segments: str, pipelining: bool
) -> None:
    peer = smtp_peer(segments=segments, extensions=("PIPELINING",) if pipelining else ())
    names = [chr(number) for number in range(ord("a"), ord("z") + 1)]
    await deliver(courier(peer.port, connections=1), *names)
    assert senders(peer.messages) == "".join(names)
    assert peer.connections == 1
    assert any(message.is_followed for message in peer.messages) is pipelining


async def test_two_deliveries_a_connection_are_enough_for_company(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer(segments="batch")
    one = courier(peer.port, connections=1)
    left = iter("abcdefgh")

    async def work() -> None:
        for name in left:
            await one.deliver(letter(name))

    await asyncio.gather(work(), work())
    assert [message.is_followed for message in peer.messages] == [True] * 7 + [False]


async def test_a_route_without_pipelining_gives_one_command_at_a_time(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer()
    await deliver(courier(peer.port, connections=1, pipelining=False), *"abc")
    assert senders(peer.messages) == "abc"
    assert not any(message.is_followed for message in peer.messages)


async def test_who_may_follow_soon_takes_no_connection_of_its_own(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer(segments="batch")
    one = courier(peer.port, connections=4, patience_seconds=60.0)
    await deliver(one, "a")
    await deliver(one, "b", "c")
    assert connections(peer) == [1, 1, 1]
    assert [message.is_followed for message in peer.messages] == [False, True, False]
    await deliver(one, "d", "e", "f", "g")
    assert peer.connections == 2, "no more than two wait for one"


@pytest.mark.parametrize("pipelining", [True, False])
async def test_who_waits_behind_a_slow_one_gets_a_connection_after_all(
    smtp_peer: MakePeer, courier: MakeCourier, pipelining: bool
) -> None:
    peer = smtp_peer(extensions=("PIPELINING",) if pipelining else ())
    one = courier(peer.port, connections=4, patience_seconds=0.0 if pipelining else 60.0)
    await deliver(one, "a")
    gate = Gate()
    peer.rule("MAIL", Hold(gate), match="b@*")
    slow = begin(one, "b")[0]
    await asyncio.to_thread(gate.reached.wait)
    await deliver(one, "c", "d")
    assert not slow.done()
    gate.open()
    await slow


async def test_there_are_never_more_connections_than_that(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer()
    peer.rule("MAIL", Drop(), match="[c-f]*")
    outcomes = await deliver(courier(peer.port, connections=3, messages_per_connection=2), *"abcdefghijkl")
    assert sum(isinstance(outcome, Delivered) for outcome in outcomes) == 8
    gate = Gate()
    peer.rule("content", Hold(gate))
    before = peer.connections
    deliveries = begin(courier(peer.port, connections=3), *"ABCDEFGH")
    await asyncio.to_thread(gate.reached.wait)
    gate.open()
    await asyncio.gather(*deliveries)
    assert peer.connections == before + 3


# What happens to one is not the other's matter


@pytest.mark.parametrize("segments", ["reply", "batch", "byte"])
@pytest.mark.parametrize(
    "action", [Drop(), Drop("421 4.4.2 idle for too long"), Say("421 4.4.2 idle for too long")]
)
async def test_a_follower_whose_connection_is_gone_is_sent_over_a_new_one(
    smtp_peer: MakePeer, courier: MakeCourier, action: Drop | Say, segments: str
) -> None:
    peer = smtp_peer(segments=segments)
    peer.rule("MAIL", action, match="b@*", times=1)
    outcomes = await deliver(courier(peer.port, connections=1), *"abc")
    assert [type(outcome) for outcome in outcomes] == [Delivered] * 3
    assert sorted(senders(peer.messages)) == ["a", "b", "c"]
    assert connections(peer) == [1, 2, 2]


async def test_a_followers_connection_is_replaced_once_only(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer()
    peer.rule("MAIL", Drop(), match="b@*")
    first, second = await deliver(courier(peer.port, connections=1), *"ab")
    assert isinstance(first, Delivered)
    assert isinstance(second, Deferred)
    assert "waiting for the reply to MAIL" in second.reply.text
    assert peer.connections == 2


@pytest.mark.parametrize("action", [Drop(), Say("421 4.3.2 going down"), Drop("354 what"), Say(b"\xff\r\n")])
async def test_a_content_without_a_clear_answer_is_deferred_and_its_follower_goes_elsewhere(
    smtp_peer: MakePeer, courier: MakeCourier, action: Drop | Say
) -> None:
    peer = smtp_peer()
    peer.rule("content", action, match="to-a@*")
    first, second = await deliver(courier(peer.port, connections=1), *"ab")
    assert isinstance(first, Deferred)
    assert isinstance(second, Delivered)
    assert peer.commands.count(f"MAIL FROM:<a@x.test> SIZE={len(HELLO)}") == 1
    assert senders(peer.messages) == "b"
    assert connections(peer) == [2]


@pytest.mark.parametrize(("reply", "kind"), [("451 4.3.0 later", Deferred), ("554 5.7.1 spam", Failed)])
async def test_a_refused_content_does_not_disturb_its_follower(
    smtp_peer: MakePeer, courier: MakeCourier, reply: str, kind: type
) -> None:
    peer = smtp_peer()
    peer.rule("content", reply, match="to-a@*")
    outcomes = await deliver(courier(peer.port, connections=1), *"ab")
    assert [type(outcome) for outcome in outcomes] == [kind, Delivered]
    assert connections(peer) == [1]
    assert "RSET" not in peer.commands


@pytest.mark.parametrize("needs_recipients", [True, False])
@pytest.mark.parametrize(
    ("step", "match"), [("MAIL", "b@*"), ("RCPT", "to-b@*"), ("DATA", "*")], ids=["MAIL", "RCPT", "DATA"]
)
async def test_a_refused_follower_does_not_disturb_the_others(
    smtp_peer: MakePeer, courier: MakeCourier, step: str, match: str, needs_recipients: bool
) -> None:
    peer = smtp_peer(needs_recipients=needs_recipients)
    if step == "DATA":
        gate = Gate()
        gate.open()
        peer.rule(step, Hold(gate), times=1)  # the first is not refused
    peer.rule(step, "550 5.7.1 no", match=match, times=1)
    outcomes = await deliver(courier(peer.port, connections=1), *"abcd")
    assert [type(outcome) for outcome in outcomes] == [Delivered, Failed, Delivered, Delivered]
    taken = [message for message in peer.messages if message.recipients]
    assert senders(taken) == "acd"
    assert peer.connections == 1


async def test_all_recipients_of_a_follower_refused_and_go_on_all_the_same(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    """The content is ended with nothing in it, and the next follows even that."""
    peer = smtp_peer(needs_recipients=False)
    peer.rule("RCPT", "550 5.1.1 no", match="to-b@*")
    peer.rule("content", "554 5.5.1 no valid recipients", match="")
    outcomes = await deliver(courier(peer.port, connections=1), *"abc")
    assert [type(outcome) for outcome in outcomes] == [Delivered, Failed, Delivered]
    assert outcomes[1].reply.status == "5.1.1"
    assert senders(peer.messages) == "ac"
    assert "RSET" not in peer.commands
    assert peer.connections == 1


async def test_what_cannot_be_sent_at_all_does_not_hold_up_the_next(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer(extensions=("PIPELINING", "SIZE 100"))
    one = courier(peer.port, connections=1)
    letters = [letter("a"), letter("b", b"x" * 101), envelope("no path>"), letter("d")]
    outcomes = await asyncio.gather(*map(one.deliver, letters))
    assert [type(outcome) for (outcome,) in outcomes] == [Delivered, Failed, Failed, Delivered]
    assert [message.is_followed for message in peer.messages] == [True, False]


async def test_a_connection_has_its_share_and_no_more(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer()
    outcomes = await deliver(courier(peer.port, connections=1, messages_per_connection=2), *"abcde")
    assert [type(outcome) for outcome in outcomes] == [Delivered] * 5
    assert senders(peer.messages) == "abcde"
    assert connections(peer) == [1, 1, 2, 2, 3]


async def test_nobody_follows_a_large_message(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer()
    one = courier(peer.port, connections=1)
    letters = [letter("a"), letter("b", LARGE), letter("c")]
    outcomes = await asyncio.gather(*map(one.deliver, letters))
    assert [type(outcome) for (outcome,) in outcomes] == [Delivered] * 3
    assert [message.is_followed for message in peer.messages] == [True, False, False]
    assert [message.data for message in peer.messages] == [HELLO, LARGE, HELLO]
    assert peer.connections == 1


async def test_a_reply_too_many_is_not_taken_for_an_answer_to_who_waits(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer(extensions=())
    peer.rule("content", "250 2.0.0 taken\n250 2.0.0 and another", times=1)
    outcomes = await deliver(courier(peer.port, connections=1), *"ab")
    assert [type(outcome) for outcome in outcomes] == [Delivered, Delivered]
    assert connections(peer) == [1, 2]


async def test_who_waits_for_a_host_that_is_not_there_need_not_try(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer()
    peer.rule("connect", "554 5.3.2 not today")
    outcomes = await deliver(courier(peer.port, connections=2), *"abcdef")
    for outcome in outcomes:
        assert isinstance(outcome, Deferred)
        assert outcome.whole_destination
        assert outcome.reply.code == 554
    assert peer.connections == 2


# Cancelling and closing


async def test_a_cancelled_delivery_that_waits_is_not_noticed(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer()
    gate = Gate()
    peer.rule("RCPT", Hold(gate), match="to-a@*")
    first, second, third = begin(courier(peer.port, connections=1), *"abc")
    await asyncio.to_thread(gate.reached.wait)
    second.cancel()
    gate.open()
    assert isinstance((await first)[0], Delivered)
    assert isinstance((await third)[0], Delivered)
    assert second.cancelled()
    assert senders(peer.messages) == "ac"
    assert connections(peer) == [1, 1]


async def test_a_cancelled_follower_leaves_the_others_alone(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer()
    gate = Gate()
    peer.rule("content", Hold(gate), match="to-a@*")
    first, second, third = begin(courier(peer.port, connections=1), *"abc")
    await asyncio.to_thread(gate.reached.wait)
    second.cancel()
    gate.open()
    assert isinstance((await first)[0], Delivered)
    assert isinstance((await third)[0], Delivered)
    assert second.cancelled()
    assert senders(peer.messages) == "ac"
    assert connections(peer) == [1, 2]


async def test_a_cancelled_delivery_does_not_take_its_follower_with_it(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer()
    gate = Gate()
    peer.rule("content", Hold(gate, "451 4.3.0 later"), match="to-a@*")
    first, second, third = begin(courier(peer.port, connections=1), *"abc")
    await asyncio.to_thread(gate.reached.wait)
    first.cancel()
    assert isinstance((await second)[0], Delivered)
    assert isinstance((await third)[0], Delivered)
    assert first.cancelled()
    assert senders(peer.messages) == "bc"
    assert connections(peer) == [2, 2]
    gate.open()


@pytest.mark.parametrize("step", ["connect", "EHLO"])
async def test_a_delivery_cancelled_while_it_connects_gives_its_place_to_the_next(
    smtp_peer: MakePeer, courier: MakeCourier, step: str
) -> None:
    peer = smtp_peer()
    gate = Gate()
    peer.rule(step, Hold(gate), times=1)
    first, second = begin(courier(peer.port, connections=1), *"ab")
    await asyncio.to_thread(gate.reached.wait)
    first.cancel()
    assert isinstance((await second)[0], Delivered)
    assert first.cancelled()
    gate.open()


async def test_a_delivery_cancelled_with_a_place_in_its_hand_gives_it_back(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer()
    first, second = begin(courier(peer.port, connections=1), *"ab")
    asyncio.get_running_loop().call_soon(first.cancel)  # after it got its place, before it knows
    assert isinstance((await second)[0], Delivered)
    assert first.cancelled()
    assert senders(peer.messages) == "b"


async def test_closing_defers_who_is_under_way_follows_and_waits(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer()
    gate = Gate()
    peer.rule("content", Hold(gate))
    one = courier(peer.port, connections=1)
    deliveries = begin(one, *"abcd")
    await asyncio.to_thread(gate.reached.wait)
    await one.close()
    gate.open()
    for (outcome,) in await asyncio.gather(*deliveries):
        assert isinstance(outcome, Deferred)
        assert "we are closing" in outcome.reply.text
    assert await deliver(one, "e") == [Deferred(outcome.reply)]
    assert peer.connections == 1


async def test_closing_while_a_connection_is_opened(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer()
    gate = Gate()
    peer.rule("EHLO", Hold(gate))
    one = courier(peer.port, connections=1)
    deliveries = begin(one, *"ab")
    await asyncio.to_thread(gate.reached.wait)
    await one.close()
    gate.open()
    outcomes = await asyncio.gather(*deliveries)
    assert [type(outcome) for (outcome,) in outcomes] == [Deferred, Deferred]
    assert peer.messages == []


# Nothing lost, nothing twice

FAULTS = [
    ("MAIL", Drop()),
    ("MAIL", "421 4.3.2 bye"),
    ("MAIL", "451 4.3.0 later"),
    ("RCPT", Drop()),
    ("RCPT", "550 5.1.1 no"),
    ("DATA", Drop()),
    ("DATA", "421 4.3.2 bye"),
    ("body", Drop()),
    ("content", Drop()),
    ("content", "451 4.3.0 later"),
    ("content", "421 4.3.2 bye"),
    ("connect", "421 4.3.2 too many"),
]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("segments", ["reply", "batch"])
async def test_whatever_goes_wrong_what_is_delivered_came_once_and_the_rest_did_not(
    smtp_peer: MakePeer, courier: MakeCourier, seed: int, segments: str
) -> None:
    chance = random.Random(seed)
    peer = smtp_peer(segments=segments, needs_recipients=chance.random() < 0.5)
    for step, action in chance.sample(FAULTS, 6):
        gate = Gate()
        gate.open()
        peer.rule(step, Hold(gate), times=chance.randrange(1, 12))  # as usual, for a while
        peer.rule(step, action, times=chance.randrange(1, 3))
    names = [f"n{number}" for number in range(60)]
    one = courier(peer.port, connections=chance.randrange(1, 4), messages_per_connection=9)
    outcomes = await deliver(one, *names)
    came = Counter(message.sender.partition("@")[0] for message in peer.messages if message.recipients)
    for name, outcome in zip(names, outcomes, strict=True):
        assert came[name] == isinstance(outcome, Delivered), (name, outcome)
    assert sum(isinstance(outcome, Delivered) for outcome in outcomes) > 0
