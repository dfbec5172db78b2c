"""What a reply says itself."""

import pytest

from graphpost.mail.message import Body
from graphpost.mail.quoted import unique_part

RULE = "_" * 32


@pytest.mark.parametrize(
    ("kind", "content", "own"),
    [
        ("text", "hello", "hello"),
        ("text", f"Yes.\r\n\r\n{RULE}\r\nFrom: a\r\nNo?", "Yes."),
        ("text", f"Yes.\n{RULE}__\nFrom: a\n{RULE}\n", "Yes."),
        ("text", f"fill in {RULE} here", f"fill in {RULE} here"),
        ("text", "_" * 31 + "\nx", "_" * 31 + "\nx"),
        ("html", "<p>a</p>", "<p>a</p>"),
        (
            "html",
            '<p>Yes</p>\r\n<hr style="display:inline-block;width:98%" tabindex="-1">\r\n'
            '<div id="divRplyFwdMsg" dir="ltr"><b>From:</b> a</div>No?',
            "<p>Yes</p>\r\n",
        ),
        ("html", "<p>Yes</p><DIV dir=ltr ID=x_divRplyFwdMsg>q</DIV>", "<p>Yes</p>"),
        ("html", "<p>Yes</p><hr><p>own</p><div id='divRplyFwdMsg'>q</div>", "<p>Yes</p><hr><p>own</p>"),
        ("html", "<p>about divRplyFwdMsg</p>", "<p>about divRplyFwdMsg</p>"),
        ("html", '<div id="divRplyFwdMsg">only a quote</div>', ""),
    ],
)
def test_what_is_quoted_is_left_out(kind, content, own):
    assert unique_part(Body(content, kind)) == Body(own, kind)
