"""Every recorded request, byte for byte over TLS, is answered as its page says."""

from __future__ import annotations

import re

import pytest
from tests.conformance.targets import ADELE, OwnTarget, Target
from tests.conformance.wire import Answer, Wire
from tests.seeds.replay import Recorded, recorded

RECORDED = recorded()
LINE_ENDS = {"lf": b"\n", "crlf": b"\r\n"}
PRINTED_ID = "aaaaaaaa-0000-4000-8000-000000000001"  # Adele's, on the page


def printed(request: Recorded, line_end: bytes, target: Target, *, absolute: bool = False) -> bytes:
    """The request as printed, with a token, a Host and the length that its body has in this form."""
    lines = request.wire.partition(b"\n\n")[0].decode().split("\n")
    method, url = lines[0].split(" ")
    path = url if absolute else re.sub(r"^https://[^/]+", "", url)
    adele = target.object_ids[ADELE] if isinstance(target, OwnTarget) else ADELE
    path = path.replace(PRINTED_ID, adele)
    body = request.body.removesuffix(b"\n").replace(b"\n", line_end)
    fields = [line for line in lines[1:] if not line.lower().startswith("content-length")]
    host = "graph.microsoft.com" if isinstance(target, OwnTarget) else target.wire.host
    head = [f"{method} {path} HTTP/1.1", f"Host: {host}", *fields, f"Content-length: {len(body)}"]
    head.append(f"Authorization: Bearer {token_of(request, target)}")
    return "\r\n".join([*head, "", ""]).encode() + body


def token_of(request: Recorded, target: Target) -> str:
    token = target.token("app" if request.facts.get("as") == "app" else request.facts["from"])
    if token is None:
        pytest.skip("no token for it was given")
    return token


def check(answer: Answer, request: Recorded) -> None:
    status = int(request.facts["status"])
    assert answer.status == status, answer.body
    if status >= 400:
        _, code, message = answer.error
        assert code == request.facts["code"]
        assert message == request.facts.get("message", message)
    elif status == 201:
        assert answer.json["isDraft"] is False
    else:
        assert answer.body == b""
        assert "content-type" not in answer.headers


@pytest.mark.parametrize("request_", RECORDED, ids=lambda r: r.name)
@pytest.mark.parametrize("line_end", LINE_ENDS)
def test_a_recorded_request_is_answered_as_its_page_says(
    target: Target, request_: Recorded, line_end: str
) -> None:
    own = target if isinstance(target, OwnTarget) else None
    before = own.stored_at_rest() if own else {}
    check(target.wire.send(printed(request_, LINE_ENDS[line_end], target)), request_)
    if own is not None:
        more = own.stored_at_rest()["deliveries"] - before["deliveries"]
        assert (more >= 1) == (int(request_.facts["status"]) < 400)


def test_the_whole_url_in_the_request_line_is_understood(own: OwnTarget) -> None:
    request = next(r for r in RECORDED if r.name == "001-1-json")
    check(own.wire.send(printed(request, b"\n", own, absolute=True)), request)


def test_a_length_as_printed_fits_the_page_with_crlf(target: Target) -> None:
    request = next(r for r in RECORDED if r.name == "000-as-printed")
    assert f"Content-length: {request.headers['content-length']}".encode() in printed(
        request, b"\r\n", target
    )


def test_a_length_that_is_too_long_waits_and_one_too_short_cuts_off(own: OwnTarget) -> None:
    """Neither makes a message of what is not one, nor a request of what is left of a body."""
    request = next(r for r in RECORDED if r.name == "001-1-json")
    data = printed(request, b"\n", own)
    length = len(request.body) - 1
    wire = Wire(own.server.url, own.trust)
    before = own.stored_at_rest()
    assert wire.send(data.replace(b"Content-length: %d" % length, b"Content-length: 100")).status == 400
    assert wire.is_closed
    long = wire.open()
    long.sendall(data.replace(b"Content-length: %d" % length, b"Content-length: 512"))
    wire.close()
    assert own.stored_at_rest() == before


def test_the_entity_of_a_mime_message_is_the_one_in_sent_items(own: OwnTarget) -> None:
    request = next(r for r in RECORDED if r.name == "004-mime-with-entity")
    entity = own.wire.send(printed(request, b"\n", own)).json
    address = request.facts["from"]
    found = own.get(f"/v1.0/users/{address}/messages/{entity['id']}").json
    assert found["subject"] == entity["subject"] == "Internal Resume Submission: Sales Associate"
    assert found["internetMessageId"] == entity["internetMessageId"]
