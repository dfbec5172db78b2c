"""The peers on the same machine: Postfix in a directory of its own, smtp-sink and smtp-source."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from graphpost.testing.ports import free_port
from graphpost.testing.postfix import Postfix

SBIN = "/usr/sbin"
PATH = os.environ.get("PATH", "") + f":{SBIN}"


def find(command: str) -> str | None:
    return shutil.which(command, path=PATH)


def wait_for_port(port: int, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port}")


@contextlib.contextmanager
def smtp_sink(*options: str) -> Iterator[int]:
    """smtp-sink on a free port; it discards what it accepts."""
    port = free_port()
    command = find("smtp-sink")
    assert command, "smtp-sink is not installed (Debian: postfix)"
    process = subprocess.Popen([command, "-u", "nobody", *options, f"127.0.0.1:{port}", "1000"])
    try:
        wait_for_port(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def smtp_source(port: int, *, messages: int, sessions: int, size: int) -> float:
    """Messages per second that smtp-source got through."""
    command = find("smtp-source")
    assert command
    started = time.perf_counter()
    subprocess.run(
        [command, "-d", "-s", str(sessions), "-m", str(messages), "-l", str(size), "-f", "a@example.test",
         "-t", "b@example.org", f"127.0.0.1:{port}"],
        check=True,
    )  # fmt: skip
    return messages / (time.perf_counter() - started)


@contextlib.contextmanager
def postfix(relay_port: int | None) -> Iterator[tuple[int, Path]]:
    """A Postfix of our own on a free port: relaying to `relay_port`, or holding everything when None."""
    settings = {
        "relayhost": f"[127.0.0.1]:{relay_port}" if relay_port else "",
        "smtpd_client_restrictions": "" if relay_port else "check_client_access static:HOLD",
        "smtpd_client_connection_count_limit": "0",
        "smtpd_client_connection_rate_limit": "0",
        "default_process_limit": "100",
        "smtp_destination_concurrency_limit": "20",
    }
    with Postfix(**settings) as running:
        yield running.port, running.base / "spool"
