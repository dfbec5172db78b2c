"""Deferred sending: what asks for a later time stays a draft until then, and is sent once."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from tests.graph.desk import ADELE, APP, MAILBOXES
from tests.graph.study import (
    Answer,
    Study,
    anyio_backend,
    open_store,
    postgres_url,
    study,
    to,
)

from graphpost.clock import SECOND, to_text
from graphpost.config import LimitSettings
from graphpost.delivery.acceptance.dispatch import Dispatcher
from graphpost.graph.sending.due import due_check
from graphpost.mail.mailbox import Directory
from graphpost.store.mailbox import deferrals
from graphpost.store.queue import deliveries

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
HOUR = 3600.0
IMMUTABLE = {"prefer": 'IdType="ImmutableId"'}
TIMES = "singleValueExtendedProperties"


@pytest.fixture
def dispatcher(study: Study) -> Dispatcher:
    return study.office.dispatcher(due_check(lambda: study.office.directory, LimitSettings()))


def after(study: Study, seconds: float) -> str:
    return to_text(study.clock.now() + int(seconds * SECOND))


def timed(time: str, property_id: str = "SystemTime 0x3FEF") -> list[dict[str, str]]:
    return [{"id": property_id, "value": time}]


async def send_later(study: Study, seconds: float = HOUR, save: bool = True, **properties: Any) -> Answer:
    message = {
        "subject": "Later",
        "toRecipients": to("zoe@one.test"),
        TIMES: timed(after(study, seconds)),
        **properties,
    }
    answer = await study.post("sendMail", {"message": message, "saveToSentItems": save})
    assert (answer.status, answer.body) == (202, b""), answer
    return answer


async def waiting_draft(study: Study, seconds: float = HOUR, **properties: Any) -> str:
    """A draft that was sent with a later time; its id."""
    made = await study.draft(subject="Later", **{TIMES: timed(after(study, seconds)), **properties})
    assert (await study.post(f"messages/{made.id}/send")).status == 202
    return made.id


async def rows(study: Study) -> list[str]:
    found = await study.store.read(lambda tx: deferrals.listed(tx, 100))
    return [to_text(each.due_at) for each in found]


async def places(study: Study) -> dict[str, list[str]]:
    names = ("drafts", "sentitems", "inbox")
    return {name: found for name in names if (found := await study.subjects(name))}


async def queued(study: Study) -> list[str]:
    return [each.recipients[0].address for each in await study.office.queue()]


async def pass_time(study: Study, dispatcher: Dispatcher, seconds: float = HOUR) -> None:
    await study.clock.advance(seconds)
    await dispatcher.once()


@pytest.mark.parametrize("property_id", ["SystemTime 0x3FEF", "systemtime 0x3fef", "SystemTime 0x000F"])
async def test_send_mail_waits_in_drafts_until_its_time_and_is_sent_once(
    study: Study, dispatcher: Dispatcher, property_id: str
) -> None:
    await send_later(study, **{TIMES: timed(after(study, HOUR), property_id)})
    await dispatcher.once()
    (draft,) = (await study.get("mailFolders/drafts/messages")).json["value"]
    assert (draft["isDraft"], draft["subject"]) == (True, "Later")
    assert (await places(study), await queued(study)) == ({"drafts": ["Later"]}, [])
    await pass_time(study, dispatcher, HOUR - 1)
    assert await queued(study) == []
    await pass_time(study, dispatcher, 1)
    assert (await places(study), await queued(study)) == ({"sentitems": ["Later"]}, ["zoe@one.test"])
    (sent,) = (await study.get("mailFolders/sentitems/messages")).json["value"]
    assert (sent["isDraft"], sent["sentDateTime"]) == (False, after(study, 0))
    assert sent["internetMessageId"] == draft["internetMessageId"]
    await pass_time(study, dispatcher)
    assert (await queued(study), await rows(study)) == (["zoe@one.test"], [])


async def test_the_wire_has_the_time_at_which_it_was_sent(study: Study, dispatcher: Dispatcher) -> None:
    await study.office.worker.start()
    await send_later(study)
    await pass_time(study, dispatcher)
    await study.office.until_done()
    ((_, envelope, data),) = study.office.one.taken
    assert envelope.recipients == ("zoe@one.test",)
    assert b"Date: Thu, 01 Jan 2026 01:00:00 +0000\r\n" in data
    assert b"From: Adele Vance <AdeleV@contoso.com>\r\n" in data


@pytest.mark.parametrize("seconds", [0.0, -1.0, -86_400.0])
async def test_a_time_that_is_past_sends_now(study: Study, seconds: float) -> None:
    await send_later(study, seconds)
    made = await study.draft(subject="Later", **{TIMES: timed(after(study, seconds))})
    await study.post(f"messages/{made.id}/send")
    assert await places(study) == {"sentitems": ["Later", "Later"]}
    assert (await queued(study), await rows(study)) == (["zoe@one.test"] * 2, [])


async def test_a_number_of_units_counts_from_when_it_is_submitted(
    study: Study, dispatcher: Dispatcher
) -> None:
    wait = [{"id": "Integer 0x3FEB", "value": "2"}, {"id": "Integer 0x3FEC", "value": "1"}]
    made = await study.draft(**{TIMES: wait + timed(after(study, -HOUR))})
    await study.clock.advance(HOUR)
    due = after(study, 2 * HOUR)
    await study.post(f"messages/{made.id}/send")
    assert await rows(study) == [due]
    query = "$expand=singleValueExtendedProperties($filter=id eq 'SystemTime 0x3FEF')"
    found = (await study.get(f"messages/{made.id}", query=query)).json[TIMES]
    assert found == timed(due)
    await pass_time(study, dispatcher, 2 * HOUR)
    assert await places(study) == {"sentitems": ["Lunch"]}


@pytest.mark.parametrize(
    "wrong",
    [
        ("Integer 0x3FEB", "1000"),
        ("Integer 0x3FEB", "-1"),
        ("Integer 0x3FEC", "4"),
        ("Integer 0x3FEC", "hours"),
        ("SystemTime 0x3FEF", "tomorrow"),
        ("SystemTime 0x000F", ""),
    ],
)
async def test_a_time_that_is_none_is_refused(study: Study, wrong: tuple[str, str]) -> None:
    message = {"toRecipients": to("zoe@one.test"), TIMES: timed(wrong[1], wrong[0])}
    answer = await study.post("sendMail", {"message": message})
    assert answer.error == (400, "ErrorInvalidExtendedPropertyValue")
    assert await places(study) == {}


async def test_mime_says_its_time_in_a_field(study: Study, dispatcher: Dispatcher) -> None:
    head = b"From: AdeleV@contoso.com\r\nTo: zoe@one.test\r\nBcc: bo@one.test\r\nSubject: MIME\r\n"
    data = head + b"Deferred-Delivery: Thu, 01 Jan 2026 01:00:00 +0000\r\n\r\nHello\r\n"
    answer = await study.post("sendMail", base64.b64encode(data), content_type="text/plain")
    assert answer.status == 202
    assert (await places(study), await queued(study)) == ({"drafts": ["MIME"]}, [])
    await study.office.worker.start()
    await pass_time(study, dispatcher)
    await study.office.until_done()
    ((_, envelope, sent),) = study.office.one.taken
    assert sorted(envelope.recipients) == ["bo@one.test", "zoe@one.test"]
    assert b"bo@one.test" not in sent
    assert await places(study) == {"sentitems": ["MIME"]}


async def test_without_a_copy_nothing_is_left_when_it_is_delivered(
    study: Study, dispatcher: Dispatcher
) -> None:
    await study.office.worker.start()
    await send_later(study, save=False)
    assert await places(study) == {"drafts": ["Later"]}
    await pass_time(study, dispatcher)
    await study.office.until_done()
    assert await places(study) == {}
    assert len(study.office.one.taken) == 1


@pytest.mark.parametrize("operation", ["reply", "replyAll", "forward"])
async def test_an_answer_waits_too(study: Study, dispatcher: Dispatcher, operation: str) -> None:
    original = await study.draft(subject="Asked", toRecipients=to("zoe@one.test", ADELE.address))
    message = {TIMES: timed(after(study, HOUR)), "toRecipients": to("zoe@one.test")}
    answer = await study.post(f"messages/{original.id}/{operation}", {"message": message})
    assert answer.status == 202
    assert await queued(study) == []
    await pass_time(study, dispatcher)
    (subject,) = (await places(study))["sentitems"]
    assert subject.endswith(": Asked")


async def test_a_draft_keeps_its_id_while_it_waits_and_loses_it_when_it_is_sent(
    study: Study, dispatcher: Dispatcher
) -> None:
    number = await waiting_draft(study)
    found = (await study.get(f"messages/{number}", **IMMUTABLE)).json
    assert found["isDraft"] is True
    await pass_time(study, dispatcher)
    assert (await study.get(f"messages/{number}")).error == (404, "ErrorItemNotFound")
    assert (await study.get(f"messages/{found['id']}", **IMMUTABLE)).json["isDraft"] is False


async def test_what_is_sent_is_the_message_as_it_is_then(study: Study, dispatcher: Dispatcher) -> None:
    number = await waiting_draft(study)
    change = {"subject": "Changed", "toRecipients": to("yan@one.test")}
    assert (await study.patch(f"messages/{number}", change)).status == 200
    file = {"@odata.type": "#microsoft.graph.fileAttachment", "name": "a", "contentBytes": "aGk="}
    assert (await study.post(f"messages/{number}/attachments", file)).status == 201
    await pass_time(study, dispatcher)
    (sent,) = (await study.get("mailFolders/sentitems/messages")).json["value"]
    assert (sent["subject"], sent["hasAttachments"]) == ("Changed", True)
    assert await queued(study) == ["yan@one.test"]


@pytest.mark.parametrize(
    ("change", "seconds"),
    [
        (lambda study: timed(after(study, 3 * HOUR)), 3 * HOUR),
        (lambda study: timed(after(study, 60)), 60),
        (lambda study: timed(after(study, -60)), -60),
        (
            lambda study: [
                {"id": "Integer 0x3FEB", "value": "3"},
                {"id": "Integer 0x3FEC", "value": "1"},
            ],
            3 * HOUR,
        ),
    ],
)
async def test_another_time_is_respected_while_it_waits(
    study: Study, dispatcher: Dispatcher, change: Callable[[Study], Any], seconds: float
) -> None:
    number = await waiting_draft(study)
    due = after(study, seconds)
    changed = await study.patch(f"messages/{number}", {TIMES: change(study)})
    assert (changed.status, await rows(study)) == (200, [due])
    await pass_time(study, dispatcher, max(0.0, seconds - 1))
    assert bool(await queued(study)) is (seconds < 0)
    await pass_time(study, dispatcher, 1)
    assert await queued(study) == ["zoe@one.test"]


async def test_a_draft_that_was_not_sent_does_not_wait(study: Study, dispatcher: Dispatcher) -> None:
    made = await study.draft(**{TIMES: timed(after(study, HOUR))})
    await study.patch(f"messages/{made.id}", {TIMES: timed(after(study, 60))})
    await pass_time(study, dispatcher)
    assert (await places(study), await queued(study)) == ({"drafts": ["Lunch"]}, [])


async def test_sending_again_with_a_past_time_sends_now_and_with_a_later_one_goes_on_waiting(
    study: Study, dispatcher: Dispatcher
) -> None:
    number = await waiting_draft(study)
    assert (await study.post(f"messages/{number}/send")).status == 202
    assert len(await rows(study)) == 1
    await study.patch(f"messages/{number}", {TIMES: timed(after(study, -1))})
    assert (await study.post(f"messages/{number}/send")).status == 202
    assert await rows(study) == []
    await pass_time(study, dispatcher)
    assert await queued(study) == ["zoe@one.test"]


async def test_one_that_is_sent_from_deleted_items_waits_in_drafts(
    study: Study, dispatcher: Dispatcher
) -> None:
    made = await study.draft(subject="Later", **{TIMES: timed(after(study, HOUR))})
    moved = await study.post(f"messages/{made.id}/move", {"destinationId": "deleteditems"})
    assert (await study.post(f"messages/{moved.id}/send")).status == 202
    assert await places(study) == {"drafts": ["Later"]}
    await pass_time(study, dispatcher)
    assert (await places(study), await queued(study)) == ({"sentitems": ["Later"]}, ["zoe@one.test"])


async def test_a_copy_of_it_does_not_wait(study: Study, dispatcher: Dispatcher) -> None:
    number = await waiting_draft(study)
    assert (await study.post(f"messages/{number}/copy", {"destinationId": "drafts"})).status == 201
    await pass_time(study, dispatcher)
    assert (await places(study), len(await queued(study))) == (
        {"drafts": ["Later"], "sentitems": ["Later"]},
        1,
    )


async def test_moved_elsewhere_it_waits_on(study: Study, dispatcher: Dispatcher) -> None:
    number = await waiting_draft(study)
    await study.post(f"messages/{number}/move", {"destinationId": "archive"})
    await pass_time(study, dispatcher)
    assert (await places(study), await queued(study)) == ({"sentitems": ["Later"]}, ["zoe@one.test"])


async def cancelled(study: Study, number: str, way: str) -> None:
    path = f"messages/{number}"
    match way:
        case "delete":
            assert (await study.delete(path)).status == 204
        case "delete for good":
            assert (await study.post(f"{path}/permanentDelete")).status == 204
        case "move":
            assert (await study.post(f"{path}/move", {"destinationId": "deleteditems"})).status == 201
        case "move back":
            moved = await study.post(f"{path}/move", {"destinationId": "deleteditems"})
            assert (await study.post(f"messages/{moved.id}/move", {"destinationId": "drafts"})).status == 201
        case "with its folder":
            folder = (await study.post("mailFolders", {"displayName": "Mine"})).id
            await study.post(f"{path}/move", {"destinationId": folder})
            assert (await study.delete(f"mailFolders/{folder}")).status == 204
        case "with a folder above it, that comes back":
            top = (await study.post("mailFolders", {"displayName": "Top"})).id
            folder = (await study.post(f"mailFolders/{top}/childFolders", {"displayName": "Mine"})).id
            await study.post(f"{path}/move", {"destinationId": folder})
            assert (await study.delete(f"mailFolders/{top}")).status == 204
            home = {"destinationId": "msgfolderroot"}
            assert (await study.post(f"mailFolders/{top}/move", home)).status == 200
        case "its folder is moved there and back":
            folder = (await study.post("mailFolders", {"displayName": "Mine"})).id
            await study.post(f"{path}/move", {"destinationId": folder})
            for place in ("deleteditems", "msgfolderroot"):
                moved = await study.post(f"mailFolders/{folder}/move", {"destinationId": place})
                assert moved.status == 200
        case "among what is recoverable and back":
            for place in ("recoverableitemsdeletions", "drafts"):
                moved = await study.post(f"{path}/move", {"destinationId": place})
                path = f"messages/{moved.id}"


WAYS = (
    "delete",
    "delete for good",
    "move",
    "move back",
    "with its folder",
    "among what is recoverable and back",
)
WAYS += ("with a folder above it, that comes back", "its folder is moved there and back")


@pytest.mark.parametrize("way", WAYS)
async def test_deleting_it_cancels(study: Study, dispatcher: Dispatcher, way: str) -> None:
    await cancelled(study, await waiting_draft(study), way)
    await pass_time(study, dispatcher)
    assert (await queued(study), await rows(study)) == ([], [])
    assert "sentitems" not in await places(study)


async def lost(study: Study, number: str, way: str) -> None:
    """What was right when it was submitted is wrong now."""
    app, boxes = APP, list(MAILBOXES)
    match way:
        case "no recipients":
            assert (await study.patch(f"messages/{number}", {"toRecipients": []})).status == 200
        case "no permission":
            app = replace(APP, delegated_permissions=("Mail.ReadWrite",))
        case "application disabled":
            app = replace(APP, enabled=False)
        case "mailbox disabled":
            boxes[0] = replace(ADELE, enabled=False)
        case "address lost":
            boxes[0] = replace(ADELE, aliases=())
    study.office.directory = Directory.of(boxes, [app])


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("no recipients", "it contains no recipients"),
        ("no permission", "Access is denied"),
        ("application disabled", "Application is disabled"),
        ("mailbox disabled", "User account is disabled"),
        ("address lost", "does not have the right to send mail on behalf"),
    ],
)
async def test_what_can_no_longer_be_sent_is_reported_and_stays_a_draft(
    study: Study, dispatcher: Dispatcher, way: str, words: str
) -> None:
    number = await waiting_draft(study, **{"from": to("adele@contoso.com")[0]})
    before = study.office.directory
    await lost(study, number, way)
    await pass_time(study, dispatcher)
    await pass_time(study, dispatcher)
    study.office.directory = before
    assert (await queued(study), await rows(study)) == ([], [])
    assert await places(study) == {"drafts": ["Later"], "inbox": ["Undeliverable: Later"]}
    (report,) = (await study.get("mailFolders/inbox/messages", query="$expand=attachments")).json["value"]
    text = " ".join(report["body"]["content"].split())
    assert words in text
    assert "still among your drafts" in text
    assert ("zoe@one.test" in text) is (way != "no recipients")
    assert f"unsent message={int.from_bytes(number_of(number), 'big'):016x}" in study.office.said()
    ((actor, mailbox, told, _),) = study.office.refused  # for the audit log
    assert (actor.kind, actor.client_id, actor.person, actor.action) == (
        "user",
        APP.client_id,
        ADELE.address,
        "deferred send",
    )
    assert (mailbox.address, told) == (ADELE.address, int.from_bytes(number_of(number), "big"))


def number_of(message: str) -> bytes:
    from graphpost.ids import parse_item_id

    return parse_item_id(message).message_id.to_bytes(8, "big")


async def test_an_application_that_sends_later_is_looked_at_as_such(
    study: Study, dispatcher: Dispatcher
) -> None:
    message = {"toRecipients": to("zoe@one.test"), TIMES: timed(after(study, HOUR))}
    path = f"/v1.0/users/{ADELE.object_id}/sendMail"
    answer = await study.post(path, {"message": message}, token="app")
    assert answer.status == 202
    await pass_time(study, dispatcher)
    assert await queued(study) == ["zoe@one.test"]


async def test_two_dispatchers_send_each_once(study: Study, dispatcher: Dispatcher) -> None:
    for _ in range(20):
        await send_later(study)
    await study.clock.advance(HOUR)
    await asyncio.gather(dispatcher.once(), dispatcher.once())
    await dispatcher.once()
    assert len(await queued(study)) == 20
    assert len({each.message_id for each in await study.office.queue()}) == 20


async def test_changes_at_the_moment_of_sending_are_in_it_or_too_late(
    study: Study, dispatcher: Dispatcher
) -> None:
    ids = [await waiting_draft(study) for _ in range(5)]
    await study.clock.advance(HOUR)
    changes = [study.patch(f"messages/{each}", {"toRecipients": to("yan@one.test")}) for each in ids]
    deletions = [study.delete(f"messages/{each}") for each in ids[:2]]
    answers = await asyncio.gather(dispatcher.once(), *changes, *deletions)
    await dispatcher.once()
    sent = await study.office.queue(state=deliveries.QUEUED)
    assert len(sent) == len({each.message_id for each in sent})
    changed = sum(answer.status == 200 for answer in answers[1:6] if answer is not None)
    deleted = sum(answer.status == 204 for answer in answers[6:] if answer is not None)
    assert len(sent) == 5 - deleted
    assert sum(each.recipients[0].address == "yan@one.test" for each in sent) >= changed - deleted
