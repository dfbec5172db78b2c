"""Whatever arrives, the API answers, and never with its own failure."""

from __future__ import annotations

import base64
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.graph.desk import Desk, make_request
from tests.graph.wrong_requests import GOOD, GOOD_MIME
from tests.seeds.replay import recorded

DESK = Desk()
BODIES = [GOOD, GOOD_MIME, *(request.body for request in recorded())]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A right body with some of its bytes replaced."""
    body = bytearray(draw(st.sampled_from(BODIES)))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(body)))
        body[start : start + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return bytes(body)


def check(path: str, body: bytes, content_type: str | None, query: str = "", method: str = "POST") -> None:
    reply = DESK.send(make_request(method, path, body, "user", content_type, query))
    assert reply.status < 500, reply
    if reply.status >= 400:
        assert isinstance(reply.body, bytes)
        assert json.loads(reply.body)["error"]["code"]
    for name, value in reply.headers.items():
        assert not any(bad in name + value for bad in "\r\n\0")


@given(damaged(), st.sampled_from(["application/json", "text/plain", None]))
@settings(max_examples=300)
def test_damaged_bodies(body: bytes, content_type: str | None) -> None:
    check("/v1.0/me/sendMail", body, content_type)


@given(st.binary(max_size=300), st.text(max_size=40))
def test_any_bytes(body: bytes, content_type: str) -> None:
    check("/v1.0/me/sendMail", body, content_type)
    check("/v1.0/me/sendMail", body, "application/json")


@given(st.binary(max_size=300))
def test_any_mime(data: bytes) -> None:
    check("/v1.0/me/sendMail", base64.b64encode(data), "text/plain")
    check("/v1.0/me/sendMail", base64.b64encode(b"To: a@x.org\r\n" + data), "text/plain")


@given(st.text(max_size=60), st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "TRACE", ""]))
def test_any_path(path: str, method: str) -> None:
    check("/v1.0/" + path, GOOD, "application/json", method=method)
    check("/" + path, GOOD, "application/json", method=method)
    check(f"/beta/me/managedDevices/{path}/users/{path}/sendMail", GOOD, "application/json", method=method)


@given(st.text(max_size=60))
def test_any_query(query: str) -> None:
    check("/v1.0/me/sendMail", GOOD, "application/json", query)
