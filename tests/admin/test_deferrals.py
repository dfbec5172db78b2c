"""Drafts that wait for their time, as an administrator sees them."""

from typing import Any

import pytest
from msgspec.structs import replace
from tests.admin.conftest import ADELE, NOW

from graphpost.admin.http import AdminApi, Answer
from graphpost.clock import SECOND
from graphpost.mail.mailbox import DRAFTS, SENT_ITEMS
from graphpost.mail.message import Address, Item, Message
from graphpost.store.mailbox import deferrals, messages
from graphpost.store.mailbox.deferrals import Deferral

NUMBER = 0x1234
QUEUE_ID = f"{NUMBER:016x}"
DRAFT = Item(
    mailbox_id=ADELE.mailbox_id,
    message_id=NUMBER,
    folder_id=DRAFTS,
    is_draft=True,
    message=Message(subject="Later", to=(Address("b@b.test"),), from_=Address("adele@a.test")),
)
WAITS = Deferral(
    mailbox_id=ADELE.mailbox_id, message_id=NUMBER, due_at=NOW + 3600 * SECOND, created_at=NOW - SECOND
)
HEADERS = {"authorization": "Bearer secret-token"}


@pytest.fixture
def waiting(admin: Any) -> Any:
    async def add(api: AdminApi) -> None:
        await admin.store.write(lambda tx: (messages.add(tx, DRAFT), deferrals.put(tx, WAITS)))

    admin.run(add)
    return admin


def rows(admin: Any) -> list[Deferral]:
    async def read(api: AdminApi) -> list[Deferral]:
        found: list[Deferral] = await admin.store.read(lambda tx: deferrals.listed(tx, 10))
        return found

    found: list[Deferral] = admin.run(read)
    return found


def test_the_list_shows_what_waits_with_its_time(waiting: Any) -> None:
    for query in ("", "?state=waiting", "?mailbox=adele@a.test"):
        status, answer = waiting.ask("GET", f"/admin/queue{query}")
        (entry,) = answer["value"]
        assert (status, entry["id"], entry["state"], entry["due"]) == (
            200,
            QUEUE_ID,
            "waiting",
            "2023-11-14T23:13:20Z",
        )
        assert (entry["subject"], entry["sender"], entry["mailbox"]) == (
            "Later",
            "adele@a.test",
            "Adele@a.test",
        )
        assert entry["recipients"] == [
            {"address": "b@b.test", "state": "waiting", "at": "", "reply": None, "reported": None}
        ]
    for query in ("?state=queued", "?state=done"):
        assert waiting.ask("GET", f"/admin/queue{query}") == (200, {"value": [], "next": ""})


def test_one_is_shown_by_its_id(waiting: Any) -> None:
    status, shown = waiting.ask("GET", f"/admin/queue/{QUEUE_ID}")
    assert (status, shown["state"], len(shown["deliveries"])) == (200, "waiting", 1)
    assert waiting.ask("GET", f"/admin/queue/{NUMBER + 1:016x}")[0] == 404


def test_retrying_makes_it_due_now(waiting: Any) -> None:
    status, shown = waiting.ask("POST", f"/admin/queue/{QUEUE_ID}/retry")
    assert (status, shown["state"]) == (200, "waiting")
    assert [each.due_at for each in rows(waiting)] == [NOW]


def test_cancelling_leaves_a_draft_that_waits_for_nothing(waiting: Any) -> None:
    status, shown = waiting.ask("POST", f"/admin/queue/{QUEUE_ID}/cancel")
    assert (status, shown["state"], shown["recipients"][0]["state"]) == (200, "cancelled", "cancelled")
    assert rows(waiting) == []
    assert waiting.ask("POST", f"/admin/queue/{QUEUE_ID}/cancel")[0] == 404


def test_a_row_whose_draft_is_gone_is_not_shown(waiting: Any) -> None:
    async def send(api: AdminApi) -> Answer:
        sent = replace(DRAFT, folder_id=SENT_ITEMS, is_draft=False)
        await waiting.store.write(lambda tx: messages.change(tx, DRAFT, sent))
        return await api.handle("GET", "/admin/queue", "", HEADERS, b"")

    assert waiting.run(send)[2] == b'{"value":[],"next":""}'
    assert waiting.ask("GET", f"/admin/queue/{QUEUE_ID}")[0] == 404
