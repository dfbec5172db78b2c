"""Query options put to an entity type: which properties, in which order.

Everything about which property may be selected or ordered by comes from the property table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from graphpost.auth.access import Principal
from graphpost.errors import AccessDenied, BadRequest
from graphpost.graph.call import Call
from graphpost.graph.schema import MESSAGE, EntityType, Property
from graphpost.mail.mailbox import Mailbox
from graphpost.odata.errors import ODataError
from graphpost.odata.query import MAX_TOP, Expand, Options, parse_boolean, parse_options
from graphpost.store.mailbox.where import FilterError, order_column

_NEWEST_FIRST: Final = (("received_at", True),)
_OLDEST_FIRST: Final = (("received_at", False),)
_READS_ALL: Final = frozenset({"Mail.Read", "Mail.ReadWrite", "Mail.Read.Shared", "Mail.ReadWrite.Shared"})


class Scope(Protocol):
    """Where property names and ids stand: in a request (Call), or in a subscription."""

    @property
    def version(self) -> str: ...
    @property
    def box(self) -> Mailbox: ...
    @property
    def principal(self) -> Principal: ...


def read_options(call: Call, *, max_top: int = MAX_TOP, is_searched: bool = False) -> Options:
    """The call's query options; 400 when they are not well formed, or search what cannot be searched."""
    try:
        options = parse_options(call.query, max_top=max_top)
    except ODataError as error:
        raise refused(error, call) from error
    if options.search is not None and not is_searched:
        raise BadRequest("The query parameter '$search' is not supported.")
    return options


def refused(error: ODataError, call: Call) -> BadRequest:
    """An option's fault in Graph's words."""
    text = call.query.get(error.option, "")
    shown = text if len(text) <= 200 else text[:200] + "…"
    match error.option:
        case "$filter":
            return BadRequest(
                f"Invalid filter clause: {error.message} at position {error.position} in '{shown}'."
            )
        case "$select" | "$expand":
            return BadRequest(f"Parsing OData Select and Expand failed: {error.message}")
        case "$orderby":
            return BadRequest(
                f"Invalid order by clause: {error.message} at position {error.position} in '{shown}'."
            )
    return BadRequest(error.message)


def flag_option(call: Call, name: str) -> bool:
    """A boolean query parameter without `$`, such as includeHiddenFolders; absent is false."""
    value = parse_boolean(call.query.get(name.lower(), "false"))
    if value is None:
        raise BadRequest(f"Invalid value for the query parameter '{name}'. It must be a boolean.")
    return value


def is_basic(scope: Scope) -> bool:
    """Whether the token reads messages without their bodies and attachments (Mail.ReadBasic)."""
    return _READS_ALL.isdisjoint(scope.principal.permissions)


def select_names(entity: EntityType, names: tuple[str, ...], *, beta: bool) -> tuple[str, ...]:
    """The properties' own names; 400 for one that the type does not have.  A path selects its first property."""
    return tuple(dict.fromkeys(each.name for each in _selected(entity, names, beta)))


def check_basic(names: tuple[str, ...], call: Call) -> None:
    """403 when one of a message's properties is not for a token that has only Mail.ReadBasic."""
    if is_basic(call) and any(not MESSAGE.properties[name.lower()].basic for name in names):
        raise AccessDenied


def message_order(options: Options, call: Call) -> tuple[tuple[str, bool], ...]:
    """(column, descending) for each column that `$orderby` names.

    Without `$orderby` the newest come first, but with a `$filter` the oldest, as Graph documents it.
    """
    if not options.order:
        return _NEWEST_FIRST if options.filter is None else _OLDEST_FIRST
    order = dict[str, bool]()
    try:
        for each in options.order:
            order.setdefault(order_column(message_column(each.path, call)[0]), each.descending)
        return tuple(order.items())
    except FilterError as error:
        raise BadRequest(
            "The query order by clause contains one or more invalid nodes.", "ErrorInvalidUrlQuery"
        ) from error


def check_expand(expand: tuple[Expand, ...], *known: str) -> None:
    """400 ExpandNotSupported when something is to be expanded that is not known (paths, in any case), or twice."""
    left = {path.lower() for path in known}
    for each in expand:
        path = "/".join(each.path)
        if path.lower() not in left:
            raise BadRequest(f"Expand is not allowed for property '{path[:80]}'.", "ExpandNotSupported")
        left.remove(path.lower())


def find_property(entity: EntityType, name: str, *, beta: bool) -> Property:
    """The property; ODataError in the words of OData when there is none."""
    found = entity.find(name)
    if found is None or (found.beta and not beta):
        raise ODataError(f"Could not find a property named '{name[:80]}' on type '{entity.name}'.")
    return found


def message_column(path: tuple[str, ...], scope: Scope) -> tuple[str, Property]:
    """The column a property path stands for; FilterError when Graph has no filter on it."""
    segments = path[1:] if len(path) > 1 and "." in path[0] else path
    try:
        found = find_property(MESSAGE, segments[0], beta=scope.version == "beta")
    except ODataError as error:
        raise BadRequest(error.message) from error
    column = found.find_column("/".join(segments[1:]))
    if not column:
        raise FilterError(f"no filter on {'/'.join(path)}")
    return column, found


def _selected(entity: EntityType, names: tuple[str, ...], beta: bool) -> Iterator[Property]:
    for name in names:
        segments = [part for part in name.split("/") if "." not in part] or [name]
        try:
            yield find_property(entity, segments[0], beta=beta)
        except ODataError as error:
            raise BadRequest(f"Parsing OData Select and Expand failed: {error.message}") from error
