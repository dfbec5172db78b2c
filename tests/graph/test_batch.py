"""A batch's parts are answered as if each had come alone, with one look at the token."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.delivery.post import open_sqlite
from tests.graph.desk import ADELE, ALEX, Desk, error_of, make_request
from tests.graph.study import (
    Answer,
    Study,
    anyio_backend,
    open_store,
    postgres_url,
    study,
    to,
)
from tests.graph.wrong_requests import GOOD

from graphpost.auth.access import Principal
from graphpost.auth.verification.tokens import TokenVerifier
from graphpost.graph import batch
from graphpost.graph.api import GraphApi
from graphpost.graph.batch import TOGETHER
from graphpost.graph.call import Call, Reply
from graphpost.graph.routes import MAIL_SEND, Route

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
MIME = b"From: AdeleV@contoso.com\r\nTo: zoe@one.test\r\nSubject: By batch\r\n\r\nHello\r\n"
LETTER = {"message": {"subject": "By batch", "toRecipients": to("zoe@one.test")}}


def part(part_id: str, url: str, method: str = "GET", **members: Any) -> dict[str, Any]:
    return {"id": part_id, "method": method, "url": url, **members}


def by_id(body: object) -> dict[str, Any]:
    assert isinstance(body, bytes)
    return {each["id"]: each for each in json.loads(body)["responses"]}


async def run(
    study: Study, *parts: dict[str, Any], path: str = "/v1.0/$batch", **more: Any
) -> dict[str, Any]:
    answer = await study.post(path, {"requests": parts}, **more)
    assert (answer.status, answer.content_type) == (200, "application/json"), answer
    return by_id(answer.body)


def ask(desk: Desk, *parts: dict[str, Any], path: str = "/v1.0/$batch", **more: Any) -> dict[str, Any]:
    reply = desk.post(path, {"requests": parts}, **more)
    assert reply.status == 200, reply
    return by_id(reply.body)


@pytest.mark.anyio
async def test_a_draft_is_made_changed_and_sent_by_batches(study: Study) -> None:
    made = await run(
        study,
        part("1", "/me/messages", "POST", body={"subject": "Lunch", "toRecipients": to("zoe@one.test")}),
        part("2", "/me/messages?$select=subject&$filter=subject eq 'Lunch'", dependsOn=["1"]),
        part("3", "/me/messages/$count", headers={"CONSISTENCYLEVEL": "eventual"}, dependsOn=["2"]),
    )
    assert [made[each]["status"] for each in "123"] == [201, 200, 200]
    assert made["1"]["headers"]["Location"].startswith("https://localhost:8443/v1.0/")
    assert made["1"]["headers"]["Content-Type"].startswith("application/json")
    assert [each["subject"] for each in made["2"]["body"]["value"]] == ["Lunch"]
    assert b64decode(made["3"]["body"]) == b"1"
    assert made["3"]["headers"]["Content-Type"].startswith("text/plain")
    where = f"/me/messages/{made['1']['body']['id']}"
    immutable = {"prefer": 'IdType="ImmutableId"'}
    sent = await run(
        study,
        part("read", where, headers=immutable),
        part("change", where, "patch", body={"subject": "Dinner"}, dependsOn=["read"]),
        part("send", f"{where}/send", "Post", dependsOn=["change"]),
        part("again", f"{where}/send", "POST", dependsOn=["send"]),
        part("never", where, dependsOn=["again"]),
        part("nor", where, dependsOn=["never", "read"]),
    )
    assert [sent[each]["status"] for each in sent] == [200, 200, 202, 404, 424, 424]
    assert (sent["send"]["body"], "Content-Type" in sent["send"]["headers"]) == (None, False)
    assert sent["again"]["body"]["error"]["code"] == "ErrorItemNotFound"
    assert sent["nor"]["body"]["error"]["code"] == "FailedDependency"
    assert sent["never"]["headers"]["Content-Type"] == "application/json"
    assert await study.subjects("sentitems") == ["Dinner"]


@pytest.mark.anyio
async def test_mime_is_the_base64_text_that_send_mail_takes_and_comes_back_as_base64(study: Study) -> None:
    text = {"Content-Type": "text/plain"}
    sent = await run(study, part("1", "me/sendMail", "POST", headers=text, body=b64encode(MIME).decode()))
    assert (sent["1"]["status"], sent["1"]["body"]) == (202, None)
    found = (await study.get("mailFolders/sentitems/messages")).json["value"][0]["id"]
    read = await run(study, part("1", f"/me/messages/{found}/$value"))
    assert b64decode(read["1"]["body"]).startswith(MIME.removesuffix(b"\r\nHello\r\n"))


def test_every_part_has_its_own_fault() -> None:
    desk = Desk()
    seen = ask(
        desk,
        part("good", "/me/sendMail", "POST", body=json.loads(GOOD)),
        part("empty", "/me/sendMail", "POST"),
        part("nowhere", "/me/nowhere"),
        part("verb", "/me/sendMail", "TRACE"),
        part("permission", "/me/messages"),
        part("mailbox", f"/users/{ALEX.address}/sendMail", "POST", body=json.loads(GOOD)),
        part("host", "https://other.example/v1.0/me"),
        part("version", "/beta/me"),
        part("binary", "/me/sendMail", "POST", headers={"Content-Type": "text/plain"}, body={}),
        part("nested", "/$batch", "POST", body={"requests": [part("1", "/me")]}),
        part("nested too", "https://localhost:8443/v1.0//%24BATCH/", "POST", body={"requests": []}),
        part("inner token", "/me", headers={"Authorization": "Bearer garbage"}),
        part("metadata", "/$metadata"),
    )
    assert {each: (found["status"], (found["body"] or {}).get("error", {}).get("code")) for each, found in seen.items() if each != "metadata"} == {
        "good": (202, None),
        "empty": (400, "BadRequest"),
        "nowhere": (400, "BadRequest"),
        "verb": (405, "BadRequest"),
        "permission": (403, "ErrorAccessDenied"),
        "mailbox": (403, "ErrorAccessDenied"),
        "host": (400, "BadRequest"),
        "version": (400, "BadRequest"),
        "binary": (400, "BadRequest"),
        "nested": (400, "BadRequest"),
        "nested too": (400, "BadRequest"),
        "inner token": (200, None),
    }  # fmt: skip
    assert b64decode(seen["metadata"]["body"]).startswith(b"<?xml")
    assert all(found.keys() == {"id", "status", "headers", "body"} for found in seen.values())
    assert len(desk.outbox.submissions) == 1


@pytest.mark.parametrize("token", ["app-out-of-scope", "app"])
def test_an_applications_mailboxes_are_looked_at_part_by_part(token: str) -> None:
    letter = json.loads(GOOD)
    seen = ask(
        Desk(),
        part("me", "/me/sendMail", "POST", body=letter),
        *(part(box.address, f"/users/{box.address}/sendMail", "POST", body=letter) for box in (ADELE, ALEX)),
        token=token,
    )
    in_scope = 403 if token == "app-out-of-scope" else 202
    assert [seen[each]["status"] for each in ("me", ADELE.address, ALEX.address)] == [400, in_scope, 202]


def test_a_batch_needs_a_token_as_everything_does() -> None:
    for token in ("", "garbage", "expired"):
        reply = Desk().post("/v1.0/$batch", {"requests": [part("1", "/me")]}, token=token)
        assert reply.status == 401
    assert ask(Desk(), part("1", "/me"), token="user-with-nothing")["1"]["status"] == 403


class CountingVerifier(TokenVerifier):
    looks = 0

    def find_cached(self, token: str) -> Principal | None:
        self.looks += 1
        return super().find_cached(token)


def test_the_token_is_looked_at_once() -> None:
    desk = Desk()
    verifier = CountingVerifier([], desk.services.clock)
    verifier.__dict__.update(desk.verifier.__dict__)
    desk.api = GraphApi(type(desk.services)(**{name: getattr(desk.services, name) for name in desk.services.__slots__} | {"verifier": verifier}))  # fmt: skip
    assert {found["status"] for found in ask(desk, *(part(str(n), "/me") for n in range(20))).values()} == {
        200
    }
    assert verifier.looks == 1


def desk_with(handler: Any, method: str = "GET") -> Desk:
    desk = Desk()
    table = [Route(method, "U/thing", handler, MAIL_SEND), Route("POST", "/$batch", batch.run_batch, None)]
    desk.api = GraphApi(desk.services, table)
    return desk


def test_four_parts_run_at_a_time() -> None:
    running, most, enough = 0, 0, asyncio.Event()

    async def thing(call: Call) -> Reply:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == TOGETHER:
            enough.set()
        await enough.wait()
        await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(None, str), 30)
        running -= 1
        return Reply(body={"request": call.request_id, "mine": call.headers["client-request-id"]})

    seen = ask(
        desk_with(thing), *(part(str(n), "/me/thing") for n in range(12)), client_request_id="of the batch"
    )
    assert most == TOGETHER
    assert {found["headers"]["client-request-id"] for found in seen.values()} == {"of the batch"}


async def bytes_of(size: int, closed: list[str]) -> AsyncIterator[bytes]:
    try:
        while size > 0:
            yield b"x" * min(size, 1000)
            size -= 1000
    finally:
        closed.append("closed")


def test_answers_are_collected_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "ANSWER_BYTES", 10_000)
    closed: list[str] = []

    async def thing(call: Call) -> Reply:
        size = int(call.query["size"])
        if "whole" in call.query:
            return Reply(body=b"y" * size, content_type="image/png")
        return Reply(body=bytes_of(size, closed), content_type="image/png")

    seen = ask(
        desk_with(thing),
        part("1", "/me/thing?size=6000"),
        part("2", "/me/thing?size=5000", dependsOn=["1"]),
        part("3", "/me/thing?size=4000&whole=1", dependsOn=["1"]),
        part("4", "/me/thing?size=1&whole=1", dependsOn=["3"]),
    )
    assert {each: found["status"] for each, found in seen.items()} == {"1": 200, "2": 413, "3": 200, "4": 413}
    assert b64decode(seen["1"]["body"]) == b"x" * 6000
    assert seen["2"]["body"]["error"]["code"] == "RequestEntityTooLarge"
    assert closed == ["closed", "closed"]


def test_what_was_written_is_told_whatever_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "ANSWER_BYTES", 10)

    async def thing(call: Call) -> Reply:
        return Reply(201, {"id": "a" * 100})

    assert ask(desk_with(thing, "POST"), part("1", "/me/thing", "POST"))["1"]["status"] == 201


def test_an_answer_that_breaks_off_is_an_error_of_that_part(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"begun"
        raise OSError("a secret of ours")

    async def thing(call: Call) -> Reply:
        if "fails" in call.query:
            raise RuntimeError("a secret of ours")
        return Reply(body=broken(), content_type="image/png")

    seen = ask(desk_with(thing), part("1", "/me/thing"), part("2", "/me/thing?fails=1"))
    assert [found["status"] for found in seen.values()] == [500, 500]
    assert "secret" not in json.dumps(seen)
    assert "a secret of ours" in caplog.text


def test_what_is_refused_of_a_batch_is_told_for_the_log() -> None:
    """Each part with its own path and code, and without its query, which may hold what is nobody's business."""
    parts = [
        part("1", "/me/nowhere?$filter=secret"),
        part("2", "/me"),
        part("3", "/me/messages", dependsOn=["1"]),
        part("4", "https://elsewhere.test/" + "x" * 1000),
    ]
    reply = Desk().post("/v1.0/$batch", {"requests": parts})
    assert sorted((each.path[:20], each.status, each.code) for each in reply.refusals) == [
        ("/me/messages", 424, "FailedDependency"),
        ("/me/nowhere", 400, "BadRequest"),
        ("https://elsewhere.te", 400, "BadRequest"),
    ]
    assert {each.method for each in reply.refusals} == {"GET"}
    assert max(len(each.path) for each in reply.refusals) == 500


@pytest.mark.parametrize("content_type", ["text/plain", "text/xml", "multipart/mixed"])
def test_a_batch_is_json(content_type: str) -> None:
    reply = Desk().post("/v1.0/$batch", b'{"requests":[]}', content_type=content_type)
    assert error_of(reply)[:2] == (415, "RequestBodyRead")


def test_a_large_batch_is_read_too() -> None:
    text = "x" * 300_000
    letter = {"message": {"body": {"content": text}, "toRecipients": to("zoe@one.test")}}
    desk = Desk()
    seen = ask(desk, *(part(str(n), "/me/sendMail", "POST", body=letter) for n in range(3)))
    assert [found["status"] for found in seen.values()] == [202] * 3
    assert desk.last.message.body.content == text


# Any mix of parts is answered as the same requests alone.

READS = st.sampled_from(
    [
        "/me",
        "/ME?$select=id",
        "/users",
        "/users/nobody@contoso.com/messages",
        f"/users/{ALEX.address}/messages",
        f"/users/{ADELE.address}",
        "/me/messages?$top=2&$count=true",
        "/me/messages?$filter=isRead eq false&$select=subject",
        "/me/messages?$filter=nothing eq 1",
        "/me/messages/$count",
        "/me/messages/AAMk",
        "/me/mailFolders/inbox",
        "/me/mailFolders?$top=3",
        "/me/mailFolders('sentitems')/messages?$expand=attachments",
        "/me/nowhere",
        "/$metadata",
        "",
        "/me/sendMail",
    ]
)
UNSAVED = {**LETTER, "saveToSentItems": False}  # so that what is read stays the same
BODIES = st.sampled_from([UNSAVED, {}, {"message": {}}, {"message": 5}, {"Message": {"subject": None}}])
HEADERS = st.sampled_from(
    [{}, {"Prefer": 'IdType="ImmutableId"'}, {"Prefer": "odata.maxpagesize=1"}, {"X-Any": "1"}]
)


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.booleans()):
        return {
            "method": draw(st.sampled_from(["GET", "get", "DELETE", "PUT"])),
            "url": draw(READS),
            "headers": draw(HEADERS),
        }
    return {
        "method": "POST",
        "url": "/me/sendMail",
        "headers": {"Content-Type": "application/json"},
        "body": draw(BODIES),
    }


@pytest.fixture(scope="module")
def furnished() -> Iterator[tuple[asyncio.Runner, Study]]:
    folder = Path(tempfile.mkdtemp())
    with asyncio.Runner() as runner:

        async def begin() -> Study:
            made = Study(open_sqlite(folder), folder)
            await made.furnish()
            for subject in ("One", "Two", "Three"):
                await made.draft(subject=subject)
            return made

        made = runner.run(begin())
        yield runner, made
        runner.run(made.store.close())
        made.office.log.close()
    shutil.rmtree(folder)


def essence(status: int, headers: dict[str, str], body: Any) -> Any:
    """What is the same whenever it is asked."""
    kept = {name: value for name, value in headers.items() if not name.startswith("x-")}
    return status, kept, body


@settings(max_examples=60)
@given(parts=st.lists(requests(), min_size=1, max_size=20))
def test_any_mix_of_parts_is_answered_as_the_same_requests_alone(
    furnished: tuple[asyncio.Runner, Study], parts: list[dict[str, Any]]
) -> None:
    runner, study = furnished

    async def alone(one: dict[str, Any]) -> Answer:
        path, _, query = one["url"].partition("?")
        body = one.get("body")
        data = b"" if body is None else json.dumps(body).encode()
        kind = "application/json" if data else None
        headers = {name.lower(): value for name, value in one["headers"].items() if name != "Content-Type"}
        request = make_request(
            one["method"].upper(), f"/v1.0{path}", data, "user-with-everything", kind, query, headers
        )
        reply = await study.api.handle(request)
        assert reply.body is None or isinstance(reply.body, bytes)
        return Answer(reply.status, dict(reply.headers), reply.body or b"", reply.content_type)

    seen = runner.run(run(study, *({"id": str(n), **one} for n, one in enumerate(parts))))
    assert list(seen) == [str(n) for n in range(len(parts))]
    for found, one in zip(seen.values(), parts, strict=True):
        answer = runner.run(alone(one))
        if answer.content_type:
            answer.headers["Content-Type"] = answer.content_type
        is_json = answer.content_type.startswith("application/json")
        body = answer.json if is_json else b64encode(answer.body).decode() or None
        assert essence(found["status"], found["headers"], found["body"]) == essence(
            answer.status, answer.headers, body
        )
