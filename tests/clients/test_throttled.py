"""The official SDKs' own retrying gets through a server that holds them back: nothing is lost, nothing comes twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.client import eventually
from tests.clients import node
from tests.clients.relay import Delivered, Relay
from tests.clients.world import World, python_script, running_world

from graphpost.clock import Clock, Instant, SystemClock
from graphpost.config import ThrottlingSettings
from graphpost.maillog import MailLog
from graphpost.server import lifetime
from graphpost.store.store import Store
from graphpost.throttling.limiting import Throttling

pytestmark = pytest.mark.slow
COUNT = 36
AT_A_TIME = 4  # as many as Graph lets into a mailbox
LIMITS = """
[throttling]
profile = "custom"
requests = 24
requests_seconds = 3
concurrency = 4
upload_bytes = 1000000
application_requests = 1000
messages = 1000
recipients = 1000
"""


class Standing(SystemClock):
    """Once it is stopped it stands until somebody is held back: however slow the machine is, all come too quickly."""

    def __init__(self) -> None:
        self._goes_on: Callable[[], bool] = lambda: True
        self._stood: Instant = 0
        self._behind = 0
        self._stands = False

    def stop(self, until: Callable[[], bool]) -> None:
        self._stood, self._goes_on, self._stands = self.now(), until, True

    def now(self) -> Instant:
        if self._stands and self._goes_on():
            self._behind, self._stands = super().now() - self._stood, False
        return self._stood if self._stands else super().now() - self._behind


@pytest.fixture(scope="module")
def clock() -> Standing:
    """The one that requests are counted by."""
    return Standing()


@pytest.fixture(scope="module")
def throttled(tmp_path_factory: pytest.TempPathFactory, relay: Relay, clock: Standing) -> Iterator[World]:
    def made(settings: ThrottlingSettings, store: Store, _: Clock, log: MailLog) -> Throttling:
        return Throttling(settings, store, clock, log)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lifetime, "Throttling", made)
        with running_world(tmp_path_factory.mktemp("throttled"), relay, LIMITS) as running:
            yield running


def check_many(throttled: World, clock: Standing, command: list[str], subject: str) -> None:
    metrics = throttled.server.server.log.metrics
    before = metrics.throttled
    clock.stop(until=lambda: metrics.throttled > before)
    assert throttled.run(command, subject, COUNT, AT_A_TIME) == "done"
    assert metrics.throttled > before

    def came() -> list[Delivered]:
        return [mail for mail in throttled.relay.delivered if mail.subject.startswith(subject)]

    eventually(lambda: len(came()) >= COUNT)
    assert sorted(mail.subject for mail in came()) == sorted(f"{subject} {number}" for number in range(COUNT))


def test_msgraph_sdk_gets_everything_through(throttled: World, clock: Standing) -> None:
    check_many(throttled, clock, python_script("sdk_many.py"), "Held back by Python")


def test_the_javascript_sdk_gets_everything_through(throttled: World, clock: Standing) -> None:
    check_many(throttled, clock, [node.node(), str(node.DIRECTORY / "many.js")], "Held back by JavaScript")
