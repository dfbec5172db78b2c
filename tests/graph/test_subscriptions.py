"""Subscriptions over the wire: made, validated, shown to their owners alone, told of changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.notifications.hall import Hall, later, open_hall
from tests.notifications.receiver import Receiver


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with open_hall(tmp_path_factory.mktemp("hall")) as opened:
        yield opened


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def test_a_subscription_is_made_once_its_receiver_has_said_the_token_back(
    hall: Hall, receiver: Receiver
) -> None:
    end = later(hours=3)
    answer = hall.subscribe(receiver.url(), expirationDateTime=end)
    made = answer.json
    assert answer.status == 201, answer
    assert made["clientState"] == "secret-state"
    assert [list(taken.query) for taken in receiver.requests] == [["validationToken"]]
    draft = hall.draft("hello")
    [told] = receiver.wait_for(1)
    assert told["changeType"] == "created"
    assert told["resourceData"]["id"] == draft["id"]
