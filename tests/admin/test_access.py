"""The files that the command line and the server share."""

import os
import subprocess
import sys
from pathlib import Path

from graphpost.admin.access import administrator_token, announce, find_running, withdraw


def test_the_token_is_made_once_and_is_for_the_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    token = administrator_token(data)
    assert len(token) >= 40
    assert administrator_token(data) == token
    assert (data / "admin.token").stat().st_mode & 0o777 == 0o600
    assert administrator_token(tmp_path / "other") != token


def test_a_running_server_is_found_until_it_withdraws(tmp_path: Path) -> None:
    assert find_running(tmp_path) is None
    announce(tmp_path, "https://localhost:9000")
    running = find_running(tmp_path)
    assert running is not None
    assert (running.url, running.pid) == ("https://localhost:9000", os.getpid())
    withdraw(tmp_path)
    assert find_running(tmp_path) is None


def test_a_server_that_was_killed_is_not_found(tmp_path: Path) -> None:
    code = "import sys, pathlib; from graphpost.admin.access import announce; announce(pathlib.Path(sys.argv[1]), 'x')"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert (tmp_path / "running.json").exists()
    assert find_running(tmp_path) is None


def test_nobody_withdraws_another_process(tmp_path: Path) -> None:
    (tmp_path / "running.json").write_text('{"url": "https://x", "pid": 1}')
    withdraw(tmp_path)
    assert find_running(tmp_path) is not None


def test_a_damaged_announcement_is_none(tmp_path: Path) -> None:
    (tmp_path / "running.json").write_text("{")
    assert find_running(tmp_path) is None
