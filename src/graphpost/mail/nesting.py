"""How deep HTML nests, told beforehand: parsing takes time by depth times length.

The tokens are those of the HTML standard (§13.2.5), so nothing in attributes, comments or raw text is taken for a tag.
The depth found is never less than the parser's: a closing tag counts only where it surely closes something, that is for
an element of its name opened since the innermost table (or other boundary of scope) began.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

DEPTH: Final = 500  # elements inside each other; conversations of a hundred replies have less
TAG: Final = 4096  # characters of one tag without its quoted values: attributes are compared with each other

_SPACE: Final = r"[\t\n\f\r ]"
_TAG: Final = re.compile(
    r"<(/?)([a-zA-Z][^\t\n\f\r />]*+)"
    rf"((?:(?:{_SPACE}|/)++|[^\t\n\f\r />][^\t\n\f\r />=]*+"
    rf"(?:{_SPACE}*+=(?:{_SPACE}*+(?:\"[^\"]*+\"|'[^']*+'|[^\t\n\f\r >\"'][^\t\n\f\r >]*+|(?=>))))?+)*+)>"
)
_QUOTED: Final = re.compile(r"\"[^\"]*+\"|'[^']*+'")
_COMMENT_END: Final = re.compile(r"--!?>")
_RAW: Final = {
    name: re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE)
    for name in ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes")
}
# Whatever follows these is read by other rules.  Mail has no need of them.
_WILD: Final = frozenset({"svg", "math", "select", "template", "noscript", "frameset", "plaintext"})
_SCOPES: Final = frozenset({"table", "object", "applet", "marquee"})
# Elements without content, and those that another of their kind closes.
_FLAT: Final = frozenset(
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
        "p",
        "li",
        "dd",
        "dt",
        "option",
        "td",
        "th",
        "tr",
        "tbody",
        "thead",
        "tfoot",
        "caption",
        "colgroup",
    ]
)


def is_tame(html: str) -> bool:
    """Whether a parser reads this in time that its length bounds; linear itself."""
    scopes: list[tuple[str, Counter[str]]] = [("", Counter())]
    depth, position = 0, 0
    while (start := html.find("<", position)) >= 0:
        tag = _TAG.match(html, start)
        if tag is None:
            position = _after_odd(html, start)
            continue
        name, position = tag[2].lower(), tag.end()
        if name in _WILD or (len(tag[3]) > TAG and len(_QUOTED.sub("", tag[3])) > TAG):
            return False
        if tag[1]:
            depth -= _closed(scopes, name)
        elif name in _RAW:
            end = _RAW[name].search(html, position)
            after = end.start() if end else len(html)
            if name == "script" and "<!--" in html[position:after]:
                return False  # where such a script ends is a science of its own
            position = after
        elif name not in _FLAT:
            depth += 1
            if name in _SCOPES:
                scopes.append((name, Counter()))
            else:
                scopes[-1][1][name] += 1
            if depth > DEPTH:
                return False
    return True


def _closed(scopes: list[tuple[str, Counter[str]]], name: str) -> int:
    """How many elements a closing tag surely ends."""
    if name not in _SCOPES:
        opened = scopes[-1][1]
        if opened[name] == 0:
            return 0
        opened[name] -= 1
        return 1
    if scopes[-1][0] != name:
        return 0
    _, opened = scopes.pop()
    return 1 + opened.total()


def _after_odd(html: str, start: int) -> int:
    """Where to go on after a `<` that begins no whole tag."""
    following = html[start + 1 : start + 3]
    if html.startswith("<!--", start):
        if html.startswith((">", "->"), start + 4):
            return html.index(">", start) + 1
        end = _COMMENT_END.search(html, start + 4)
        return end.end() if end else len(html)
    if following[:1] in ("!", "?") or (following[:1] == "/" and not following[1:].isalpha()):
        at = html.find(">", start)
        return at + 1 if at >= 0 else len(html)
    if following.lstrip("/")[:1].isascii() and following.lstrip("/")[:1].isalpha():
        return len(html)  # a tag that never ends: the rest is no part of the document
    return start + 1
