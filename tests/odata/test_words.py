"""Words of ASCII, which are looked for in a shorter way, are those of any text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graphpost.odata.words import words

ASCII = st.text(st.characters(max_codepoint=127), max_size=40)


def test_every_character_of_ascii_is_in_a_word_or_between_two() -> None:
    for each in map(chr, range(128)):
        assert words(f"A{each}b") == ([f"a{each.lower()}b"] if each.isalnum() else ["a", "b"])


@given(ASCII)
def test_a_word_beyond_ascii_changes_no_other(text: str) -> None:
    assert words(f"{text} \xe9") == [*words(text), "e"]
