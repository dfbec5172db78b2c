"""What is said in AUTH, against the examples of the specifications."""

from __future__ import annotations

from base64 import b64decode

import pytest

from graphpost.config import Mechanism
from graphpost.transport.sasl import BY_PASSWORD, BY_TOKEN, auth_lines, choose, concession


def test_oauthbearer_is_as_in_rfc_7628() -> None:
    token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
    (line,) = auth_lines("oauthbearer", "user@example.com", token, "server.example.com", 143)
    assert line == (
        b"AUTH OAUTHBEARER bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZG"
        b"OWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB\r\n"
    )
    assert concession("oauthbearer") == b"AQ==\r\n"


def test_xoauth2_is_as_google_documents_it() -> None:
    (line,) = auth_lines(
        "xoauth2", "someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg", "x", 25
    )
    assert line == (
        b"AUTH XOAUTH2 dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1s"
        b"emRHRXVZMjl0Q2cBAQ==\r\n"
    )
    assert concession("xoauth2") == b"\r\n"


@pytest.mark.parametrize("mechanism", ["plain", "login", "xoauth2", "oauthbearer"])
def test_nothing_in_a_name_or_secret_ends_a_line(mechanism: Mechanism) -> None:
    for line in auth_lines(mechanism, "a\r\nb", "c\r\nMAIL FROM:<x>", "mx.test", 25):
        assert line.count(b"\r\n") == 1
        assert line.endswith(b"\r\n")
        if line != b"AUTH LOGIN\r\n":
            b64decode(line.split()[-1], validate=True)


@pytest.mark.parametrize(("octets", "lines"), [(372, 1), (373, 2)])
def test_a_command_line_has_512_octets_at_most(octets: int, lines: int) -> None:
    """`AUTH PLAIN ` and the line end are 13; 499 are left, which is 124 x 4 of base64 for 124 x 3 octets."""
    found = auth_lines("plain", "u", "x" * (octets - 3), "mx.test", 25)
    assert len(found) == lines
    assert all(len(line) <= 512 for line in found[:1])


@pytest.mark.parametrize(
    ("wanted", "offered", "candidates", "chosen"),
    [
        ("", {"LOGIN", "PLAIN"}, BY_PASSWORD, "plain"),
        ("", {"LOGIN"}, BY_PASSWORD, "login"),
        ("", {"XOAUTH2"}, BY_PASSWORD, None),
        ("login", {"LOGIN", "PLAIN"}, BY_PASSWORD, "login"),
        ("plain", {"LOGIN"}, BY_PASSWORD, None),
        ("", {"XOAUTH2", "OAUTHBEARER", "PLAIN"}, BY_TOKEN, "oauthbearer"),
        ("", {"XOAUTH2", "PLAIN"}, BY_TOKEN, "xoauth2"),
        ("", {"PLAIN"}, BY_TOKEN, None),
        ("xoauth2", {"XOAUTH2", "OAUTHBEARER"}, BY_TOKEN, "xoauth2"),
    ],
)
def test_the_best_mechanism_that_is_offered_is_taken(
    wanted: Mechanism, offered: set[str], candidates: tuple[Mechanism, ...], chosen: str | None
) -> None:
    assert choose(wanted, frozenset(offered), candidates) == chosen
