"""A `$filter` on messages: wire names to columns, ids to what is stored."""

from __future__ import annotations

from typing import Final

from graphpost.errors import BadRequest, GraphError
from graphpost.graph.keys import folder_number
from graphpost.graph.selection import Scope, message_column
from graphpost.ids import parse_conversation_id
from graphpost.odata.tree import And, Comparison, Function, Lambda, Literal, Node, Not, Operand, Or, Path
from graphpost.store.where import Condition, FilterError, condition

_NO_FOLDER: Final = Literal(-1, "number")  # is no folder's number
_NO_CONVERSATION: Final = Literal(b"?", "binary")  # is no conversation's GUID


def message_condition(node: Node, scope: Scope) -> Condition:
    """The filter as a condition for `store.messages`; 400 when it cannot be asked."""
    try:
        return condition(_node(node, scope))
    except FilterError as error:
        raise BadRequest(
            "The query filter contains one or more invalid nodes.", "ErrorInvalidUrlQueryFilter"
        ) from error


def _node(node: Node, scope: Scope) -> Node:
    match node:
        case And():
            return And(_node(node.left, scope), _node(node.right, scope))
        case Or():
            return Or(_node(node.left, scope), _node(node.right, scope))
        case Not():
            return Not(_node(node.operand, scope))
        case Comparison():
            return _comparison(node, scope)
        case Lambda():
            return Lambda(node.kind, _path(node.path, scope), node.variable, node.condition)
        case Function():
            return _function(node, scope)
        case Path():
            return _path(node, scope)


def _comparison(node: Comparison, scope: Scope) -> Comparison:
    left, right = _operand(node.left, scope), _operand(node.right, scope)
    if isinstance(left, Path) and isinstance(right, Literal):
        right = _stored(left, right, scope)
    elif isinstance(right, Path) and isinstance(left, Literal):
        left = _stored(right, left, scope)
    return Comparison(node.operator, left, right)


def _operand(operand: Operand, scope: Scope) -> Operand:
    match operand:
        case Path():
            return _path(operand, scope)
        case Function():
            return _function(operand, scope)
        case Literal():
            return operand


def _function(function: Function, scope: Scope) -> Function:
    return Function(function.name, tuple(_operand(each, scope) for each in function.arguments))


def _path(path: Path, scope: Scope) -> Path:
    return Path((message_column(path.segments, scope)[0],))


def _stored(column: Path, literal: Literal, scope: Scope) -> Literal:
    """The value as the column has it: ids are texts outside and numbers or bytes inside."""
    if not isinstance(literal.value, str):
        return literal
    if column.segments == ("conversation_id",):
        try:
            return Literal(parse_conversation_id(literal.value), "binary")
        except ValueError:
            return _NO_CONVERSATION
    if column.segments == ("folder_id",):
        try:
            return Literal(folder_number(scope.box, literal.value), "number")
        except GraphError:
            return _NO_FOLDER
    return literal
