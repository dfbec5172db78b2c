"""What commands and server share on disk: the administrator's token, and the URL.

Whoever may read these files (0600) administers the server; there is no other way to get the token.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from graphpost.errors import ConfigurationError
from graphpost.files import create_file, make_directory, replace_file

ADMINISTRATOR_FILE: Final = "admin.token"
RUNNING_FILE: Final = "running.json"


class Running(Struct, frozen=True, kw_only=True):
    """A server at work: `url` is its origin as clients of this machine name it, such as https://localhost:8443.

    `at` is the same with the address that it listens at, because the name in `url` may be one that only others can look up.
    """

    url: str
    pid: int
    at: str = ""  # '' when it is that of `url`
    certificate: str = ""  # the operator's own; '' when the local authority issued it
    file: str = ""  # its settings file, absolute; '' when it runs on the embedded default


def administrator_token(data: Path) -> str:
    """The token, made at the first use."""
    path = data / ADMINISTRATOR_FILE
    try:
        if not path.exists():
            make_directory(data)
            create_file(path, f"{secrets.token_urlsafe(32)}\n".encode())
        return path.read_text("ascii").strip()
    except OSError as error:
        raise ConfigurationError("data", f"cannot keep {path}: {error.strerror}") from error


def announce(data: Path, url: str, file: Path | None = None, *, at: str = "", certificate: str = "") -> None:
    """Say that this process serves the data directory at that URL, with that settings file."""
    named = str(file.absolute()) if file else ""
    running = Running(url=url, at=at, pid=os.getpid(), file=named, certificate=certificate)
    replace_file(data / RUNNING_FILE, msgspec.json.encode(running) + b"\n")


def withdraw(data: Path) -> None:
    """Take back what this process announced."""
    found = _read(data)
    if found is not None and found.pid == os.getpid():
        (data / RUNNING_FILE).unlink(missing_ok=True)


def find_running(data: Path) -> Running | None:
    """The server that serves this data directory on this machine, if its process is there."""
    found = _read(data)
    if found is None:
        return None
    try:
        os.kill(found.pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return found
    return found


def _read(data: Path) -> Running | None:
    try:
        return msgspec.json.decode((data / RUNNING_FILE).read_bytes(), type=Running)
    except (OSError, msgspec.MsgspecError):
        return None
