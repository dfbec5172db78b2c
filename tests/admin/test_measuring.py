"""Metrics of the queue: by state, and for the deepest destinations, which are few."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.admin.conftest import NOW
from tests.admin.test_queue import delivery

from graphpost.admin.http import AdminApi
from graphpost.clock import SECOND
from graphpost.store.queue.deliveries import HELD, Recipient, Saying


def figures(text: str, name: str) -> dict[str, float]:
    """By the value of the one label."""
    return {
        label: float(value)
        for label, value in re.findall(rf'^{name}{{\w+="(.*?)"}} (.*)$', text, re.MULTILINE)
    }


def many(count: int) -> list[Any]:
    """So many destinations: d1 with one delivery, d2 with two, and so on, all of another age."""
    return [
        delivery((n * 100 + i) << 12, destination=f"d{n}", created_at=NOW - n * SECOND, due_at=NOW - 1)
        for n in range(1, count + 1)
        for i in range(n)
    ]


def test_deliveries_are_counted_by_state(admin: Any) -> None:
    there = [delivery(1 << 12), delivery(2 << 12, due_at=NOW), delivery(3 << 12, state=HELD)]
    _, text = admin.ask("GET", "/metrics", None, *there)
    assert figures(text, "graphpost_queue_deliveries") == {"due": 1, "later": 1, "held": 1}


@pytest.mark.parametrize(
    ("most", "depth", "oldest"),
    [
        (20, {"d3": 3, "d2": 2, "d1": 1}, {"d3": 3, "d2": 2, "d1": 1}),
        (3, {"d3": 3, "d2": 2, "d1": 1}, {"d3": 3, "d2": 2, "d1": 1}),
        (1, {"d3": 3, "other": 3}, {"d3": 3, "other": 2}),
        (0, {}, {}),
    ],
)
def test_only_the_deepest_destinations_have_figures_of_their_own(
    admin: Any, most: int, depth: dict[str, int], oldest: dict[str, int]
) -> None:
    async def look(api: AdminApi) -> bytes:
        bounded = AdminApi(api.operations, api.token, api.log, destinations=most)
        return await bounded.metrics()

    text = admin.run(look, *many(3)).decode()
    assert figures(text, "graphpost_destination_depth") == depth
    assert figures(text, "graphpost_destination_oldest_seconds") == oldest


def test_they_are_counted_at_most_every_ten_seconds(admin: Any) -> None:
    assert figures(admin.ask("GET", "/metrics", None, *many(1))[1], "graphpost_destination_depth") == {
        "d1": 1
    }
    _, text = admin.ask("GET", "/metrics", None, delivery(99 << 12, destination="d9"))
    assert "graphpost_queue_depth 2.0" in text
    assert figures(text, "graphpost_destination_depth") == {"d1": 1}


def test_a_destination_is_listed_with_its_last_reply(admin: Any) -> None:
    said = Recipient("b@b.test", "deferred", Saying(451, "4.7.1", "Greylisted", "mx.b.test"), NOW)
    status, found = admin.ask("GET", "/admin/destinations", None, delivery(recipients=(said,)))
    assert (status, found["destinations"]) == (200, 1)
    assert found["value"] == [
        {
            "destination": "mx:b.test",
            "queued": 1,
            "later": 1,
            "held": 0,
            "oldest": "2023-11-14T22:13:20Z",
            "not_before": "",
            "failures": 0,
            "reply": {"code": 451, "status": "4.7.1", "text": "Greylisted", "host": "mx.b.test"},
            "replied": "2023-11-14T22:13:20Z",
        }
    ]
    assert admin.ask("GET", "/admin/destinations?limit=1", None, *many(2))[1]["destinations"] == 3
