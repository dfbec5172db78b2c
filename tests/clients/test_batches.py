"""Batches as the released libraries write and read them."""

from __future__ import annotations

import pytest
from tests.clients import node
from tests.clients.world import ADELE, World

pytestmark = pytest.mark.slow


def test_msgraph_sdk_sends_and_reads_in_one_batch(world: World) -> None:
    seen = world.python("sdk_batch.py", "Sent in a batch")
    assert seen == {
        "absolute": [False, True],
        "statuses": {"letter": 202, "user": 200, "folder": 200, "nobody": 404},
        "typed": ["", "application/json", "application/json", "application/json"],
    }
    mail = world.relay.wait_for("Sent in a batch").message
    assert "Schöne Grüße" in mail.get_body().get_content()


def test_office365_rest_reads_in_one_batch(world: World) -> None:
    assert world.python("office365_batch.py") == [ADELE, True, "Inbox"]


def test_microsoft_graph_client_drafts_and_sends_in_two_batches(world: World) -> None:
    command = [node.node(), str(node.DIRECTORY / "batch.js")]
    assert world.run(command, "JavaScript in a batch", ADELE) == {
        "made": [201, 400, 424],
        "refused": ["ErrorInvalidIdMalformed", "FailedDependency"],
        "found": "JavaScript in a batch",
        "sent": 202,
    }
    world.relay.wait_for("JavaScript in a batch")
