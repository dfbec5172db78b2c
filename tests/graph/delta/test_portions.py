"""However large messages are, each page is bounded, and a walk shows every one of them once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec import structs
from tests.graph.desk import ADELE, make_request
from tests.graph.study import ALL, Study, anyio_backend, open_store, postgres_url, study
from tests.store.made import item

from graphpost.delivery.queue.share import Share
from graphpost.graph.api import GraphApi
from graphpost.graph.messages import listing
from graphpost.graph.queries import holding
from graphpost.mail.mailbox import INBOX
from graphpost.mail.message import Attachment, Body, ContentRef
from graphpost.store import contents
from graphpost.store.contents import Content
from graphpost.store.mailbox import messages, portions
from graphpost.store.store import Tx

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio

SUBJECTS = [f"s{number}" for number in range(1, 13)]
INBOX_PATH = "mailFolders/inbox/messages"


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "PORTION", 20_000)
    monkeypatch.setattr(portions, "_SMALL", 1000)
    for module in (listing, holding):
        monkeypatch.setattr(module, "LIGHT", 20_000)


async def fill(study: Study, size: int, attached: int = 0, letter: str = "x") -> None:
    """Twelve messages with bodies, and two attachments if they are to have contents, of these sizes."""

    def add(tx: Tx) -> None:
        for number, subject in enumerate(SUBJECTS, 1):
            parts = tuple(
                Attachment(attachment_id=each, content=ContentRef(each), name="a", size=attached)
                for each in (1, 2)
                if attached
            )
            made = item(
                number,
                mailbox_id=ADELE.mailbox_id,
                folder_id=INBOX,
                subject=subject,
                received_at=number,
                sent_at=number,
                body=Body("lunch " + letter * size),
                attachments=parts,
            )
            messages.add(tx, made)
            stored = [Content(each.attachment_id, attached, "0" * 64, b"x" * attached) for each in parts]
            contents.add(tx, ADELE.mailbox_id, number, stored)

    await study.store.write(add)


def give_room(study: Study, total: int) -> Share:
    """Room for large pages, of which one alone may have a quarter."""
    share = Share(total, 20_000)
    study.services = replace(study.services, pages=share)
    study.api = GraphApi(study.services)
    return share


async def walk(study: Study, path: str, query: str) -> list[list[dict[str, Any]]]:
    """The entities of each page."""
    answer = await study.get(path, query=query)
    pages = []
    while True:
        assert answer.status == 200, answer
        pages.append(answer.json["value"])
        assert len(pages) < 50
        if (link := answer.json.get("@odata.nextLink")) is None:
            return pages
        answer = await study.get(path, query=urlsplit(link).query)


WALKS = [
    ("messages", "$top=1000"),
    (INBOX_PATH, "$top=1000"),
    (INBOX_PATH, "$top=5"),
    ("messages", "$top=1000&$orderby=subject,isRead&$count=true"),
    (INBOX_PATH, "$top=1000&$filter=isRead eq true or isRead eq false"),
    (INBOX_PATH, "$top=1000&$filter=contains(body/content,'lunch')"),
    ("messages", "$top=1000&$filter=contains(body/content,'lunch')&$orderby=subject desc"),
    ("messages", '$top=250&$search="lunch"'),
    (INBOX_PATH, '$top=1000&$search="subject:s*"'),
    (f"{INBOX_PATH}/delta", "$top=1000"),
]


@pytest.mark.parametrize(("path", "query"), WALKS)
async def test_pages_of_large_messages_are_short(study: Study, path: str, query: str) -> None:
    give_room(study, 0)
    await fill(study, 6_000)
    pages = await walk(study, path, query)
    assert [len(page) for page in pages] == [3, 3, 3, 3]
    assert sorted(each["subject"] for page in pages for each in page) == sorted(SUBJECTS)


@pytest.mark.parametrize(("path", "query"), WALKS)
async def test_a_message_larger_than_a_page_is_a_page(study: Study, path: str, query: str) -> None:
    give_room(study, 0)
    await fill(study, 30_000)
    pages = await walk(study, path, query)
    assert [len(page) for page in pages] == [1] * 12
    assert sorted(each["subject"] for page in pages for each in page) == sorted(SUBJECTS)


@pytest.mark.parametrize(("path", "query"), WALKS)
async def test_contents_that_are_expanded_count(study: Study, path: str, query: str) -> None:
    give_room(study, 0)
    await fill(study, 10, attached=4_000)
    pages = await walk(study, path, f"{query}&$expand=attachments")
    assert [len(page) for page in pages] == [3, 3, 3, 3]
    shown = [each for page in pages for each in page]
    assert sorted(each["subject"] for each in shown) == sorted(SUBJECTS)
    assert all(len(part["contentBytes"]) > 5_000 for each in shown for part in each["attachments"])


async def test_a_round_of_changes_is_told_in_portions(study: Study) -> None:
    give_room(study, 0)
    path = f"{INBOX_PATH}/delta"
    begun = (await study.get(path)).json["@odata.deltaLink"]
    await fill(study, 6_000)
    pages = await walk(study, path, urlsplit(begun).query)
    assert [len(page) for page in pages] == [3, 3, 3, 3]
    assert sorted(each["subject"] for page in pages for each in page) == sorted(SUBJECTS)


async def test_a_round_with_contents_is_told_in_portions(study: Study) -> None:
    give_room(study, 0)
    path = f"{INBOX_PATH}/delta"
    begun = (await study.get(path, query="$expand=attachments")).json["@odata.deltaLink"]
    await fill(study, 10, attached=4_000)
    pages = await walk(study, path, urlsplit(begun).query)
    assert [len(page) for page in pages] == [3, 3, 3, 3]
    assert sorted(each["subject"] for page in pages for each in page) == sorted(SUBJECTS)


async def test_a_large_folder_is_marked_as_read_to_the_end(study: Study) -> None:
    give_room(study, 0)
    await fill(study, 6_000)
    for wanted in (False, True):
        path = "/beta/me/mailFolders/inbox/updateAllMessagesReadState"
        answer = await study.post(path, {"isRead": wanted, "suppressReceipts": True})
        assert answer.status == 204, answer
        assert await study.counts("inbox") == (12, 0 if wanted else 12)


@pytest.mark.parametrize(("path", "query"), [WALKS[0], WALKS[5], WALKS[7], WALKS[9]])
async def test_a_large_page_takes_the_room_there_is_and_gives_it_back(
    study: Study, path: str, query: str
) -> None:
    share = give_room(study, 160_000)
    await fill(study, 6_000)
    pages = await walk(study, path, query)
    assert [len(page) for page in pages] == [6, 6]
    assert sorted(each["subject"] for page in pages for each in page) == sorted(SUBJECTS)
    assert share.used == 0


async def test_contents_take_room_too(study: Study) -> None:
    share = give_room(study, 160_000)
    await fill(study, 10, attached=4_000)
    pages = await walk(study, INBOX_PATH, "$top=1000&$expand=attachments")
    assert [len(page) for page in pages] == [6, 6]
    assert all(len(part["contentBytes"]) > 5_000 for each in pages[0] for part in each["attachments"])
    assert share.used == 0


@pytest.mark.parametrize("is_read", [True, False])
async def test_large_pages_under_way_together_are_shorter(study: Study, is_read: bool) -> None:
    share = give_room(study, 160_000)
    await fill(study, 6_000)
    asked = make_request("GET", f"/v1.0/me/{INBOX_PATH}", b"", ALL, None, "$top=1000", {})
    first = await study.api.handle(asked)
    held = share.used  # until it is sent
    assert 6 * 6_000 < held < 7 * (6_000 + 1_800)
    assert [len(page) for page in await walk(study, INBOX_PATH, "$top=1000")] == [3, 3, 3, 3]
    if is_read:
        chunks: Any = first.body
        sent = b"".join([each async for each in chunks])
        assert (len(json.loads(sent)["value"]), len(sent)) == (6, held)
    del first
    assert share.used == 0


async def test_a_page_is_as_large_as_what_is_sent(study: Study) -> None:
    share = give_room(study, 160_000)
    await fill(study, 6_000, letter="\x01")  # six letters in JSON
    asked = make_request("GET", f"/v1.0/me/{INBOX_PATH}", b"", ALL, None, "$top=1000", {})
    first = await study.api.handle(asked)
    assert share.used > 6 * 6 * 6_000
    del first
    assert share.used == 0


@pytest.mark.parametrize("path", [INBOX_PATH, f"{INBOX_PATH}/delta"])
async def test_a_large_page_that_nobody_waits_for_is_not_written_to_its_end(study: Study, path: str) -> None:
    share = give_room(study, 160_000)
    await fill(study, 6_000)
    answers = iter([False, False, True])  # to whether the client has gone, once for each message
    asked = make_request("GET", f"/v1.0/me/{path}", b"", ALL, None, "$top=1000", {})
    reply = await study.api.handle(structs.replace(asked, is_gone=lambda: next(answers)))
    assert reply.status == 499
    assert next(answers, None) is None
    assert share.used == 0


@pytest.mark.parametrize("path", ["messages", "mailFolders/drafts/messages/delta", "messages/{id}"])
async def test_html_that_nobody_waits_for_any_more_is_not_sanitised(study: Study, path: str) -> None:
    body = {"contentType": "html", "content": "<p>x</p>" * 5000}
    draft = await study.draft(body=body)
    asked = make_request("GET", f"/v1.0/me/{path.format(id=draft.id)}", b"", ALL, None, "", {})
    assert (await study.api.handle(asked)).status == 200
    assert (await study.api.handle(structs.replace(asked, is_gone=lambda: True))).status == 499


async def test_a_refused_list_holds_no_room(study: Study) -> None:
    share = give_room(study, 160_000)
    gone = (await study.post("mailFolders", {"displayName": "Gone"})).id
    await study.post(f"mailFolders/{gone}/permanentDelete")
    deleted = await study.get(f"mailFolders/{gone}/messages")
    assert deleted.status == 404
    assert share.used == 0
