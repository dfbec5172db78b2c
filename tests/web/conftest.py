"""`site`: a running server in plain HTTP, for requests byte by byte; `hasty`: one that soon stops waiting for the rest."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.client import ADELE, Client

from graphpost.config import Config
from graphpost.process import raise_file_limit
from graphpost.testing.server import ServerThread, running_server

HASTY_SECONDS = 2.0


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Site:
    client: Client
    server: ServerThread

    @property
    def port(self) -> int:
        return self.client.port

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def say(self, *parts: bytes) -> bytes:
        """All that comes back until the server closes the connection, which it must."""
        with closing(self.connect()) as line:
            for part in parts:
                line.sendall(part)
            return rest_of(line)

    def head(
        self, length: int | None = None, *more: str, path: str = f"/v1.0/users/{ADELE}/sendMail"
    ) -> bytes:
        """A sendMail's head."""
        lines = [
            f"POST {path} HTTP/1.1",
            f"Host: localhost:{self.port}",
            f"Authorization: Bearer {self.client.token()}",
            "Content-Type: application/json",
            *([f"Content-Length: {length}"] if length is not None else []),
            *more,
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    def check_serves(self) -> None:
        assert self.client.ask("GET", "/healthz").status == 200


def rest_of(line: socket.socket) -> bytes:
    received = bytearray()
    while chunk := line.recv(65_536):
        received += chunk
    return bytes(received)


def parsed(data: bytes) -> list[Reply]:
    """The replies in what a connection gave; each has a Content-Length or no body."""
    replies = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        replies.append(Reply(int(first.split()[1]), headers, data[:length]))
        data = data[length:]
    return replies


def only(data: bytes) -> Reply:
    (reply,) = parsed(data)
    return reply


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from opened(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """For what is refused because the rest does not come; what comes in parts may be late by as much."""
    yield from opened(tmp_path_factory.mktemp("hasty"), request_seconds=HASTY_SECONDS)


def opened(data: Path, **limits: float) -> Iterator[Site]:
    raise_file_limit()

    def change(config: Config) -> Config:
        return replace(config, limits=replace(config.limits, **limits))

    with running_server(data, flags={"server.tls": False}, change=change) as server:
        yield Site(Client(server.port, data), server)
