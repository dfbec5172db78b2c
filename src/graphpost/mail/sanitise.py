"""HTML that does nothing: scripts, handlers, forms and frames gone; looks kept.

What is allowed is listed, everything else goes.  Style sheets are taken out before and given back apart, since the
sanitiser does not read them; they hold no `<`, so they cannot end early.  Images stay, remote ones too, as Graph has it:
who shows the result in a page of his own still wants a Content-Security-Policy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import nh3

from graphpost.mail.nesting import is_tame

LONGEST: Final = 4 * 1024 * 1024  # characters
UNSCANNED: Final = 4096  # what is shorter cannot nest deep enough to matter

_TAGS: Final = frozenset(nh3.ALLOWED_TAGS) | {
    "big",
    "font",
    "tfoot",
    "nobr",
    "address",
    "section",
    "main",
    "dir",
}
_EVERYWHERE: Final = frozenset(
    [
        "align",
        "background",
        "bgcolor",
        "border",
        "class",
        "clear",
        "color",
        "dir",
        "face",
        "height",
        "hspace",
        "id",
        "lang",
        "nowrap",
        "role",
        "size",
        "style",
        "title",
        "valign",
        "vspace",
        "width",
    ]
)
_ATTRIBUTES: Final = {
    "*": set(_EVERYWHERE),
    "a": {"href", "name", "target", "hreflang"},
    "area": {"href", "shape", "coords", "alt", "target"},
    "blockquote": {"cite", "type"},
    "col": {"span"},
    "colgroup": {"span"},
    "del": {"cite", "datetime"},
    "details": {"open"},
    "hr": {"noshade", "tabindex"},
    "img": {"src", "alt", "usemap"},
    "ins": {"cite", "datetime"},
    "li": {"value", "type"},
    "map": {"name"},
    "ol": {"start", "type", "reversed"},
    "q": {"cite"},
    "table": {"cellpadding", "cellspacing", "summary", "rules", "frame"},
    "td": {"colspan", "rowspan", "headers", "scope", "abbr"},
    "th": {"colspan", "rowspan", "headers", "scope", "abbr"},
    "time": {"datetime"},
    "ul": {"type", "compact"},
}
_SCHEMES: Final = {
    *("http", "https", "mailto", "tel", "cid", "ftp", "ftps", "sip", "sips", "sms", "callto", "geo", "news"),
    *("webcal", "xmpp"),
}
_WITH_CONTENT: Final = {
    "script",
    "style",
    "title",
    "iframe",
    "object",
    "applet",
    "noembed",
    "noframes",
    "template",
    "textarea",
    "xmp",
}
_READINGS: Final = 6
# Characters: of a long document that each reading changes, the text alone is shown.
_READ_IN_ALL: Final = 5 * LONGEST // 2
_NOT_IN_URLS: Final = re.compile(r"[\t\n\r]")  # browsers leave these out (URL standard, §4.4)
_DATA: Final = re.compile(r"[\0- ]*data:", re.IGNORECASE | re.ASCII)
_PICTURE: Final = re.compile(r"data:image/(?:png|gif|jpe?g|bmp|webp|x-icon)[;,]", re.IGNORECASE)
_BACKGROUND: Final = re.compile(r"(?:https?:|cid:)", re.IGNORECASE)
_ACTIVE: Final = re.compile(
    r"expression\s*\(|(?:java|vb|live)script\s*:|behaviou?r\s*:|-moz-binding|@import|data:text|data:image/svg",
    re.IGNORECASE | re.ASCII,
)
# Lower-case letters of which there are some wherever `_filter` leaves out something.
_SIGNS: Final = (
    *("data:", " background=", "\\", "/*", "expression", "javascript", "vbscript", "livescript"),
    *("behavio", "-moz-binding", "@import"),
)
_CSS_NOISE: Final = re.compile(r"/\*.*?(?:\*/|\Z)|\\", re.DOTALL)
_COMMENT_OR_STYLE: Final = re.compile(r"<(?:!--|style\b)", re.IGNORECASE)
_STYLE: Final = re.compile(r"<style\b([^<>]*+)>", re.IGNORECASE)
_STYLE_END: Final = re.compile(r"</style\b", re.IGNORECASE)
_MEDIA: Final = re.compile(r"""\bmedia\s*=\s*["']?([\w\s,():.-]+)""", re.IGNORECASE)
_BODY: Final = re.compile(r"<body\b((?>(?:[^<>\"']++|\"[^\"<>]*+\"|'[^'<>]*+')*))>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Clean:
    """A sanitised document: `head` are its style sheets, `attributes` (with a leading blank, or '') of its body."""

    head: str
    attributes: str
    content: str


def sanitise(html: str) -> Clean | None:
    """The document without what could do something; None when it is too large or too deep to be looked at.

    Takes about 0.1 s a megabyte, half of it without the interpreter lock: for a thread, when it is large.
    """
    if len(html) > LONGEST or (len(html) > UNSCANNED and not is_tame(html)):
        return None
    content = _stable(html)
    return None if content is None else Clean(_head(html), _body_attributes(html), content)


def _stable(html: str) -> str | None:
    """The content, cleaned until a browser that reads it sees the tree that was cleaned; None when that does not end.

    What HTML does not let stand inside itself (`<a><table><a>`) is nested anew by each reading.
    """
    left = _READ_IN_ALL
    for _ in range(_READINGS):
        left -= len(html)
        if left < 0:
            break
        # The line breaks of the head come out before the content.
        content = (_CLEANER if _is_doubtful(html) else _UNFILTERED).clean(html).lstrip("\r\n")
        if content == html:
            return content
        html = content
    return None


def _is_doubtful(html: str) -> bool:
    """Whether `_filter` may find something.  What character references hide from this is in clear at the next reading."""
    lower = html.lower()
    return any(sign in lower for sign in _SIGNS)


def _filter(tag: str, name: str, value: str) -> str | None:
    """The attribute's value, or None to leave it out."""
    if name == "style":
        return value if not _ACTIVE.search(_CSS_NOISE.sub("", value)) else None
    if name == "background":
        return value if _BACKGROUND.match(value.strip()) else None
    if name in ("href", "src", "cite") and _DATA.match(_NOT_IN_URLS.sub("", value)):
        return value if tag == "img" and _PICTURE.match(value.strip()) else None
    return value


def _cleaner(
    attribute_filter: Callable[[str, str, str], str | None] | None, schemes: set[str]
) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=set(_TAGS),
        clean_content_tags=_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        attribute_filter=attribute_filter,
        url_schemes=schemes,
        link_rel=None,
        strip_comments=True,
    )


_CLEANER: Final = _cleaner(_filter, {*_SCHEMES, "data"})
_UNFILTERED: Final = _cleaner(None, _SCHEMES)  # asks for the interpreter lock once, not at each attribute


def _head(html: str) -> str:
    """The style sheets outside comments, as elements."""
    sheets, position = [], 0
    while mark := _COMMENT_OR_STYLE.search(html, position):
        if mark[0] == "<!--":
            end = html.find("-->", mark.end())
            position = end + 3 if end >= 0 else len(html)
            continue
        opening = _STYLE.match(html, mark.start())
        if opening is None:
            position = mark.end()
            continue
        closing = _STYLE_END.search(html, opening.end())
        if closing is None:
            break
        sheets.append(_sheet(opening[1], html[opening.end() : closing.start()]))
        position = closing.end()
    return "".join(sheets)


def _sheet(attributes: str, css: str) -> str:
    css = css.replace("<!--", "").replace("-->", "").strip()
    if not css or "<" in css:
        return ""
    if _ACTIVE.search(_CSS_NOISE.sub("", css)):
        css = _ACTIVE.sub("x-removed", _CSS_NOISE.sub("", css))
    media = _MEDIA.search(attributes)
    only = f' media="{media[1].strip()}"' if media else ""
    return f"<style{only}>\r\n{css}\r\n</style>"


def _body_attributes(html: str) -> str:
    """The attributes of the body, cleaned as those of a `div`."""
    found = _BODY.search(html)
    if found is None or not found[1].strip():
        return ""
    cleaned = _CLEANER.clean(f"<div {found[1].rstrip('/')}></div>")
    inner = cleaned.removeprefix("<div").removesuffix("></div>")
    return inner if cleaned == f"<div{inner}></div>" and "<" not in inner and ">" not in inner else ""
