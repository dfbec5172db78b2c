"""The suite asks another server when it is told to."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conformance.targets import ALEX, ELSEWHERE, OwnTarget

HERE = Path(__file__).parent


@pytest.mark.slow
def test_another_server_is_asked_with_the_tokens_that_are_given(own: OwnTarget, tmp_path: Path) -> None:
    words = [f"--graph-url={own.server.url}", f"--graph-ca={own.server.ca_file}"]
    words += ["--basetemp", str(tmp_path / "theirs")]
    for name in ("user", "app", ALEX, ELSEWHERE):
        file = tmp_path / name
        file.write_text(own.token(name))
        words += ["--graph-token", f"{name}={file}"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *words]
    done = subprocess.run(
        [*command, str(HERE / "test_wrong_requests.py"), str(HERE / "test_recorded.py")],
        capture_output=True,
        text=True,
        cwd=HERE.parents[1],
        timeout=250,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d{3} passed, \d+ skipped", done.stdout), done.stdout
