"""Content-Type and Content-Disposition parameters, read and written."""

from __future__ import annotations

from email.message import Message as StdMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpost.mail.contenttype import is_media_type, parse_parametrised
from graphpost.mail.field import parameters

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" "), max_size=150
)

CASES = [
    ("text/plain", "text/plain", {}),
    ("TEXT/Plain; Charset=UTF-8", "text/plain", {"charset": "UTF-8"}),
    ("text/plain;", "text/plain", {}),
    ("text/plain (comment); a=b", "text/plain", {"a": "b"}),
    ('x/y; a="b;c"; d=e', "x/y", {"a": "b;c", "d": "e"}),
    (r'x/y; a="b\"c\\d\e"', "x/y", {"a": r"b" + '"' + r"c\d\e"}),
    ("x/y; a=b c.txt; d", "x/y", {"a": "b c.txt"}),
    ("x/y; a=1; A=2", "x/y", {"a": "1"}),
    ("x/y;;; a = b ;", "x/y", {"a": "b"}),
    ('x/y; a="open', "x/y", {"a": "open"}),
    ("x/y; a*=utf-8'en'%C3%BC; a=u", "x/y", {"a": "ü"}),
    ("x/y; a*=iso-8859-1''%FC", "x/y", {"a": "ü"}),
    ("x/y; a*0=b; a*1=c", "x/y", {"a": "bc"}),
    ("x/y; a*1*=%C3; a*0*=utf-8''x; a*2*=%BC", "x/y", {"a": "xü"}),
    ("x/y; a*0*=utf-8''%C3%BC; a*1=\"%41\"", "x/y", {"a": "ü%41"}),
    ("x/y; a*=no-quotes", "x/y", {"a": "no-quotes"}),
    ("x/y; a*99999999999=b", "x/y", {"a": "b"}),
    ("", "", {}),
    (";", "", {}),
]


@pytest.mark.parametrize(("text", "value", "expected"), CASES, ids=[case[0] for case in CASES])
def test_parameters_are_read_leniently(text: str, value: str, expected: dict[str, str]) -> None:
    assert parse_parametrised(text) == (value, expected)


@given(st.text(max_size=100))
def test_reading_never_raises(text: str) -> None:
    parse_parametrised(text)
    parse_parametrised(f"x/y; {text}")


@given(NAMES)
def test_a_name_written_is_read_back_and_by_the_standard_library(name: str) -> None:
    written = parameters([("filename", name)])
    assert written.isascii()
    assert all(len(line) <= 80 for line in written.split("\r\n"))
    assert parse_parametrised("attachment" + written).parameters["filename"] == name.strip()
    message = StdMessage()
    message["Content-Disposition"] = "attachment" + written.replace("\r\n", "")
    assert message.get_filename("") == name.strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("text/plain", True),
        ("application/vnd.ms-excel+xml", True),
        ("text", False),
        ("a/b/c", False),
        ("a/ b", False),
    ],
)
def test_a_media_type_is_type_and_subtype(text: str, expected: bool) -> None:
    assert is_media_type(text) is expected
