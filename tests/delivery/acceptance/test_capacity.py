"""A full queue refuses what clients send, with nothing done, and lets everything else pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.client import ADELE, ALEX, Client, eventually
from tests.delivery.post import Office
from tests.store.made import delivery

from graphpost.config import Config, DeliverySettings, RouteSettings
from graphpost.delivery.acceptance.capacity import Capacity, free_bytes
from graphpost.delivery.routing import LOCAL
from graphpost.errors import Unavailable
from graphpost.mail.message import Address
from graphpost.store.queue import deliveries
from graphpost.testing.server import running_server
from graphpost.transport.courier import Deferred, Failed, Reply

WAIT = Deferred(Reply(451, "4.7.1", "greylisted"))
GONE = Failed(Reply(550, "5.1.1", "no such user"))
WORDS = "The service is temporarily unavailable. Please try again later."


def bounded(office: Office, most: int = 2, free: int = 0) -> Capacity:
    """A capacity that the office goes by."""
    settings = DeliverySettings(queue_deliveries=most, free_bytes=free)
    capacity = Capacity(office.store, settings, Path("/"), office.clock, office.log)
    office.submitter._capacity = capacity
    office.settler._observers = (capacity.note,)
    return capacity


@pytest.mark.anyio
async def test_what_is_accepted_and_settled_is_counted(office: Office) -> None:
    capacity = bounded(office, 3)
    office.one.says(WAIT)
    await office.send("a@one.test", "b@two.test")
    await office.settle_down()
    assert capacity.waiting == 1, "one of two destinations waits"
    await office.send("a@one.test")
    await office.settle_down()
    assert capacity.waiting == 2
    await capacity.look()
    assert capacity.waiting == 2
    office.one.says(GONE)
    await office.clock.advance(100)
    await office.until_done(3)
    assert capacity.waiting == 0
    assert len(await office.inbox()) == 2, "reports pass"


@pytest.mark.anyio
async def test_what_others_do_is_seen_at_the_next_look(office: Office) -> None:
    capacity = bounded(office)
    await office.store.write(lambda tx: [deliveries.add(tx, delivery(n)) for n in (1, 2)])
    assert not capacity.is_full
    await capacity.look()
    assert capacity.is_full
    office.log.flush()
    with pytest.raises(Unavailable, match=WORDS) as caught:
        await office.send("a@one.test")
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "30"})
    assert len(await office.queue()) == 2
    await office.send("adele@contoso.test")
    with pytest.raises(Unavailable):
        await office.send("adele@contoso.test", "a@one.test")


@pytest.mark.anyio
@pytest.mark.parametrize(("free", "is_short"), [(1, False), (2**62, True)])
async def test_a_full_disk_refuses_everything(office: Office, free: int, is_short: bool) -> None:
    capacity = bounded(office, 0, free)
    await capacity.look()
    assert capacity.is_short is is_short
    if is_short:
        with pytest.raises(Unavailable):
            capacity.check([Address("adele@contoso.test")], lambda address: LOCAL)


def test_free_space_is_that_of_the_directory(tmp_path: Path) -> None:
    assert 0 < free_bytes(tmp_path) < 2**62


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server whose relay does not answer, and in whose queue is room for one delivery."""
    data = tmp_path_factory.mktemp("full") / "data"

    def change(config: Config) -> Config:
        routes = [RouteSettings(domains=["*"], to="smtp://127.0.0.1:1")]
        return replace(config, routes=routes, delivery=replace(config.delivery, queue_deliveries=1))

    with running_server(data, flags={"server.tls": False}, change=change) as server:
        client = Client(server.port, data)
        assert client.post("a@elsewhere.test").status == 202
        yield client


def refused(answer: Any) -> None:
    assert answer.status == 503
    assert answer.headers["retry-after"] == "30"
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == ("ServiceUnavailable", WORDS)


def test_send_mail_is_refused_as_graph_does_when_it_is_overloaded(full: Client) -> None:
    before = len(full.folder("sentitems"))
    refused(full.post("b@elsewhere.test"))
    assert len(full.folder("sentitems")) == before
    assert len(full.administer("/admin/queue?state=queued")["value"]) == 1


def test_a_draft_that_is_refused_is_a_draft_still(full: Client) -> None:
    message = {"subject": "Later", "toRecipients": [{"emailAddress": {"address": "b@elsewhere.test"}}]}
    draft = full.graph("POST", f"/users/{ADELE}/messages", message).json()
    path = f"/users/{ADELE}/messages/{draft['id']}"
    refused(full.graph("POST", f"{path}/send"))
    kept = full.graph("GET", path).json()
    assert (kept["isDraft"], kept["changeKey"]) == (True, draft["changeKey"])


def test_a_part_of_a_batch_is_refused_and_the_others_are_done(full: Client) -> None:
    def part(number: str, to: str) -> dict[str, Any]:
        message = {"subject": "x", "toRecipients": [{"emailAddress": {"address": to}}]}
        return {
            "id": number,
            "method": "POST",
            "url": f"/users/{ADELE}/sendMail",
            "headers": {"Content-Type": "application/json"},
            "body": {"message": message},
        }

    parts = [part("1", "b@elsewhere.test"), part("2", ALEX)]
    answers = {
        each["id"]: each for each in full.graph("POST", "/$batch", {"requests": parts}).json()["responses"]
    }
    assert (answers["1"]["status"], answers["1"]["headers"]["Retry-After"]) == (503, "30")
    assert answers["1"]["body"]["error"]["code"] == "ServiceUnavailable"
    assert answers["2"]["status"] == 202


def test_mail_to_mailboxes_here_passes(full: Client) -> None:
    assert full.outcome(full.send(ALEX)) == {ALEX: "delivered"}
    refused(full.post(ALEX, "b@elsewhere.test"))


def test_when_there_is_room_mail_is_accepted_again(tmp_path: Path) -> None:
    def change(config: Config) -> Config:
        routes = [RouteSettings(domains=["*"], to="smtp://127.0.0.1:1")]
        return replace(config, routes=routes, delivery=replace(config.delivery, queue_deliveries=1))

    with running_server(tmp_path / "data", flags={"server.tls": False}, change=change) as server:
        client = Client(server.port, tmp_path / "data")
        queue_id = client.send("a@elsewhere.test")
        refused(client.post("b@elsewhere.test"))

        def is_cancelled() -> bool:
            headers = {"Authorization": f"Bearer {(tmp_path / 'data/admin.token').read_text().strip()}"}
            return client.ask("POST", f"/admin/queue/{queue_id}/cancel", headers=headers).status == 200

        eventually(is_cancelled)
        eventually(lambda: client.post("b@elsewhere.test").status == 202)
