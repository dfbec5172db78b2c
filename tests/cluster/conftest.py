"""Two server processes on one PostgreSQL database and one data directory."""

from __future__ import annotations

import itertools
import json
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from tests.conformance.wire import Answer, Wire
from tests.programs import running_postgres

from graphpost.testing.postgres import PostgresServer
from graphpost.testing.process import ServerProcess
from graphpost.testing.smtp_peer import SmtpPeer

COMMAND = Path(sys.executable).with_name("graphpost")
QUICK = {
    "GRAPHPOST_DELIVERY_INITIAL_CONCURRENCY": "20",  # one that fails does not make it too few for a test
    "GRAPHPOST_DELIVERY_POLL_SECONDS": "0.2",
    "GRAPHPOST_DELIVERY_RETRY_SECONDS": "0.3",
    "GRAPHPOST_NOTIFICATIONS_POLL_SECONDS": "0.2",
    "GRAPHPOST_NOTIFICATIONS_RETRY_SECONDS": "0.3",
}
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Node:
    """A server of the two, and how to ask it."""

    server: ServerProcess
    trust: ssl.SSLContext
    token: str

    def wire(self) -> Wire:
        return Wire(self.server.url, self.trust)

    def send(self, wire: Wire, subject: str, sender: str = "adele@example.test", due: str = "") -> Answer:
        """Send a message to the subject's own address; `due` is the time until which it waits."""
        message = {
            "subject": subject,
            "toRecipients": [{"emailAddress": {"address": f"{subject}@else.test"}}],
            "body": {"contentType": "Text", "content": "x"},
            "singleValueExtendedProperties": [{"id": "SystemTime 0x3FEF", "value": due}] if due else [],
        }
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        body = json.dumps({"message": message}).encode()
        return wire.request("POST", f"/v1.0/users/{sender}/sendMail", headers, body)

    def administer(self, method: str, path: str, body: object) -> int:
        secret = (self.server.data / "admin.token").read_text().strip()
        wire = self.wire()
        answer = wire.request(
            method, path, {"Authorization": f"Bearer {secret}"}, json.dumps(body).encode() if body else b""
        )
        wire.close()
        return answer.status


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def relay() -> Iterator[SmtpPeer]:
    with SmtpPeer() as peer:
        yield peer


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    """Of an empty schema."""
    schema = f"cluster{next(_numbers)}"
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{postgres_server.url}&options=-csearch_path%3D{schema}"


@pytest.fixture
def come_due(url: str) -> Callable[[], None]:
    """Lets the time of all that waits among the drafts come, at once."""

    def change() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("UPDATE deferrals SET due_at = 0")

    return change


@pytest.fixture
def lease_end(url: str) -> Callable[[], int]:
    """When the last lease of what is delivered at the moment ends, as it is now; 0 when there is none."""

    def look() -> int:
        with psycopg.connect(url, autocommit=True) as connection:
            (found,) = connection.execute("SELECT max(due_at) FROM deliveries WHERE owner <> 0").fetchone()  # type: ignore[misc]
        return found or 0

    return look


@pytest.fixture
def end_leases(url: str) -> Callable[[], None]:
    """Lets the leases of all that is delivered or told at the moment end, at once."""

    def change() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            for table in ("deliveries", "feeds"):
                connection.execute(f"UPDATE {table} SET due_at = 0 WHERE owner <> 0")

    return change


@pytest.fixture
def start(url: str, relay: SmtpPeer, tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Starts a node with more variables, if any; any number of them, from any thread."""
    environ = {**QUICK, "GRAPHPOST_STORE_URL": url}
    data = tmp_path / "data"
    with ExitStack() as stack:

        def run(**more: str) -> Node:
            options = ("--port", "0", "--relay", f"smtp://127.0.0.1:{relay.port}")
            server = stack.enter_context(ServerProcess.start(data, *options, environ={**environ, **more}))
            trust = ssl.create_default_context(cafile=data / "ca/ca.pem")
            return Node(server, trust, _token(data))

        yield run


@pytest.fixture
def nodes(start: Callable[[], Node]) -> tuple[Node, Node]:
    """Two, started at the same time for the first time."""
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: start(), range(2))
    return first, second


def _token(data: Path) -> str:
    """Of the application, from whichever node the command finds."""
    command = [str(COMMAND), "token", "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
