"""Beta: leaving a list by mail, and a whole folder read at once."""

from __future__ import annotations

from typing import Any

import pytest
from tests.graph.desk import ADELE, ALEX
from tests.graph.study import Study, anyio_backend, open_store, postgres_url, study

from graphpost.config import LimitSettings
from graphpost.delivery.filing import Filer, add
from graphpost.ids import message_id_text

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio


async def arrived(study: Study, header: str) -> str:
    """The path of a message from a list."""
    data = f"From: news@one.test\r\nSubject: News\r\n{header}\r\n\r\nHello\r\n".replace(
        "\n\r\n\r\n", "\n\r\n"
    ).encode()
    filer = Filer(study.office.blobs, study.office.numbers, LimitSettings(), 65_536)
    filing = filer.prepare(ADELE, data, study.clock.now())
    await study.store.write(lambda tx: add(tx, filing))
    return f"/beta/me/messages/{message_id_text(ADELE.object_id, filing.item.message_id, 0)}"


async def test_the_letter_is_sent_and_the_message_deleted(study: Study) -> None:
    path = await arrived(
        study, "List-Unsubscribe: <https://one.test/x>, <mailto:leave@one.test?subject=Bye&body=Please>"
    )
    found = (await study.get(path)).json
    assert found["unsubscribeEnabled"] is True
    assert found["unsubscribeData"] == ["https://one.test/x", "mailto:leave@one.test?subject=Bye&body=Please"]
    answer = await study.post(f"{path}/unsubscribe")
    assert (answer.status, answer.body) == (202, b"")
    assert (await study.get(path)).error == (404, "ErrorItemNotFound")
    assert await study.subjects("deleteditems") == ["News"]
    (sent,) = (await study.get("mailFolders/sentitems/messages")).json["value"]
    assert (sent["subject"], sent["body"]["content"].strip()) == ("Bye", "Please")
    (delivery,) = await study.office.queue()
    assert [each.address for each in delivery.recipients] == ["leave@one.test"]
    assert delivery.sender == ADELE.address


@pytest.mark.parametrize(
    "header", ["X-Nothing: 1", "List-Unsubscribe: <https://one.test/x>", "List-Unsubscribe: <mailto:x>"]
)
async def test_a_message_that_names_no_address_to_leave_by_stays(study: Study, header: str) -> None:
    path = await arrived(study, header)
    assert (await study.post(f"{path}/unsubscribe")).error == (400, "ErrorInvalidRequest")
    assert await study.subjects("inbox") == ["News"]
    assert await study.office.queue() == []


async def test_only_beta_has_it_and_only_for_who_may_send(study: Study) -> None:
    path = await arrived(study, "List-Unsubscribe: <mailto:leave@one.test>")
    assert (await study.post(f"{path.replace('/beta', '/v1.0')}/unsubscribe")).status == 400
    refused = await study.post(f"{path}/unsubscribe", token="user-with-settings")
    assert refused.error == (403, "ErrorAccessDenied")
    assert (await study.post(f"{path}/unsubscribe", token=ALEX.address)).status == 404


async def mark(study: Study, folder: str, body: Any, **more: Any) -> Any:
    return await study.post(f"/beta/me/mailFolders/{folder}/updateAllMessagesReadState", body, **more)


async def test_a_whole_folder_is_read_and_unread_at_once(study: Study) -> None:
    for _ in range(3):
        await arrived(study, "X-N: 1")
    await study.draft()
    assert await study.counts("inbox") == (3, 3)
    assert (await mark(study, "inbox", {"isRead": True, "suppressReceipts": True})).status == 204
    assert await study.counts("inbox") == (3, 0)
    assert (await mark(study, "inbox", {"IsRead": "false"})).status == 204
    assert await study.counts("inbox") == (3, 3)
    assert await study.counts("drafts") == (1, 0)
    unread = await study.get("mailFolders/inbox/messages", query="$filter=isRead eq false&$count=true")
    assert unread.json["@odata.count"] == 3


async def test_a_folder_larger_than_a_step_is_done_to_the_end(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphpost.graph.messages.read_state._STEP", 2)
    for _ in range(5):
        await arrived(study, "X-N: 1")
    assert (await mark(study, "inbox", {"isRead": True})).status == 204
    assert await study.counts("inbox") == (5, 0)


@pytest.mark.parametrize(("body", "code"), [({}, "RequestBodyRead"), ({"isRead": 5}, "RequestBodyRead")])
async def test_how_they_are_to_be_has_to_be_said(study: Study, body: Any, code: str) -> None:
    assert (await mark(study, "inbox", body)).error == (400, code)
