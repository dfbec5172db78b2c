"""A `$filter` as a tree: what the parser makes and the store turns into SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal as Word


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant.  A date-time is an instant (int) of kind "datetime"; bytes stand for an id once it is resolved."""

    value: str | int | float | bool | bytes | None
    kind: Word["string", "number", "boolean", "null", "datetime", "guid", "binary"]


@dataclass(frozen=True, slots=True)
class Path:
    """A property path as written, such as ('from', 'emailAddress', 'address'); or a column once it is resolved."""

    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """contains, startswith, endswith, tolower, toupper, length … of operands."""

    name: str
    arguments: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    operator: Word["eq", "ne", "gt", "ge", "lt", "le"]
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class Not:
    operand: Node


@dataclass(frozen=True, slots=True)
class And:
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Or:
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Lambda:
    """`path/any(variable: condition)`; `condition` None is any() alone: not empty."""

    kind: Word["any", "all"]
    path: Path
    variable: str
    condition: Node | None


Operand = Literal | Path | Function
Node = Comparison | Function | Not | And | Or | Lambda | Path


def balanced(kind: type[And] | type[Or], terms: Sequence[Node]) -> Node:
    """The terms joined, in a tree as deep as the logarithm of their number; there is at least one."""
    if len(terms) == 1:
        return terms[0]
    middle = (len(terms) + 1) // 2
    return kind(balanced(kind, terms[:middle]), balanced(kind, terms[middle:]))
