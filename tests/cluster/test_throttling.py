"""Two servers share a database: what one lets through counts for the other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from tests.cluster.conftest import Node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
LIMIT = 200
LIMITS = {
    "GRAPHPOST_THROTTLING_PROFILE": "custom",
    "GRAPHPOST_THROTTLING_REQUESTS": str(LIMIT),
    "GRAPHPOST_THROTTLING_RECIPIENTS": "1000",
}


def statuses(node: Node, meeting: Barrier) -> list[int]:
    """All wait for each other behind their first request, so that nobody has everything before another begins."""
    wire = node.wire()
    try:
        first = node.send(wire, "m").status
        meeting.wait()
        return [first, *(node.send(wire, "m").status for _ in range(LIMIT))]
    finally:
        wire.close()


def test_two_servers_let_through_what_one_would(start: Callable[..., Node]) -> None:
    nodes = [start(**LIMITS), start(**LIMITS)]
    with ThreadPoolExecutor(2) as pool:
        answered = list(pool.map(statuses, nodes, [Barrier(2, timeout=60)] * 2))
    assert {status for each in answered for status in each} == {202, 429}
    accepted = [each.count(202) for each in answered]
    assert LIMIT <= sum(accepted) <= LIMIT + 2 * (LIMIT // 100)
    assert all(accepted)
    for node in nodes:
        assert node.server.stop() == 0
        assert " problem " not in node.server.output
