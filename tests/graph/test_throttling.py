"""Over a limit a request is answered 429 before anything is done, and let through after Retry-After."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest
from tests.graph.desk import ADELE, ALEX, APP, MAILBOXES, SCOPED, Desk, make_request
from tests.graph.wrong_requests import GOOD

from graphpost.clock import SECOND
from graphpost.config import ThrottlingSettings
from graphpost.delivery.acceptance.submissions import Submission
from graphpost.graph.api import GraphApi
from graphpost.graph.call import Call, Reply
from graphpost.graph.routes import ROUTES
from graphpost.mail.mailbox import Directory
from graphpost.mail.message import Item
from graphpost.store.store import Dialect
from graphpost.testing.clock import JumpingClock
from graphpost.throttling.sharing import Sharing
from graphpost.throttling.throttle import Throttle

SEND = "/v1.0/me/sendMail"
ALONE = cast(Any, type("Alone", (), {"dialect": Dialect("sqlite", "", "", "")}))


class Counter(Desk):
    """A desk with limits, and a clock that jumps."""

    def __init__(self, **limits: Any) -> None:
        super().__init__()
        self.clock = JumpingClock()
        settings = ThrottlingSettings(profile="custom", **limits)
        self.throttle = Throttle(settings, self.clock, Sharing(ALONE, self.clock, cast(Any, None)))
        self.services = replace(self.services, throttle=self.throttle)
        self.api = GraphApi(self.services)

    def passes(self, seconds: float) -> None:
        self.clock.jump_to(self.clock.now() + round(seconds * SECOND))


def error_of(reply: Reply) -> dict[str, Any]:
    assert isinstance(reply.body, bytes)
    error: dict[str, Any] = json.loads(reply.body)["error"]
    return error


def test_too_many_requests_are_told_in_the_words_of_the_documentation() -> None:
    counter = Counter(requests=2, requests_seconds=60.0)
    assert [counter.post(SEND, GOOD).status for _ in range(3)] == [202, 202, 429]
    reply = counter.post(SEND, GOOD)
    error = error_of(reply)
    assert (error["code"], error["message"]) == ("TooManyRequests", "Please retry again later.")
    inner = error["innerError"]
    assert (inner["code"], inner["message"], inner["status"]) == ("429", "Please retry after", "429")
    assert inner["request-id"] == reply.headers["request-id"]
    assert {"date", "client-request-id"} < inner.keys()
    assert (reply.headers["Retry-After"], reply.content_type) == ("61", "application/json")
    assert len(counter.outbox.submissions) == 2
    counter.passes(60)
    assert counter.post(SEND, GOOD).status == 429
    counter.passes(1)
    assert counter.post(SEND, GOOD).status == 202


def test_each_application_and_mailbox_has_requests_of_its_own() -> None:
    counter = Counter(requests=1)
    assert counter.post(SEND, GOOD).status == 202
    assert counter.post(SEND, GOOD).status == 429
    for_alex = GOOD.replace(ADELE.address.encode(), ALEX.address.encode())
    assert counter.post(f"/v1.0/users/{ALEX.address}/sendMail", for_alex, token="app").status == 202
    assert counter.post(f"/v1.0/users/{ALEX.object_id}/sendMail", for_alex, token="app").status == 429
    assert counter.post("/beta/me/sendMail", GOOD).status == 429


def test_an_application_has_a_limit_over_all_mailboxes() -> None:
    counter = Counter(application_requests=3)
    for path in (f"/v1.0/users/{box.object_id}/sendMail" for box in (ADELE, ALEX)):
        assert counter.post(path, GOOD, token="app").status == 202
    assert counter.post("/v1.0/$batch", {"requests": []}, token="app").status == 400
    assert error_of(counter.post("/v1.0/$batch", {"requests": []}, token="app"))["code"] == "TooManyRequests"
    counter.passes(11)
    assert counter.post(f"/v1.0/users/{ALEX.object_id}/sendMail", GOOD, token="app").status == 202


def test_bytes_that_come_in_have_a_limit() -> None:
    counter = Counter(upload_bytes=len(GOOD) * 2, upload_seconds=60.0)
    assert [counter.post(SEND, GOOD).status for _ in range(3)] == [202, 202, 429]
    error = error_of(counter.post(SEND, GOOD))
    assert (error["code"], error["message"]) == (
        "ApplicationThrottled",
        "Application is over its IncomingBytes limit.",
    )
    counter.passes(61)
    assert counter.post(SEND, GOOD).status == 202


def test_one_request_above_the_limit_of_bytes_comes_in_when_it_is_alone() -> None:
    counter = Counter(upload_bytes=1, upload_seconds=60.0)
    assert [counter.post(SEND, GOOD).status for _ in range(2)] == [202, 429]
    counter.passes(61)
    assert counter.post(SEND, GOOD).status == 202


def test_what_is_refused_does_not_count() -> None:
    counter = Counter(requests=1, requests_seconds=60.0, upload_bytes=10 * len(GOOD), application_requests=2)
    for _ in range(20):
        counter.post(SEND, GOOD)
    counter.passes(61)
    assert counter.post(SEND, GOOD).status == 202


def test_whom_it_is_not_for_is_refused_as_ever() -> None:
    counter = Counter(requests=1)
    assert [counter.post(SEND, GOOD, token=token).status for token in ("", "user", "expired", "user")] == [
        401,
        202,
        401,
        429,
    ]
    assert counter.post(f"/v1.0/users/{ALEX.address}/sendMail", GOOD).status == 403


class Slow:
    """A submitter that is done when it is let."""

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.begun = 0

    async def submit(self, submission: Submission) -> Item:
        self.begun += 1
        await self.done.wait()
        return Item(mailbox_id=1, message_id=self.begun, folder_id=9, message=submission.message)


async def answers_of_six(counter: Counter) -> tuple[list[Reply], list[Reply], Reply]:
    """Of six requests at a time those that come at once, those that come when the submitter is done, and of a later one."""
    slow = Slow()
    api = GraphApi(replace(counter.services, submitter=cast(Any, slow)))
    request = make_request("POST", SEND, GOOD, "user", "application/json")
    tasks = [asyncio.create_task(api.handle(request)) for _ in range(6)]
    at_once, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    slow.done.set()
    late = await asyncio.gather(*(task for task in tasks if task not in at_once))
    return [task.result() for task in at_once], late, await api.handle(request)


def test_requests_of_a_mailbox_at_a_time_are_limited() -> None:
    refused, late, afterwards = asyncio.run(answers_of_six(Counter(concurrency=4)))
    assert [reply.status for reply in refused] == [429, 429]
    assert [reply.status for reply in (*late, afterwards)] == [202] * 5
    for reply in refused:
        error = error_of(reply)
        assert (error["code"], reply.headers["Retry-After"]) == ("ApplicationThrottled", "1")
        assert error["message"] == "Application is over its MailboxConcurrency limit."


def test_a_request_that_fails_leaves_its_place() -> None:
    counter = Counter(concurrency=1)
    counter.outbox.failure = RuntimeError("a defect")
    assert [counter.post(SEND, GOOD).status for _ in range(3)] == [500] * 3
    counter.outbox.failure = None
    assert counter.post(SEND, GOOD).status == 202


def test_a_batch_has_its_refusals_inside() -> None:
    counter = Counter(requests=3, requests_seconds=60.0)
    parts = [
        {"id": str(number), "method": "POST", "url": "/me/sendMail", "body": json.loads(GOOD)}
        for number in range(5)
    ]
    reply = counter.post("/v1.0/$batch", {"requests": parts})
    assert reply.status == 200
    assert isinstance(reply.body, bytes)
    answers = json.loads(reply.body)["responses"]
    assert sorted(answer["status"] for answer in answers) == [202, 202, 202, 429, 429]
    for answer in answers:
        if answer["status"] == 429:
            assert answer["headers"]["Retry-After"] == "61"
            assert answer["body"]["error"]["code"] == "TooManyRequests"
    assert "Retry-After" not in reply.headers
    assert [refusal.status for refusal in reply.refusals] == [429, 429]


def test_parts_of_one_batch_keep_within_exchanges_concurrency() -> None:
    counter = Counter(concurrency=4)
    parts = [
        {"id": str(number), "method": "POST", "url": "/me/sendMail", "body": json.loads(GOOD)}
        for number in range(20)
    ]
    reply = counter.post("/v1.0/$batch", {"requests": parts})
    assert isinstance(reply.body, bytes)
    assert {answer["status"] for answer in json.loads(reply.body)["responses"]} == {202}


@pytest.mark.parametrize("client_id", [APP.client_id, SCOPED.client_id])
def test_however_a_token_writes_its_application_it_is_one(client_id: str) -> None:
    throttle = Counter(requests=1).throttle
    assert throttle.meter(client_id.upper(), 1) is throttle.meter(client_id, 1)
    assert throttle.meter(client_id, 2) is not throttle.meter(client_id, 1)


def test_requests_that_lead_nowhere_are_the_applications_too() -> None:
    """Who tries names, paths and mailboxes of others comes to the end of its requests."""
    counter = Counter(application_requests=4, application_seconds=60.0)
    statuses = [
        counter.post("/v1.0/nothing", GOOD).status,
        counter.post(f"/v1.0/users/{ALEX.address}/sendMail", GOOD).status,
        counter.post("/v1.0/users/nobody@contoso.com/sendMail", GOOD, token="app").status,
        counter.post("/v1.0/me/messages/x/nothing", GOOD).status,
    ]
    assert statuses == [400, 403, 404, 400]
    refused = [counter.post(path, GOOD) for path in ("/v1.0/nothing", SEND)]
    assert [each.status for each in refused] == [429, 429]
    assert int(refused[0].headers["Retry-After"]) > 0
    assert counter.post(SEND, GOOD, token="").status == 401
    counter.passes(62)
    assert counter.post(SEND, GOOD).status == 202


def test_of_applications_that_are_not_here_nothing_is_remembered() -> None:
    counter = Counter(application_requests=1)
    counter.directory = Directory.of(MAILBOXES, [])
    assert [counter.post(SEND, GOOD).status for _ in range(3)] == [401, 401, 401]
    assert counter.throttle._applications == {}


async def _chunks(*, fails: bool = False) -> AsyncIterator[bytes]:
    yield b"a"
    if fails:
        raise RuntimeError("a defect")
    yield b"b"


async def _read(body: Any) -> None:
    async for _ in body:
        pass


async def _close(body: Any) -> None:
    await anext(body)
    await body.aclose()


async def _close_at_once(body: Any) -> None:
    await body.aclose()


async def _drop(body: Any) -> None:
    """Nobody reads it, and nobody closes it."""


@pytest.mark.parametrize("end", [_read, _close, _close_at_once, _drop])
@pytest.mark.parametrize("fails", [False, True])
def test_who_reads_a_long_answer_holds_a_place_until_its_end(end: Any, fails: bool) -> None:
    counter = Counter(concurrency=1)

    async def long(call: Call) -> Reply:
        return Reply(200, _chunks(fails=fails), "text/plain")

    routes = [replace(route, handler=long) if route.template == "U/sendMail" else route for route in ROUTES]
    api = GraphApi(counter.services, routes)
    request = make_request("POST", SEND, GOOD, "user", "application/json")

    async def ask() -> list[int]:
        first = await api.handle(request)
        second = (await api.handle(request)).status
        body, first = first.body, cast(Any, None)
        with contextlib.suppress(RuntimeError):
            await end(body)
        del body
        third = await api.handle(request)
        return [second, third.status]

    assert asyncio.run(ask()) == [429, 200]
