"""The administration of the queue over HTTP: by message, by what is known of it, and in steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.admin.conftest import ADELE, NOW

from graphpost.admin import queue
from graphpost.admin.http import AdminApi
from graphpost.clock import SECOND
from graphpost.ids import message_id_text
from graphpost.store.queue.deliveries import Delivery, Recipient

QUEUE_ID = f"{0xABC << 12:016x}"


def delivery(number: int = 0xABC << 12, **changes: Any) -> Delivery:
    values: dict[str, Any] = {
        "position": 0,
        "destination": "mx:b.test",
        "due_at": NOW + 60 * SECOND,
        "created_at": NOW,
        "expires_at": NOW + 3600 * SECOND,
        "sender": "Adele@a.test",
        "recipients": (Recipient("b@b.test"), Recipient("c@b.test")),
        "internet_message_id": f"<{number}@a.test>",
        **changes,
    }
    return Delivery(mailbox_id=ADELE.mailbox_id, message_id=number, **values)


def test_a_message_is_held_and_released(admin: Any) -> None:
    status, held = admin.ask("POST", f"/admin/queue/{QUEUE_ID}/hold", None, delivery())
    assert (status, held["deliveries"][0]["state"]) == (200, "held")
    assert [each["state"] for each in held["recipients"]] == ["held", "held"]
    status, body = admin.ask("POST", f"/admin/queue/{QUEUE_ID}/retry")
    assert (status, body["error"]["message"]) == (409, f"{QUEUE_ID}: nothing of it is waiting")
    status, body = admin.ask("POST", f"/admin/queue/{QUEUE_ID}/cancel", {"recipient": "d@b.test"})
    assert (status, body["error"]["message"]) == (404, f"{QUEUE_ID}: it is not for d@b.test")
    status, freed = admin.ask("POST", f"/admin/queue/{QUEUE_ID}/release")
    assert (status, freed["deliveries"][0]["state"]) == (200, "queued")
    assert admin.ask("POST", f"/admin/queue/{QUEUE_ID}/release")[0] == 409
    assert admin.told == ["queue", "queue"]


def test_one_recipient_is_held(admin: Any) -> None:
    body = {"recipient": "c@b.test"}
    status, found = admin.ask("POST", f"/admin/queue/{QUEUE_ID}/hold", body, delivery())
    assert status == 200
    assert {each["address"]: each["state"] for each in found["recipients"]} == {
        "b@b.test": "queued",
        "c@b.test": "held",
    }


def test_what_is_being_attempted_is_left(admin: Any) -> None:
    mine = delivery(owner=5, attempts=1)
    status, body = admin.ask("POST", f"/admin/queue/{QUEUE_ID}/hold", None, mine)
    assert (status, body["error"]["message"]) == (409, f"{QUEUE_ID}: it is being attempted at this moment")
    assert admin.ask("POST", "/admin/queue/cancel", {"sender": "adele@a.test"})[1]["under_way"] == 1


@pytest.mark.parametrize("immutable", [True, False])
def test_a_message_is_found_by_graphs_id(admin: Any, immutable: bool) -> None:
    text = message_id_text(ADELE.object_id, 0xABC << 12, 0, immutable=immutable)
    status, found = admin.ask("GET", f"/admin/queue/{text}", None, delivery())
    assert (status, found["id"]) == (200, QUEUE_ID)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("sender=adele@a.test", 1),
        ("sender=@a.test", 1),
        ("recipient=C@B.test", 1),
        ("recipient=d@b.test", 0),
        ("destination=b.test", 1),
        ("destination=B.TEST", 1),
        ("destination=mx:b.test", 1),
        ("destination=mx:c.test", 0),
        (f"message_id=%3C{0xABC << 12}@a.test%3E", 1),
        (f"message_id={0xABC << 12}@a.test", 1),
        ("state=deferred", 0),
        ("state=failed", 0),
    ],
)
def test_the_list_is_narrowed_by_what_is_known(admin: Any, query: str, count: int) -> None:
    assert len(admin.ask("GET", f"/admin/queue?{query}", None, delivery())[1]["value"]) == count


def test_the_list_has_pages(admin: Any) -> None:
    there = [delivery(number << 12) for number in range(1, 6)]
    _, first = admin.ask("GET", "/admin/queue?limit=3", None, *there)
    _, second = admin.ask("GET", f"/admin/queue?limit=3&before={first['next']}")
    assert [int(each["id"], 16) >> 12 for each in (*first["value"], *second["value"])] == [5, 4, 3, 2, 1]
    assert second["next"] == ""


def test_everything_is_done_in_steps(admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "STEP", 4)
    monkeypatch.setattr(queue, "AT_ONCE", 3)
    there = [delivery(number << 12) for number in range(1, 11)]

    async def hold(api: AdminApi) -> list[dict[str, Any]]:
        steps: list[dict[str, Any]] = []
        while not steps or steps[-1]["next"]:
            after = steps[-1]["next"] if steps else ""
            steps.append(await api.operations.act_on_queue(action="hold", everything=True, after=after))
        return steps

    steps = admin.run(hold, *there)
    assert [step["deliveries"] for step in steps] == [4, 4, 2]
    assert len(admin.ask("GET", "/admin/queue?state=held")[1]["value"]) == 10


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "everything: name a mailbox"),
        ({"everything": True, "after": "1.2"}, 400, "after: '1.2' is not what an earlier step answered"),
        ({"everything": True, "after": "1.0.1.1"}, 400, "after:"),
        ({"everything": True, "after": "0.16.1.1"}, 400, "after:"),
        ({"mailbox": "no@a.test"}, 404, "there is no mailbox no@a.test"),
        ({"colour": "red"}, 400, "colour"),
    ],
)
def test_wrong_requests_say_what_is_wrong(admin: Any, body: Any, status: int, words: str) -> None:
    found = admin.ask("POST", "/admin/queue/hold", body)
    assert found[0] == status
    assert words in found[1]["error"]["message"]


def test_there_are_only_four_things_to_do(admin: Any) -> None:
    assert admin.ask("POST", "/admin/queue/burn", {"everything": True})[0] == 400


def test_what_was_done_is_in_the_log(admin: Any) -> None:
    admin.ask("POST", "/admin/queue/hold", {"recipient": "@b.test"}, delivery())
    admin.log.flush()
    line = admin.log._lines._stream.getvalue()
    assert "queue action=hold recipient=@b.test deliveries=1" in line


@pytest.mark.parametrize("action", ["hold", "cancel", "retry"])
def test_the_server_is_asked_to_give_back_what_is_to_be_stopped(admin: Any, action: Any) -> None:
    asked: list[list[bool]] = []
    mine, other = delivery(), delivery(5 << 12, sender="else@a.test")

    async def act(api: AdminApi) -> None:
        async def relinquish(wanted: Any) -> None:
            asked.append([wanted(each) for each in (mine, other)])

        operations = replace(api.operations, relinquish=relinquish)
        await operations.act_on_queue(action=action, sender="adele@a.test")

    admin.run(act, mine, other)
    assert asked == ([] if action == "retry" else [[True, False]])
