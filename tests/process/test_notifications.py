"""Subscriptions outlive the process: what was not told before the end is told after the next start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

import pytest
from tests.notifications.hall import hall_of
from tests.notifications.receiver import Receiver, Say, echo

from graphpost.testing.process import ServerProcess

pytestmark = pytest.mark.slow
ENVIRON = {"GRAPHPOST_NOTIFICATIONS_RETRY_SECONDS": "0.2"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


@pytest.mark.parametrize("end", [SIGTERM, SIGKILL])
def test_what_was_not_told_before_the_end_is_told_afterwards(
    tmp_path: Path, receiver: Receiver, end: Signals
) -> None:
    data = tmp_path / "data"
    with ServerProcess.start(data, "--port", "0", environ=ENVIRON) as server:
        hall = hall_of(server.url, data)
        assert hall.subscribe(receiver.url()).status == 201
        receiver.behave = lambda taken: Say(503)
        made = [hall.draft()["id"] for _ in range(3)]
        receiver.wait_for(1)
        server.signal(end)
        server.wait()
    before = len(receiver.requests)
    receiver.behave = echo
    with ServerProcess.start(data, "--port", "0", environ=ENVIRON) as server:
        receiver.wait(
            lambda r: {key for taken in r.requests[before:] for key in told(taken.value)} == set(made)
        )
        [kept] = hall_of(server.url, data).ask("GET", "/subscriptions").json["value"]
        assert kept["notificationUrl"] == receiver.url()


def told(value: list[dict[str, dict[str, str]]]) -> list[str]:
    return [each["resourceData"]["id"] for each in value]
