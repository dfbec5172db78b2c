"""Whether values in memory meet a filter: for collections too small for SQL.

Text is compared without letter case, as directory and mailbox names are.  A comparison with null is true only for
`eq` between nulls and `ne` between null and something; it never fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from graphpost.odata.errors import ODataError
from graphpost.odata.tokens import parse_instant
from graphpost.odata.tree import And, Comparison, Function, Lambda, Literal, Node, Not, Operand, Or, Path

Element = str | Mapping[str, Any]  # of a collection; the names of its properties are in lower case
Value = str | int | float | bool | bytes | None | Sequence[Element]
Read = Callable[[Path], Value]  # raises ODataError for a property there is none of

_CONDITIONS: Final[dict[str, Callable[[str, str], bool]]] = {
    "contains": lambda text, part: part in text,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
_TEXTS: Final[dict[str, Callable[[str], str | int]]] = {
    "tolower": str.lower,
    "toupper": str.upper,
    "trim": str.strip,
    "length": len,
}
_CASTS: Final[dict[str, Callable[[str], Value]]] = {
    "edm.string": str,
    "edm.boolean": lambda text: {"true": True, "1": True, "false": False, "0": False}.get(text.lower()),
    **dict.fromkeys(("edm.byte", "edm.int16", "edm.int32", "edm.int64"), lambda text: _integer(text)),
    **dict.fromkeys(("edm.double", "edm.single", "edm.decimal"), float),
    "edm.datetimeoffset": parse_instant,
}


def matches(node: Node, read: Read) -> bool:
    """Whether the condition holds for what `read` answers; ODataError when it cannot be asked of it."""
    match node:
        case And():
            return matches(node.left, read) and matches(node.right, read)
        case Or():
            return matches(node.left, read) or matches(node.right, read)
        case Not():
            return not matches(node.operand, read)
        case Comparison():
            return _compare(node.operator, _value(node.left, read), _value(node.right, read))
        case Lambda():
            return _each(node, read)
        case Function() | Path():
            return _value(node, read) is True


def paths(node: Node | Operand) -> Iterator[Path]:
    """The properties a condition asks for; what a lambda's variable stands for is not among them."""
    match node:
        case Path():
            yield node
        case And() | Or() | Comparison():
            yield from paths(node.left)
            yield from paths(node.right)
        case Not():
            yield from paths(node.operand)
        case Function():
            for argument in node.arguments[:1] if node.name == "cast" else node.arguments:
                yield from paths(argument)
        case Lambda():
            yield node.path
            if node.condition is not None:
                yield from (path for path in paths(node.condition) if path.segments[0] != node.variable)
        case Literal():
            return


def _each(node: Lambda, read: Read) -> bool:
    values = read(node.path)
    values = () if values is None else values
    if not isinstance(values, list | tuple):
        raise ODataError(f"'{'/'.join(node.path.segments)}' is not a collection")
    condition = node.condition
    if condition is None:
        return bool(values)

    def holds(element: Element) -> bool:
        return matches(
            condition,
            lambda path: _part(element, path) if path.segments[0] == node.variable else read(path),
        )

    answers = (holds(value) for value in values)
    return any(answers) if node.kind == "any" else all(answers)


def _part(element: Element, path: Path) -> Value:
    """What a path that begins with a lambda's variable means for one element."""
    value: Value | Element = element
    for name in path.segments[1:]:
        if value is None:
            return None
        if not isinstance(value, Mapping) or name.lower() not in value:
            raise ODataError(f"Could not find a property named '{name[:80]}'")
        value = value[name.lower()]
    if isinstance(value, Mapping):
        raise ODataError(f"'{'/'.join(path.segments)[:80]}' cannot be compared")
    return value


def _value(operand: Operand, read: Read) -> Value:
    if isinstance(operand, Literal):
        return operand.value
    if isinstance(operand, Path):
        return read(operand)
    if operand.name == "cast":
        return _cast(operand, read)
    values = [_value(argument, read) for argument in operand.arguments]
    if any(value is None for value in values):
        return None
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) == len(values):
        if operand.name in _CONDITIONS:
            return _CONDITIONS[operand.name](texts[0].casefold(), texts[1].casefold())
        if operand.name in _TEXTS:
            return _TEXTS[operand.name](texts[0])
    raise ODataError(f"The function '{operand.name}' is not supported here")


def _cast(function: Function, read: Read) -> Value:
    """A text as a value of another type; null when it is none."""
    kind = function.arguments[-1]
    cast = _CASTS.get(kind.segments[0].lower()) if isinstance(kind, Path) else None
    value = _value(function.arguments[0], read)
    if cast is None or len(function.arguments) != 2 or not isinstance(value, str | None):
        raise ODataError("The cast is not supported")
    try:
        return None if value is None else cast(value)
    except ValueError:
        return None


def _integer(text: str) -> int | None:
    return int(text) if len(text) <= 20 else None


def _compare(operator: str, left: Value, right: Value) -> bool:
    if isinstance(left, list | tuple) or isinstance(right, list | tuple):
        raise ODataError("A collection cannot be compared")
    left, right = _folded(left), _folded(right)
    if operator in ("eq", "ne"):
        return (left == right) is (operator == "eq")
    if left is None or right is None:
        return False
    texts = isinstance(left, str) and isinstance(right, str)
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if not (texts or numbers):
        raise ODataError("A binary operator with incompatible types was detected")
    order = _order(left, right)
    return {"gt": order > 0, "ge": order >= 0, "lt": order < 0, "le": order <= 0}[operator]


def _order(left: Any, right: Any) -> int:
    return bool(left > right) - bool(left < right)


def _folded(value: Value) -> Value:
    return value.casefold() if isinstance(value, str) else value
