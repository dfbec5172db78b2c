"""Bodies as documents."""

import pytest

from graphpost.graph.html import document

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
