"""`graphpost` run as a process, with a relay that does what it is told."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.wire import Wire

from graphpost.testing.process import ServerProcess
from graphpost.testing.smtp_peer import SmtpPeer

COMMAND = Path(sys.executable).with_name("graphpost")


@dataclass(frozen=True)
class Done:
    """What a command ended with."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out)

    @property
    def error(self) -> tuple[int, str]:
        """The exit status and the one line on standard error; nothing was printed besides."""
        (line,) = self.err.splitlines()
        assert self.out == ""
        return self.status, line


@dataclass(frozen=True)
class Program:
    """Runs commands on the test's data directory."""

    data: Path

    def __call__(self, *words: str, text: str = "") -> Done:
        done = subprocess.run(
            [str(COMMAND), *words, "--data", str(self.data)],
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    @property
    def settings(self) -> dict[str, str]:
        found: dict[str, str] = self("env", "--format", "json").json
        return found

    def wire(self, server: ServerProcess) -> Wire:
        return Wire(server.url, ssl.create_default_context(cafile=self.data / "ca/ca.pem"))

    def token(self) -> str:
        return self("token").out.strip()

    def messages(self, server: ServerProcess, folder: str, mailbox: str = "adele@example.test") -> list[str]:
        """The subjects in a folder."""
        wire = self.wire(server)
        target = f"/v1.0/users/{mailbox}/mailFolders/{folder}/messages?$select=subject&$top=100"
        answer = wire.request("GET", target, {"Authorization": f"Bearer {self.token()}"})
        wire.close()
        return [message["subject"] for message in answer.json["value"]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def graphpost(data: Path) -> Program:
    return Program(data)


@pytest.fixture
def relay() -> Iterator[SmtpPeer]:
    with SmtpPeer() as peer:
        yield peer


@pytest.fixture
def serve(data: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Start servers on the test's data directory; what still runs at the end is killed."""
    with ExitStack() as stack:

        def start(*options: str, **environ: str) -> ServerProcess:
            server = ServerProcess.start(data, "--port", "0", *options, environ=environ)
            return stack.enter_context(server)

        yield start
