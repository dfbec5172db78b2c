"""Query options: a query string as names and values, `$`-options as typed ones.

OData 4.01, part 2, §5.  `split_query` is what every request goes through; `parse_options` is for handlers that read.
Both raise ODataError and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

from graphpost.odata.errors import ODataError
from graphpost.odata.filter import parse_filter
from graphpost.odata.tree import Node

OPTIONS: Final = frozenset(
    {
        "$" + name
        for name in ("select", "filter", "orderby", "top", "skip", "count", "expand", "search", "format")
    }
    | {"$skiptoken", "$deltatoken"}
)
MAX_TOP: Final = 1000
_MAX_PARTS: Final = 200
_MAX_DEPTH: Final = 8
_MAX_SKIP: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Order:
    path: tuple[str, ...]
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """What a read asks for.  Names are as written; `select` () and None mean: not given (or `$select=*`)."""

    select: tuple[str, ...] = ()
    filter: Node | None = None
    order: tuple[Order, ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool = False
    search: str | None = None
    skip_token: str = ""
    expand: tuple[Expand, ...] = ()


@dataclass(frozen=True, slots=True)
class Expand:
    """A navigation to answer inline, such as `attachments($select=id)`; a type cast is a segment of the path."""

    path: tuple[str, ...]
    options: Options = Options()


def split_query(text: str, *, bare_names: bool = False) -> dict[str, str]:
    """Lower-case names and decoded values of a query string (without its `?`).

    With `bare_names` (beta) the OData options may be written without `$`; the names in the result have it.  A `$`-name
    that is no option, or an option given twice, is refused; other names pass, the last of each.
    """
    parts = [part for part in text.split("&") if part]
    if len(parts) > _MAX_PARTS:
        raise ODataError("Too many query options")
    found: dict[str, str] = {}
    for part in parts:
        written, _, value = part.partition("=")
        name = _decoded(written).strip().lower()
        if bare_names and "$" + name in OPTIONS:
            name = "$" + name
        if name.startswith("$"):
            _check_option(name, found)
        found[name] = _decoded(value)
    return found


def parse_options(query: Mapping[str, str], *, max_top: int = MAX_TOP) -> Options:
    """The OData options among `query` (as from `split_query`)."""
    for name in query:
        if name.startswith("$"):
            _check_option(name, {})
    return _options(query, max_top, 0)


def parse_boolean(text: str) -> bool | None:
    """`true` or `false` in any case; None when it is neither."""
    return {"true": True, "false": False}.get(text.strip().lower())


def _decoded(text: str) -> str:
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError as error:
        raise ODataError("The query string is not UTF-8") from error


def _check_option(name: str, found: Mapping[str, str]) -> None:
    if name not in OPTIONS:
        raise ODataError(f"The query parameter '{name}' is not supported.", 0, name)
    if name in found:
        raise ODataError(
            f"Query option '{name}' was specified more than once, but it must be specified at most once.",
            0,
            name,
        )


def _options(query: Mapping[str, str], max_top: int, depth: int) -> Options:
    filter_text = query.get("$filter", "").strip()
    return Options(
        select=_select(query.get("$select", "")),
        filter=parse_filter(filter_text) if filter_text else None,
        order=tuple(_order(query.get("$orderby", ""))),
        top=_number(query, "$top", 1, max_top),
        skip=_number(query, "$skip", 0, _MAX_SKIP) or 0,
        count=_count(query.get("$count", "")),
        search=query["$search"].strip() if "$search" in query else None,
        skip_token=query.get("$skiptoken", "").strip(),
        expand=tuple(_expand(query.get("$expand", ""), depth)),
    )


def _select(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")] if text.strip() else []
    if not all(names):
        raise ODataError("Syntax error: an empty property name", text.find(",,") + 1, "$select")
    return () if "*" in names else tuple(dict.fromkeys(names))


def _order(text: str) -> Iterator[Order]:
    """Each path once: what is named again has no say."""
    if not text.strip():
        return
    position, named = 0, set[str]()
    for item in text.split(","):
        words = item.split()
        direction = words[1].lower() if len(words) == 2 else "asc"
        if not 1 <= len(words) <= 2 or direction not in ("asc", "desc") or not all(words[0].split("/")):
            raise ODataError("Syntax error", position, "$orderby")
        if words[0].lower() not in named:
            named.add(words[0].lower())
            yield Order(tuple(words[0].split("/")), direction == "desc")
        position += len(item) + 1


def _number(query: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    text = text.strip()
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise ODataError(
            f"Invalid value '{text[:40]}' for {name} query option found. It must be an integer.", 0, name
        )
    if len(text) > 12 or not least <= int(text) <= most:
        raise ODataError(
            f"Invalid value '{text[:40]}' for {name} query option found. It must be between {least} and {most}.",
            0,
            name,
        )
    return int(text)


def _count(text: str) -> bool:
    value = parse_boolean(text or "false")
    if value is None:
        raise ODataError(
            f"Invalid value '{text[:40]}' for $count query option found. It must be a boolean.", 0, "$count"
        )
    return value


def _expand(text: str, depth: int) -> Iterator[Expand]:
    if depth > _MAX_DEPTH:
        raise ODataError("$expand is nested too deeply", 0, "$expand")
    for item, position in _split(text, ",", "$expand") if text.strip() else ():
        name, mark, rest = item.strip().partition("(")
        if mark and not rest.endswith(")"):
            raise ODataError("Syntax error: ')' expected", position, "$expand")
        path = tuple(segment.strip() for segment in name.strip().split("/"))
        if not all(path):
            raise ODataError("Syntax error: an empty property name", position, "$expand")
        yield Expand(path, _nested(rest[:-1], depth + 1))


def _nested(text: str, depth: int) -> Options:
    query: dict[str, str] = {}
    for item, position in _split(text, ";", "$expand") if text.strip() else ():
        name, mark, value = item.strip().partition("=")
        name = "$" + name.strip().lower().removeprefix("$")
        if not mark:
            raise ODataError("Syntax error: '=' expected", position, "$expand")
        _check_option(name, query)
        query[name] = value
    return _options(query, MAX_TOP, depth)


def _split(text: str, separator: str, option: str) -> Iterator[tuple[str, int]]:
    """The items between separators that stand neither in quotes nor in parentheses, with their positions."""
    depth = start = 0
    quoted = False
    for index, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth < 0:
                raise ODataError("Syntax error: unexpected ')'", index, option)
        elif character == separator and depth == 0:
            yield text[start:index], start
            start = index + 1
    if quoted or depth:
        raise ODataError("Syntax error: unbalanced quotes or parentheses", len(text), option)
    yield text[start:], start
