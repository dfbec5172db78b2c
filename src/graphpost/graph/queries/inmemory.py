"""`$filter` and `$orderby` on entities in memory: users, folders, attachments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

from graphpost.errors import BadRequest
from graphpost.graph.queries.selection import find_property
from graphpost.graph.schema import EntityType
from graphpost.odata.errors import ODataError
from graphpost.odata.matching import Value, matches, paths
from graphpost.odata.query import Options
from graphpost.odata.tree import Path

T = TypeVar("T")
Get = Callable[[T, str], Any]  # an entity's property by its own name
Related = Mapping[
    str, Callable[[T], Value]
]  # collections beside the properties, by their names in lower case
_NOTHING: Final[Mapping[str, Callable[[Any], Value]]] = MappingProxyType({})


def matching(
    entities: list[T],
    options: Options,
    kind: EntityType,
    get: Get[T],
    *,
    beta: bool,
    related: Related[T] = _NOTHING,
) -> list[T]:
    """Those that meet the `$filter`; 400 when it cannot be asked of them."""
    node = options.filter
    if node is None:
        return entities

    def holds(each: T) -> bool:
        def read(path: Path) -> Value:
            if (collection := "/".join(path.segments).lower()) in related:
                return related[collection](each)
            value: Value = get(each, _name(path.segments, kind, beta))
            return value

        return matches(node, read)

    try:
        for path in paths(node):
            if "/".join(path.segments).lower() not in related:
                _name(path.segments, kind, beta)
        return [each for each in entities if holds(each)]
    except ODataError as error:
        raise BadRequest(f"Invalid filter clause: {error.message}") from error


def sorted_by(entities: list[T], options: Options, kind: EntityType, get: Get[T], *, beta: bool) -> list[T]:
    """In the order of `$orderby`; as they are without it.  Texts are ordered without letter case, null first."""
    found = list(entities)
    for item in reversed(options.order):
        try:
            name = _name(item.path, kind, beta)
        except ODataError as error:
            raise BadRequest(f"Invalid order by clause: {error.message}") from error
        found.sort(key=lambda each, name=name: _key(get(each, name)), reverse=item.descending)  # type: ignore[misc]
    return found


def sort_values(each: T, options: Options, kind: EntityType, get: Get[T], *, beta: bool) -> tuple[Any, ...]:
    """What `sorted_by` goes by, null as an empty text."""
    values = [_key(get(each, _name(item.path, kind, beta)))[1] for item in options.order]
    return tuple("" if value is None else value for value in values)


def _name(path: tuple[str, ...], kind: EntityType, beta: bool) -> str:
    if len(path) != 1:
        raise ODataError(f"Could not find a property named '{'/'.join(path)[:80]}' on type '{kind.name}'.")
    return find_property(kind, path[0], beta=beta).name


def _key(value: Any) -> tuple[bool, Any]:
    if isinstance(value, list | tuple | dict):
        raise BadRequest("Only a primitive property can be ordered by.")
    return value is not None, value.casefold() if isinstance(value, str) else value
