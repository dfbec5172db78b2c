"""A server with limits: requests, slices and messages over them, as clients see it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.client import ADELE, Client
from tests.conformance.conftest import SETTINGS
from tests.conformance.drafting import Draft, new_draft
from tests.conformance.targets import ADELE as OWNER
from tests.conformance.targets import OwnTarget

from graphpost.clock import Instant, SystemClock
from graphpost.config import Config, ThrottlingSettings
from graphpost.testing.clock import START
from graphpost.testing.server import running_server

SLICE = 200_000
DATA = random.Random(7).randbytes(500_000)


def limited(**limits: Any) -> Callable[[Config], Config]:
    return lambda config: replace(config, throttling=ThrottlingSettings(profile="custom", **limits))


class StandingClock(SystemClock):
    """Says one instant, the beginning of ten minutes: how long to wait does not depend on when it is asked."""

    def now(self) -> Instant:
        return START


@pytest.fixture
def throttled(tmp_path: Path) -> Iterator[Client]:
    change, clock = limited(requests=3, messages=2, recipients=100), StandingClock()
    with running_server(tmp_path, flags={"server.tls": False}, change=change, clock=clock) as server:
        yield Client(server.port, tmp_path)


def test_a_client_is_told_when_to_come_back(throttled: Client) -> None:
    answers = [throttled.post("zoe@one.test") for _ in range(5)]
    assert [answer.status for answer in answers] == [202, 202, 202, 429, 429]
    assert answers[-1].headers["retry-after"] == "610"
    assert answers[-1].json()["error"]["code"] == "TooManyRequests"
    assert "request-id" in answers[-1].headers
    headers = {"Authorization": f"Bearer {(throttled.data / 'admin.token').read_text().strip()}"}
    metrics = throttled.ask("GET", "/metrics", headers=headers).body
    assert b"graphpost_throttled_total 2.0" in metrics
    assert b"graphpost_paced_total 1.0" in metrics, metrics.decode()


def test_a_page_of_another_origin_is_told_so_too(throttled: Client) -> None:
    headers = {"Authorization": f"Bearer {throttled.token()}", "Origin": "https://page.example"}
    path = f"/v1.0/users/{ADELE}/mailFolders"
    answers = [throttled.ask("GET", path, headers=headers) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].headers["access-control-allow-origin"] == "*"
    assert "Retry-After" in answers[-1].headers["access-control-expose-headers"]
    asked = {"Origin": "https://page.example", "Access-Control-Request-Method": "GET"}
    assert throttled.ask("OPTIONS", path, headers=asked).status == 204


def test_requests_to_upload_urls_count_as_the_application_that_opened_the_session(tmp_path: Path) -> None:
    change = limited(upload_bytes=2 * SLICE + 20_000, requests=5)  # the session, two slices, two questions
    with running_server(tmp_path, file=SETTINGS, change=change) as server:
        own = OwnTarget(server)
        draft = Draft(own, OWNER, new_draft(server, OWNER))
        session = draft.session(len(DATA))
        assert session.put(0, DATA[:SLICE]).status == 200
        assert session.put(SLICE, DATA[SLICE : 2 * SLICE]).status == 200
        refused = session.put(2 * SLICE, DATA[2 * SLICE :])
        assert refused.error[:2] == (429, "ApplicationThrottled")
        assert "IncomingBytes" in refused.error[2]
        assert 200 < int(refused.headers["retry-after"]) <= 305  # less what the slices took
        for _ in range(2):
            assert session.expected() == [f"{2 * SLICE}-{len(DATA) - 1}"]
        refusals = [session.get(), session.delete()]
        assert [each.error[:2] for each in refusals] == [(429, "TooManyRequests")] * 2
        own.wire.close()


def test_recipients_are_counted_over_a_restart(tmp_path: Path) -> None:
    ends = []
    for _ in range(2):
        flags = {"server.tls": False}
        with running_server(tmp_path, flags=flags, change=limited(recipients=3)) as server:
            client = Client(server.port, tmp_path)
            ends.append(client.outcome(client.send("a@one.test", "b@one.test")))
    assert [set(end.values()) for end in ends] == [{"captured"}, {"failed"}]


def test_the_limits_of_exchange_online_let_ordinary_clients_through(tmp_path: Path) -> None:
    def change(config: Config) -> Config:
        return replace(config, throttling=ThrottlingSettings(profile="exchange-online"))

    with running_server(tmp_path, flags={"server.tls": False}, change=change) as server:
        client = Client(server.port, tmp_path)
        for _ in range(50):
            assert client.post("zoe@one.test").status == 202
        found = client.graph("GET", f"/users/{ADELE}/mailFolders/sentitems")
        assert json.loads(found.body)["totalItemCount"] == 50
