"""Bodies as documents."""

import pytest

from graphpost.graph.html import body_value, document
from graphpost.mail.message import Body

META = '<meta http-equiv="Content-Type" content="text/html; charset=utf-8">'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", f"<html><head>\r\n{META}</head><body></body></html>"),
        ("<p>x</p>", f"<html><head>\r\n{META}</head><body><p>x</p></body></html>"),
        ("<body dir=ltr>x</body>", f"<html><head>\r\n{META}</head><body dir=ltr>x</body></html>"),
        ("<HTML><body>x</body></HTML>", f"<HTML><head>\r\n{META}</head><body>x</body></HTML>"),
        (
            "<!doctype html>\n<html lang=en><head><title>t</title></head><body>x</body></html>",
            f"<!doctype html>\n<html lang=en><head>\r\n{META}<title>t</title></head><body>x</body></html>",
        ),
        (
            f"<html><head>{META}</head><body>x</body></html>",
            f"<html><head>{META}</head><body>x</body></html>",
        ),
        ("<htmlx>", f"<html><head>\r\n{META}</head><body><htmlx></body></html>"),
    ],
)
def test_html_becomes_a_document_that_names_its_charset(content, expected):
    assert document(content) == expected
    assert document(expected) == expected


@pytest.mark.parametrize(
    ("body", "wanted", "expected"),
    [
        (Body("a < b", "text"), "", ("text", "a < b")),
        (
            Body("<script>x</script>\na", "text"),
            "html",
            (
                "html",
                f"<html><head>\r\n{META}</head><body>"
                '<div class="PlainText">&lt;script&gt;x&lt;/script&gt;<br>\r\na</div></body></html>',
            ),
        ),
        (Body("<p onclick=x>a</p>", "html"), "text", ("text", "a")),
        (
            Body("<p onclick=x>a</p>", "html"),
            "html",
            ("html", f"<html><head>\r\n{META}</head><body><p>a</p></body></html>"),
        ),
        (
            Body("<html><head><style>p{}</style></head><BODY bgcolor=red>a</body></html>", "html"),
            "",
            (
                "html",
                f"<html><head>\r\n{META}<style>\r\np{{}}\r\n</style></head>"
                '<body bgcolor="red">a</body></html>',
            ),
        ),
        (
            Body("<div>" * 20_000 + "<b>a</b> &lt;script>", "html"),
            "html",
            (
                "html",
                f'<html><head>\r\n{META}</head><body><div class="PlainText">a &lt;script&gt;</div></body></html>',
            ),
        ),
    ],
)
def test_html_is_sanitised_whatever_it_is_shown_as(body, wanted, expected):
    assert body_value(body, wanted) == dict(zip(("contentType", "content"), expected, strict=True))


def test_html_is_as_it_came_when_that_is_asked_for():
    content = "<html><head><meta charset=utf-8></head><body onload=x></body></html>"
    assert body_value(Body(content, "html"), "html", unsafe=True)["content"] == content
