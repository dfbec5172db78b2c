"""Two servers share a database: both accept and deliver, nothing twice, and one takes over from the other."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest
from tests.client import eventually
from tests.cluster.conftest import Node

from graphpost.clock import SECOND, SystemClock, to_text
from graphpost.testing.smtp_peer import Gate, Hold, SmtpPeer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
MESSAGES = 500
ASKED = 20_000  # how often at most


def send_all(node: Node, subjects: Iterable[str]) -> list[int]:
    wire = node.wire()
    try:
        return [node.send(wire, subject).status for subject in subjects]
    finally:
        wire.close()


def test_both_accept_and_deliver_and_nothing_is_delivered_twice(
    nodes: tuple[Node, Node], relay: SmtpPeer
) -> None:
    relay.rule("RCPT", "451 4.3.0 later", times=100)  # so that some go through the database
    subjects = [f"m{number}" for number in range(MESSAGES)]
    shares = [subjects[start::4] for start in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answered = list(pool.map(send_all, itertools.cycle(nodes), shares))
    assert {status for statuses in answered for status in statuses} == {202}
    relay.wait_for_messages(MESSAGES, 60)
    for node in nodes:
        assert node.server.stop() == 0
        assert " accepted " in node.server.output
        assert " delivered " in node.server.output
        assert "Traceback" not in node.server.output
        assert " problem " not in node.server.output
    counted = Counter(message.recipients[0].partition("@")[0] for message in relay.messages)
    assert counted == Counter(subjects)


def test_what_a_killed_node_was_delivering_is_taken_over_when_its_leases_end(
    nodes: tuple[Node, Node], relay: SmtpPeer, end_leases: Callable[[], None]
) -> None:
    first, second = nodes
    subjects = [f"m{number}" for number in range(10)]
    gates = [Gate() for _ in subjects]
    for gate in gates:
        relay.rule("DATA", Hold(gate), times=1)
    assert set(send_all(first, subjects)) == {202}
    for gate in gates:
        assert gate.reached.wait(60)
    assert relay.messages == []
    first.server.signal(SIGKILL)
    first.server.wait()
    end_leases()
    received = relay.wait_for_messages(len(subjects), 60)
    for gate in gates:
        gate.open()
    assert second.server.stop() == 0
    assert Counter(m.recipients[0].partition("@")[0] for m in received) == Counter(subjects)
    assert len(relay.messages) == len(subjects)


FOREVER = {"GRAPHPOST_DELIVERY_LEASE_SECONDS": "3600", "GRAPHPOST_DELIVERY_TAKEOVER_SECONDS": "5"}


def test_what_a_killed_node_was_delivering_is_taken_over_long_before_its_leases_end(
    start: Callable[..., Node], relay: SmtpPeer
) -> None:
    first, second = start(**FOREVER), start(**FOREVER)
    subjects = [f"m{number}" for number in range(10)]
    gates = [Gate() for _ in subjects]
    for gate in gates:
        relay.rule("DATA", Hold(gate), times=1)
    assert set(send_all(first, subjects)) == {202}
    for gate in gates:
        assert gate.reached.wait(60)
    first.server.signal(SIGKILL)
    first.server.wait()
    received = relay.wait_for_messages(len(subjects), 60)
    for gate in gates:
        gate.open()
    assert second.server.stop() == 0
    assert Counter(m.recipients[0].partition("@")[0] for m in received) == Counter(subjects)
    assert f" interrupted deliveries={len(subjects)}" in second.server.output


def test_a_node_that_was_stopped_for_a_while_does_not_send_what_others_sent_meanwhile(
    start: Callable[..., Node], relay: SmtpPeer
) -> None:
    one_by_one = {
        "GRAPHPOST_DELIVERY_CONCURRENCY": "1",
        "GRAPHPOST_DELIVERY_INITIAL_CONCURRENCY": "1",
    }
    first, second = start(**FOREVER, **one_by_one), start(**FOREVER, **one_by_one)
    subjects = [f"m{number}" for number in range(10)]
    gate = Gate()
    relay.rule("RCPT", Hold(gate), times=1)
    assert set(send_all(first, subjects)) == {202}
    assert gate.reached.wait(60)
    first.server.signal(SIGSTOP)
    relay.wait_for_messages(len(subjects), 60)
    first.server.signal(SIGCONT)
    gate.open()
    assert send_all(first, ["after"]) == [202]
    received = relay.wait_for_messages(len(subjects) + 2, 60)
    for node in (first, second):
        assert node.server.stop() == 0
    counted = Counter(message.recipients[0].partition("@")[0] for message in received)
    twice = [subject for subject, times in counted.items() if times > 1]
    assert set(counted) == {*subjects, "after"}
    assert len(twice) == 1  # the one that it was in the middle of
    assert len(relay.messages) == len(received)


def test_a_living_node_keeps_what_it_works_on_beyond_its_lease(
    start: Callable[..., Node], relay: SmtpPeer, lease_end: Callable[[], int]
) -> None:
    short = {"GRAPHPOST_DELIVERY_LEASE_SECONDS": "6"}
    first, second = start(**short), start(**short)
    gate = Gate()
    relay.rule("RCPT", Hold(gate), match="held@*")
    relay.rule("RCPT", "451 4.3.0 later", match="tick@*")
    assert send_all(first, ["held"]) == [202]
    assert gate.reached.wait(60)
    end = lease_end()
    assert end
    assert send_all(second, ["tick"]) == [202]
    eventually(lambda: SystemClock().now() > end)
    relay.clear_rules()  # what the second takes from the queue now it takes after that
    (ticked,) = relay.wait_for_messages(1, 60)
    assert ticked.recipients == ("tick@else.test",)
    gate.open()
    relay.wait_for_messages(2)
    for node in (first, second):
        assert node.server.stop() == 0
    assert sum(command.startswith("RCPT TO:<held@") for command in relay.commands) == 1


@pytest.mark.parametrize("dies", [False, True])
def test_what_waits_for_its_time_is_sent_once_by_whoever_is_there(
    nodes: tuple[Node, Node], relay: SmtpPeer, come_due: Callable[[], None], dies: bool
) -> None:
    subjects = [f"m{number}" for number in range(60)]
    due = to_text(SystemClock().now() + 3600 * SECOND)
    for node, share in zip(nodes, (subjects[::2], subjects[1::2]), strict=True):
        wire = node.wire()
        assert {node.send(wire, subject, due=due).status for subject in share} == {202}
        wire.close()
    assert relay.messages == []
    if dies:
        nodes[0].server.signal(SIGKILL)
        nodes[0].server.wait()
    come_due()
    relay.wait_for_messages(len(subjects), 60)
    for node in nodes[dies:]:
        assert node.server.stop() == 0
        assert " problem " not in node.server.output
    assert Counter(m.recipients[0].partition("@")[0] for m in relay.messages) == Counter(subjects)


def test_accounts_changed_on_one_are_seen_by_the_other(nodes: tuple[Node, Node]) -> None:
    first, second = nodes
    wire = second.wire()
    address = "new@example.test"
    assert second.send(wire, "early", address).error[:2] == (404, "ErrorInvalidUser")
    assert first.administer("POST", "/admin/mailboxes", {"address": address}) == 200
    assert 202 in (second.send(wire, "known", address).status for _ in range(ASKED))
    assert first.administer("PATCH", f"/admin/mailboxes/{address}", {"enabled": False}) == 200
    assert 404 in (second.send(wire, "known", address).status for _ in range(ASKED))
    wire.close()


def test_a_token_of_one_is_good_on_the_other(
    nodes: tuple[Node, Node], relay: SmtpPeer, start: Callable[[], Node]
) -> None:
    assert [send_all(node, ["hello"]) for node in nodes] == [[202], [202]]
    late = start()
    assert send_all(Node(late.server, late.trust, nodes[0].token), ["hello"]) == [202]
    relay.wait_for_messages(3)
