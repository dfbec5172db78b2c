"""RFC 2047 words and character sets."""

from __future__ import annotations

from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpost.mail.charset import decode_text
from graphpost.mail.word import decode_words, encode_words


@given(st.text(st.characters(codec="utf-8"), max_size=200), st.integers(30, 75))
def test_words_are_short_whole_and_read_back(text: str, length: int) -> None:
    words = encode_words(text, length)
    assert all(len(word) <= length and word.isascii() for word in words)
    assert decode_words(" ".join(words)) == text.replace("\0", "")
    if text:
        assert str(make_header(decode_header("\r\n ".join(words)))) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("=?iso-8859-1?Q?a?= b", "a b"),
        ("=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"),
        ("=?utf-8?B?4pw=?= =?utf-8?B?kw==?=", "✓"),
        ("=?utf-8?Q?a?==?iso-8859-1?Q?=FC?=", "aü"),
        ("=?utf-8*en?Q?a_b?=", "a b"),
        ("=?utf-8?Q?a b?=", "a b"),
        ("=?no-such?Q?=C3=BC?=", "ü"),
        ("=?no-such?Q?=FC?=", "ü"),
        ("=?utf-8?B?Q?=", ""),
        ("=?utf-8?X?a?=", "=?utf-8?X?a?="),
        ("=?utf-8?Q?a", "=?utf-8?Q?a"),
        ("=?utf-8?Q?=zz=4?=", "=zz=4"),
        ("=?gb2312?B?xOO6ww==?=", "你好"),
    ],
)
def test_words_are_read_leniently(text: str, expected: str) -> None:
    assert decode_words(text) == expected


@given(st.text(max_size=200))
def test_reading_words_never_raises(text: str) -> None:
    decode_words(text)
    decode_words(f"=?{text}?B?{text}?= =?utf-8?Q?{text}?=")


@given(
    st.binary(max_size=50),
    st.text(max_size=20) | st.sampled_from(["idna", "punycode", "hex", "utf-7", "mbcs", "zip"]),
)
def test_any_bytes_are_text_in_any_character_set(data: bytes, charset: str) -> None:
    assert "\0" not in decode_text(data, charset)


def test_names_mean_what_browsers_take_them_to_mean() -> None:
    assert decode_text(b"\x80", "ISO-8859-1") == "€"
    assert decode_text(b"\xc3\xbc", "us-ascii") == "ü"
    assert decode_text(b"xn--bcher-kva", "idna") == "xn--bcher-kva"
