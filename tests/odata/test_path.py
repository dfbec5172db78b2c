"""Paths become segments and keys, or PathError."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpost.odata.path import MAX_LENGTH, PathError, Segment, parse_path


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/me", [Segment("me", "me")]),
        ("/me/", [Segment("me", "me")]),
        ("/me/sendMail", [Segment("me", "me"), Segment("sendMail", "sendMail")]),
        ("/me/microsoft.graph.sendMail", [Segment("me", "me"), Segment("microsoft.graph.sendMail", "sendMail", "microsoft.graph")]),
        ("/delta()", [Segment("delta()", "delta")]),
        ("/microsoft.graph.delta()", [Segment("microsoft.graph.delta()", "delta", "microsoft.graph")]),
        ("/users('x')", [Segment("users('x')", "users", "", "x")]),
        ("/users(%27x%27)", [Segment("users('x')", "users", "", "x")]),
        ("/users%28'x'%29", [Segment("users('x')", "users", "", "x")]),
        ("/users('o''neal@x.org')", [Segment("users('o''neal@x.org')", "users", "", "o'neal@x.org")]),
        ("/users(id='x')", [Segment("users(id='x')", "users", "", "x")]),
        ("/users(x)", [Segment("users(x)", "users", "", "x")]),
        ("/users('')", [Segment("users('')", "users", "", "")]),
        ("/messages('a%2Fb')", [Segment("messages('a/b')", "messages", "", "a/b")]),
        ("/messages/a%2Fb", [Segment("messages", "messages"), Segment("a/b", "")]),
        ("/AAMk_-=", [Segment("AAMk_-=", "")]),
        ("/AAMk%3D%3D", [Segment("AAMk==", "")]),
        ("/a%2Bb+c", [Segment("a+b+c", "")]),
        ("/o'neal@x.org", [Segment("o'neal@x.org", "")]),
        ("/a%23EXT%23@x.org", [Segment("a#EXT#@x.org", "")]),
        ("/$value", [Segment("$value", "$value")]),
        ("/$count", [Segment("$count", "$count")]),
        ("/%C3%BCser", [Segment("üser", "")]),
        ("/%252e", [Segment("%2e", "")]),
        ("/...", [Segment("...", "")]),
    ],
)  # fmt: skip
def test_a_path_is_cut_first_and_decoded_after(path: str, segments: list[Segment]) -> None:
    assert list(parse_path(path)) == segments


@pytest.mark.parametrize(
    "path",
    [
        "me",
        "//me",
        "/me//sendMail",
        "/.",
        "/..",
        "/%2e%2E/me",
        "/me/%2e",
        "/%",
        "/%4",
        "/%zz",
        "/%ff",
        "/%c3%28",
        "/a%00b",
        "/a%0d%0ab",
        "/users('x'",
        "/users('x''')y')",
        "/users('it's')",
        "/users('a','b')",
        "/" + "a" * MAX_LENGTH,
        "/a" * 65,
    ],
)
def test_a_path_that_names_nothing_is_refused(path: str) -> None:
    try:
        segments = parse_path(path)
    except PathError:
        return
    # What merely looks odd stays text, without name or key.
    assert all(segment.key is None and not segment.name for segment in segments)
    assert path == "/users('x'"


@given(
    st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1).filter(lambda s: s not in (".", ".."))
)
def test_any_key_survives_both_ways_of_writing_it(key: str) -> None:
    if len(quote(key, safe="")) > MAX_LENGTH - 20:
        return
    assert parse_path("/" + quote(key, safe=""))[0].text == key
    doubled = quote(key.replace("'", "''"), safe="")
    assert parse_path(f"/users('{doubled}')")[0].key == key


@given(st.text())
def test_no_text_makes_it_fail_otherwise(path: str) -> None:
    try:
        segments = parse_path("/" + path)
    except PathError:
        return
    for segment in segments:
        assert segment.text not in ("", ".", "..")
        assert "\r" not in segment.text
        assert "\n" not in segment.text
