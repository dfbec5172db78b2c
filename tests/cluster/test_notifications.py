"""Two servers share a database: each change is told once, and one takes over what the other was telling."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from signal import SIGKILL

import pytest
from tests.cluster.conftest import Node
from tests.notifications.hall import ADELE, Hall, hall_of
from tests.notifications.receiver import Receiver, Say, Taken, echo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
DRAFTS = 60


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def hall(node: Node) -> Hall:
    return hall_of(node.server.url, node.server.data)


def test_what_either_changes_is_told_once(nodes: tuple[Node, Node], receiver: Receiver) -> None:
    first, second = map(hall, nodes)
    resource = f"users/{ADELE}/messages"
    assert first.subscribe(receiver.url("/first"), "app", resource=resource).status == 201
    assert second.subscribe(receiver.url("/second"), "app", resource=resource).status == 201
    place = f"/users/{ADELE}/messages"
    with ThreadPoolExecutor(4) as pool:
        made = list(
            pool.map(
                lambda number: (first, second)[number % 2].draft(str(number), place, "app")["id"],
                range(DRAFTS),
            )
        )
    told = receiver.wait_for(2 * DRAFTS)
    for node in nodes:
        assert node.server.stop() == 0
        assert "Traceback" not in node.server.output
        assert " problem " not in node.server.output
    assert Counter(each["resourceData"]["id"] for each in told) == Counter(made * 2)
    assert len(receiver.notifications) == 2 * DRAFTS
    assert {each["changeType"] for each in told} == {"created"}


def test_what_a_killed_node_was_telling_is_told_by_another(
    start: Callable[..., Node], receiver: Receiver, end_leases: Callable[[], None]
) -> None:
    doomed = start()
    asking = hall(doomed)
    assert asking.subscribe(receiver.url(), "app", resource=f"users/{ADELE}/messages").status == 201
    arrived, done = threading.Event(), threading.Event()

    def hang(taken: Taken) -> Say:
        arrived.set()
        done.wait(60)
        return Say(202)

    receiver.behave = hang
    made = asking.draft("x", f"/users/{ADELE}/messages", "app")["id"]
    assert arrived.wait(60)
    doomed.server.signal(SIGKILL)
    doomed.server.wait()
    done.set()
    receiver.behave = echo
    before = len(receiver.notifications)
    survivor = start()
    end_leases()
    told = receiver.wait_for(before + 1)
    assert {each["resourceData"]["id"] for each in told} == {made}
    assert survivor.server.stop() == 0
