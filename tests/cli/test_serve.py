"""`graphpost serve` as a process: ready, used by the other commands, stopped."""

import os
import re
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

PROGRAM = [sys.executable, "-c", "import sys; from graphpost.cli import main; sys.exit(main())"]


@dataclass
class Served:
    """A server process that is ready; `banner` is what it printed until then."""

    process: subprocess.Popen[str]
    banner: str

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def read_banner(lines: IO[str]) -> str:
    seen = ""
    for line in lines:
        seen += line
        if line.lstrip().startswith("-d "):
            return seen
    raise AssertionError(f"it ended: {seen}")


@pytest.fixture
def served(data: Path) -> Iterator[Served]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*PROGRAM, "serve", "--data", str(data), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        try:
            yield Served(process, read_banner(process.stdout))
        finally:
            process.kill()


@pytest.mark.slow
def test_one_command_serves_and_the_others_find_it(served: Served, graphpost: Any, data: Path) -> None:
    url = re.search(r"Graph +(https://localhost:\d+)/v1.0", served.banner)
    assert url is not None
    trust = ssl.create_default_context(cafile=data / "ca/ca.pem")
    with urllib.request.urlopen(f"{url[1]}/healthz", context=trust) as answer:
        assert (answer.status, answer.read()) == (200, b"ok\n")

    status, out, err = graphpost(
        "send", "--to", "alex@example.test", "--cc", "x@else.test", "--subject", "Hi", "text"
    )
    assert (status, err) == (0, "")
    assert re.search(r"^delivered alex@example\.test  250 ", out, re.MULTILINE)
    assert re.search(r"^captured  x@else\.test  250 ", out, re.MULTILINE)
    assert [entry["state"] for entry in graphpost.json("queue", "list")] == ["done", "done"]
    assert {box["address"] for box in graphpost.json("mailbox", "list")} == {
        "adele@example.test",
        "alex@example.test",
    }
    assert graphpost("token", "--user", "alex@example.test")[1].count(".") == 2
    assert graphpost("check")[0] == 0

    assert served.stop() == 0
    assert not (data / "running.json").exists()
    assert graphpost("token")[0] == 1


@pytest.mark.slow
def test_a_new_secret_and_a_new_mailbox_work_at_once(served: Served, graphpost: Any) -> None:
    graphpost("mailbox", "add", "new@example.test")
    status, out, _ = graphpost(
        "send", "--from", "new@example.test", "--to", "new@example.test", "--subject", "x", "t"
    )
    assert (status, "delivered new@example.test" in out) == (0, True)
    graphpost("mailbox", "disable", "new@example.test")
    status, _, err = graphpost(
        "send", "--from", "new@example.test", "--to", "x@else.test", "--subject", "x", "t"
    )
    assert status == 1
    assert err.startswith("graphpost: 404 MailboxNotEnabledForRESTAPI")


@pytest.mark.slow
def test_a_deleted_mailbox_is_unknown_until_it_is_restored(served: Served, graphpost: Any) -> None:
    to = ("send", "--from", "adele@example.test", "--to", "new@example.test", "--subject", "x", "t")
    graphpost("mailbox", "add", "new@example.test")
    graphpost("mailbox", "delete", "new@example.test")
    status, out, err = graphpost(*to)
    assert (status, "550 5.1.1" in out + err) == (1, True)
    status, _, err = graphpost(
        "send", "--from", "new@example.test", "--to", "x@else.test", "--subject", "x", "t"
    )
    assert status == 1
    assert err.startswith("graphpost: 404 ErrorInvalidUser")
    graphpost("mailbox", "restore", "new@example.test")
    assert "delivered new@example.test" in graphpost(*to)[1]


@pytest.mark.slow
def test_a_second_server_on_the_same_data_is_refused_in_one_line(served: Served, data: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, "serve", "--data", str(data), "--port", "0"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "in use" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_port_in_use_is_said_in_one_line(served: Served, tmp_path: Path) -> None:
    port = re.search(r"localhost:(\d+)/v1.0", served.banner)
    assert port is not None
    done = subprocess.run(
        [*PROGRAM, "serve", "--data", str(tmp_path / "other"), "--port", port[1]],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert f"server.port: cannot listen on 127.0.0.1 port {port[1]}" in done.stderr
    assert "Traceback" not in done.stderr
