"""Mailboxes in CSV files: everything is checked before anything is done, and doing it again changes nothing."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphpost.cli.mailbox_file import COLUMNS, read_lines, write_lines

SOME = """\ufeffName,Address,aliases,kind,groups,quota,enabled,password
Adele Vance,adele@b.test,av@b.test; a@b.test,,Staff;Board,2G,,correct horse
"Sales, Europe",sales@b.test,,shared,Staff,none,,
,off@b.test,,,,,no,
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(SOME, "utf-8")
    return path


def exported(graphpost: Any, *options: str) -> list[dict[str, str]]:
    status, out, err = graphpost("mailbox", "export", *options)
    assert status == 0, err
    return list(csv.DictReader(io.StringIO(out, newline="")))


def test_a_file_makes_mailboxes_and_again_changes_nothing(graphpost: Any, file: Path) -> None:
    assert graphpost("mailbox", "import", str(file))[:2] == (0, "3 added, 0 changed, 0 as they were.\n")
    assert exported(graphpost) == [
        {
            "address": "adele@b.test",
            "name": "Adele Vance",
            "aliases": "av@b.test;a@b.test",
            "kind": "person",
            "groups": "Board;Staff",
            "quota": str(2 * 1024**3),
            "enabled": "yes",
        },
        {
            "address": "sales@b.test",
            "name": "Sales, Europe",
            "aliases": "",
            "kind": "shared",
            "groups": "Staff",
            "quota": "none",
            "enabled": "yes",
        },
        {
            "address": "off@b.test",
            "name": "off",
            "aliases": "",
            "kind": "person",
            "groups": "",
            "quota": "usual",
            "enabled": "no",
        },
    ]
    assert graphpost.json("mailbox", "import", str(file)) == {
        "lines": 3,
        "added": 0,
        "changed": 0,
        "unchanged": 3,
    }


def test_what_is_exported_with_hashes_is_the_same_elsewhere(
    graphpost: Any, file: Path, tmp_path: Path
) -> None:
    graphpost("mailbox", "import", str(file))
    saved, there = tmp_path / "saved.csv", tmp_path / "there"
    saved.write_text(graphpost("mailbox", "export", "--hashes")[1], "utf-8")
    graphpost.data = there
    assert graphpost("mailbox", "import", str(saved))[1] == "3 added, 0 changed, 0 as they were.\n"
    assert graphpost("mailbox", "export", "--hashes")[1] == saved.read_text("utf-8")
    assert exported(graphpost, "--hashes")[0]["password_hash"].startswith("scrypt$")
    assert graphpost("mailbox", "import", str(saved))[1] == "0 added, 0 changed, 3 as they were.\n"


@pytest.mark.parametrize("name", ["=1+1", "+49 30", "-x", "@all", "'=1+1", "''=", "'quoted'", "plain"])
def test_a_name_is_no_formula_in_a_spreadsheet_and_itself_when_it_comes_back(
    graphpost: Any, tmp_path: Path, name: str
) -> None:
    graphpost("mailbox", "add", "a@b.test", "--name", name)
    (line,) = exported(graphpost)
    assert line["name"][0] not in "=+-@"
    saved = tmp_path / "saved.csv"
    saved.write_text(graphpost("mailbox", "export")[1], "utf-8")
    assert graphpost("mailbox", "import", str(saved))[1] == "0 added, 0 changed, 1 as they were.\n"


def test_columns_that_are_not_there_and_empty_cells_change_nothing(graphpost: Any, file: Path) -> None:
    graphpost("mailbox", "import", str(file))
    file.write_text("address,name,quota\nADELE@b.test,,usual\n")
    assert graphpost("mailbox", "import", str(file))[1] == "0 added, 1 changed, 0 as they were.\n"
    adele = exported(graphpost)[0]
    assert (adele["name"], adele["aliases"], adele["groups"], adele["quota"]) == (
        "Adele Vance",
        "av@b.test;a@b.test",
        "Board;Staff",
        "usual",
    )
    file.write_text("address,aliases,groups\nadele@b.test,,Board\n")
    assert graphpost("mailbox", "import", str(file))[1] == "0 added, 1 changed, 0 as they were.\n"
    adele = exported(graphpost)[0]
    assert (adele["aliases"], adele["groups"]) == ("", "Board")


def test_every_problem_is_said_with_its_line_and_nothing_is_changed(graphpost: Any, file: Path) -> None:
    graphpost("mailbox", "add", "here@b.test", "--alias", "alias@b.test")
    graphpost("group", "add", "Group", "--address", "group@b.test")
    file.write_text(
        "address,aliases,kind,quota,enabled,password,groups\n"
        "good@b.test,,,,,,\n"
        "nobody,,,,,,\n"
        '"x@b.test\n",,,,,,\n'
        "a@b.test,alias@b.test,,,,,\n"
        "b@b.test,good@b.test,,,,,\n"
        "c@b.test,,room,,,,\n"
        "d@b.test,,,lots,,,\n"
        "e@b.test,,,,maybe,,\n"
        "f@b.test,,shared,,,secret,\n"
        "g@b.test,group@b.test,,,,,\n"
        "h@b.test,,,,,,x@y.test\n"
        "i@b.test,,\n"
        ",,,,,,\n"
        ",i@b.test,,,,,\n"
        "alias@b.test,,,,,,\n"
    )
    status, out, err = graphpost("mailbox", "import", str(file))
    assert (status, out) == (1, "")
    said = [line.removeprefix(f"{file}:") for line in err.splitlines()]
    assert said == [
        "3: address: 'nobody' is not an e-mail address",
        "6: alias@b.test belongs to another mailbox, here@b.test",
        "7: good@b.test stands in line 2 too",
        "8: kind: 'room' is neither person nor shared",
        "9: quota: 'lots' is not a size such as 50G, nor `none` or `usual`",
        "10: enabled: 'maybe' is neither yes nor no",
        "11: password: nobody signs in to a shared mailbox",
        "12: group@b.test belongs to a group",
        "13: groups: 'x@y.test' looks like an address or an object id",
        "14: has 3 cells, and there are 7 columns",
        "16: has no address",
        "17: alias@b.test stands in line 6 too",
        "graphpost: 12 problems; nothing was changed",
    ]
    assert [row["address"] for row in exported(graphpost)] == ["here@b.test"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1: there is no line that names the columns"),
        ("a,b\n", "columns: 'a' is none of address, name"),
        ("name\nx\n", "`address` is needed"),
        ("address,address\nx,y\n", "each once"),
        ('address\n"a@b.test\n', "2: unexpected end of data"),
        ('address\n"a"b@b.test\n', "2: ',' expected after '\"'"),
    ],
)
def test_a_file_that_is_no_such_file_is_refused(graphpost: Any, file: Path, text: str, said: str) -> None:
    file.write_text(text)
    status, _, err = graphpost("mailbox", "import", str(file))
    assert (status, said in err) == (1, True), err


def test_bytes_that_are_no_text_are_refused_in_one_line(graphpost: Any, file: Path) -> None:
    file.write_bytes(b"address\n\xff@b.test\n")
    assert graphpost("mailbox", "import", str(file))[::2] == (1, f"graphpost: {file} is not UTF-8 text\n")


def test_a_dry_run_changes_nothing(graphpost: Any, file: Path) -> None:
    assert graphpost("mailbox", "import", "--dry-run", str(file))[1] == "3 lines can be imported.\n"
    assert exported(graphpost) == []


def test_many_lines_are_done_some_at_a_time(graphpost: Any, file: Path) -> None:
    file.write_text("address\n" + "".join(f"m{number}@b.test\n" for number in range(250)))
    assert graphpost("mailbox", "import", str(file))[1] == "250 added, 0 changed, 0 as they were.\n"
    assert len(exported(graphpost)) == 250


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20).map(str.strip)
ADDRESSES = st.from_regex(r"[a-z]{1,9}@[a-z]{1,9}\.test", fullmatch=True)
BOXES = st.fixed_dictionaries(
    {
        "address": ADDRESSES,
        "name": WORDS,
        "aliases": st.lists(ADDRESSES, max_size=3),
        "kind": st.sampled_from(["person", "shared"]),
        "groups": st.lists(WORDS.filter(lambda word: bool(word) and ";" not in word), max_size=3),
        "quota_bytes": st.sampled_from([-1, 0]) | st.integers(1, 10**14),
        "enabled": st.booleans(),
        "password_hash": st.just(""),
    }
)


@settings(max_examples=100, deadline=None)
@given(st.lists(BOXES, max_size=4, unique_by=lambda box: box["address"]))
def test_what_is_written_is_read_back(boxes: list[dict[str, Any]]) -> None:
    lines, problems = read_lines("".join(write_lines(boxes, hashes=True)))
    clashes = len({a for box in boxes for a in (box["address"], *box["aliases"])}) < sum(
        len({box["address"], *box["aliases"]}) for box in boxes
    )
    assert bool(problems) is clashes
    if not clashes:
        assert [
            {**line, "aliases": list(line["aliases"]), "groups": list(line["groups"])} for line in lines
        ] == [{"line": n, **{k: v for k, v in box.items() if v != ""}} for n, box in enumerate(boxes, 2)]


TOKENS = st.sampled_from([*COLUMNS, ",", ";", "\n", "\r", '"', "a@b.test", " ", "\0", "\ud800", "=1"])


@settings(max_examples=200, deadline=None)
@given(st.lists(TOKENS, max_size=40).map("".join))
def test_whatever_is_in_a_file_becomes_lines_or_problems(text: str) -> None:
    lines, problems = read_lines(text)
    assert all(line["address"] for line in lines)
    assert lines or problems or text.count("\n") >= 0
    assert all(number >= 1 for number, _ in problems)
