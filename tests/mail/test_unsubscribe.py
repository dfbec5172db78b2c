"""The letter that leaves a list is what its URI asks for, and no more."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphpost.mail.address import is_valid_address
from graphpost.mail.unsubscribe import BODY_LENGTH, SUBJECT_LENGTH, Letter, letter_of


@pytest.mark.parametrize(
    ("uris", "letter"),
    [
        ((), None),
        (("https://x.test/leave",), None),
        (("mailto:leave@x.test",), Letter("leave@x.test")),
        (("https://x.test/leave", "MAILTO:leave@x.test"), Letter("leave@x.test")),
        (("mailto:a@x.test", "mailto:b@x.test"), Letter("a@x.test")),
        (
            ("mailto:list%2Bleave@x.test?subject=leave%20me&body=one%0D%0Atwo",),
            Letter("list+leave@x.test", "leave me", "one\r\ntwo"),
        ),
        (("mailto:a+b@x.test?Subject=a+b",), Letter("a+b@x.test", "a+b")),
        (("mailto:?to=a@x.test",), Letter("a@x.test")),
        (("mailto:a@x.test,b@x.test?cc=c@x.test&bcc=d@x.test",), Letter("a@x.test")),
        (("mailto:a@x.test?subject=x%0D%0ABcc:%20b@x.test",), Letter("a@x.test", "x Bcc: b@x.test")),
        (("mailto:a@x.test%0D%0ARCPT%20TO:b@x.test",), None),
        (("mailto:nobody",), None),
        (("mailto:",), None),
        (("mailto:a@x.test?body=" + "x" * 16_400,), None),
    ],
)
def test_the_first_mailto_is_the_letter(uris: tuple[str, ...], letter: Letter | None) -> None:
    assert letter_of(uris) == letter


@settings(max_examples=200)
@given(st.lists(st.text(max_size=60).map(lambda rest: "mailto:" + rest), max_size=2))
def test_whatever_a_uri_says_the_letter_is_harmless(uris: list[str]) -> None:
    letter = letter_of(uris)
    if letter is not None:
        assert is_valid_address(letter.to)
        assert len(letter.subject) <= SUBJECT_LENGTH
        assert len(letter.body) <= BODY_LENGTH
        assert not {"\r", "\n", "\0"} & set(letter.subject)
        assert "\0" not in letter.body
