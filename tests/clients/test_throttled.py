"""The official SDKs' own retrying gets through a server that holds them back: nothing is lost, nothing comes twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.client import eventually
from tests.clients import node
from tests.clients.relay import Delivered, Relay
from tests.clients.world import World, python_script, running_world

pytestmark = pytest.mark.slow
COUNT = 36
AT_A_TIME = 4  # as many as Graph lets into a mailbox
STRETCH = 3.0  # seconds
LIMITS = f"""
[throttling]
profile = "custom"
requests = 24
requests_seconds = {STRETCH}
concurrency = 4
upload_bytes = 1000000
application_requests = 1000
messages = 1000
recipients = 1000
"""


@pytest.fixture(scope="module")
def throttled(tmp_path_factory: pytest.TempPathFactory, relay: Relay) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("throttled"), relay, LIMITS) as running:
        yield running


def check_many(throttled: World, command: list[str], subject: str) -> None:
    before = throttled.server.server.log.metrics.throttled
    assert throttled.run(command, subject, COUNT, AT_A_TIME) == "done"
    held_back = throttled.server.server.log.metrics.throttled - before

    def came() -> list[Delivered]:
        return [mail for mail in throttled.relay.delivered if mail.subject.startswith(subject)]

    eventually(lambda: len(came()) >= COUNT)
    assert sorted(mail.subject for mail in came()) == sorted(f"{subject} {number}" for number in range(COUNT))
    dates = sorted(mail.message["date"].datetime.timestamp() for mail in came())
    assert held_back or dates[-1] - dates[0] >= STRETCH - 1  # a machine so slow keeps within the limits


def test_msgraph_sdk_gets_everything_through(throttled: World) -> None:
    check_many(throttled, python_script("sdk_many.py"), "Held back by Python")


def test_the_javascript_sdk_gets_everything_through(throttled: World) -> None:
    check_many(throttled, [node.node(), str(node.DIRECTORY / "many.js")], "Held back by JavaScript")
