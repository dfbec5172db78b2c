"""What each permission opens; what does not open a route is in `test_every_refusal`."""

from __future__ import annotations

import pytest

from graphpost.config.permissions import PERMISSIONS
from graphpost.graph.messages.patching import ADVANCED
from graphpost.graph.routes import ROUTES, expand_template

PLACES = [
    (route, path)
    for route in ROUTES
    if route.permission is not None
    for path in expand_template(route.template)
]


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
