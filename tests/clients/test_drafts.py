"""Drafts as the released libraries make, change and send them."""

from __future__ import annotations

import pytest
from tests.clients.world import World

from graphpost.store.mailbox import deferrals
from graphpost.store.store import Tx

pytestmark = pytest.mark.slow


def test_msgraph_sdk_takes_a_draft_through_its_life(world: World) -> None:
    seen = world.python("sdk_drafts.py", "Drafted with the SDK")
    assert seen == {
        "ids": 1,
        "copied": True,
        "states": [True, True, True, False],
        "changed": ["Drafted with the SDK", "Schöne Grüße", "high", ["Red"]],
        "message_ids": 1,
        "flagged": ["flagged", False],
        "refused": [
            [412, "ErrorIrresolvableConflict"],
            [404, "ErrorItemNotFound"],
            [403, "ErrorAccessDenied"],
            [404, "ErrorItemNotFound"],
        ],
    }
    mail = world.relay.wait_for("Drafted with the SDK").message
    assert mail["importance"] == "High"
    assert "<p>Schöne <b>Grüße</b></p>" in mail.get_body(("html",)).get_content()


def test_python_o365_saves_changes_and_sends_a_draft(world: World) -> None:
    seen = world.python("o365_drafts.py", "Drafted with O365")
    assert seen == {
        "found": ["Drafted with O365", ["archive@remote.example"]],
        "marked": [False, "flagged", ["Red"]],
        "left": 0,
        "gone": "Drafted with O365",
    }
    mail = world.relay.wait_for("Drafted with O365")
    assert "Zweiter Entwurf" in mail.message.get_body(("html",)).get_content()
    assert mail.message["bcc"] is None


def its_time_has_come(tx: Tx) -> None:
    (waiting,) = deferrals.listed(tx, 10)
    deferrals.hasten(tx, waiting, waiting.created_at)


def test_python_o365_delays_a_message_and_takes_another_back(world: World) -> None:
    seen = world.python("o365_delayed.py", "Delayed with O365")
    assert seen == {"waiting": [True, "Delayed with O365"], "sent": 0}
    world.server.call(lambda: world.server.store.write(its_time_has_come))
    mail = world.relay.wait_for("Delayed with O365")
    assert mail.recipients == ("zoe@remote.example",)
    assert "Später" in mail.message.get_body(("html",)).get_content()
