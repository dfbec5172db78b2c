"""What stands around entities: `@odata.context`, count, nextLink and `value`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from graphpost.graph.call import Call
from graphpost.graph.queries.paging import next_link
from graphpost.odata.query import Expand, Options

DEFAULT_PAGE: Final = 10


def user_context(call: Call) -> str:
    """`users('…')` as a context names the mailbox: its object id, or the address when the path used that."""
    key = call.box.object_id if call.user_key.lower() in ("", "me") else call.user_key
    return f"users('{_key(key)}')"


def context(call: Call, *path: str, select: Sequence[str] = (), single: bool = False) -> str:
    """The context URL of a collection below the service root, or of one of its entities."""
    selected = f"({','.join(select)})" if select else ""
    return f"{call.base}/$metadata#{'/'.join(path)}{selected}{'/$entity' if single else ''}"


def keyed(name: str, key: str) -> str:
    """A path segment with its key, such as `messages('AAMk…')`."""
    return f"{name}('{_key(key)}')"


def selected_names(select: Sequence[str], expand: Sequence[Expand]) -> list[str]:
    """What a context lists in parentheses: the properties asked for and what is expanded in them."""
    return [
        *select,
        *(f"{each.path[-1]}({','.join(selected_names(each.options.select, ()))})" for each in expand),
    ]


def collection(
    call: Call,
    where: str,
    entities: list[dict[str, Any]],
    *,
    count: int | None = None,
    more: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The envelope of a collection; `more` are the options of the next page, None when there is none."""
    body: dict[str, Any] = {"@odata.context": where}
    if count is not None:
        body["@odata.count"] = count
    if more is not None:
        body["@odata.nextLink"] = next_link(call, more)
    body["value"] = entities
    return body


def page(
    call: Call, where: str, shown: list[dict[str, Any]], total: int, options: Options, top: int
) -> dict[str, Any]:
    """The envelope of `top` entities from the options' `$skip` on, of a collection that is in memory as a whole."""
    end = options.skip + top
    more = {"$skip": str(end)} if total > end else None
    return collection(call, where, shown, count=total if options.count else None, more=more)


def _key(key: str) -> str:
    return quote(key.replace("'", "''"), safe="")
