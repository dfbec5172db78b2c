"""What every answer has, whatever the handler: headers, error bodies, statuses."""

from __future__ import annotations

import json
import logging
import re

import pytest
from tests.graph.desk import Desk, make_request
from tests.graph.wrong_requests import GOOD

from graphpost.errors import StoreError
from graphpost.graph.api import GraphApi, read_query
from graphpost.graph.call import Call, Reply, Request
from graphpost.graph.routes import MAIL_SEND, Route
from graphpost.graph.streaming import JSON_TYPE

REQUEST_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"


def desk_with(handler: object, *, permission: object = MAIL_SEND) -> Desk:
    desk = Desk()
    desk.api = GraphApi(desk.services, [Route("GET", "U/thing", handler, permission)])  # type: ignore[arg-type]
    return desk


def get(desk: Desk, path: str = "/v1.0/me/thing", **options: str) -> Reply:
    return desk.post(path, b"", method="GET", content_type=None, **options)  # type: ignore[arg-type]


async def thing(call: Call) -> Reply:
    return Reply(
        body={"base": call.base, "path": call.path, "query": dict(call.query), "box": call.box.address}
    )


def test_an_accepted_message_has_an_empty_answer_without_type() -> None:
    reply = Desk().post("/v1.0/me/sendMail", GOOD)
    assert (reply.status, reply.body, reply.content_type) == (202, None, "")
    assert reply.headers["request-id"] == reply.headers["client-request-id"] == REQUEST_ID
    assert "OData-Version" not in reply.headers


def test_an_entity_has_graphs_type_and_version() -> None:
    reply = get(desk_with(thing))
    assert (reply.status, reply.content_type, reply.headers["OData-Version"]) == (200, JSON_TYPE, "4.0")
    assert isinstance(reply.body, bytes)
    assert json.loads(reply.body) == {
        "base": "https://localhost:8443/v1.0",
        "path": "/me/thing",
        "query": {},
        "box": "AdeleV@contoso.com",
    }


def test_the_version_is_repeated_as_it_was_written() -> None:
    reply = get(desk_with(thing), "/BETA/me/thing", query="%24top=3&SELECT=id")
    assert isinstance(reply.body, bytes)
    answer = json.loads(reply.body)
    assert answer["base"] == "https://localhost:8443/BETA"
    assert answer["query"] == {"$top": "3", "$select": "id"}


def test_a_second_slash_after_the_version_is_ignored_as_msgraph_sdk_writes_it() -> None:
    reply = get(desk_with(thing), "/v1.0//me/thing")
    assert isinstance(reply.body, bytes)
    assert json.loads(reply.body)["path"] == "/me/thing"
    assert get(desk_with(thing), "/v1.0///me/thing").status == 400


@pytest.mark.parametrize(
    ("given", "echoed"),
    [
        ("my-id", "my-id"),
        ("a" * 128, "a" * 128),
        ("a" * 129, REQUEST_ID),
        ("", REQUEST_ID),
        ("a\r\nSet-Cookie: b", REQUEST_ID),
        ("ümlaut", REQUEST_ID),
    ],
)
def test_a_clients_request_id_is_echoed_when_it_is_fit_for_a_header(given: str, echoed: str) -> None:
    reply = Desk().post("/v1.0/me/sendMail", GOOD, client_request_id=given)
    assert reply.headers["client-request-id"] == echoed


def test_an_error_has_graphs_shape() -> None:
    reply = Desk().post("/v1.0/me/nowhere", GOOD, client_request_id="mine")
    assert (reply.status, reply.content_type) == (400, "application/json")
    assert isinstance(reply.body, bytes)
    error = json.loads(reply.body)["error"]
    assert error == {
        "code": "BadRequest",
        "message": "Resource not found for the segment 'nowhere'.",
        "innerError": {"date": "2026-09-21T14:13:20", "request-id": REQUEST_ID, "client-request-id": "mine"},
    }


def test_a_missing_token_is_challenged_without_claims() -> None:
    reply = Desk().post("/v1.0/me/sendMail", GOOD, token="")
    assert reply.status == 401
    challenge = reply.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm=""')
    assert "claims" not in challenge


def test_strangers_alone_are_answered_with_a_commit() -> None:
    desk = Desk()
    for token, path, status in (
        ("", "me/sendMail", 401),
        ("forged", "me/sendMail", 401),
        ("user", "me/nowhere", 400),
        ("user", "me/sendMail", 202),
    ):
        before = desk.store.joined
        assert desk.post(f"/v1.0/{path}", GOOD, token=token).status == status
        assert desk.store.joined - before == (status == 401)


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_of_a_token_is_known_in_any_case(scheme: str) -> None:
    request = make_request("POST", "/v1.0/me/sendMail", GOOD, "user", "application/json")
    token = request.headers["authorization"].removeprefix("Bearer ")
    headers = {**request.headers, "authorization": f"{scheme} {token}"}
    replaced = Request(
        method="POST",
        path=request.path,
        query_string="",
        headers=headers,
        body=GOOD,
        origin="o",
        request_id="r",
    )
    assert Desk().send(replaced).status == 202


@pytest.mark.parametrize("failure", [StoreError("disk full at /secret/path"), MemoryError("secret")])
def test_what_time_may_mend_is_503_with_whole_seconds_to_wait(failure: Exception) -> None:
    desk = Desk()
    desk.outbox.failure = failure
    reply = desk.post("/v1.0/me/sendMail", GOOD)
    assert reply.status == 503
    assert re.fullmatch(r"[1-9]\d*", reply.headers["Retry-After"])
    assert isinstance(reply.body, bytes)
    assert b"ServiceUnavailable" in reply.body
    assert b"secret" not in reply.body


def test_the_unexpected_is_500_and_told_to_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(call: Call) -> Reply:
        raise RuntimeError("a secret of ours")

    with caplog.at_level(logging.ERROR):
        reply = get(desk_with(broken))
    assert reply.status == 500
    assert isinstance(reply.body, bytes)
    assert json.loads(reply.body)["error"]["code"] == "generalException"
    assert b"secret" not in reply.body
    assert REQUEST_ID in caplog.text
    assert "RuntimeError: a secret of ours" in caplog.text


def test_many_paths_do_not_make_it_remember_without_end() -> None:
    desk = desk_with(thing)
    for number in range(5000):
        get_path = f"/v1.0/users/u{number}/thing"
        desk.api._find_place(make_request("GET", get_path, b"", "", None))
    assert len(desk.api._places) <= 4096
    assert get(desk).status == 200


@pytest.mark.parametrize(
    ("text", "version", "query"),
    [
        ("$top=3", "v1.0", {"$top": "3"}),
        ("%24Top=3&a=1&A=2", "v1.0", {"$top": "3", "a": "2"}),
        ("top=3", "v1.0", {"top": "3"}),
        ("top=3&includeHiddenFolders=true", "beta", {"$top": "3", "includehiddenfolders": "true"}),
        ("$filter=a+eq%20'b%26c'", "v1.0", {"$filter": "a eq 'b&c'"}),
        ("$filter=", "v1.0", {"$filter": ""}),
    ],
)
def test_query_options_are_read_by_lower_case_name(text: str, version: str, query: dict[str, str]) -> None:
    assert read_query(text, version) == query


@pytest.mark.parametrize(
    "query", ["$filter=%ff", "$top=1&%24Top=2", "$tip=1", "&".join(f"a{n}=1" for n in range(201))]
)
def test_a_query_that_cannot_be_read_is_refused(query: str) -> None:
    assert get(desk_with(thing), query=query).status == 400
