"""Filters by id alone: of what is expanded in an entity, or listed below it."""

from __future__ import annotations

from collections.abc import Callable

from graphpost.errors import BadRequest
from graphpost.odata.errors import ODataError
from graphpost.odata.matching import Value, matches
from graphpost.odata.tree import And, Comparison, Literal, Node, Not, Operand, Or, Path

Normal = Callable[[str], str]
"""An id as it is shown; ValueError when it is none."""


def chosen_by(node: Node, normal: Normal) -> Callable[[str], bool]:
    """Whether an id (as it is shown) is asked for; 400 when the filter asks for more than `id`, or wrong ids."""
    try:
        condition = _normalised(node, normal)
        matches(condition, lambda path: _read(path, ""))
    except (ODataError, ValueError) as error:
        raise BadRequest(
            "The query filter contains one or more invalid nodes.", "ErrorInvalidUrlQueryFilter"
        ) from error
    return lambda shown: matches(condition, lambda path: _read(path, shown))


def _normalised(node: Node, normal: Normal) -> Node:
    match node:
        case And():
            return And(_normalised(node.left, normal), _normalised(node.right, normal))
        case Or():
            return Or(_normalised(node.left, normal), _normalised(node.right, normal))
        case Not():
            return Not(_normalised(node.operand, normal))
        case Comparison():
            return Comparison(node.operator, _operand(node.left, normal), _operand(node.right, normal))
    raise ODataError("only comparisons of id are possible")


def _operand(operand: Operand, normal: Normal) -> Operand:
    if isinstance(operand, Literal) and isinstance(operand.value, str):
        return Literal(normal(operand.value), "string")
    return operand


def _read(path: Path, shown: str) -> Value:
    if [segment.lower() for segment in path.segments] != ["id"]:
        raise ODataError("only id can be filtered by")
    return shown
