"""A free port stays free until whoever asked for it uses it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from graphpost.sockets import listen
from graphpost.testing.ports import free_port


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def open_sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_nobody_answers_at_a_free_port(port: int) -> None:
    for address in ("127.0.0.1", "127.0.0.2"):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, port))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "0.0.0.0"])
def test_a_server_can_have_a_free_port_again_and_again(port: int, host: str) -> None:
    for _ in range(3):
        with listen("server", host, port) as listener:
            where = "127.0.0.1" if host == "0.0.0.0" else host
            with socket.create_connection((where, port)) as client, listener.accept()[0] as server:
                client.sendall(b"x")
                assert server.recv(1) == b"x"


def test_a_server_in_another_process_can_have_a_free_port(port: int) -> None:
    program = f"import socket; socket.create_server(('127.0.0.1', {port}))"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_free_port_is_given_to_nobody_who_asks_for_any(port: int, open_sockets: ExitStack) -> None:
    found = set()
    for _ in range(300):
        found.add(open_sockets.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1])
    assert port not in found
    assert free_port() not in {port, *found}
