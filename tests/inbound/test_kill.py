"""kill -9: what was answered 250 is there after the restart, and nothing of what was not."""

from __future__ import annotations

import smtplib
from pathlib import Path
from signal import SIGKILL

import pytest
from tests.client import ALEX, Client
from tests.inbound.test_server import LETTER

from graphpost.testing.ports import free_port
from graphpost.testing.process import ServerProcess

pytestmark = pytest.mark.slow


def serve(data: Path, port: int) -> ServerProcess:
    settings = data.parent / "settings.toml"
    settings.write_text(f"[server]\ntls = false\n[inbound]\nport = {port}\n")
    return ServerProcess.start(data, "--config", str(settings), "--port", "0")


def subjects(server: ServerProcess) -> list[str]:
    client = Client(int(server.url.rpartition(":")[2]), server.data)
    return [each["subject"] for each in client.folder("inbox", ALEX)]


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_what_was_answered_250_survives_and_half_a_message_was_never_there(tmp_path: Path, size: int) -> None:
    data, port = tmp_path / "data", free_port()
    more = "x" * 70 + "\r\n"
    with serve(data, port) as server:
        half = smtplib.SMTP("127.0.0.1", port)
        half.ehlo()
        half.mail("bob@else.test")
        half.rcpt(ALEX)
        assert half.docmd("DATA")[0] == 354
        half.send(LETTER % "Half" + more * (size // 72))
        smtp = smtplib.SMTP("127.0.0.1", port)
        smtp.sendmail("bob@else.test", [ALEX], LETTER % "Whole" + more * (size // 72))
        server.signal(SIGKILL)
        server.wait()
        smtp.close()
        half.close()
    with serve(data, port) as again:
        assert subjects(again) == ["Whole"]
        assert list((data / "spool").iterdir()) == []
        with smtplib.SMTP("127.0.0.1", port) as smtp:
            smtp.sendmail("bob@else.test", [ALEX], LETTER % "After")
        assert subjects(again) == ["Whole", "After"]
        assert again.stop() == 0
