"""The listener: no delays, and an end that waits for answers but not for idle clients."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from graphpost.testing.server import running_server


@pytest.mark.slow
def test_an_idle_client_that_reads_nothing_does_not_hold_up_the_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with running_server(tmp_path) as server:
        trust = ssl.create_default_context(cafile=server.ca_file)
        plain = socket.create_connection(("localhost", server.port), timeout=60)
        idle = trust.wrap_socket(plain, server_hostname="localhost")
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(1000).startswith(b"HTTP/1.1 200")
    idle.close()
    assert "timeout graceful shutdown exceeded" not in capfd.readouterr().err + server.output.getvalue()
