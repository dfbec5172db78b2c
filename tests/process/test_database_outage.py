"""The database goes away under a running server: requests are refused for now, and nothing accepted is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conformance.conftest import SETTINGS
from tests.conformance.targets import OwnTarget
from tests.programs import running_postgres

from graphpost.testing.postgres import PostgresServer
from graphpost.testing.server import running_server
from graphpost.testing.smtp_peer import Gate, Hold, SmtpPeer

pytestmark = pytest.mark.slow


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    with running_postgres(durable=True) as server:
        yield server


def letter(subject: str) -> object:
    recipients = [{"emailAddress": {"address": f"{subject}@else.test"}}]
    return {"message": {"subject": subject, "toRecipients": recipients}}


def test_an_outage_is_survived(tmp_path: Path, postgres: PostgresServer, relay: SmtpPeer) -> None:
    gate = Gate()
    relay.rule("content", Hold(gate), times=1)
    flags = {"store.url": postgres.url, "relay": f"smtp://127.0.0.1:{relay.port}"}
    with running_server(tmp_path / "data", file=SETTINGS, flags=flags) as server:
        target = OwnTarget(server)
        target.token("reader")
        assert target.post("/v1.0/me/sendMail", letter("before")).status == 202
        assert gate.reached.wait(60)  # its delivery is under way
        postgres.halt()
        gate.open()  # the relay has taken it, and that cannot be written down
        refused = target.post("/v1.0/me/sendMail", letter("meanwhile"))
        assert refused.status == 503
        assert refused.headers["retry-after"].isdigit()
        assert refused.json["error"]["code"] == "ServiceUnavailable"
        assert target.get("/readyz").status == 503
        assert target.get("/healthz").status == 200
        postgres.resume()
        while target.get("/readyz").status != 200:
            pass
        while target.post("/v1.0/me/sendMail", letter("after")).status == 503:
            pass
        relay.wait_for_messages(2, 60)
        while (
            target.administer("/admin/queue?state=queued").get("value") != []
        ):  # connections may still be old
            pass
        assert target.get("/v1.0/users?$top=1").status == 200
        target.wire.close()
    came = sorted(message.recipients[0] for message in relay.messages)
    assert came == ["after@else.test", "before@else.test"]
