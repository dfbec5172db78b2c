"""What pages show of names."""

from __future__ import annotations

import pytest

from graphpost.auth.issuer.showing import name, plain, show


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Adele Vance", "Adele Vance"),
        ("\u202egnp.exe\u202c", "gnp.exe"),
        ("\u2067a\u2069\u200e\u200f\ufeff\u00ad", "a"),
        ("a\r\n\0b\x85c", "a b c"),
        ("می\u200cخواهم 👩\u200d💻", "می\u200cخواهم 👩\u200d💻"),
    ],
)
def test_a_name_shows_as_what_it_is(name: str, shown: str) -> None:
    assert plain(name) == shown


def test_a_long_name_leaves_what_counts_in_sight() -> None:
    assert name("a" * 120) == "a" * 120
    assert name("a" * 121) == "a" * 119 + "…"
    assert name("\u202e" * 1000 + "Invoices") == "Invoices"
    page = show("signin", None, application="x" * 5000, problem="", action="", form_token="", user_code="", username="")  # fmt: skip
    assert page.body is not None
    assert page.body.count(b"x" * 119) == 1
    assert b"x" * 120 not in page.body
