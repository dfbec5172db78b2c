"""Whatever is done to drafts that wait, and in whatever order: each is sent once, at its time, or never."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.graph.desk import APP, MAILBOXES, SCOPED
from tests.graph.study import Study, to

from graphpost.clock import SECOND, Instant, to_text
from graphpost.config import LimitSettings
from graphpost.graph.sending.due import due_check
from graphpost.mail.mailbox import Directory
from graphpost.store.databases.sqlite import SqliteStore

IMMUTABLE = {"prefer": 'IdType="ImmutableId"'}
Step = tuple[str, int, int]


@dataclass
class Expected:
    """What ought to become of one draft: `due` while it waits, `sent` how often it went out."""

    number: str
    time: Instant
    due: Instant = 0
    sent: int = 0
    is_lost: bool = False
    has_recipients: bool = True
    reports: int = 0

    def pass_until(self, now: Instant) -> None:
        if self.due and self.due <= now:
            self.due = 0
            if self.has_recipients:
                self.sent += 1
            else:
                self.reports += 1


def timed(time: Instant) -> dict[str, Any]:
    return {"singleValueExtendedProperties": [{"id": "SystemTime 0x3FEF", "value": to_text(time)}]}


async def do(study: Study, draft: Expected, step: str, seconds: int) -> None:
    """One request, and what it ought to do."""
    now, path = study.clock.now(), f"messages/{draft.number}"
    is_there = not draft.sent and not draft.is_lost
    match step:
        case "send":
            answer = await study.post(f"{path}/send", **IMMUTABLE)
            if not is_there:
                assert answer.status == 404
            elif not draft.has_recipients:
                assert answer.status == 400
            else:
                assert answer.status == 202
                draft.due = draft.time if draft.time > now else 0
                draft.sent += draft.time <= now
        case "time":
            answer = await study.patch(path, timed(now + seconds * SECOND), **IMMUTABLE)
            assert (answer.status == 200) is not draft.is_lost
            if is_there:
                draft.time = now + seconds * SECOND
                draft.due = draft.time if draft.due else 0
        case "recipients":
            answer = await study.patch(
                path, {"toRecipients": to("zoe@one.test") if seconds > 0 else []}, **IMMUTABLE
            )
            if is_there:
                assert answer.status == 200
                draft.has_recipients = seconds > 0
        case "delete":
            if is_there:
                assert (await study.post(f"{path}/permanentDelete", **IMMUTABLE)).status == 204
                draft.due, draft.is_lost = 0, True
        case "bin and back":
            if is_there:
                for place in ("deleteditems", "drafts"):
                    moved = await study.post(f"{path}/move", {"destinationId": place}, **IMMUTABLE)
                    assert moved.status == 201
                draft.due = 0
        case "archive":
            if is_there:
                moved = await study.post(f"{path}/move", {"destinationId": "archive"}, **IMMUTABLE)
                assert moved.status == 201


async def run(steps: list[Step], directory: Path) -> None:
    study = Study(SqliteStore.open(directory / "mail.db", readers=1), directory)
    await study.furnish()
    app = replace(APP, delegated_permissions=("Mail.Send",))
    study.office.directory = Directory.of(MAILBOXES, [app, SCOPED])
    dispatchers = [
        study.office.dispatcher(due_check(lambda: study.office.directory, LimitSettings())) for _ in range(2)
    ]
    drafts = []
    for _ in range(3):
        time = study.clock.now() + 100 * SECOND
        made = await study.post("messages", {"toRecipients": to("zoe@one.test"), **timed(time)}, **IMMUTABLE)
        drafts.append(Expected(made.id, time))
    for step, which, seconds in [*steps, ("wait", 0, 10_000)]:
        if step == "wait":
            await study.clock.advance(max(seconds, 0))
            await asyncio.gather(*(each.once() for each in dispatchers))
            await dispatchers[0].once()
        else:
            await do(study, drafts[which], step, seconds)
            await dispatchers[0].once()
        for draft in drafts:
            draft.pass_until(study.clock.now())
        queued = await study.office.queue()
        assert len(queued) == sum(draft.sent for draft in drafts)
        assert len(await study.subjects("sentitems")) == len(queued)
        assert len(await study.subjects("inbox")) == sum(draft.reports for draft in drafts)
    assert all(draft.sent <= 1 for draft in drafts)
    await study.office.worker.stop(1.0)
    study.office.log.close()
    await study.store.close()


STEPS = st.tuples(
    st.sampled_from(
        ["send", "send", "time", "recipients", "delete", "bin and back", "archive", "wait", "wait"]
    ),
    st.integers(0, 2),
    st.sampled_from([-50, 0, 1, 60, 100, 200]),
)


@settings(max_examples=40)
@given(st.lists(STEPS, max_size=14))
def test_each_is_sent_once_at_its_time_or_never(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(run(steps, Path(directory)))
