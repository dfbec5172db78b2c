"""Mentions (beta): told when a message is made, found by whom they are of."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.graph.desk import ADELE, ALEX
from tests.graph.study import Study, anyio_backend, open_store, postgres_url, study, to

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
MESSAGES = "/beta/me/messages"


def mention(address: str, **members: str) -> dict[str, Any]:
    return {"mentioned": {"name": "Somebody", "address": address}, **members}


async def made(study: Study, *mentions: dict[str, Any], **members: Any) -> str:
    """The path of a new draft."""
    answer = await study.post(MESSAGES, {"subject": "Hello", "mentions": list(mentions), **members})
    assert answer.status == 201, answer
    return f"{MESSAGES}/{answer.id}"


async def test_mentions_come_with_a_draft_and_are_listed(study: Study) -> None:
    path = await made(
        study, mention("zoe@one.test", mentionText="@Zoe", clientReference="r1"), mention(ALEX.address)
    )
    assert "mentions" not in (await study.get(path)).json
    found = (await study.get(f"{path}/mentions")).json
    assert found["@odata.context"].endswith("/mentions")
    first, second = found["value"]
    assert first.keys() == {
        "id", "application", "clientReference", "createdBy", "createdDateTime", "deepLink", "mentioned",
        "mentionText", "serverCreatedDateTime",
    }  # fmt: skip
    assert first["mentioned"] == {"name": "Somebody", "address": "zoe@one.test"}
    assert (first["mentionText"], first["clientReference"], first["deepLink"]) == ("@Zoe", "r1", None)
    assert first["createdDateTime"] == "2026-01-01T00:00:00Z"
    assert second["mentioned"]["address"] == ALEX.address
    one = (await study.get(f"{path}/mentions/{second['id']}")).json
    one.pop("@odata.context")
    assert one == second
    expanded = (await study.get(path, query="$expand=mentions")).json
    assert expanded["mentions"] == found["value"]
    listed = (await study.get(MESSAGES, query="$expand=mentions")).json["value"]
    assert [each["mentions"] for each in listed] == [found["value"]]


async def test_a_mention_is_deleted_by_itself(study: Study) -> None:
    path = await made(study, mention(ADELE.address), mention("zoe@one.test"))
    first, second = (await study.get(f"{path}/mentions")).json["value"]
    assert (await study.get(path)).json["mentionsPreview"] == {"isMentioned": True}
    assert (await study.delete(f"{path}/mentions/{first['id']}")).status == 204
    assert (await study.get(f"{path}/mentions")).json["value"] == [second]
    assert (await study.get(path)).json["mentionsPreview"] == {"isMentioned": False}
    for key in (first["id"], "x", "%00"):
        assert (await study.delete(f"{path}/mentions/{key}")).status in (400, 404)


async def test_who_is_mentioned_finds_it(study: Study) -> None:
    await study.office.worker.start()
    for mentioned in ((ALEX,), ()):
        body = {
            "message": {
                "subject": f"For {len(mentioned)}",
                "toRecipients": to(ALEX.address, "zoe@one.test"),
                "mentions": [mention(box.address.upper()) for box in mentioned],
            }
        }
        assert (await study.post("/beta/me/sendMail", body)).status == 202
    await study.office.until_done(4)
    place = f"/beta/users/{ALEX.object_id}/messages"
    query = "$filter=mentionsPreview/isMentioned eq true"
    found = (await study.get(place, query=query, token="app-with-everything")).json["value"]
    assert [(each["subject"], each["mentionsPreview"]) for each in found] == [
        ("For 1", {"isMentioned": True})
    ]
    (mentioned,) = (await study.get(f"{place}/{found[0]['id']}/mentions", token="app-with-everything")).json[
        "value"
    ]
    assert mentioned["mentioned"]["address"] == ALEX.address.upper()
    assert mentioned["createdBy"]["address"] == ADELE.address
    own = (await study.get("/beta/me/mailFolders/sentitems/messages", query=query)).json["value"]
    assert own == []


async def test_a_field_of_the_header_cannot_be_smuggled_in(study: Study) -> None:
    header = [{"name": "X-Graphpost-Mentions", "value": ALEX.address}]
    body = {"subject": "Hello", "toRecipients": to("zoe@one.test"), "internetMessageHeaders": header}
    answer = await study.post("/beta/me/messages", body)
    value = await study.get(f"{MESSAGES}/{answer.id}/$value")
    assert b"X-Graphpost-Mentions" not in value.body


@pytest.mark.parametrize(
    ("mentions", "code"),
    [
        ("x", "RequestBodyRead"),
        ([{}], "ErrorInvalidRecipients"),
        ([mention("nobody")], "ErrorInvalidRecipients"),
        ([mention("a@x.test", mentionText={})], "RequestBodyRead"),  # type: ignore[arg-type]
        ([mention("a@x.test")] * 101, "ErrorInvalidParameter"),
    ],
)
async def test_who_is_nobody_is_not_mentioned(study: Study, mentions: Any, code: str) -> None:
    assert (await study.post(MESSAGES, {"subject": "x", "mentions": mentions})).error == (400, code)


async def test_they_are_made_with_the_message_and_not_changed(study: Study) -> None:
    path = await made(study, mention(ADELE.address))
    refused = await study.patch(path, {"mentions": []})
    assert refused.error == (400, "ErrorInvalidPropertySet")


async def test_only_beta_shows_them(study: Study) -> None:
    path = (await made(study, mention(ADELE.address))).replace("/beta", "/v1.0")
    assert (await study.get(f"{path}/mentions")).status == 400
    assert (await study.get(path, query="$expand=mentions")).error[0] == 400
    assert (
        await study.get(
            MESSAGES.replace("/beta", "/v1.0"), query="$filter=mentionsPreview/isMentioned eq true"
        )
    ).status == 400


async def test_a_mime_draft_mentions_whom_its_header_names(study: Study) -> None:
    mime = (
        f"From: {ADELE.address}\r\nX-Graphpost-Mentions: {ADELE.address}\r\nSubject: x\r\n\r\nHi\r\n".encode()
    )
    answer = await study.post(MESSAGES, base64.b64encode(mime), content_type="text/plain")
    assert answer.json["mentionsPreview"] == {"isMentioned": True}
    (found,) = (await study.get(f"{MESSAGES}/{answer.id}/mentions")).json["value"]
    assert found["id"]
