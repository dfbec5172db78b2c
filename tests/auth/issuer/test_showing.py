"""What pages show of names."""

from __future__ import annotations

import pytest

from graphpost.auth.issuer.showing import plain


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
