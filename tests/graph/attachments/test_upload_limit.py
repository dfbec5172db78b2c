"""How many upload sessions a mailbox may have open."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace as with_
from tests.graph.study import (
    Answer,
    Study,
    anyio_backend,
    open_store,
    postgres_url,
    study,
)

from graphpost.config import LimitSettings
from graphpost.graph.attachments.uploads import RETRY_SECONDS
from graphpost.store.mailbox import uploads

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio


async def begin(study: Study, number: str) -> Answer:
    item = {"attachmentType": "file", "name": "a.bin", "size": 10}
    return await study.post(f"messages/{number}/attachments/createUploadSession", {"AttachmentItem": item})


async def test_a_further_session_is_answered_429_until_one_is_over(study: Study) -> None:
    most = LimitSettings().upload_sessions
    made = await study.draft()
    answers = [await begin(study, made.id) for _ in range(most + 1)]
    assert [answer.status for answer in answers] == [201] * most + [429]
    assert answers[-1].error == (429, "ApplicationThrottled")
    assert answers[-1].headers["Retry-After"] == str(RETRY_SECONDS)

    def finish(tx: Any) -> None:
        (number, *_) = (row[0] for row in tx.all("SELECT upload_id FROM uploads WHERE mailbox_id = 1"))
        upload = uploads.get(tx, 1, number)
        assert upload is not None
        uploads.advance(tx, upload, with_(upload, received=10, is_attached=True))

    await study.store.write(finish)
    assert [(await begin(study, made.id)).status for _ in range(2)] == [201, 429]
    await study.clock.advance(LimitSettings().upload_session_seconds)
    assert (await begin(study, made.id)).status == 201


@pytest.mark.parametrize("how", ["permanentDelete", "send"])
async def test_sessions_of_a_draft_that_is_gone_do_not_count(study: Study, how: str) -> None:
    most = LimitSettings().upload_sessions
    made, other = await study.draft(), await study.draft()
    assert [(await begin(study, made.id)).status for _ in range(most)] == [201] * most
    assert (await begin(study, other.id)).status == 429
    assert (await study.post(f"messages/{made.id}/{how}")).status in (202, 204)
    assert (await begin(study, other.id)).status == 201
