"""The product under measurement: `graphpost serve` in a process of its own, plain HTTP, on a fresh data directory."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from graphpost.testing.ports import free_port

PYTHON = sys.executable


@dataclass(frozen=True)
class Product:
    port: int
    data: Path
    pid: int
    settings: dict[str, str]
    ready_seconds: float
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self) -> str:
        form = {
            "client_id": self.settings["CLIENT_ID"],
            "client_secret": self.settings["CLIENT_SECRET"],
            "scope": "https://graph.microsoft.com/.default",
            "grant_type": "client_credentials",
        }
        url = f"{self.url}/{self.settings['TENANT_ID']}/oauth2/v2.0/token"
        with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode()) as answer:
            return str(json.load(answer)["access_token"])

    def get(self, path: str) -> bytes:
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.token()}"})
        with urllib.request.urlopen(request) as answer:
            return bytes(answer.read())

    def administer(self, path: str) -> bytes:
        token = (self.data / "admin.token").read_text().strip()
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request) as answer:
            return bytes(answer.read())

    def metric(self, name: str) -> float:
        for line in self.administer("/metrics").decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        return 0.0

    def rss_mb(self) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0


@contextlib.contextmanager
def product(
    *options: str, config: str = "", environment: dict[str, str] | None = None, data: Path | None = None
) -> Iterator[Product]:
    """Start it, wait until it is ready, and stop it by SIGTERM; `data` is a directory that stays."""
    base = Path(tempfile.mkdtemp(prefix="graphpost-bench-"))
    port = free_port()
    data = data or base / "data"
    command = [
        PYTHON,
        "-m",
        "graphpost",
        "serve",
        "--data",
        str(data),
        "--port",
        str(port),
        "--no-tls",
        *options,
    ]
    if config:
        (base / "settings.toml").write_text(config)
        command += ["--config", str(base / "settings.toml")]
    log = (base / "log").open("wb")
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **(environment or {})})
    try:
        ready = wait_until_ready(port, process, base / "log")
        env = subprocess.run(
            [PYTHON, "-m", "graphpost", "env", "--data", str(data), "--format", "json"],
            check=True, capture_output=True,
        )  # fmt: skip
        yield Product(port, data, process.pid, json.loads(env.stdout), ready - started, base / "log")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        log.close()
        shutil.rmtree(base, ignore_errors=True)


def wait_until_ready(port: int, process: subprocess.Popen[bytes], log: Path, seconds: float = 30.0) -> float:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text()}")
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1),
        ):
            return time.perf_counter()
        time.sleep(0.01)
    raise RuntimeError(f"the server is not ready: {log.read_text()}")


def send_mail_request(found: Product, *, body_size: int = 420, recipients: int = 1) -> bytes:
    """A sendMail request to the product as it goes over the wire; one recipient, as smtp-source has."""
    return request_bytes(found.settings["MAILBOX"], found.token(), body_size, recipients)


def request_bytes(mailbox: str, token: str, body_size: int = 420, recipients: int = 1) -> bytes:
    """A sendMail request, 600 bytes of JSON."""
    people = [{"emailAddress": {"address": f"person{number}@example.org"}} for number in range(recipients)]
    message = {
        "message": {
            "subject": "Meet for lunch?",
            "body": {"contentType": "Text", "content": "x" * body_size},
            "toRecipients": people,
        },
        "saveToSentItems": True,
    }
    body = json.dumps(message).encode()
    head = (
        f"POST /v1.0/users/{mailbox}/sendMail HTTP/1.1\r\n"
        f"Host: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
