"""A `$filter` on messages: wire names to columns, ids to what is stored."""

from __future__ import annotations

from typing import Final

from graphpost.errors import BadRequest, GraphError
from graphpost.graph.call import Call
from graphpost.graph.keys import folder_number
from graphpost.graph.selection import message_column
from graphpost.ids import parse_conversation_id
from graphpost.odata.tree import And, Comparison, Function, Lambda, Literal, Node, Not, Operand, Or, Path
from graphpost.store.where import Condition, FilterError, condition

_NO_FOLDER: Final = Literal(-1, "number")  # is no folder's number
_NO_CONVERSATION: Final = Literal(b"?", "binary")  # is no conversation's GUID


def message_condition(node: Node, call: Call) -> Condition:
    """The filter as a condition for `store.messages`; 400 when it cannot be asked."""
    try:
        return condition(_node(node, call))
    except FilterError as error:
        raise BadRequest(
            "The query filter contains one or more invalid nodes.", "ErrorInvalidUrlQueryFilter"
        ) from error


def _node(node: Node, call: Call) -> Node:
    match node:
        case And():
            return And(_node(node.left, call), _node(node.right, call))
        case Or():
            return Or(_node(node.left, call), _node(node.right, call))
        case Not():
            return Not(_node(node.operand, call))
        case Comparison():
            return _comparison(node, call)
        case Lambda():
            return Lambda(node.kind, _path(node.path, call), node.variable, node.condition)
        case Function():
            return _function(node, call)
        case Path():
            return _path(node, call)


def _comparison(node: Comparison, call: Call) -> Comparison:
    left, right = _operand(node.left, call), _operand(node.right, call)
    if isinstance(left, Path) and isinstance(right, Literal):
        right = _stored(left, right, call)
    elif isinstance(right, Path) and isinstance(left, Literal):
        left = _stored(right, left, call)
    return Comparison(node.operator, left, right)


def _operand(operand: Operand, call: Call) -> Operand:
    match operand:
        case Path():
            return _path(operand, call)
        case Function():
            return _function(operand, call)
        case Literal():
            return operand


def _function(function: Function, call: Call) -> Function:
    return Function(function.name, tuple(_operand(each, call) for each in function.arguments))


def _path(path: Path, call: Call) -> Path:
    return Path((message_column(path.segments, call)[0],))


def _stored(column: Path, literal: Literal, call: Call) -> Literal:
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
            return Literal(folder_number(call.box, literal.value), "number")
        except GraphError:
            return _NO_FOLDER
    return literal
