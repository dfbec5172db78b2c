"""Nobody reads on for a client that has gone, and no filter puts hundreds of conditions to every message."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from msgspec.structs import replace
from tests.graph.desk import ADELE, make_request
from tests.graph.study import ALL, Study, anyio_backend, open_store, postgres_url, study
from tests.store.made import item

from graphpost.graph.messages import listing
from graphpost.graph.queries.filtering import MAX_LOOKS
from graphpost.mail.mailbox import INBOX
from graphpost.mail.message import Body
from graphpost.store.mailbox import messages
from graphpost.store.search import searching
from graphpost.store.store import Tx

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio

PLACE = "/v1.0/me/messages"
LONG = [
    (PLACE, "$filter=contains(body/content,'nowhere')&$orderby=receivedDateTime"),
    (PLACE, "$filter=contains(body/content,'nowhere')&$orderby=subject"),
    (PLACE, "$filter=contains(body/content,'nowhere')&$count=true"),
    (f"{PLACE}/$count", "$filter=contains(body/content,'nowhere')"),
    (PLACE, '$search="nowhere"'),
]


async def fill(study: Study, number: int) -> None:
    def add(tx: Tx) -> None:
        for each in range(1, number + 1):
            made = item(each, mailbox_id=ADELE.mailbox_id, folder_id=INBOX, received_at=each, body=Body("x"))
            messages.add(tx, made)

    await study.store.write(add)


def after(steps: int) -> tuple[Callable[[], bool], list[bool]]:
    """A client that goes when it was looked for so many times; and the answers that were given."""
    given: list[bool] = []

    def is_gone() -> bool:
        given.append(len(given) >= steps)
        return given[-1]

    return is_gone, given


@pytest.mark.parametrize("in_batch", [False, True])
@pytest.mark.parametrize(("path", "query"), LONG)
async def test_reading_ends_when_the_client_has_gone(
    study: Study, monkeypatch: pytest.MonkeyPatch, path: str, query: str, in_batch: bool
) -> None:
    monkeypatch.setattr(listing, "CHUNK", 4)
    monkeypatch.setattr(searching, "LOOKED_AT", 4)
    monkeypatch.setattr(searching, "FIRST", 4)
    await fill(study, 40)
    is_gone, given = after(3)
    request = make_request("GET", path, b"", ALL, None, query)
    if in_batch:
        parts = [
            {"id": "1", "method": "GET", "url": f"{path.removeprefix('/v1.0')}?{quote(query, safe='$=&')}"}
        ]
        body = json.dumps({"requests": parts}).encode()
        request = make_request("POST", "/v1.0/$batch", body, ALL, "application/json")
    reply = await study.api.handle(replace(request, is_gone=is_gone))
    assert given == [False, False, False, True]
    assert isinstance(reply.body, bytes)
    status: Any = json.loads(reply.body)["responses"][0]["status"] if in_batch else reply.status
    assert status == 499


@pytest.mark.parametrize("joined", [" or ", " and "])
@pytest.mark.parametrize(
    "condition", ["contains(body/content,'x')", "not toRecipients/any(r:r/emailAddress/name eq 'x')"]
)
async def test_conditions_on_messages_themselves_are_bounded(
    study: Study, joined: str, condition: str
) -> None:
    await fill(study, 3)
    for number, expected in ((MAX_LOOKS, 200), (MAX_LOOKS + 1, 400)):
        query = f"$filter={joined.join([condition] * number)}"
        answer = await study.get("messages", query=query)
        assert answer.status == expected, answer
    assert answer.error == (400, "InefficientFilter")


async def test_conditions_inside_an_any_count_each(study: Study) -> None:
    names = " or ".join(f"r/emailAddress/name eq '{number}'" for number in range(MAX_LOOKS + 1))
    answer = await study.get("messages", query=f"$filter=toRecipients/any(r:{names})")
    assert answer.error == (400, "InefficientFilter")


async def test_conditions_that_columns_answer_do_not_count(study: Study) -> None:
    await fill(study, 3)
    names = " or ".join(f"subject eq '{number}'" for number in range(MAX_LOOKS))
    answer = await study.get("messages", query=f"$filter={names} or contains(body/content,'x')")
    assert (answer.status, len(answer.json["value"])) == (200, 3)
