"""Somebody else's HTML made fit to stand inside a document of our own.

Linear in the input, never raises.  Left out is what acts or reaches outside its place: scripts, frames and plug-ins,
event handlers, `javascript:` links, comments (Word's conditional ones with them), and the elements that make a
document.  Style sheets and the body's attributes are handed out apart.  Tags are read as the HTML standard's tokenizer
reads them, so that nothing can stand here as an attribute's value and in a browser as a tag.
"""

from __future__ import annotations

import html as entities
import re
from dataclasses import dataclass
from typing import Final

_OPENING: Final = re.compile(r"<(?:(!--)|([!?])|(/?)([a-zA-Z][^\t\n\f\r />]*+)|/)")
_COMMENT_END: Final = re.compile(r"--!?>")
_TAG_END: Final = re.compile(r"[\t\n\f\r /]*+>")
_ATTRIBUTE: Final = re.compile(
    r"[\t\n\f\r /]*+([^\t\n\f\r />][^\t\n\f\r />=]*+)"
    r"""(?:[\t\n\f\r ]*+=[\t\n\f\r ]*+("[^"]*+"|'[^']*+'|[^\t\n\f\r >"'][^\t\n\f\r >]*+|(?=>)))?"""
)
_EQUALS: Final = re.compile(r"[\t\n\f\r ]*+=")
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_:.-]*+")
_BLANKS: Final = re.compile(r"[\x00-\x20\x7f-\xa0]+")
_SCHEME: Final = re.compile(
    r"(?:javascript|vbscript|livescript|mocha):|data:(?!image/(?!svg))", re.IGNORECASE
)
_RAW: Final = {
    name: re.compile(rf"</{name}(?=[\t\n\f\r />])[^>]*+>", re.IGNORECASE)
    for name in ("script", "title", "iframe", "style")
}
_LEFT_OUT: Final = frozenset(
    [
        *(
            "html",
            "head",
            "body",
            "meta",
            "link",
            "base",
            "frame",
            "frameset",
            "object",
            "embed",
            "applet",
            "param",
        ),
        *(
            "svg",
            "math",
            "template",
            "textarea",
            "noscript",
            "noembed",
            "noframes",
            "xmp",
            "plaintext",
            "portal",
        ),
    ]
)
_OF_BODY: Final = frozenset(
    {"bgcolor", "text", "link", "vlink", "alink", "style", "class", "dir", "lang", "background"}
)
_ACTIVE: Final = frozenset({"srcdoc", "formaction", "ping", "autofocus"})

Attributes = list[tuple[str, str]]


@dataclass(slots=True)
class Document:
    """The parts of an HTML document; `attributes` is '' or begins with a space."""

    styles: str = ""
    attributes: str = ""
    content: str = ""


def clean(html: str) -> Document:
    """The parts of the HTML that may stand in another document; what is no document is all content."""
    return _Cleaner(html).read()


class _Cleaner:
    """One walk through a document."""

    def __init__(self, html: str) -> None:
        self.html = html
        self.styles: list[str] = []
        self.out: list[str] = []
        self.body: str | None = None

    def read(self) -> Document:
        html, position = self.html, 0
        while position < len(html):
            found = _OPENING.search(html, position)
            if found is None:
                self.out.append(html[position:])
                break
            self.out.append(html[position : found.start()])
            position = self._markup(found)
        return Document("".join(self.styles), self.body or "", "".join(self.out))

    def _markup(self, found: re.Match[str]) -> int:
        """Deal with what begins there and say where to go on; what does not end is no part of the document."""
        html = self.html
        if found[1]:
            end = _COMMENT_END.search(html, found.start() + 2)  # `<!-->` is a whole comment
            return len(html) if end is None else end.end()
        if not found[4]:
            close = html.find(">", found.end())
            return len(html) if close < 0 else close + 1
        read = _read_attributes(html, found.end())
        if read is None:
            return len(html)
        attributes, position = read
        name = found[4].lower()
        if name in _RAW and not found[3]:
            return self._raw(name, attributes, position)
        self._tag(name, attributes, closing=bool(found[3]))
        return position

    def _raw(self, name: str, attributes: Attributes, position: int) -> int:
        """An element in which no tags are: style sheets are kept, the others are not."""
        end = _RAW[name].search(self.html, position)
        stop = len(self.html) if end is None else end.start()
        if name == "style":
            self.styles.append(f"<style{_written(attributes)}>{self.html[position:stop]}</style>")
        return stop if end is None else end.end()

    def _tag(self, name: str, attributes: Attributes, *, closing: bool) -> None:
        if name == "body" and not closing and self.body is None:
            self.body = _written([each for each in attributes if each[0].lower() in _OF_BODY])
        if name in _LEFT_OUT or name in _RAW or not _NAME.fullmatch(name):
            return
        self.out.append(f"</{name}>" if closing else f"<{name}{_written(attributes)}>")


def _read_attributes(html: str, position: int) -> tuple[Attributes, int] | None:
    """Names and values (as written, with their quotes) up to the tag's end; None when it does not end."""
    found: Attributes = []
    while (end := _TAG_END.match(html, position)) is None:
        match = _ATTRIBUTE.match(html, position)
        if match is None or (match[2] is None and _EQUALS.match(html, match.end())):
            return None
        found.append((match[1], match[2] or ""))
        position = match.end()
    return found, end.end()


def _written(attributes: Attributes) -> str:
    kept = [(name, value) for name, value in attributes if _is_harmless(name.lower(), value)]
    return "".join([f" {name}={value}" if value else f" {name}" for name, value in kept])


def _is_harmless(name: str, value: str) -> bool:
    if name.startswith("on") or name in _ACTIVE or not _NAME.fullmatch(name):
        return False
    return (":" not in value and "&" not in value) or not _SCHEME.match(_plain(value))


def _plain(value: str) -> str:
    """The value as a browser takes it for an address: without quotes, references and blanks."""
    try:
        return _BLANKS.sub("", entities.unescape(value.strip("\"'")))
    except ValueError:  # a number with thousands of digits
        return "data:"
