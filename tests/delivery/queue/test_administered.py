"""What an administrator does to the queue of a running server, and what its senders find in their Inboxes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from tests.client import ADELE, Client, eventually

from graphpost.config import Config, RouteSettings
from graphpost.testing.server import running_server


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Of a server whose relay does not answer."""
    data = tmp_path_factory.mktemp("administered") / "data"

    def change(config: Config) -> Config:
        return replace(config, routes=[RouteSettings(domains=["*"], to="smtp://127.0.0.1:1")])

    with running_server(data, flags={"server.tls": False}, change=change) as server:
        yield Client(server.port, data)


def post(client: Client, path: str, body: Any = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {(client.data / 'admin.token').read_text().strip()}"}
    answer = client.ask("POST", path, json.dumps(body or {}), headers)
    return answer.status, answer.json()


def done(client: Client, path: str, body: Any = None) -> Any:
    """Until no attempt is in the way."""
    answers: list[tuple[int, Any]] = []

    def is_done() -> bool:
        answers.append(post(client, path, body))
        return answers[-1][0] == 200

    eventually(is_done)
    return answers[-1][1]


def reports(client: Client) -> list[str]:
    return [each["body"]["content"] for each in client.folder("inbox")]


def test_a_cancellation_is_reported_when_that_is_asked_for(client: Client) -> None:
    queue_id = client.send("a@elsewhere.test", "b@elsewhere.test")
    before = len(reports(client))
    done(client, f"/admin/queue/{queue_id}/cancel", {"recipient": "a@elsewhere.test", "report": True})
    eventually(lambda: len(reports(client)) == before + 1)
    assert "cancelled by an administrator" in reports(client)[-1]
    states = {each["address"]: each["state"] for each in client.message(queue_id)["recipients"]}
    assert states["a@elsewhere.test"] == "failed"
    assert states["b@elsewhere.test"] in ("queued", "deferred")
    done(client, f"/admin/queue/{queue_id}/cancel")
    assert client.outcome(queue_id)["b@elsewhere.test"] == "cancelled"
    assert len(reports(client)) == before + 1, "nobody was told of the second"


def test_what_is_held_is_not_attempted_and_shows_what_was_said_before(client: Client) -> None:
    queue_id = client.send("c@elsewhere.test")
    eventually(lambda: client.message(queue_id)["recipients"][0]["state"] == "deferred")
    held = done(client, f"/admin/queue/{queue_id}/hold")
    (recipient,) = held["recipients"]
    assert recipient["state"] == "held"
    assert recipient["reply"]["text"]
    assert done(client, f"/admin/queue/{queue_id}/release")["deliveries"][0]["state"] == "queued"
    eventually(lambda: bool(client.message(queue_id)["recipients"][0]["earlier"]))


def test_a_suppressed_recipient_comes_back_at_once_with_the_reason(client: Client) -> None:
    entry = {"address": "Gone@elsewhere.test", "reason": "left the company"}
    assert post(client, "/admin/suppressions", {"entries": [entry]}) == (200, {"added": 1})
    before = len(reports(client))
    assert client.outcome(client.send("gone@elsewhere.test")) == {"gone@elsewhere.test": "failed"}
    eventually(lambda: len(reports(client)) == before + 1)
    assert "left the company" in reports(client)[-1]


def test_a_sent_message_is_looked_up_by_what_its_sender_knows(client: Client) -> None:
    queue_id = client.send("d@elsewhere.test", subject="Looked up")
    query = "?$filter=subject eq 'Looked up'".replace(" ", "%20")
    (sent,) = client.graph("GET", f"/users/{ADELE}/mailFolders/sentitems/messages{query}").json()["value"]
    assert client.administer(f"/admin/queue/{sent['id']}")["id"] == queue_id
    message_id = sent["internetMessageId"].strip("<>")
    for found in (f"message_id={message_id}", "recipient=d@elsewhere.test", f"sender={ADELE}&limit=1"):
        assert [each["id"] for each in client.administer(f"/admin/queue?{found}")["value"]] == [queue_id]
    assert client.administer("/admin/destinations")["value"][0]["destination"] == "smtp://127.0.0.1:1"
