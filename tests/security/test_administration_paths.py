"""Administration is for the administrator's token, however its paths are written, and no other token opens it."""

from __future__ import annotations

import pytest
from tests.conformance.targets import ADELE
from tests.security.conftest import Besieged

PATHS = [
    "/admin/queue",
    "/admin/mailboxes",
    "/admin/audit",
    "/admin",
    "/admin/",
    "/metrics",
    "/metrics/",
    "/Admin/queue",
    "/ADMIN/mailboxes",
    "//admin/queue",
    "/./admin/queue",
    "/%61dmin/queue",
    "/admin%2fqueue",
    "/admin/./queue",
    "/admin/../admin/queue",
    "/healthz/../admin/queue",
    "/healthz/../metrics",
    "/healthz%2f..%2fmetrics",
    "/readyz/..;/metrics",
    "/v1.0/../admin/queue",
    "/v1.0/%2e%2e/admin/queue",
    "/v1.0/$metadata/../../metrics",
    "/common/../admin/queue",
    "/common/oauth2/v2.0/..%2f..%2f..%2fmetrics",
    "/metrics%00",
    "/metrics%20",
    "/metrics;x",
    "/metrics?x=/healthz",
]


@pytest.mark.parametrize("token", ["", ADELE, "reader"])
def test_no_spelling_of_a_path_opens_administration(besieged: Besieged, token: str) -> None:
    headers = {"Authorization": f"Bearer {besieged.target.token(token)}"} if token else {}
    for path in PATHS:
        answer = besieged.target.wire.request("GET", path, headers, b"")
        assert answer.status in (400, 401, 404), (path, answer.status, answer.body)
        assert b"graphpost_" not in answer.body


def test_the_administrators_token_opens_no_mailbox(besieged: Besieged) -> None:
    server = besieged.target.server.server
    token = (server.config.data / "admin.token").read_text().strip()
    for path in ("/v1.0/me/messages", f"/v1.0/users/{ADELE}/messages", "/v1.0/users"):
        answer = besieged.target.wire.request("GET", path, {"Authorization": f"Bearer {token}"}, b"")
        assert answer.status == 401, path
