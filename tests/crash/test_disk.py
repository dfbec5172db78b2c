"""Trouble with the disk and with what is taken already: one clear answer, nothing half done, and it works again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from tests.client import ADELE, ALEX, Client, eventually

from graphpost.testing.server import running_server

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB of its own; needs root."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "graphpost-test", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"cannot mount a small file system: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(path: Path) -> None:
    """Write until nothing fits any more."""
    with path.open("wb", buffering=0) as file:
        for size in (65_536, 4096):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


def attachment(size: int) -> dict[str, str]:
    return {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": "a.bin",
        "contentBytes": "A" * (size * 4 // 3 // 4 * 4),
    }


def test_a_full_disk_is_a_503_and_nothing_is_half_stored_and_room_makes_it_work_again(
    small_disk: Path,
) -> None:
    data = small_disk / "data"
    with running_server(data, flags={"server.tls": False}) as server:
        client = Client(server.port, data)
        client.send(ALEX, subject="before")
        filler = small_disk / "filler"
        fill(filler)
        accepted = 1
        for _ in range(3000):  # until the log's space that was there already is used up
            answer = client.post(ALEX)
            if answer.status != 202:
                break
            accepted += 1
        assert answer.status == 503
        assert answer.json()["error"]["code"] == "ServiceUnavailable"
        assert int(answer.headers["retry-after"]) > 0
        assert "disk" not in answer.json()["error"]["message"]
        again = client.post(ALEX)
        assert again.status == 503
        large = client.post(ALEX, attachments=[attachment(200_000)])
        assert large.status == 503
        assert client.ask("GET", "/healthz").status == 200
        assert len(client.folder("sentitems")) == min(accepted, 1000)
        filler.unlink()
        assert client.post(ALEX, subject="after").status == 202
        assert client.post(ALEX, subject="large", attachments=[attachment(200_000)]).status == 202
        accepted += 2
        eventually(lambda: count(client, "inbox", ALEX) == accepted)
        assert count(client, "sentitems", ADELE) == accepted
        assert "the disk is full" in said(server.output.getvalue())
        assert not list((data / "blobs" / "incoming").iterdir())


def test_a_removed_data_directory_is_a_503_and_not_ready(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_server(data, flags={"server.tls": False}) as server:
        client = Client(server.port, data)
        client.send(ALEX)
        assert client.ask("GET", "/readyz").status == 200
        data.rename(tmp_path / "elsewhere")
        assert client.post(ALEX).status == 503
        assert client.ask("GET", "/readyz").status == 503
        assert "was removed or replaced" in said(server.output.getvalue())
        (tmp_path / "elsewhere").rename(data)
        assert client.post(ALEX).status == 202
        eventually(lambda: count(client, "inbox", ALEX) == 2)


def test_a_database_that_somebody_locks_lets_the_request_wait(tmp_path: Path) -> None:
    with running_server(tmp_path, flags={"server.tls": False}) as server:
        client = Client(server.port, tmp_path)
        client.token()
        intruder = apsw.Connection(str(tmp_path / "graphpost.db"))
        intruder.execute("BEGIN IMMEDIATE")
        answers: list[int] = []
        posting = threading.Thread(target=lambda: answers.append(client.post(ALEX).status))
        posting.start()
        posting.join(0.3)
        assert posting.is_alive()
        intruder.execute("ROLLBACK")
        intruder.close()
        posting.join(60)
        assert answers == [202]
        eventually(lambda: count(client, "inbox", ALEX) == 1)


def count(client: Client, folder: str, mailbox: str) -> int:
    answer = client.graph("GET", f"/users/{mailbox}/mailFolders/{folder}")
    number: int = answer.json()["totalItemCount"]
    return number


def said(output: str) -> str:
    """The problems in the log."""
    return "\n".join(line for line in output.splitlines() if " problem " in line)


def serve(data: Path, port: int = 0, *more: str) -> subprocess.CompletedProcess[str]:
    """A server that is expected to end by itself."""
    command = [
        sys.executable,
        "-m",
        "graphpost",
        "serve",
        "--data",
        str(data),
        "--port",
        str(port),
        "--no-tls",
    ]
    return subprocess.run([*command, *more], capture_output=True, text=True, cwd=ROOT, timeout=60)


def check_one_line(done: subprocess.CompletedProcess[str], status: int, *words: str) -> None:
    assert done.returncode == status, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("graphpost: ")
    for word in words:
        assert word in line
    assert "Traceback" not in done.stdout + done.stderr


def test_a_read_only_data_directory_is_one_clear_line(small_disk: Path) -> None:
    data = small_disk / "data"
    with running_server(data, flags={"server.tls": False}):
        pass
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = serve(data)
    assert done.returncode in (1, 2)
    check_one_line(done, done.returncode, str(data), "ead-only")


def test_a_new_data_directory_that_cannot_be_made_is_one_clear_line(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = serve(small_disk / "new")
    assert done.returncode in (1, 2)
    check_one_line(done, done.returncode, "new", "ead-only")


def test_a_disk_that_is_full_at_the_start_is_one_clear_line(small_disk: Path) -> None:
    fill(small_disk / "filler")
    done = serve(small_disk / "data")
    assert done.returncode in (1, 2)
    check_one_line(done, done.returncode)


def test_a_data_directory_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("not a directory")
    done = serve(place)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("is a file.")


def test_a_database_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "graphpost.db").write_bytes(b"this is not a database" * 1000)
    check_one_line(serve(tmp_path), 1, "not a database")


def test_a_second_server_on_the_same_data_is_refused_in_one_line(tmp_path: Path) -> None:
    with running_server(tmp_path, flags={"server.tls": False}) as server:
        check_one_line(serve(tmp_path), 1, "in use by another process", str(os.getpid()))
        client = Client(server.port, tmp_path)
        assert client.outcome(client.send(ALEX)) == {ALEX: "delivered"}


def test_a_port_in_use_is_one_line_that_names_it(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        check_one_line(serve(tmp_path, port), 2, "server.port", str(port), "in use")
    with running_server(tmp_path, flags={"server.tls": False}):
        pass  # the data directory is free again
