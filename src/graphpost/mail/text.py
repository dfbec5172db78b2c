"""Text out of HTML, and the preview of a body; linear in the input, never raises.

The text is what a reader of plain mail wants: blocks on their own lines, links with their target beside them,
list items starred; scripts, styles, comments and the title left out.  The result holds no markup but is not
sanitised HTML: treat it as text.
"""

from __future__ import annotations

import html as entities
import re
from typing import Final

from graphpost.mail.message import Body

PREVIEW_LENGTH: Final = 255
_PREVIEWED: Final = 262_144  # characters of HTML that a preview looks at
RULE: Final = "_" * 32

# A tag, or what may be other markup; any other `<` is text.
_MARK: Final = r"<(?:(/?)([a-zA-Z][a-zA-Z0-9:-]*+)({})>|(?=[a-zA-Z/!?]))"
_STRICT: Final = re.compile(_MARK.format(r"[^>\"']*+(?:(?:\"[^\"]*+\"|'[^']*+')[^>\"']*+)*"))
_LENIENT: Final = re.compile(_MARK.format(r"[^>]*+"))
_ATTRIBUTE: Final = re.compile(
    r"""\b(href|alt)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))""", re.IGNORECASE
)
_HUGE_REFERENCE: Final = re.compile(r"&#(?:[xX][0-9a-fA-F]{8,}|[0-9]{10,});?")
_SPACE: Final = re.compile(r"[ \t\r\n\f]+")
_BREAKS: Final = frozenset(
    [
        "br",
        "div",
        "tr",
        "li",
        "dt",
        "dd",
        "section",
        "article",
        "header",
        "footer",
        "main",
        "nav",
        "address",
        "figure",
        "form",
        "caption",
        "option",
        "fieldset",
    ]
)
_PARAGRAPHS: Final = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre", "hr"}
)
_SKIPPED: Final = {
    name: re.compile(rf"</{name}[^>]*+>", re.IGNORECASE)
    for name in ("script", "style", "title", "template", "noscript")
}
_MEANINGFUL: Final = _BREAKS | _PARAGRAPHS | _SKIPPED.keys() | {"a", "img", "td", "th"}


def preview(body: Body) -> str:
    """The first 255 characters of the body as text; what comes late in much markup is not looked for."""
    content = body.content
    if body.kind == "html":
        return _Writer(PREVIEW_LENGTH * 2).read(content[:_PREVIEWED]).strip()[:PREVIEW_LENGTH]
    if len(content) <= PREVIEW_LENGTH:
        return content.strip()
    return content[:1024].lstrip()[:PREVIEW_LENGTH].rstrip()


def html_to_text(html: str) -> str:
    """The HTML's text with `\\n` line ends."""
    return _Writer(-1).read(html)


class _Writer:
    """Collects text with the white space that blocks ask for; stops soon after `limit` characters (-1: never)."""

    def __init__(self, limit: int) -> None:
        self.out: list[str] = []
        self.limit = limit
        self.length = 0
        self.newlines = 0  # owed before the next text
        self.space = False  # owed before the next text on this line
        self.preformatted = 0
        self.links: list[tuple[str, int]] = []  # target, and where its text begins in `out`
        self.mark = _STRICT

    def read(self, html: str) -> str:
        position, end = 0, len(html)
        while position < end and (self.limit < 0 or self.length < self.limit):
            mark = self.mark.search(html, position)
            if mark is None:
                self._text(html[position:])
                break
            start = mark.start()
            if start > position:
                self._text(html[position:start])
            name = mark[2]
            if name is None:
                position = self._odd_markup(html, start)
            elif (name := name.lower()) in _MEANINGFUL:
                position = self._markup(html, mark, name)
            else:
                position = mark.end()
        return "".join(self.out)

    def _markup(self, html: str, tag: re.Match[str], name: str) -> int:
        """Deal with a tag and say where to go on."""
        closing = tag[1] == "/"
        if name in _SKIPPED and not closing:
            end = _SKIPPED[name].search(html, tag.end())
            return len(html) if end is None else end.end()
        self._element(name, closing, tag[3])
        return tag.end()

    def _odd_markup(self, html: str, start: int) -> int:
        if html.startswith("<!--", start):
            end = html.find("-->", start + 4)
            return len(html) if end < 0 else end + 3
        if html[start + 1].isalpha() and self.mark is _STRICT:
            self.mark = _LENIENT  # a quote is never closed: from here on tags end at the first `>`
            return start
        end = html.find(">", start)
        if end < 0:
            self._text(html[start:])
            return len(html)
        return end + 1

    def _element(self, name: str, closing: bool, attributes: str) -> None:
        if name in _PARAGRAPHS:
            self._paragraph(name, closing)
        elif name in _BREAKS:
            self._break(name, closing)
        elif name == "a":
            self._link(closing, attributes)
        elif name == "img" and not closing:
            alternative = _attribute(attributes, "alt").strip()
            if alternative:
                self._text(f"[{alternative}]")
        elif name in ("td", "th") and not closing and self.newlines == 0 and self.out:
            self._raw("\t")

    def _paragraph(self, name: str, closing: bool) -> None:
        self._owe(2 if name not in ("pre", "table") else 1)
        if name == "pre":
            self.preformatted = max(0, self.preformatted + (-1 if closing else 1))
        elif name == "hr" and not closing:
            self._raw(RULE)
            self._owe(1)

    def _break(self, name: str, closing: bool) -> None:
        if name == "br":
            self.newlines += 1
            self.space = False
            return
        self._owe(1)
        if name == "li" and not closing:
            self._raw("* ")

    def _link(self, closing: bool, attributes: str) -> None:
        if not closing:
            self.links.append((_attribute(attributes, "href").strip(), len(self.out)))
        elif self.links:
            target, begin = self.links.pop()
            shown = "".join(self.out[begin : begin + 8]).strip()
            if target[:7].lower() in ("http://", "https:/") and target.rstrip("/") != shown.rstrip("/"):
                self._raw(f"<{target}>")

    def _owe(self, newlines: int) -> None:
        if self.out:
            self.newlines = max(self.newlines, newlines)
        self.space = False

    def _text(self, text: str) -> None:
        if "&" in text:
            text = entities.unescape(_HUGE_REFERENCE.sub("\ufffd", text))
        if self.preformatted:
            self._raw(text.replace("\r\n", "\n"))
            return
        collapsed = text if text.isalnum() else _SPACE.sub(" ", text)
        if collapsed == " ":
            self.space = self.space or self.newlines == 0
            return
        if collapsed.startswith(" "):
            self.space = True
            collapsed = collapsed[1:]
        trailing = collapsed.endswith(" ")
        self._raw(collapsed[:-1] if trailing else collapsed)
        self.space = trailing

    def _raw(self, text: str) -> None:
        if not text:
            return
        if self.newlines:
            self.out.append("\n" * min(self.newlines, 3))
            self.newlines = 0
        elif self.space and self.out:
            self.out.append(" ")
        self.space = False
        self.out.append(text)
        self.length += len(text)


def _attribute(attributes: str, name: str) -> str:
    for match in _ATTRIBUTE.finditer(attributes):
        if match[1].lower() == name:
            value = match[2] or match[3] or match[4] or ""
            return entities.unescape(_HUGE_REFERENCE.sub("", value)) if "&" in value else value
    return ""
