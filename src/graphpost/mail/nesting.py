"""How deep HTML nests, told beforehand: parsing takes time by depth times length.

The tokens are those of the HTML standard (§13.2.5), so nothing in attributes, comments or raw text is taken for a tag.
The depth found is never less than the parser's: a closing tag counts only where it surely closes something, that is
the element opened last of those still open.  So what is badly nested counts as deeper than it is.

How much longer a document becomes is told too: `<p><b></p>` a thousand times makes a parser write a thousand `<b>` in
each paragraph after that.  Each tag counts as if all formatting elements open there were written again.
"""

from __future__ import annotations

import re
from typing import Final

DEPTH: Final = 1000  # elements inside each other; a conversation of a hundred replies has half of that
TAG: Final = 4096  # characters of one tag without its quoted values: attributes are compared with each other

REPEATED: Final = 16 * 1024 * 1024  # characters of tags that a parser may have to write again

_SPACE: Final = r"[\t\n\f\r ]"
# A tag, or what may be other markup.
_MARK: Final = re.compile(
    r"<(?:(/?)([a-zA-Z][^\t\n\f\r />]*+)"
    rf"((?>(?:{_SPACE}|/|[^\t\n\f\r />][^\t\n\f\r />=]*+"
    rf"(?>{_SPACE}*+=(?:{_SPACE}*+(?:\"[^\"]*+\"|'[^']*+'|[^\t\n\f\r >\"'][^\t\n\f\r >]*+|(?=>)))|))*))>"
    r"|(?=[a-zA-Z/!?]))"
)
_QUOTED: Final = re.compile(r"\"[^\"]*+\"|'[^']*+'")
_COMMENT_END: Final = re.compile(r"--!?>")
_RAW: Final = {
    name: re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE)
    for name in ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes")
}
# Whatever follows these is read by other rules.  Mail has no need of them.
_WILD: Final = frozenset(["svg", "math", "select", "template", "noscript", "frameset", "plaintext"])
_VOID: Final = frozenset(
    [
        "area",
        "base",
        "basefont",
        "bgsound",
        "br",
        "col",
        "embed",
        "frame",
        "hr",
        "image",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ]
)
# Those that another of their kind, or the end of what they are in, closes.
_FLAT: Final = frozenset(
    ["p", "li", "dd", "dt", "option", "td", "th", "tr", "tbody", "thead", "tfoot", "caption", "colgroup"],
)
# Those that a parser opens again wherever what they are in was closed before them (§13.2.4.3).
_FORMATTING: Final = frozenset(
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"]
)
# Those whose end also ends the flat ones in them.
_BLOCKS: Final = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "center",
        "details",
        "dialog",
        "dir",
        "div",
        "dl",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "header",
        "hgroup",
        "main",
        "menu",
        "nav",
        "ol",
        "pre",
        "section",
        "summary",
        "table",
        "ul",
    ]
)


def is_tame(html: str) -> bool:
    """Whether a parser reads this in time that its length bounds; linear itself."""
    opened: list[str] = []  # elements, and after each the flat ones right in it
    lengths: dict[str, list[int]] = {}  # of the tags of open formatting elements
    depth = position = repeated = work = 0
    while tag := _MARK.search(html, position):
        closing, name, attributes = tag.groups()
        if name is None:
            position = _after_odd(html, tag.start())
            continue
        name, position = name.lower(), tag.end()
        if name in _WILD or (len(attributes) > TAG and len(_QUOTED.sub("", attributes)) > TAG):
            return False
        if closing:
            if _close(opened, name):
                depth -= 1
                if name in _FORMATTING:
                    repeated -= lengths[name].pop()
        elif name in _VOID:
            pass
        elif name in _RAW:
            end = _RAW[name].search(html, position)
            after = end.start() if end else len(html)
            if name == "script" and "<!--" in html[position:after]:
                return False  # where such a script ends is a science of its own
            position = after
        elif name in _FLAT:
            _open_flat(opened, name)
        else:
            opened.append(name)
            depth += 1
            if name in _FORMATTING:
                length = position - tag.start()
                lengths.setdefault(name, []).append(length)
                repeated += length
            if depth > DEPTH:
                return False
        work += repeated
        if work > REPEATED:
            return False
    return True


def _open_flat(opened: list[str], name: str) -> None:
    """Put it last, once: of a kind no two are open without another element between them."""
    at = len(opened) - 1
    while at >= 0 and opened[at] in _FLAT:
        if opened[at] == name:
            del opened[at]
            break
        at -= 1
    opened.append(name)


def _close(opened: list[str], name: str) -> bool:
    """Take out what a closing tag surely closes; whether that was an element that is not flat."""
    if opened and opened[-1] == name:
        opened.pop()
        return name not in _FLAT
    at = len(opened) - 1
    while at >= 0 and opened[at] in _FLAT and opened[at] != name and (name in _BLOCKS or name in _FLAT):
        at -= 1
    if at < 0 or opened[at] != name:
        return False
    if name in _FLAT:
        del opened[at]
        return False
    del opened[at:]
    return True


def _after_odd(html: str, start: int) -> int:
    """Where to go on after a mark that begins no whole tag."""
    following = html[start + 1 : start + 3]
    if html.startswith("<!--", start):
        if html.startswith((">", "->"), start + 4):
            return html.index(">", start) + 1
        end = _COMMENT_END.search(html, start + 4)
        return end.end() if end else len(html)
    if following[0] in "!?" or (
        following[0] == "/" and not (following[1:].isascii() and following[1:].isalpha())
    ):
        at = html.find(">", start)
        return at + 1 if at >= 0 else len(html)
    return len(html)  # a tag that never ends: the rest is no part of the document
