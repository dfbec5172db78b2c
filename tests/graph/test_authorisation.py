"""Every route, with every token that does not open it."""

from __future__ import annotations

import re

import pytest
from tests.graph.desk import ADELE, ALEX, Desk, error_of

from graphpost.config.permissions import PERMISSIONS
from graphpost.graph.messages.patching import ADVANCED
from graphpost.graph.routes import ROUTES, Route, expand_template

CLOSED = [(route, path) for route in ROUTES if not route.is_open for path in expand_template(route.template)]
PLACES = [(route, path) for route, path in CLOSED if route.permission is not None]
OWN = [(route, path) for route, path in PLACES if path.startswith("/me") and "{user}" not in path]
OTHERS = [(route, path) for route, path in PLACES if path.startswith("/users/{user}/")]


def name(value: object) -> str:
    return f"{value.method}" if isinstance(value, Route) else str(value)


def ask(route: Route, path: str, token: str, user: str = ADELE.address) -> tuple[int, str, str]:
    path = re.sub(r"\{\w+\}", "x", path.replace("{user}", user))
    desk = Desk()
    reply = desk.post(f"/{route.versions[0]}{path}", b"", token=token, method=route.method, content_type=None)
    assert desk.outbox.submissions == []
    return error_of(reply)


@pytest.mark.parametrize(
    "token", ["", "garbage", "dotted", "expired", "not-yet", "audience", "issuer", "forged"]
)
def test_no_route_opens_without_a_right_token(token: str) -> None:
    for route, path in CLOSED:
        assert ask(route, path, token)[:2] == (401, "InvalidAuthenticationToken"), (route.method, path)


@pytest.mark.parametrize(("route", "path"), PLACES, ids=name)
@pytest.mark.parametrize("token", ["user-with-nothing", "app-with-nothing"])
def test_no_route_opens_without_its_permission(route: Route, path: str, token: str) -> None:
    assert route.permission is not None
    code = "Authorization_RequestDenied" if route.permission.directory else "ErrorAccessDenied"
    assert ask(route, path, token)[:2] == (403, code)


@pytest.mark.parametrize(("route", "path"), PLACES, ids=name)
def test_a_token_without_any_permission_is_told_so(route: Route, path: str) -> None:
    assert ask(route, path, "empty")[:2] == (403, "NoPermissionsInAccessToken")


@pytest.mark.parametrize(("route", "path"), OWN, ids=name)
def test_an_application_has_no_me(route: Route, path: str) -> None:
    message = "/me request is only valid with delegated authentication flow."
    assert ask(route, path, "app-with-everything") == (400, "BadRequest", message)


@pytest.mark.parametrize(("route", "path"), OTHERS, ids=name)
def test_a_user_has_only_the_own_mailbox(route: Route, path: str) -> None:
    assert ask(route, path, "user-with-everything", ALEX.address)[:2] == (403, "ErrorAccessDenied")


@pytest.mark.parametrize(("route", "path"), OTHERS, ids=name)
def test_a_mailbox_that_does_not_exist_is_not_found(route: Route, path: str) -> None:
    assert ask(route, path, "app-with-everything", "nobody@contoso.com")[:2] == (404, "ErrorInvalidUser")


@pytest.mark.parametrize(
    ("permission", "opens"),
    [
        ("Mail.ReadBasic", {"mailFolders", "messages", "subscriptions"}),
        ("Mail.Send", {"sendMail", "/send", "/reply", "/forward", "/unsubscribe"}),
    ],
)
def test_a_permission_opens_its_routes_and_no_other(permission: str, opens: set[str]) -> None:
    for route, path in PLACES:
        assert route.permission is not None
        if permission in route.permission.delegated:
            assert any(word in path for word in opens), path
            assert "attachments" not in path
            assert "$value" not in path


def test_every_permission_that_opens_something_can_be_given_to_an_application() -> None:
    asked = {
        name
        for route in ROUTES
        if route.permission is not None
        for name in (*route.permission.delegated, *route.permission.application)
    }
    assert asked | ADVANCED <= PERMISSIONS
