"""Small files: whole or not at all, and for their owner alone."""

import os
from pathlib import Path

import pytest

from graphpost.files import create_file, make_directory, open_made, replace_file


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_file_is_replaced_whole_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    replace_file(path, b"first")
    reader = path.open("rb")
    replace_file(path, b"second")
    with reader:
        assert reader.read() == b"first"  # who reads the old one goes on reading it
    assert path.read_bytes() == b"second"
    assert mode(path) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_a_file_for_others_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        replace_file(tmp_path / "ca.pem", b"public", 0o644)
    finally:
        os.umask(before)
    assert mode(tmp_path / "ca.pem") == 0o644


def test_of_two_that_create_a_file_the_first_counts(tmp_path: Path) -> None:
    path = tmp_path / "token"
    create_file(path, b"mine")
    create_file(path, b"theirs")
    assert (path.read_bytes(), mode(path)) == (b"mine", 0o600)
    assert [entry.name for entry in tmp_path.iterdir()] == ["token"]


def test_nothing_is_left_behind_where_nothing_can_be_put(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        replace_file(tmp_path / "taken", b"x")
    create_file(tmp_path / "taken", b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


def test_directories_are_made_down_to_the_last_for_their_owner_alone(tmp_path: Path) -> None:
    make_directory(tmp_path / "a" / "b")
    make_directory(tmp_path / "a" / "b")
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_what_an_administrator_makes_as_root_is_the_servers(tmp_path: Path) -> None:
    from graphpost.cli import main

    data = tmp_path / "data"
    data.mkdir(0o700)
    os.chown(data, 65534, 65534)
    options = ["--data", str(data)]
    for words in (["env"], ["mailbox", "add", "a@b.test"], ["keys", "add"], ["dkim", "create", "b.test"]):
        assert main([*words, *options]) == 0
    made = list(data.rglob("*"))
    assert {"defaults.json", "graphpost.db", "keys", "b.test"} <= {path.name for path in made}
    assert {path.name for path in made if path.stat().st_uid != 65534} == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_root_gives_away_nothing_that_was_there(tmp_path: Path) -> None:
    """The server's user may have put a link there, to a file of root's."""
    (tmp_path / "secret").write_bytes(b"root's")
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 65534, 65534)
    (data / "link").symlink_to(tmp_path / "secret")
    (data / "old").write_bytes(b"")
    for name in ("link", "old", "new"):
        os.close(open_made(data / name, os.O_RDWR))
    owners = [path.stat().st_uid for path in (tmp_path / "secret", data / "old", data / "new")]
    assert owners == [0, 0, 65534]
