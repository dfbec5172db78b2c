"""What is too deep for a parser is told before it is parsed."""

from __future__ import annotations

import re

import nh3
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graphpost.mail import nesting
from graphpost.mail.nesting import DEPTH, TAG, is_tame

DEEP = DEPTH + 10


@pytest.mark.parametrize(
    "html",
    [
        "",
        "plain text < 3 & <",
        "</\u00e9 <b>" * 5000,
        "<<" * 5000,
        "<p>" * 5000,
        "<ul>" + "<li>x" * 5000,
        "<table>" + "<tr><td>x" * 5000,
        "<br>" * 5000 + "<img src=x>" * 5000,
        "<div>x</div>" * 5000,
        "<DIV>x</div >" * 5000,
        "<b><i>x</i></b>" * 5000,
        "<div>" * DEPTH,
        "<table><tr><td><div>x</div></td></tr></table>" * 1000,
        "<li><p><dd>" * 20_000 + "</td>" * 20_000,
        "<!-- <div> -->" * 5000,
        "<!--><p><!--->" * 5000,
        '<img alt="<div>">' * 5000,
        "<img alt='<div>'>" * 5000,
        "<style>" + "<div>" * 5000 + "</style>",
        "<script>" + "<div>" * 5000 + "</script>",
        "<div " + 'a="' + "x" * 100_000 + '">',
        "<?xml " + "<div " * 1000 + ">",
        "<div" + " <div" * 5000,  # a tag that never ends
    ],
)
def test_what_a_parser_reads_in_a_moment_is_tame(html: str) -> None:
    assert is_tame(html)


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * DEEP,
        "<b>" * DEEP,
        "<div></b>" * DEEP,
        "<div/>" * DEEP,
        "<x:y>" * DEEP,
        '<div title="</div>">' * DEEP,
        "<div><!-- </div> -->" * DEEP,
        "<div><style></div></style>" * DEEP,
        "<div><title></div></title>" * DEEP,
        "<div><script><!--<script></script></div></script>" * DEEP,
        ("<span>" * 20 + "<div>" + "</span>" * 20) * (DEEP // 20),
        ("<b>" * 20 + "<div>" + "</b>" * 20) * (DEEP // 20),
        ("<span>" * 20 + "<p>" + "</span>" * 20 + "<div>") * (DEEP // 20),
        ("<table><caption>" + "<div>" * 20 + "</tr>") * (DEEP // 20),
        '<div a"><i b="</div>">' * DEEP,
        ("<div>" * 20 + "<table><tr><td>" + "</div>" * 20) * (DEEP // 20),
        "<table><tr><td>" * DEEP,
        "<rt>" * DEEP,
        "<optgroup>" * DEEP,
        "<svg><td>",
        "<math>",
        "<select>",
        "<template>",
        "<noscript>",
        "<plaintext>",
        "<div " + " ".join(f"a{n}" for n in range(TAG)) + ">",
        "<div " + "".join(f"a{n}=''" for n in range(TAG)) + ">",
        "<div " + "/".join(f"a{n}" for n in range(TAG)) + ">",
    ],
)
def test_what_could_keep_a_parser_busy_is_not(html: str) -> None:
    assert not is_tame(html)


PIECES = st.sampled_from(
    [
        *(
            "<div>",
            "</div>",
            "<b>",
            "</b>",
            "<i class=a>",
            "</i>",
            "<p>",
            "</p>",
            "<a>",
            "</a>",
            "<font size=1>",
        ),
        *(
            "</font>",
            "<table>",
            "</table>",
            "<tr>",
            "<td>",
            "</td>",
            "<th>",
            "<caption>",
            "</caption>",
            "<ul>",
        ),
        *("<li>", "</li>", "</ul>", "<span>", "</span>", "<h1>", "</h2>", "<blockquote>", "</blockquote>"),
        *(
            "<div a='",
            "'>",
            '<div b="',
            '">',
            "<div c=",
            ">",
            "<!--",
            "-->",
            "<style>",
            "</style>",
            "<title>",
        ),
        *(
            "</title>",
            "<button>",
            "<object>",
            "</object>",
            "<center>",
            "</center>",
            "<nobr>",
            "<tbody>",
            "<dd>",
        ),
        *(
            "<pre>",
            "</pre>",
            "</tr>",
            "<ruby>",
            "<rt>",
            "</body>",
            "<body>",
            "<textarea>",
            "</textarea>",
            "x",
        ),
    ]
)
TAGS = {*nh3.ALLOWED_TAGS, "font", "object", "button", "nobr", "tfoot", "big"}


def depth_of(well_formed: str) -> int:
    """How deep the output of the sanitiser is, not counting what closes by itself."""
    depth = deepest = 0
    for closing, name in re.findall(r"<(/?)([a-z0-9]+)", well_formed):
        if name in nesting._FLAT or name in nesting._VOID:
            continue
        depth += -1 if closing else 1
        deepest = max(deepest, depth)
    return deepest


@settings(max_examples=400)
@given(st.lists(PIECES, max_size=40).map("".join))
@example("<div><table><tr><td></div><div></div><div></td></tr></table></div>")
def test_the_depth_that_is_told_is_never_less_than_the_parsers(html: str) -> None:
    before = nesting.DEPTH
    parsed = depth_of(
        nh3.clean(html, tags=TAGS, attributes={}, clean_content_tags={"style", "title", "textarea"})
    )
    try:
        nesting.DEPTH = parsed - 1
        assert parsed == 0 or not is_tame(html)
    finally:
        nesting.DEPTH = before


@given(st.text(alphabet="<>/!-'\"= adiv\n", max_size=200))
def test_anything_is_looked_at_without_an_error(html: str) -> None:
    assert is_tame(html)


@pytest.mark.parametrize(
    "html",
    [
        "".join(f"<p><b id=x{n}></p>" for n in range(900)) + "<p>x</p>" * 20_000,
        "".join(f"<b id=x{n}><p>" for n in range(400)) * 20,
        "".join(f"<font face=x{n}><div>" for n in range(200)) + "</div><p>" * 50_000,
        "<p><font face='" + "x" * 100_000 + "'></p>" + "<p>x</p>" * 5000,
    ],
)
def test_what_a_parser_would_write_again_and_again_is_not_tame(html: str) -> None:
    """Formatting that is still open is opened again in each paragraph: the document grows with the square."""
    assert not is_tame(html)


def test_formatting_that_is_closed_is_not_written_again() -> None:
    assert is_tame("<p><font face='Calibri, sans-serif'><b>x</b> y <i>z</i></font></p>" * 50_000)
    assert is_tame("<font face=x><b>" + "<p>x <i>y</i></p>" * 50_000 + "</b></font>")


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(
            ["<p>", "</p>", "<b id=a>", "<b id=b>", "</b>", "<div>", "</div>", "<a href=x>", "</a>", "x"]
        )
        | st.sampled_from(
            ["<table>", "<tr>", "<td>", "</td>", "</table>", "<font size=1>", "</font>", "<li>"]
        ),
        max_size=60,
    )
)
def test_what_is_written_again_is_never_more_than_told(tokens: list[str]) -> None:
    html = "".join(tokens)
    most = len(html) + 4 * told(html) + 200
    assert len(nh3.clean(html, attributes={"*": {"id", "href", "size"}}, link_rel=None)) <= most * 3


def told(html: str) -> int:
    """The least bound at which the document is tame."""
    low, high = 0, 10**6
    before = nesting.REPEATED
    try:
        while low < high:
            nesting.REPEATED = (low + high) // 2  # type: ignore[misc]
            low, high = (low, nesting.REPEATED) if is_tame(html) else (nesting.REPEATED + 1, high)
    finally:
        nesting.REPEATED = before  # type: ignore[misc]
    return low
