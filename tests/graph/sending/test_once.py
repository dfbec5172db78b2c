"""Sending once: what a client repeats with the same id is answered as before, and is in the queue once."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from typing import Any

import pytest
from msgspec.structs import replace as with_changes
from tests.graph.study import Answer, Study, anyio_backend, open_store, postgres_url, study, to

from graphpost.config import IdempotencySettings
from graphpost.graph.api import GraphApi
from graphpost.store import repeats
from graphpost.store.repeats import DoneBefore, Once

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
DAY = 86_400.0
ASKED = {"client-request-id": "one", "prefer": "idempotent"}
BODY = {"message": {"subject": "Once", "toRecipients": to("zoe@one.test")}}


def settle(study: Study, **settings: Any) -> None:
    """Change the settings of a running API."""
    study.api = GraphApi(dataclasses.replace(study.services, idempotency=IdempotencySettings(**settings)))


async def send(study: Study, body: Any = None, *, path: str = "sendMail", **headers: str) -> Answer:
    return await study.post(path, BODY if body is None else body, **{**ASKED, **headers})


async def queued(study: Study) -> int:
    return len(await study.office.queue())


async def test_the_same_request_again_is_answered_as_the_first_and_sends_nothing(study: Study) -> None:
    first, second = await send(study), await send(study)
    assert (first.status, first.body) == (second.status, second.body) == (202, b"")
    assert first.headers["x-graphpost-message-id"] == second.headers["x-graphpost-message-id"]
    assert [each.headers.get("x-graphpost-repeated") for each in (first, second)] == [None, "true"]
    assert [each.headers["Preference-Applied"] for each in (first, second)] == ["idempotent"] * 2
    assert (await queued(study), await study.subjects("sentitems")) == (1, ["Once"])


@pytest.mark.parametrize(
    "headers",
    [
        {"prefer": 'IdType="ImmutableId"'},
        {"prefer": "x-idempotent, idempotent-not"},
        {"client-request-id": ""},
    ],
)
async def test_nobody_who_does_not_ask_is_kept_from_sending_twice(
    study: Study, headers: dict[str, str]
) -> None:
    for _ in range(2):
        answer = await send(study, **headers)
        assert (answer.status, answer.headers.get("x-graphpost-repeated")) == (202, None)
    assert await queued(study) == 2


async def test_an_id_is_needed_to_tell_what_is_one_request(study: Study) -> None:
    for _ in range(2):
        answer = await study.post("sendMail", BODY, prefer="idempotent")
        assert (answer.status, answer.headers.get("Preference-Applied")) == (202, None)
    assert await queued(study) == 2


async def test_a_setting_asks_for_everybody_who_gives_an_id(study: Study) -> None:
    settle(study, always=True)
    for _ in range(2):
        await study.post("sendMail", BODY, **{"client-request-id": "one"})
        await study.post("sendMail", BODY)
    assert await queued(study) == 3


@pytest.mark.parametrize(
    "other",
    [
        {"body": {**BODY, "saveToSentItems": False}},
        {"client-request-id": "two"},
        {"path": "/v1.0/users/AdeleV@contoso.com/sendMail"},
        {"path": "/beta/me/sendMail"},
    ],
)
async def test_what_differs_in_anything_is_another_request(study: Study, other: dict[str, Any]) -> None:
    await send(study)
    assert (await send(study, **other)).status == 202
    assert await queued(study) == 2


async def test_two_people_may_have_one_id(study: Study) -> None:
    await send(study)
    await study.post("/v1.0/users/AdeleV@contoso.com/sendMail", BODY, **ASKED)
    await study.post("/v1.0/users/AdeleV@contoso.com/sendMail", BODY, token="app", **ASKED)
    assert await queued(study) == 3


async def test_what_was_refused_is_looked_at_anew(study: Study) -> None:
    bad = {"message": {"subject": "Once", "toRecipients": to("nobody")}}
    for _ in range(2):
        assert (await send(study, bad)).status == 400
    assert (await send(study)).status == 202


async def test_it_is_forgotten_after_its_time(study: Study) -> None:
    await send(study)
    await study.clock.advance(DAY)
    assert "x-graphpost-repeated" in (await send(study)).headers
    await study.clock.advance(1)
    assert "x-graphpost-repeated" not in (await send(study)).headers
    assert "x-graphpost-repeated" in (await send(study)).headers
    assert await queued(study) == 2


async def test_of_many_at_a_time_one_is_sent(study: Study) -> None:
    answers = await asyncio.gather(*[send(study) for _ in range(12)])
    assert {answer.status for answer in answers} == {202}
    assert len({answer.headers["x-graphpost-message-id"] for answer in answers}) == 1
    assert (
        sorted(answer.headers.get("x-graphpost-repeated", "") for answer in answers) == [""] + ["true"] * 11
    )
    assert (await queued(study), await study.counts("sentitems")) == (1, (1, 0))


async def test_a_draft_is_sent_once_and_its_second_send_is_no_404(study: Study) -> None:
    draft = await study.draft(subject="Once")
    answers = await asyncio.gather(*[send(study, b"", path=f"messages/{draft.id}/send") for _ in range(5)])
    assert [answer.status for answer in answers] == [202] * 5
    assert (await send(study, b"", path=f"messages/{draft.id}/send")).status == 202
    assert (await study.post(f"messages/{draft.id}/send")).status == 404
    assert (await queued(study), await study.subjects("sentitems")) == (1, ["Once"])


@pytest.mark.parametrize("action", ["reply", "replyAll", "forward"])
async def test_answers_are_sent_once(study: Study, action: str) -> None:
    original = await study.draft(subject="Lunch")
    whom = {"toRecipients": to("max@one.test")}
    body = {"comment": "Yes", **(whom if action == "forward" else {"message": whom})}
    for _ in range(2):
        answer = await send(study, body, path=f"messages/{original.id}/{action}")
        assert answer.status == 202, answer
    assert await queued(study) == 1


async def test_what_waits_for_its_time_waits_once(study: Study) -> None:
    later = [{"id": "SystemTime 0x3FEF", "value": "2099-01-01T00:00:00Z"}]
    body = {"message": {**BODY["message"], "singleValueExtendedProperties": later}}
    for _ in range(2):
        assert (await send(study, body)).status == 202
    assert await study.subjects("drafts") == ["Once"]


async def test_a_representation_is_given_again_while_the_message_is_there(study: Study) -> None:
    raw = base64.b64encode(b"To: zoe@one.test\r\nSubject: Once\r\n\r\nHi\r\n")
    prefer = {"prefer": "return=representation, idempotent"}
    first, second = [
        await study.post("sendMail", raw, content_type="text/plain", **{**ASKED, **prefer}) for _ in range(2)
    ]
    assert (first.status, second.status, first.json["id"]) == (201, 201, second.json["id"])
    assert second.headers["Preference-Applied"] == "return=representation, idempotent"
    assert (await study.post(f"messages/{first.json['id']}/permanentDelete")).status == 204
    third = await study.post("sendMail", raw, content_type="text/plain", **{**ASKED, **prefer})
    assert (third.status, third.headers["x-graphpost-repeated"]) == (202, "true")
    assert await queued(study) <= 1


async def test_a_large_request_is_the_same_request_too(study: Study) -> None:
    body = {"message": {**BODY["message"], "body": {"content": "x" * 300_000}}}
    for _ in range(2):
        assert (await send(study, body)).status == 202
    assert await queued(study) == 1


async def test_who_is_slower_keeps_nothing(study: Study) -> None:
    """Two transactions at a time may both find nothing (PostgreSQL); the second is undone."""
    once = Once(b"digest", 0)
    await study.store.write(lambda tx: repeats.remember(tx, 1, once, 7, 100))
    with pytest.raises(DoneBefore):
        await study.store.write(lambda tx: repeats.remember(tx, 1, once, 8, 100))
    assert await study.store.read(lambda tx: repeats.find(tx, 1, once)) == 7
    later = with_changes(once, since=101)
    assert await study.store.read(lambda tx: repeats.find(tx, 1, later)) is None
    await study.store.write(lambda tx: repeats.remember(tx, 1, later, 9, 200))
    assert await study.store.read(lambda tx: repeats.find(tx, 1, later)) == 9
    assert await study.store.read(lambda tx: repeats.find(tx, 2, later)) is None
    assert await study.store.write(lambda tx: repeats.prune(tx, 1, 200, 10)) == 0
    assert await study.store.write(lambda tx: repeats.prune(tx, 1, 201, 10)) == 1


async def test_the_requests_of_a_batch_that_share_its_id_are_several(study: Study) -> None:
    """SDKs give an id to the batch alone: two that say the same are two messages, and all of it again is none."""
    settle(study, always=True)
    part = {
        "method": "POST",
        "url": "/me/sendMail",
        "body": BODY,
        "headers": {"Content-Type": "application/json"},
    }
    own = {**part, "headers": {**part["headers"], "client-request-id": "own"}}  # type: ignore[dict-item]
    batch = {"requests": [{**part, "id": "1"}, {**part, "id": "2"}, {**own, "id": "3"}, {**own, "id": "4"}]}
    for sent in (3, 3):
        answer = await study.post("/v1.0/$batch", batch, **{"client-request-id": "batch"})
        assert {each["status"] for each in answer.json["responses"]} == {202}
        assert await queued(study) == sent
