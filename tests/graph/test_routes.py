"""Paths in every spelling find their route, and keys their names."""

from __future__ import annotations

import pytest

from graphpost.errors import BadRequest, MethodNotAllowed
from graphpost.graph.api import find_place
from graphpost.graph.call import Call, Reply
from graphpost.graph.routes import MAIL_SEND, ROUTES, VERSIONS, Route, build_tree


async def handler(call: Call) -> Reply:
    return Reply()


TABLE = (
    Route("GET", "U", handler, None),
    Route("GET", "/users", handler, None),
    Route("GET", "U/messages", handler, None),
    Route("GET", "U/messages/$count", handler, None),
    Route("GET", "F", handler, None),
    Route("GET", "F/childFolders", handler, None),
    Route("GET", "F/messages", handler, None),
    Route("GET", "M", handler, None),
    Route("DELETE", "M", handler, None),
    Route("GET", "M/$value", handler, None),
    Route("GET", "M/attachments/{attachment}", handler, None),
    Route("POST", "M/send", handler, MAIL_SEND, bound=True),
    Route("POST", "M/unsubscribe", handler, MAIL_SEND, ("beta",), bound=True),
    *(route for route in ROUTES if route.template.endswith("sendMail")),
)
TREES = {version: build_tree(TABLE, version) for version in VERSIONS}


@pytest.mark.parametrize(
    ("method", "path", "template", "captures", "user_key"),
    [
        ("GET", "/v1.0/me", "U", {}, "me"),
        ("GET", "/v1.0/ME/", "U", {}, "me"),
        ("GET", "/v1.0/users", "/users", {}, ""),
        ("GET", "/V1.0/users('a@x.org')", "U", {"user": "a@x.org"}, "a@x.org"),
        ("GET", "/v1.0/users/a%40x.org/messages", "U/messages", {"user": "a@x.org"}, "a@x.org"),
        ("GET", "/v1.0/me/messages/$count", "U/messages/$count", {}, "me"),
        ("GET", "/v1.0/me/messages/AAMk=", "M", {"message": "AAMk="}, "me"),
        ("DELETE", "/v1.0/me/messages('AAMk%2F')", "M", {"message": "AAMk/"}, "me"),
        ("GET", "/beta/me/messages('send')", "M", {"message": "send"}, "me"),
        ("GET", "/v1.0/me/MailFolders/SentItems/messages", "F/messages", {"folder": "SentItems"}, "me"),
        ("GET", "/v1.0/me/mailFolders('Drafts')/childFolders", "F/childFolders", {"folder": "Drafts"}, "me"),
        ("GET", "/v1.0/me/mailFolders/a/childFolders/b", "F", {"folder": "b"}, "me"),
        (
            "GET",
            "/v1.0/me/mailFolders/a/childFolders/b/childFolders('c')/messages/m/$value",
            "M/$value",
            {"folder": "c", "message": "m"},
            "me",
        ),
        ("GET", "/v1.0/me/messages/m/attachments/a", "M/attachments/{attachment}", {"message": "m", "attachment": "a"}, "me"),
        ("POST", "/v1.0/me/messages/m/microsoft.graph.send", "M/send", {"message": "m"}, "me"),
        ("POST", "/v1.0/me/mailFolders/x/messages/m/Send", "M/send", {"folder": "x", "message": "m"}, "me"),
        ("POST", "/beta/me/messages/m/unsubscribe", "M/unsubscribe", {"message": "m"}, "me"),
        ("POST", "/v1.0/me/sendmail", "U/sendMail", {}, "me"),
        ("POST", "/v1.0/me/SendMail()", "U/sendMail", {}, "me"),
        ("POST", "/v1.0/me/Microsoft.Graph.SendMail", "U/sendMail", {}, "me"),
        ("POST", "/v1.0/me/graph.sendMail", "U/sendMail", {}, "me"),
        ("POST", "/v1.0/users('o''neal@x.org')/microsoft.graph.sendMail", "U/sendMail", {"user": "o'neal@x.org"}, "o'neal@x.org"),
        ("POST", "/v1.0/users/me/sendMail", "U/sendMail", {"user": "me"}, "me"),
        (
            "POST",
            "/beta/me/managedDevices/d/users/u/sendMail",
            "U/managedDevices/{device}/users/{user}/sendMail",
            {"device": "d", "user": "u"},
            "u",
        ),
        (
            "POST",
            "/v1.0/users/a/managedDevices('d')/users('u')/sendMail",
            "U/managedDevices/{device}/users/{user}/sendMail",
            {"device": "d", "user": "u"},
            "u",
        ),
    ],
)  # fmt: skip
def test_every_spelling_finds_its_route(
    method: str, path: str, template: str, captures: dict[str, str], user_key: str
) -> None:
    place = find_place(TREES, method, path)
    assert (place.route.template, dict(place.captures), place.user_key) == (template, captures, user_key)


@pytest.mark.parametrize(
    ("path", "segment"),
    [
        ("/v1.0/me/nowhere", "nowhere"),
        ("/v1.0/me/mailFolders/x/nowhere", "nowhere"),
        ("/v1.0/me('x')", "me('x')"),
        ("/v1.0/me/messages/m/unsubscribe", "unsubscribe"),
        ("/v1.0/me/microsoft.graph.messages", "microsoft.graph.messages"),
        ("/v1.0/users/u/managedDevices", "managedDevices"),
        ("/v1.0/me/messages('')", "messages('')"),
        ("/v1.0/me/messages/$value", "$value"),
        ("/v1.0", ""),
        ("/v1.0/", ""),
    ],
)
def test_an_unknown_segment_is_named(path: str, segment: str) -> None:
    with pytest.raises(BadRequest) as caught:
        find_place(TREES, "POST", path)
    assert caught.value.message == f"Resource not found for the segment '{segment}'."


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"Invalid version: 'v9'\."):
        find_place(TREES, "GET", "/v9/me")


def test_a_wrong_method_is_told_the_right_ones() -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        find_place(TREES, "PUT", "/v1.0/me/messages/m")
    assert caught.value.headers == {"Allow": "DELETE, GET"}


def test_the_real_table_has_no_two_rows_for_one_place() -> None:
    for version in VERSIONS:
        assert build_tree(ROUTES, version).literals.keys() >= {"me", "users"}


def test_every_route_asks_for_a_permission_but_those_that_belong_to_nobody() -> None:
    assert [route.template for route in ROUTES if route.permission is None] == ["/$batch", "/", "/$metadata"]
    assert [route.template for route in ROUTES if route.is_open] == ["/", "/$metadata"]


def test_two_rows_for_one_place_are_a_mistake() -> None:
    with pytest.raises(AssertionError, match="two routes"):
        build_tree((*TABLE, TABLE[0]), "v1.0")
