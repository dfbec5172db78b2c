"""Bodies of messages as Graph shows them: safe HTML, text, or one as the other."""

from __future__ import annotations

import html
import re
from typing import Final

from graphpost.mail.message import Body, BodyKind
from graphpost.mail.sanitise import sanitise
from graphpost.mail.text import html_to_text

_META: Final = '<meta http-equiv="Content-Type" content="text/html; charset=utf-8">'
_HTML: Final = re.compile(r"<html\b[^>]*>", re.IGNORECASE)
_HEAD: Final = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_BODY: Final = re.compile(r"<body\b", re.IGNORECASE)
_BREAK: Final = re.compile(r"\r\n|\r|\n")


def body_value(body: Body, wanted: BodyKind | str, *, unsafe: bool = False) -> dict[str, str]:
    """The itemBody; `wanted` '' leaves text text.  HTML is sanitised unless it is asked for as it came (`unsafe`)."""
    if body.kind == "html":
        if wanted == "text":
            return {"contentType": "text", "content": html_to_text(body.content)}
        return {"contentType": "html", "content": (document if unsafe else safe_document)(body.content)}
    if wanted == "html":
        return {"contentType": "html", "content": document(_as_html(body.content))}
    return {"contentType": "text", "content": body.content}


def safe_document(content: str) -> str:
    """The content sanitised, as a document; its text alone when it is too large or too deep to be sanitised."""
    clean = sanitise(content)
    if clean is None:
        return document(_as_html(html_to_text(content)))
    return f"<html><head>\r\n{_META}{clean.head}</head><body{clean.attributes}>{clean.content}</body></html>"


def document(content: str) -> str:
    """The content as a document that names its charset; one that is a document already keeps what it has."""
    opening = _HTML.search(content)
    if opening is None:
        if _BODY.search(content):
            return f"<html><head>\r\n{_META}</head>{content}</html>"
        return f"<html><head>\r\n{_META}</head><body>{content}</body></html>"
    if "charset=" in content[:2048].lower():
        return content
    head = _HEAD.search(content, opening.end())
    if head is None:
        return f"{content[: opening.end()]}<head>\r\n{_META}</head>{content[opening.end() :]}"
    return f"{content[: head.end()]}\r\n{_META}{content[head.end() :]}"


def _as_html(text: str) -> str:
    lines = _BREAK.sub("<br>\r\n", html.escape(text, quote=False))
    return f'<div class="PlainText">{lines}</div>'
