"""`graphpost mailbox grant`, `revoke` and `rights`, without a server."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def people(graphpost: Any) -> Any:
    for address in ("adele@b.test", "info@b.test"):
        graphpost("mailbox", "add", address)
    return graphpost


def test_rights_are_given_listed_and_taken_away(people: Any) -> None:
    assert people("mailbox", "rights")[1] == "Nobody has rights to somebody else's mailbox.\n"
    done = people("mailbox", "grant", "info@b.test", "ADELE@b.test", "sendas", "FullAccess")
    assert done[:2] == (0, "adele@b.test to info@b.test: FullAccess, SendAs\n")
    given = {
        "mailbox": "info@b.test",
        "holder": "adele@b.test",
        "rights": ["FullAccess", "SendAs", "SendOnBehalf"],
        "origin": "command",
    }
    assert people.json("mailbox", "grant", "info@b.test", "adele@b.test", "SendOnBehalf") == given
    assert people.json("mailbox", "rights") == people.json("mailbox", "rights", "info@b.test") == [given]
    assert people.json("mailbox", "rights", "adele@b.test") == []
    line = people("mailbox", "rights")[1].splitlines()[1].split()
    assert line == ["info@b.test", "adele@b.test", "FullAccess,", "SendAs,", "SendOnBehalf", "command"]
    done = people("mailbox", "revoke", "info@b.test", "adele@b.test", "SendAs")
    assert done[1] == "adele@b.test to info@b.test: FullAccess, SendOnBehalf\n"
    assert people("mailbox", "revoke", "info@b.test", "adele@b.test")[1].endswith(": no rights\n")
    assert people.json("mailbox", "rights") == []


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (["grant", "no@b.test", "adele@b.test", "SendAs"], 1, "there is no mailbox no@b.test"),
        (["grant", "info@b.test", "INFO@b.test", "SendAs"], 2, "info@b.test is the mailbox itself"),
        (["grant", "info@b.test", "no@b.test", "SendAs"], 2, "holder: there is no mailbox no@b.test"),
        (["grant", "info@b.test", "group:nobody", "SendAs"], 2, "holder: there is no group nobody"),
        (["grant", "info@b.test", "domain:b.test", "SendAs"], 2, "a domain cannot have rights"),
        (["grant", "info@b.test", "Adele", "SendAs"], 2, "holder: 'Adele' is not a GUID"),
        (["grant", "info@b.test", "adele@b.test"], 2, "Missing argument"),
        (["grant", "info@b.test", "adele@b.test", "Everything"], 2, "'Everything' is not one of"),
        (["revoke", "info@b.test", "adele@b.test"], 1, "adele@b.test has no such right to info@b.test"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    people: Any, arguments: list[str], status: int, problem: str
) -> None:
    found, _, err = people("mailbox", *arguments)
    assert found == status
    assert problem in err
