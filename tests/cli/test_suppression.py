"""`graphpost queue suppress`, `suppressed` and `unsuppress`, and what may be on the list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def listed(graphpost: Any, *options: str) -> list[str]:
    return [entry["address"] for entry in graphpost.json("queue", "suppressed", *options)]


def test_addresses_and_domains_are_suppressed_listed_and_sent_to_again(graphpost: Any, server: Any) -> None:
    status, out, _ = graphpost(
        "queue", "suppress", "B@b.test", "@Gone.test", "--reason", "they asked", "--days", "7"
    )
    assert (status, out) == (0, "2 suppressed.\n")
    assert listed(graphpost) == ["@gone.test", "b@b.test"]
    assert listed(graphpost, "--find", "X@gone.test") == ["@gone.test"]
    assert listed(graphpost, "--find", "x@b.test") == []
    (entry,) = graphpost.json("queue", "suppressed", "--find", "b@b.test")
    assert (entry["reason"], entry["origin"], entry["status"]) == ("they asked", "administrator", "")
    assert entry["expires"] > entry["created"]
    table = graphpost("queue", "suppressed")[1].splitlines()
    assert table[0].split() == ["ADDRESS", "BY", "STATUS", "SINCE", "UNTIL", "REASON"]
    assert graphpost("queue", "unsuppress", "b@B.test", "@gone.test")[1] == "2 no longer suppressed.\n"
    assert listed(graphpost) == []
    assert graphpost("queue", "suppressed")[1] == "Nothing is suppressed.\n"


def test_a_file_of_addresses_is_suppressed(graphpost: Any, server: Any, tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text("# left us\na@b.test\n\n  c@d.test \n", "utf-8")
    assert graphpost.json("queue", "suppress", "--file", str(file), "--reason", "left") == {"added": 2}
    assert listed(graphpost) == ["a@b.test", "c@d.test"]


def test_what_was_listed_is_taken_again(graphpost: Any, server: Any, tmp_path: Path) -> None:
    graphpost("queue", "suppress", "a@b.test", "--reason", "left")
    file = tmp_path / "list.json"
    before = graphpost.json("queue", "suppressed")
    file.write_text(json.dumps(before), "utf-8")
    graphpost("queue", "unsuppress", "a@b.test")
    graphpost("queue", "suppress", "--file", str(file))
    after = graphpost.json("queue", "suppressed")
    assert [{**entry, "created": ""} for entry in after] == [{**entry, "created": ""} for entry in before]


def test_a_long_list_is_taken_and_listed_in_portions(graphpost: Any, server: Any, tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text("\n".join(f"{n}@b.test" for n in range(2500)), "utf-8")
    _, out, err = graphpost("queue", "suppress", "--file", str(file))
    assert out == "2500 suppressed.\n"
    assert err.split("\r")[1:] == ["1000 of 2500", "2000 of 2500", "2500 of 2500\n"]
    assert len(listed(graphpost)) == 2500


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["suppress"], "name addresses, or a --file with them"),
        (["suppress", "nobody"], "entries[0].address: 'nobody' is not an e-mail address"),
        (["suppress", "a@b.test", "@b_@"], "entries[1].address: 'b_@' is not a domain"),
        (["suppress", "a@b.test", "--reason", "x\r\ny"], "entries[0].reason: must be one line"),
        (["suppress", "a@b.test", "--reason", "x" * 501], "entries[0].reason: must be one line"),
    ],
)
def test_what_cannot_be_on_the_list_is_refused(
    graphpost: Any, server: Any, arguments: list[str], words: str
) -> None:
    status, _, err = graphpost("queue", *arguments)
    assert status == 2
    assert words in err
    assert listed(graphpost) == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"address": "a@b.test", "expires": "2001-01-01T00:00:00Z"}, "expires: is past"),
        ({"address": "a@b.test", "expires": "soon"}, "'soon' is not a time"),
        ({"address": "a@b.test", "expires": "2999-01-01"}, "'2999-01-01' is not a time"),
        ({"address": "a@b.test", "status": "4.1.1\n"}, "is not a status such as 5.1.1"),
        ({"address": "a@b.test", "colour": "red"}, "colour"),
    ],
)
def test_an_entry_of_a_file_is_checked(
    graphpost: Any, server: Any, tmp_path: Path, entry: dict[str, str], words: str
) -> None:
    file = tmp_path / "list.json"
    file.write_text(json.dumps([entry]), "utf-8")
    status, _, err = graphpost("queue", "suppress", "--file", str(file))
    assert status != 0
    assert words in err


def test_what_is_not_on_the_list_cannot_be_taken_off(graphpost: Any, server: Any) -> None:
    status, _, err = graphpost("queue", "unsuppress", "a@b.test")
    assert (status, err) == (1, "graphpost: a@b.test is not on the suppression list\n")
