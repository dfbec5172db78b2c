"""Text out of HTML and previews."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpost.mail.message import Body
from graphpost.mail.text import RULE, html_to_text, preview

CASES = [
    ("", ""),
    ("plain", "plain"),
    ("The group represents Nevada.", "The group represents Nevada."),
    ("<p>One</p><p>Two</p>", "One\n\nTwo"),
    ("<div>One</div>\r\n<div>Two</div>", "One\nTwo"),
    ("a<br>b<br/>c<BR />d", "a\nb\nc\nd"),
    ("a<br><br>b", "a\n\nb"),
    ("a \r\n\t  b", "a b"),
    ("<b>bold</b> <i>it</i>", "bold it"),
    ("x&nbsp;&lt;y&gt;&amp;&#8364;", "x\u00a0<y>&€"),
    ("<head><title>T</title><style>p{}</style></head><body>B<script>alert('<p>')</script></body>", "B"),
    ("a<!-- hidden <b> -->b", "ab"),
    ("<!DOCTYPE html><html><body>x</body></html>", "x"),
    ("<!--[if mso]><p>word</p><![endif]-->y", "y"),
    ('<a href="https://x.test/a">here</a>', "here<https://x.test/a>"),
    ('<a href="https://x.test/">https://x.test</a>', "https://x.test"),
    ('<a href="javascript:alert(1)">here</a>', "here"),
    ("<ul><li>one</li><li>two</li></ul>after", "* one\n* two\n\nafter"),
    ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a\tb\nc"),
    ('<img alt="logo" src="cid:x">', "[logo]"),
    ("a<hr>b", f"a\n\n{RULE}\nb"),
    ("<pre>a\n  b</pre>", "a\n  b"),
    ("1 < 2 and 3 <4", "1 < 2 and 3 <4"),
    ('<p title="a > b">x</p>', "x"),
    ('<p title="open>x</p>', "x"),
    ("text <unfinished", "text <unfinished"),
    ("a<!-- never closed", "a"),
    ("&#99999999999999999999;&#xfffffffff;", "\ufffd\ufffd"),
    ("<p></p>  <p>x</p>", "x"),
]


@pytest.mark.parametrize(("html", "text"), CASES)
def test_html_reads_as_plain_mail(html: str, text: str) -> None:
    assert html_to_text(html) == text


@given(st.text(alphabet="<>!-/abprestylhd\"'&#; =\n1x", max_size=120))
def test_reading_html_never_raises(html: str) -> None:
    html_to_text(html)


@pytest.mark.parametrize(
    "unit",
    [
        "<",
        "<a",
        "<a ",
        "<a '",
        "<b '>'",
        "<!--",
        "<style>",
        "</",
        "&#9",
        "<a href=",
        "<p>",
        " <",
        "<pre>\n",
        "&",
    ],
)
def test_long_hostile_html_is_read(unit: str) -> None:
    html_to_text(unit * 30_000)


def test_a_preview_is_the_first_255_characters_of_the_text() -> None:
    assert preview(Body("x" * 300, "text")) == "x" * 255
    assert preview(Body("  short \r\n", "text")) == "short"
    assert preview(Body("<p>" + "y" * 300 + "</p>", "html")) == "y" * 255
    assert (
        preview(Body("<style>" + "z" * 5000 + "</style><b>They were awesome!</b>", "html"))
        == "They were awesome!"
    )
    assert preview(Body()) == ""
