"""The audit log: every sending and every change has a record, which says who, from where, by which right."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as changed
from tests.graph.desk import ADELE, ALEX, APP, MAILBOXES, SCOPED, make_request
from tests.graph.study import Study, anyio_backend, open_store, postgres_url, study, to

from graphpost.auditing.auditor import FAILED_SECONDS, STRANGERS_A_MINUTE, WAIT_SECONDS, Auditor, open_files
from graphpost.config import AuditSettings, IdempotencySettings, ThrottlingSettings
from graphpost.errors import ConfigurationError, StoreError
from graphpost.graph.api import GraphApi
from graphpost.mail.mailbox import Directory
from graphpost.mail.rights import Given
from graphpost.store import audit
from graphpost.store.audit import Actor, Record
from graphpost.throttling.limiting import Throttling

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
BODY = {"message": {"subject": "Secret subject", "body": {"content": "Secret text"}, "toRecipients": to("zoe@one.test"), "bccRecipients": to("max@two.test")}}  # fmt: skip
YEAR = 365 * 86_400.0


class Book:
    """A study with an auditor; `records` are what the table has of Adele's mailbox, the newest first."""

    def __init__(self, study: Study, path: Path, **settings: Any) -> None:
        self.study = study
        self.directory = path / "audit"
        office = study.office
        asked = AuditSettings(**{"directory": str(self.directory), **settings})
        self.auditor = Auditor(office.store, asked, office.numbers, office.clock, office.log)
        office.submitter._audited = self.auditor.sent
        study.services = replace(study.services, auditor=self.auditor)
        study.api = GraphApi(study.services)

    async def records(self, mailbox_id: int = ADELE.mailbox_id) -> list[Record]:
        await self.auditor.flush()
        return await self.study.store.read(lambda tx: audit.below(tx, mailbox_id, 2**63 - 1, 0, 1000))

    def lines(self) -> list[dict[str, Any]]:
        files = sorted(self.directory.iterdir()) if self.directory.is_dir() else []
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@pytest.fixture
async def book(study: Study, tmp_path: Path) -> Book:
    return Book(study, tmp_path)


async def test_a_message_that_was_sent_has_a_record_with_its_own_number(book: Book) -> None:
    answer = await book.study.post("sendMail", BODY, **{"client-request-id": "mine"})
    (record,) = await book.records()
    actor = record.actor
    assert f"{record.number:016x}" == f"{record.message_id:016x}" == answer.headers["x-graphpost-message-id"]
    assert (actor.kind, actor.client_id, actor.person) == ("user", APP.client_id, ADELE.address)
    assert (actor.permission, actor.right, actor.action) == ("Mail.Send", "owner", "POST U/sendMail")
    assert (actor.request_id, actor.client_request_id) == (answer.headers["request-id"], "mine")
    assert (record.mailbox, record.recipients, record.status) == (
        ADELE.address,
        ("zoe@one.test", "max@two.test"),
        202,
    )


async def test_the_record_is_there_as_soon_as_the_message_is(book: Book) -> None:
    """It is in one transaction with the message, not written afterwards."""
    await book.study.post("sendMail", BODY)
    found = await book.study.store.read(lambda tx: audit.below(tx, ADELE.mailbox_id, 2**63 - 1, 0, 10))
    assert len(found) == 1


async def test_nothing_of_the_content_and_no_token_is_in_a_record(book: Book) -> None:
    await book.study.post("sendMail", BODY)
    await book.records()
    text = "".join(file.read_text() for file in book.directory.iterdir())
    assert "Secret" not in text
    assert "Bearer" not in text
    assert "eyJ" not in text
    (line,) = book.lines()
    assert set(line) <= {
        "time", "id", "kind", "application", "user", "objectId", "remote", "tokenId", "action", "permission", "right",
        "mailbox", "message", "recipients", "status", "code", "requestId", "clientRequestId",
    }  # fmt: skip


async def test_an_application_is_named_and_no_person(book: Book) -> None:
    await book.study.post(f"/v1.0/users/{ALEX.address}/sendMail", BODY, token="app")
    (record,) = await book.records(ALEX.mailbox_id)
    assert (record.actor.kind, record.actor.person, record.actor.object_id) == ("application", "", "")
    assert (record.actor.client_id, record.actor.right) == (APP.client_id, "application")


async def test_the_address_that_a_request_came_from_is_recorded_in_batches_too(book: Book) -> None:
    parts = [{"id": "1", "method": "POST", "url": "/me/sendMail", "body": BODY, "headers": {"Content-Type": "application/json"}}]  # fmt: skip
    for path, body in (("/v1.0/me/sendMail", BODY), ("/v1.0/$batch", {"requests": parts})):
        made = make_request("POST", path, json.dumps(body).encode(), "user", "application/json", "", {})
        await book.study.api.handle(changed(made, remote="192.0.2.7"))
    records = [each for each in await book.records() if each.message_id]
    assert [each.actor.remote for each in records] == ["192.0.2.7"] * 2


async def test_drafts_replies_and_changes_have_records_that_name_the_message(book: Book) -> None:
    draft = await book.study.draft(subject="Lunch")
    await book.study.patch(f"messages/{draft.id}", {"subject": "Dinner"})
    await book.study.post(f"messages/{draft.id}/send")
    await book.study.get("messages")
    actions = [(each.actor.action, each.status) for each in reversed(await book.records())]
    assert actions == [("POST U/messages", 201), ("PATCH M", 200), ("POST M/send", 202)]
    assert len({each.message_id for each in await book.records()}) == 1
    assert all(each.message_id for each in await book.records())


async def test_reads_are_recorded_only_when_that_is_wanted(study: Study, tmp_path: Path) -> None:
    book = Book(study, tmp_path, reads=True)
    await study.get("messages")
    (record,) = await book.records()
    assert (record.actor.action, record.status) == ("GET U/messages", 200)


async def test_what_was_refused_is_recorded_with_its_code(book: Book) -> None:
    study = book.study
    await study.post("sendMail", {"message": {"toRecipients": to("nobody")}})
    await study.post(f"/v1.0/users/{ADELE.address}/sendMail", BODY, token="app-out-of-scope")
    await study.get(f"/v1.0/users/{ALEX.address}/messages")
    own = await book.records()
    others = await book.records(audit.NO_MAILBOX)
    assert [(each.status, each.code) for each in own] == [(400, "ErrorInvalidRecipients")]
    assert {(each.status, each.code, each.mailbox) for each in others} == {
        (403, "ErrorAccessDenied", ADELE.address),
        (403, "ErrorAccessDenied", ALEX.address),
    }
    assert {each.actor.client_id for each in others} == {APP.client_id, SCOPED.client_id}
    assert await study.office.queue() == []


async def test_of_strangers_some_are_recorded_each_minute(book: Book) -> None:
    for _ in range(STRANGERS_A_MINUTE + 20):
        await book.study.post("sendMail", BODY, token="forged")
    records = await book.records(audit.NO_MAILBOX)
    assert len(records) == STRANGERS_A_MINUTE
    assert {(each.actor.kind, each.status, each.code) for each in records} == {
        ("nobody", 401, "InvalidAuthenticationToken")
    }
    await book.study.clock.advance(60)
    await book.study.post("sendMail", BODY, token="forged")
    assert len(await book.records(audit.NO_MAILBOX)) == STRANGERS_A_MINUTE + 1


async def test_what_is_repeated_is_recorded_as_asked_again_and_not_as_sent(book: Book) -> None:
    book.study.services = replace(book.study.services, idempotency=IdempotencySettings(always=True))
    book.study.api = GraphApi(book.study.services)
    for _ in range(2):
        await book.study.post("sendMail", BODY, **{"client-request-id": "one"})
    first, second = reversed(await book.records())
    assert first.message_id == second.message_id == first.number
    assert (first.recipients, second.recipients) == (("zoe@one.test", "max@two.test"), ())


async def test_what_waits_for_its_time_is_recorded_when_it_is_asked_for(book: Book) -> None:
    later = [{"id": "SystemTime 0x3FEF", "value": "2099-01-01T00:00:00Z"}]
    await book.study.post(
        "sendMail", {"message": {**BODY["message"], "singleValueExtendedProperties": later}}
    )
    draft = await book.study.draft(singleValueExtendedProperties=later)
    await book.study.post(f"messages/{draft.id}/send")
    sent = [each for each in await book.records() if each.recipients]
    assert [each.actor.action for each in sent] == ["POST M/send", "POST U/sendMail"]


async def test_records_wait_while_the_store_does_not_answer(book: Book) -> None:
    await book.study.patch("mailboxSettings", {"timeZone": "UTC"})
    book.study.office.store.breaks = lambda fn: StoreError("away")
    with pytest.raises(StoreError):
        await book.auditor.flush()
    book.study.office.store.breaks = lambda fn: None
    assert len(await book.records()) == 1


async def test_a_file_is_for_a_day_and_its_owner(book: Book) -> None:
    await book.study.post("sendMail", BODY)
    await book.study.clock.advance(86_400)
    await book.study.post("sendMail", BODY)
    await book.records()
    files = sorted(book.directory.iterdir())
    assert [file.name for file in files] == ["audit-2026-01-01.jsonl", "audit-2026-01-02.jsonl"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert [len(file.read_text().splitlines()) for file in files] == [1, 1]


async def test_what_the_files_are_in_may_be_taken_away_and_put_back(study: Study, tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.mkdir()
    book = Book(study, place)
    await study.post("sendMail", BODY)
    await book.records()
    place.rename(tmp_path / "elsewhere")
    await study.post("sendMail", BODY)
    with pytest.raises(FileNotFoundError):
        await book.auditor.flush()
    assert not place.exists()
    (tmp_path / "elsewhere").rename(place)
    assert len(await book.records()) == len(book.lines()) == 2


async def test_nobody_writes_lines_of_their_own(book: Book) -> None:
    headers = {"client-request-id": 'a"}\n{"kind":"administrator"}\u2028'}
    await book.study.post("sendMail", BODY, **headers)
    await book.records()
    assert len(book.lines()) == 1


async def test_records_are_forgotten_after_their_time(study: Study, tmp_path: Path) -> None:
    book = Book(study, tmp_path, retention_seconds=YEAR)
    await study.post("sendMail", BODY)
    await study.clock.advance(YEAR / 2)
    await study.post("sendMail", BODY)
    await book.auditor.forget()
    assert len(await book.records()) == 2
    await study.clock.advance(YEAR / 2 + 86_400)
    await book.auditor.forget()
    assert len(await book.records()) == 1
    assert len(list(book.directory.iterdir())) == 1


async def test_the_writer_writes_by_itself(book: Book) -> None:
    running = asyncio.create_task(book.auditor.run())
    await book.study.post("sendMail", BODY)
    while not book.lines():
        await book.study.clock.advance(1.0)
        await asyncio.to_thread(lambda: None)
    assert len(book.lines()) == 1
    running.cancel()


async def test_a_file_on_a_full_disk_has_each_record_once_and_whole(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full in the middle of a line, and has room again when it is tried the next time."""
    await book.study.post("sendMail", BODY)
    await book.auditor.flush()
    write = os.write

    def half(descriptor: int, data: memoryview) -> int:
        monkeypatch.setattr(os, "write", full)
        return write(descriptor, data[: len(data) // 2])

    def full(descriptor: int, data: memoryview) -> int:
        monkeypatch.setattr(os, "write", write)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for _ in range(3):
        book.auditor.note(Actor("user", object_id=ADELE.object_id), status=200)
    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space left"):
        await book.auditor.flush()
    assert len(book.lines()) == 1
    await book.auditor.flush()
    assert len(book.lines()) == 4


async def test_after_a_failure_it_waits_longer_than_for_more_to_come(book: Book) -> None:
    waited: list[float] = []
    sleep, failed = book.study.clock.sleep, asyncio.Event()

    async def noted(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            failed.set()
        await sleep(seconds)

    book.study.clock.sleep = noted  # type: ignore[method-assign]
    book.study.office.store.breaks = lambda fn: StoreError("the disk is full")
    book.auditor.note(Actor("user", object_id=ADELE.object_id), status=200)
    running = asyncio.create_task(book.auditor.run())
    while not failed.is_set():
        await book.study.clock.advance(1.0)
        await asyncio.sleep(0)
    running.cancel()
    assert waited[:3] == [WAIT_SECONDS, FAILED_SECONDS, WAIT_SECONDS]


async def test_a_flood_is_bounded_in_memory(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphpost.auditing.auditor.MOST_WAITING", 3)
    for number in range(5):
        book.auditor.note(Actor("user", object_id=str(number)), status=200)
    assert [each.actor.object_id for each in await book.records(audit.NO_MAILBOX)] == ["4", "3", "2"]


@pytest.mark.parametrize(
    ("rights", "path", "author", "right"),
    [
        (("FullAccess",), f"/v1.0/users/{ALEX.address}", "", "FullAccess"),
        (("FullAccess",), f"/v1.0/users/{ALEX.address}", ADELE.address, "FullAccess"),
        (("SendAs", "SendOnBehalf"), "/v1.0/me", ALEX.address, "SendAs"),
        (("SendOnBehalf",), "/v1.0/me", ALEX.address, "SendOnBehalf"),
        (("SendAs",), "/v1.0/me", ADELE.aliases[0], "owner"),
    ],
)
@pytest.mark.parametrize("as_draft", [False, True])
async def test_the_record_says_by_which_right_it_was_sent(
    book: Book, rights: tuple[Any, ...], path: str, author: str, right: str, as_draft: bool
) -> None:
    given = Given(mailbox_id=ALEX.mailbox_id, holder=ADELE.object_id, rights=frozenset(rights))
    book.study.office.directory = Directory.of(MAILBOXES, [APP], (), [given])
    body: dict[str, Any] = {"subject": "Lunch", "toRecipients": to("zoe@one.test")}
    body |= {"from": {"emailAddress": {"address": author}}} if author else {}
    token = "scp:Mail.Send.Shared Mail.ReadWrite.Shared"
    if as_draft:
        draft = await book.study.post(f"{path}/messages", body, token=token)
        sent = await book.study.post(f"{path}/messages/{draft.id}/send", token=token)
    else:
        sent = await book.study.post(f"{path}/sendMail", {"message": body}, token=token)
    assert sent.status == 202
    box = ADELE if path.endswith("/me") else ALEX
    found = [r.actor for r in await book.records(box.mailbox_id) if r.recipients]
    assert [(actor.right, actor.person) for actor in found] == [(right, ADELE.address)]
    assert found[0].permission == "Mail.Send.Shared"


async def test_ending_while_it_writes_records_everything_once(book: Book) -> None:
    for _ in range(3):
        await book.study.patch("mailboxSettings", {"timeZone": "UTC"})
    running = asyncio.create_task(book.auditor.run())
    writing = asyncio.Event()
    write = book.study.office.store.store.write

    async def slow(fn: Any) -> Any:
        writing.set()
        return await write(fn)

    book.study.office.store.store.write = slow  # type: ignore[method-assign]
    while not writing.is_set():
        await book.study.clock.advance(1.0)
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await book.auditor.close()
    assert (len(await book.records()), len(book.lines())) == (3, 3)


async def test_a_flood_of_one_kind_hides_no_other(book: Book) -> None:
    actions = ("GET", "issuer token password", "SMTP AUTH", "administration")
    for action in actions:
        for _ in range(STRANGERS_A_MINUTE + 5):
            book.auditor.note(Actor("nobody", action=action), status=401)
    found = [each.actor.action for each in await book.records(audit.NO_MAILBOX)]
    assert {action: found.count(action) for action in actions} == dict.fromkeys(actions, STRANGERS_A_MINUTE)


async def test_who_comes_too_often_leaves_no_record_each_time(book: Book) -> None:
    limits = ThrottlingSettings(profile="custom", requests=1)
    study = book.study
    throttling = Throttling(limits, study.store, study.clock, study.office.log)
    study.services = replace(study.services, throttle=throttling.throttle)
    study.api = GraphApi(study.services)
    statuses = [(await study.post("sendMail", BODY)).status for _ in range(5)]
    assert statuses == [202, 429, 429, 429, 429]
    assert [each.status for each in await book.records()] == [202]


async def test_a_stranger_whose_body_was_not_waited_for_is_recorded_too(book: Book) -> None:
    request = make_request("POST", "/v1.0/me/sendMail", b"", "forged", None)
    error = await book.study.api.stranger(request.headers)
    assert error is not None
    book.study.api.turn_away(request, error)
    assert [each.status for each in await book.records(audit.NO_MAILBOX)] == [401]


@pytest.mark.parametrize("fault", ["is a file", "in a file", "in nothing that can be"])
def test_files_that_cannot_be_written_are_said_at_the_start(tmp_path: Path, fault: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    directory = {"is a file": file, "in a file": file / "audit"}.get(fault, Path("/proc/audit"))
    with pytest.raises(ConfigurationError, match=rf"audit\.directory: {directory} cannot be written to: "):
        open_files(AuditSettings(directory=str(directory)))
    open_files(AuditSettings(directory=str(tmp_path / "new" / "audit")))
    open_files(AuditSettings(directory=""))
