"""The listener: no delays, and an end that waits for answers but not for idle clients."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from graphpost.errors import ConfigurationError
from graphpost.testing.server import running_server
from graphpost.web.listener import listen


def test_the_socket_says_tcp_so_that_answers_are_not_held_back() -> None:
    with listen("server", "127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_host_may_have_its_brackets(host: str) -> None:
    with listen("server", host, 0) as listener:
        assert listener.family == socket.AF_INET6


def test_a_port_in_use_is_named_with_its_setting() -> None:
    problem = r"^metrics\.port: cannot listen on 127\.0\.0\.1 port"
    with listen("server", "127.0.0.1", 0) as first, pytest.raises(ConfigurationError, match=problem):
        listen("metrics", "127.0.0.1", first.getsockname()[1])


@pytest.mark.slow
def test_an_idle_client_that_reads_nothing_does_not_hold_up_the_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with running_server(tmp_path) as server:
        trust = ssl.create_default_context(cafile=server.ca_file)
        plain = socket.create_connection(("localhost", server.port), timeout=30)
        idle = trust.wrap_socket(plain, server_hostname="localhost")
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(1000).startswith(b"HTTP/1.1 200")
    idle.close()
    assert "timeout graceful shutdown exceeded" not in capfd.readouterr().err + server.output.getvalue()
