"""Drafts over the wire: made, changed, and sent with every form of an empty body."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.conformance.targets import ADELE, OwnTarget, Target
from tests.conformance.wire import Answer
from tests.seeds.replay import recorded

PRINTED = next(request for request in recorded() if request.name == "004-send-placeholder")


def write(target: Target, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    token = target.token(ADELE)
    if token is None:
        pytest.skip("no token for it was given")
    fields = {"Authorization": f"Bearer {token}", **headers}
    if body is None:
        return target.wire.request(method, path, fields)
    return target.wire.request(
        method, path, {"Content-Type": "application/json", **fields}, json.dumps(body).encode()
    )


def draft(target: Target, **properties: Any) -> Any:
    body = {
        "subject": "Sent as a draft",
        "toRecipients": [{"emailAddress": {"address": ADELE}}],
        **properties,
    }
    made = write(target, "POST", "/v1.0/me/messages", body)
    assert made.status == 201, made.body
    return made.json


FORMS = {
    "a length of 0": b"Content-Length: 0\r\n\r\n",
    "no length": b"\r\n",
    "a length and a type": b"Content-Type: application/json\r\nContent-Length: 0\r\n\r\n",
    "a binary type": b"Content-Type: application/octet-stream\r\nContent-Length: 0\r\n\r\n",
    "an empty object": b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    "chunks of nothing": b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "null": b"Content-Type: application/json\r\nContent-Length: 4\r\n\r\nnull",
}


@pytest.mark.parametrize("form", FORMS)
def test_the_printed_request_with_a_real_id_sends_the_draft_once(target: Target, form: str) -> None:
    made = draft(target)
    path = PRINTED.path.replace("{id}", made["id"])
    head = f"{PRINTED.method} {path} HTTP/1.1\r\nHost: {target.wire.host}\r\nAuthorization: Bearer "
    request = (head + str(target.token(ADELE))).encode() + b"\r\n" + FORMS[form]
    sent = target.wire.send(request)
    assert (sent.status, sent.body) == (202, b"")
    assert "content-type" not in sent.headers
    assert sent.headers["content-length"] == "0"
    assert target.wire.send(request).error[:2] == (404, "ErrorItemNotFound")
    found = write(
        target,
        "GET",
        "/v1.0/me/mailFolders/SentItems/messages?$select=id,isDraft&$filter="
        + f"internetMessageId%20eq%20'{made['internetMessageId']}'".replace("<", "%3C").replace(">", "%3E"),
    ).json["value"]
    assert [message["isDraft"] for message in found] == [False]


def test_an_immutable_id_leads_from_the_draft_to_the_sent_message_and_to_its_end(target: Target) -> None:
    """As a relay does it: draft, send, look until it is no draft, delete."""
    prefer = {"Prefer": 'IdType="ImmutableId"'}
    body = {"subject": "Relayed", "toRecipients": [{"emailAddress": {"address": ADELE}}]}
    made = write(target, "POST", "/v1.0/me/messages", body, **prefer)
    path = f"/v1.0/me/messages/{made.json['id']}"
    assert write(target, "POST", f"{path}/send", **prefer).status == 202
    looked = write(target, "GET", f"{path}?$select=isDraft", **prefer)
    assert looked.json["isDraft"] is False
    deleted = write(target, "POST", f"{path}/permanentDelete", **prefer)
    assert (deleted.status, deleted.body) == (204, b"")
    assert write(target, "GET", path).error[:2] == (404, "ErrorItemNotFound")


def test_a_draft_goes_through_its_life(target: Target) -> None:
    made = draft(target)
    path = f"/v1.0/me/messages/{made['id']}"
    tag = {"If-Match": made["@odata.etag"]}
    changed = write(target, "PATCH", path, {"Subject": "Changed"}, **tag)
    assert (changed.status, changed.json["subject"]) == (200, "Changed")
    assert changed.headers["etag"] == changed.json["@odata.etag"]
    assert write(target, "PATCH", path, {"subject": "Late"}, **tag).error[:2] == (
        412,
        "ErrorIrresolvableConflict",
    )
    copied = write(target, "POST", f"{path}/copy", {"DestinationId": "Inbox"})
    moved = write(target, "POST", f"{path}/move", {"destinationId": "Archive"})
    assert (copied.status, moved.status) == (201, 201)
    found = write(target, "GET", moved.headers["location"].partition(target.wire.host)[2])
    assert found.json["subject"] == "Changed"
    for made_id in (copied.json["id"], moved.json["id"]):
        assert write(target, "DELETE", f"/v1.0/me/messages/{made_id}").status == 204
    assert write(target, "GET", path).error[:2] == (404, "ErrorItemNotFound")


def test_nothing_is_left_to_send_twice(own: OwnTarget) -> None:
    before = own.stored_at_rest()["deliveries"]
    made = draft(own)
    for _ in range(3):
        write(own, "POST", f"/v1.0/me/messages/{made['id']}/send")
    assert own.stored_at_rest()["deliveries"] == before + 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("operation", ["createReply", "createReplyAll", "createForward"])
def test_a_draft_of_an_answer_is_made_with_every_form_of_an_empty_body(
    target: Target, operation: str, form: str
) -> None:
    original = draft(target, subject="Answered")
    head = f"POST /v1.0/me/messages/{original['id']}/{operation} HTTP/1.1\r\nHost: {target.wire.host}\r\n"
    made = target.wire.send((f"{head}Authorization: Bearer {target.token(ADELE)}\r\n").encode() + FORMS[form])
    assert (made.status, made.json["isDraft"]) == (201, True)
    assert made.json["subject"] == ("FW: Answered" if operation == "createForward" else "RE: Answered")
    assert made.json["conversationId"] == original["conversationId"]
    for each in (made.json, original):
        assert write(target, "POST", f"/v1.0/me/messages/{each['id']}/permanentDelete").status == 204
