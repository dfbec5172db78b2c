"""`graphpost mailbox` and `graphpost group`, on the store itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

DECLARED = (
    '[[mailboxes]]\naddress = "a@b.test"\nname = "A"\n[[groups]]\nname = "Staff"\nmembers = ["a@b.test"]\n'
)


def shown(graphpost: Any, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(box[column] for column in columns) for box in graphpost.json("mailbox", "list")]


def test_a_mailbox_is_changed_and_keeps_its_old_address_as_an_alias(graphpost: Any) -> None:
    graphpost("mailbox", "add", "a@b.test", "--quota", "2G")
    status, out, _ = graphpost(
        "mailbox",
        "change",
        "a@b.test",
        "--name",
        "Sales",
        "--address",
        "sales@b.test",
        "--kind",
        "shared",
        "--quota",
        "none",
    )
    assert (status, out) == (0, "sales@b.test changed\n")
    assert shown(graphpost, "address", "name", "aliases", "kind", "quota_bytes") == [
        ("sales@b.test", "Sales", ["a@b.test"], "shared", 0)
    ]
    graphpost("mailbox", "change", "sales@b.test", "--address", "A@b.test", "--quota", "usual")
    assert shown(graphpost, "address", "aliases", "quota_bytes") == [("A@b.test", ["sales@b.test"], -1)]


def test_aliases_are_added_and_removed(graphpost: Any) -> None:
    graphpost("mailbox", "add", "a@b.test", "--shared")
    assert (
        graphpost("mailbox", "alias", "add", "a@b.test", "x@b.test", "y@b.test")[1]
        == "a@b.test has x@b.test, y@b.test\n"
    )
    assert graphpost("mailbox", "alias", "remove", "a@b.test", "X@b.test")[1] == "a@b.test has y@b.test\n"
    assert graphpost("mailbox", "alias", "remove", "a@b.test", "y@b.test")[1] == "a@b.test has no aliases\n"
    assert shown(graphpost, "kind", "aliases") == [("shared", [])]


def test_a_deleted_mailbox_is_listed_and_restored(graphpost: Any) -> None:
    graphpost("mailbox", "add", "a@b.test", "--alias", "x@b.test")
    graphpost("mailbox", "add", "c@b.test")
    assert graphpost("mailbox", "delete", "a@b.test")[1].startswith(
        "a@b.test deleted; it can be restored until "
    )
    assert shown(graphpost, "address") == [("c@b.test",)]
    (gone,) = graphpost.json("mailbox", "list", "--deleted")
    assert gone["deleted"] < gone["restorable_until"]
    assert "a@b.test" in graphpost("mailbox", "list", "--deleted")[1]
    graphpost("mailbox", "alias", "add", "c@b.test", "x@b.test")
    assert graphpost("mailbox", "restore", "a@b.test")[1] == "a@b.test restored without x@b.test\n"
    assert shown(graphpost, "address", "aliases") == [("a@b.test", []), ("c@b.test", ["x@b.test"])]
    assert graphpost("mailbox", "list", "--deleted")[1] == "No mailbox was deleted.\n"


def test_whose_address_is_taken_is_restored_with_another(graphpost: Any) -> None:
    graphpost("mailbox", "add", "a@b.test")
    object_id = graphpost.json("mailbox", "delete", "a@b.test")["object_id"]
    graphpost("mailbox", "add", "a@b.test")
    assert (
        graphpost("mailbox", "restore", "a@b.test")[2]
        == "graphpost: address: a@b.test belongs to another mailbox\n"
    )
    assert (
        graphpost("mailbox", "restore", object_id, "--address", "b@b.test")[1]
        == "b@b.test restored without a@b.test\n"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("mailbox", "delete", "no@b.test"), 1, "there is no mailbox no@b.test"),
        (("mailbox", "restore", "no@b.test"), 1, "there is no deleted mailbox no@b.test"),
        (("mailbox", "change", "a@b.test", "--address", "x"), 2, "address: 'x' is not an e-mail address"),
        (("mailbox", "change", "a@b.test", "--name", "a\nb"), 2, "name: must be one line"),
        (("mailbox", "alias", "add", "a@b.test", "c@b.test"), 2, "c@b.test belongs to another mailbox"),
        (("mailbox", "alias", "add", "a@b.test", "g@b.test"), 2, "g@b.test belongs to a group"),
        (("mailbox", "alias", "remove", "a@b.test", "z@b.test"), 2, "a@b.test has no alias z@b.test"),
        (("mailbox", "alias", "remove", "a@b.test", "a@b.test"), 2, "a@b.test is its first address"),
        (("mailbox", "add", "new@b.test", "--quota", "lots"), 2, "'lots' is not a size"),
        (("mailbox", "add", "new@b.test", "--quota", "0"), 2, "'0' is not a size"),
        (("group", "add", "x@b.test"), 2, "looks like an address"),
        (("group", "add", "h", "--address", "a@b.test"), 2, "a@b.test belongs to a mailbox"),
        (("group", "add", "h", "--address", "G@b.test"), 2, "G@b.test belongs to another group"),
        (("group", "join", "h", "a@b.test"), 1, "there is no group h"),
        (("group", "join", "g", "z@b.test"), 2, "there is no mailbox z@b.test"),
        (("group", "leave", "g", "a@b.test"), 2, "a@b.test is not in the group g"),
        (("group", "remove", "h"), 1, "there is no group h"),
    ],
)
def test_what_cannot_be_is_refused(
    graphpost: Any, arguments: tuple[str, ...], status: int, said: str
) -> None:
    for address in ("a@b.test", "c@b.test"):
        graphpost("mailbox", "add", address)
    assert graphpost("group", "add", "g", "--address", "g@b.test")[0] == 0
    found, _, err = graphpost(*arguments)
    assert (found, said in err) == (status, True), err


def test_mailboxes_join_groups_and_leave_them(graphpost: Any) -> None:
    assert graphpost("group", "list")[1] == "There are no groups.\n"
    for address in ("a@b.test", "c@b.test"):
        graphpost("mailbox", "add", address, "--alias", f"alias-{address}")
    assert graphpost("group", "add", "Staff", "--address", "staff@b.test")[1] == "Staff is there\n"
    assert (
        graphpost("group", "join", "STAFF", "a@b.test", "alias-c@b.test")[1]
        == "Staff has a@b.test, c@b.test\n"
    )
    graphpost("mailbox", "change", "a@b.test", "--address", "new@b.test")
    assert "new@b.test" in graphpost("group", "list")[1]
    assert graphpost("group", "leave", "staff", "alias-a@b.test")[1] == "Staff has c@b.test\n"
    assert graphpost("group", "remove", "staff")[1] == "Staff removed\n"


def test_what_the_settings_declare_is_pointed_out(graphpost: Any, tmp_path: Path) -> None:
    file = tmp_path / "g.toml"
    file.write_text(DECLARED)
    graphpost("mailbox", "add", "a@b.test", "--config", str(file))
    _, _, err = graphpost("mailbox", "change", "a@b.test", "--name", "A", "--config", str(file))
    assert err == "The settings declare it: at the next start it is as they say.\n"
    _, _, err = graphpost("mailbox", "delete", "a@b.test", "--config", str(file))
    assert err == "The settings name it, so the next start restores it: take it out of them.\n"
