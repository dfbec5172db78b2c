"""A batch's parts: their shape, their order, their addresses and their bodies."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpost.errors import BadRequest
from graphpost.graph.batch_in import Part, locate, part_body, read_batch

BASE = "https://localhost:8443/v1.0"


def one(**members: Any) -> dict[str, Any]:
    return {"id": "1", "method": "GET", "url": "/me", **members}


def read(*rows: Any) -> list[Part]:
    return read_batch(json.dumps({"requests": rows}).encode())


def test_a_part_is_read_in_any_letter_case() -> None:
    row = {
        "ID": "a",
        "Method": "patch",
        "URL": "me",
        "Headers": {"PREFER": "x"},
        "Body": {"a": [1]},
        "DependsOn": None,
    }
    assert read_batch(b"\xef\xbb\xbf" + json.dumps({"Requests": [row], "more": 1}).encode()) == [
        Part("a", "PATCH", "me", {"prefer": "x"}, b'{"a": [1]}', ())
    ]


def test_a_body_is_the_bytes_that_were_written() -> None:
    text = b'{"requests":[{"id":"1","method":"POST","url":"/me","body": {"a" : 1.50,\n"a":"\\u00fc"} }]}'
    assert read_batch(text)[0].body == b'{"a" : 1.50,\n"a":"\\u00fc"}'


def test_each_part_comes_after_those_it_depends_on() -> None:
    parts = read(
        one(id="last", dependsOn=["mid", "first"]),
        one(id="mid", dependsOn=["first", "first"]),
        one(id="first"),
    )
    assert [part.part_id for part in parts] == ["first", "mid", "last"]


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([], "no requests"),
        ([one(id=str(n)) for n in range(21)], "exceeds the maximum value of 20"),
        ([one(), one()], "an id of its own"),
        ([one(id="")], "has no id"),
        ([{"method": "GET", "url": "/me"}], "has no id"),
        ([{"id": "1", "url": "/me"}], "has no method"),
        ([{"id": "1", "method": "GET"}], "has no url"),
        ([one(id=1)], "'id' of a request"),
        ([one(method=None)], "'method' of a request"),
        ([one(url=["/me"])], "'url' of a request"),
        ([one(headers={"a": 1})], "'headers' of a request"),
        ([one(headers=["a"])], "'headers' of a request"),
        ([one(dependsOn="2")], "'dependsOn' of a request"),
        ([one(dependsOn=["2"])], "depends on '2', which is not in the batch"),
        ([one(dependsOn=["1"])], "in a circle"),
        ([one(dependsOn=["2"]), one(id="2", dependsOn=["1"])], "in a circle"),
        ([one(atomicityGroup="g")], "Atomicity groups"),
        (["x"], "Unable to read JSON"),
        ([None], "Unable to read JSON"),
    ],
)
def test_a_wrong_batch_is_refused_as_a_whole(rows: list[Any], text: str) -> None:
    with pytest.raises(BadRequest, match=text):
        read(*rows)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"requests":{}}', b"\xff", b"[" * 100_000, b'{"requests":' * 50_000]
)
def test_what_is_no_batch_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read_batch(body)


@pytest.mark.parametrize("body", [b"{}", b'{"requests":[]}'])
def test_a_batch_without_requests_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read_batch(body)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["requests", "id", "method", "url", "headers", "body", "dependsOn"]), inner)).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_anything_is_a_batch_or_refused(body: bytes) -> None:
    with suppress(BadRequest):
        assert read_batch(body)


@pytest.mark.parametrize(
    ("url", "path", "query"),
    [
        ("/me", "/v1.0/me", ""),
        ("me/messages?$top=1", "/v1.0/me/messages", "$top=1"),
        ("/v1.0/me?a=b?c", "/v1.0/me", "a=b?c"),
        ("V1.0/me", "/v1.0/me", ""),
        ("https://localhost:8443/v1.0/me", "/v1.0/me", ""),
        ("HTTPS://LocalHost:8443/v1.0//users?$top=1", "/v1.0//users", "$top=1"),
        ("http://localhost:8443/V1.0/$batch", "/v1.0/$batch", ""),
        ("/v1.0", "/v1.0", ""),
        ("", "/v1.0/", ""),
        ("/me/messages?$filter=subject eq 'Größe'", "/v1.0/me/messages", "$filter=subject%20eq%20'Gr%C3%B6%C3%9Fe'"),
        ("/users/a%40b/messages/x%2Fy", "/v1.0/users/a%40b/messages/x%2Fy", ""),
        ("/users/a#EXT#@b?x=#", "/v1.0/users/a#EXT#@b", "x=#"),
        ("/me\r\nHost: a", "/v1.0/me%0D%0AHost:%20a", ""),
        ("/me?next=https://other.example/v1.0", "/v1.0/me", "next=https://other.example/v1.0"),
        ("//other.example/me", "/v1.0//other.example/me", ""),
    ],
)  # fmt: skip
def test_an_address_is_relative_or_on_our_host(url: str, path: str, query: str) -> None:
    assert locate(url, BASE) == (path, query)


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/v1.0/me",
        "https://localhost/v1.0/me",
        "https://localhost:8443@other.example/v1.0/me",
        "https://other.example\\@localhost:8443/v1.0/me",
        "ftp://localhost:8443/v1.0/me",
        "https:///v1.0/me",
        "https://localhost:8443/me",
        "https://localhost:8443",
        "https://localhost:8443/beta/me",
        "/beta/me",
        "beta/me",
    ],
)
def test_another_host_or_version_is_refused(url: str) -> None:
    with pytest.raises(BadRequest):
        locate(url, BASE)


def test_the_port_of_a_scheme_need_not_be_written() -> None:
    assert locate("https://mail.example:443/v1.0/me", "https://mail.example/v1.0") == ("/v1.0/me", "")
    assert locate("http://[::1]/beta/me", "http://[::1]:80/BETA") == ("/BETA/me", "")


TEXT, BINARY = "text/plain", "application/octet-stream"
BASE64 = b64encode(b"From: a@b").decode()


@pytest.mark.parametrize(
    ("kind", "body", "given", "sent_kind"),
    [
        ("", {"a": 1}, b'{"a": 1}', "application/json"),
        ("application/json", {"a": 1}, b'{"a": 1}', "application/json"),
        ("Application/JSON; charset=utf-8", [1], b"[1]", "Application/JSON; charset=utf-8"),
        ("application/json", b64encode(b' {"a":1}').decode(), b' {"a":1}', "application/json"),
        ("application/json", "no object", b'"no object"', "application/json"),
        (TEXT, BASE64, BASE64.encode(), TEXT),
        (TEXT, "not base64 — sendMail says so", "not base64 — sendMail says so".encode(), TEXT),
        (BINARY, BASE64, b"From: a@b", BINARY),
        ("", BASE64, BASE64.encode(), ""),
        ("", None, b"", ""),
        (TEXT, None, b"", TEXT),
    ],
)  # fmt: skip
def test_a_body_is_as_it_would_come_alone(kind: str, body: Any, given: bytes, sent_kind: str) -> None:
    headers = {"content-type": kind} if kind else {}
    found, sent = part_body(read(one(headers=headers, body=body))[0])
    assert (found, sent.get("content-type", "")) == (given, sent_kind)


@pytest.mark.parametrize(("kind", "body"), [(TEXT, {"a": 1}), (BINARY, "%%"), (BINARY, 5), (TEXT, [1])])
def test_a_body_of_another_type_is_base64(kind: str, body: Any) -> None:
    with pytest.raises(BadRequest, match="base64"):
        part_body(read(one(headers={"Content-Type": kind}, body=body))[0])
