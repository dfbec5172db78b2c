"""What the application makes of a part that fails, whichever it is."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest
from tests.graph.desk import Desk
from tests.web.conftest import parsed
from tests.web.line import Line

from graphpost.auth.issuer.issuer import IssuerReply
from graphpost.config import LimitSettings, LogSettings
from graphpost.errors import StoreError
from graphpost.graph.call import Reply, Request
from graphpost.maillog import MailLog
from graphpost.web.app import Application
from graphpost.web.exchange import Exchange


class Broken:
    """An issuer, an administration, or an upload that fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def handle(self, *request: Any) -> IssuerReply | None:
        raise self.error


def ask(path: str, error: Exception) -> tuple[int, dict[str, Any], str]:
    """Status, body, and what the log has."""
    reply, said = answered(path, error)
    return reply.status, json.loads(reply.body), said


def answered(path: str, error: Exception) -> tuple[Any, str]:
    output = io.StringIO()
    log = MailLog(LogSettings(), output)
    broken: Any = Broken(error)
    application = Application(
        graph=Desk().api,
        uploads=broken,
        issuer=broken,
        admin=broken,
        limits=LimitSettings(),
        log=log,
        hosts=frozenset({"localhost"}),
    )
    line = Line()
    exchange = Exchange(line, "GET", path, "", {"host": "localhost"})
    exchange.complete()
    asyncio.run(application(exchange))
    log.close()
    (reply,) = parsed(bytes(line.sent))
    return reply, output.getvalue()


@pytest.mark.parametrize("path", ["/common/oauth2/v2.0/token", "/admin/queue", "/upload/x"])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StoreError("disk full at /secret/path"), 503, "ServiceUnavailable"),
        (MemoryError("a secret of ours"), 503, "ServiceUnavailable"),
        (RuntimeError("a secret of ours"), 500, "generalException"),
    ],
)
def test_what_fails_is_told_to_the_log_and_not_to_the_client(
    path: str, error: Exception, status: int, code: str
) -> None:
    found, body, said = ask(path, error)
    assert (found, body["error"]["code"]) == (status, code)
    assert "secret" not in json.dumps(body)
    assert str(error) in said
    assert body["error"]["innerError"]["request-id"] in said
    assert f"status={status} code={code} " in said


@pytest.mark.parametrize("error", [StoreError("x"), RuntimeError("x")])
@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/common/oauth2/v2.0/token", "*"),
        ("/Common/OAuth2/Token/", "*"),
        ("/common/oauth2%2Ftoken", "*"),
        ("/common/discovery/v2.0/keys", "*"),
        ("/common/oauth2/v2.0/devicecode", None),
        ("/common/oauth2/v2.0/authorize", None),
        ("/admin/oauth2/token", None),
    ],
)
def test_where_pages_read_the_issuers_answers_they_read_that_it_failed(
    path: str, shown: str | None, error: Exception
) -> None:
    reply, _ = answered(path, error)
    assert reply.status >= 500
    assert reply.headers.get("access-control-allow-origin") == shown
    assert ("Retry-After" in reply.headers.get("access-control-expose-headers", "")) == bool(shown)


def test_a_refusal_is_in_the_log_with_its_code() -> None:
    status, body, said = ask("/v1.0/nowhere", RuntimeError())
    assert (status, body["error"]["code"]) == (401, "InvalidAuthenticationToken")
    assert "refused method=GET path=/v1.0/nowhere status=401 code=InvalidAuthenticationToken " in said


def test_the_api_is_told_when_the_client_has_gone() -> None:
    seen: list[bool] = []
    log = MailLog(LogSettings(), io.StringIO())
    desk = Desk()
    exchange = Exchange(Line(), "GET", "/v1.0/me/messages", "", {"host": "localhost"})

    class Slow:
        """An API whose client leaves while it works."""

        stranger = desk.api.stranger

        async def handle(self, request: Request) -> Reply:
            seen.append(request.is_gone())
            exchange.lose()
            seen.append(request.is_gone())
            return Reply(499)

    slow: Any = Slow()
    application = Application(
        graph=slow,
        uploads=slow,
        issuer=slow,
        admin=slow,
        limits=LimitSettings(),
        log=log,
        hosts=frozenset({"localhost"}),
    )
    exchange.complete()
    asyncio.run(application(exchange))
    log.close()
    assert seen == [False, True]
