"""Node with its packages, installed as the lock file says when they are not there yet."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

DIRECTORY = Path(__file__).parent / "js"
OFFLINE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH")


def node() -> str:
    """The program, once everything that the scripts need is installed; skips where it cannot be."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if not program or not npm:
        pytest.skip("node and npm are not installed")
    with (DIRECTORY / ".installing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_installed():
            install(npm)
    return program


def is_installed() -> bool:
    """Whether npm has installed this lock file: it notes what it did in one of its own."""
    done = DIRECTORY / "node_modules/.package-lock.json"
    return done.exists() and done.stat().st_mtime >= (DIRECTORY / "package-lock.json").stat().st_mtime


def install(npm: str) -> None:
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]
    done = subprocess.run(command, cwd=DIRECTORY, capture_output=True, text=True, timeout=90)
    if done.returncode and any(code in done.stderr for code in OFFLINE):
        pytest.skip("npm reaches no registry")
    assert done.returncode == 0, done.stderr
