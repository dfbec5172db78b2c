"""A `$filter` on messages: what columns answer, and what is left to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from graphpost.errors import BadRequest, GraphError
from graphpost.graph.keys import folder_number
from graphpost.graph.queries.facts import checked, fact
from graphpost.graph.queries.selection import Scope, message_column
from graphpost.ids import parse_conversation_id
from graphpost.mail.message import Message
from graphpost.odata.errors import ODataError
from graphpost.odata.matching import Value, matches
from graphpost.odata.tree import (
    And,
    Comparison,
    Function,
    Lambda,
    Literal,
    Node,
    Not,
    Operand,
    Or,
    Path,
    balanced,
)
from graphpost.store.mailbox.where import Condition, FilterError, condition

MAX_FLAGS: Final = 500  # databases have a bound on the columns of a result
MAX_LOOKS: Final = 50  # conditions put to every message looked at
_NO_FOLDER: Final = Literal(-1, "number")  # is no folder's number
_NO_CONVERSATION: Final = Literal(b"?", "binary")  # is no conversation's GUID


@dataclass(frozen=True, slots=True)
class Filter:
    """A `$filter` in two parts that both have to hold: `where` by the columns, `rest` by looking at the messages.

    In `rest` a path of a number stands for one of `flags`: conditions that the columns answer for each message looked at.
    """

    where: Condition | None = None
    rest: Node | None = None
    flags: tuple[Condition, ...] = ()

    def holds(self, message: Message, flags: Sequence[bool]) -> bool:
        """Whether the message meets `rest`; 400 when that cannot be asked of it."""

        def read(path: Path) -> Value:
            number = path.segments[0]
            return flags[int(number)] if number.isdecimal() else fact(message, path)

        try:
            return self.rest is None or matches(self.rest, read)
        except ODataError as error:
            raise _invalid() from error


EVERYTHING: Final = Filter()


def message_filter(node: Node | None, scope: Scope) -> Filter:
    """What a `$filter` asks of messages; 400 when it cannot be asked."""
    if node is None:
        return EVERYTHING
    known: list[Node] = []
    rest: list[Node] = []
    flags: list[Condition] = []
    try:
        for term in _terms(node):
            if (columns := _of_columns(term, scope)) is not None:
                known.append(columns)
            else:
                rest.append(_mixed(term, scope, flags))
        if sum(map(_looks, rest)) > MAX_LOOKS:
            raise BadRequest(
                "The restriction or sort order is too complex for this operation.", "InefficientFilter"
            )
        where = condition(balanced(And, known)) if known else None
    except (FilterError, ODataError) as error:
        raise _invalid() from error
    return Filter(where, balanced(And, rest) if rest else None, tuple(flags))


def _invalid() -> BadRequest:
    return BadRequest("The query filter contains one or more invalid nodes.", "ErrorInvalidUrlQueryFilter")


def _terms(node: Node) -> Iterator[Node]:
    """What is joined by AND."""
    if isinstance(node, And):
        yield from _terms(node.left)
        yield from _terms(node.right)
    else:
        yield node


def _looks(node: Node) -> int:
    """How many conditions are put to each message; what columns answer is none."""
    match node:
        case And() | Or():
            return _looks(node.left) + _looks(node.right)
        case Not():
            return _looks(node.operand)
        case Lambda():
            return 1 if node.condition is None else _looks(node.condition)
        case Path((number,)) if number.isdecimal():
            return 0
    return 1


def _mixed(node: Node, scope: Scope, flags: list[Condition]) -> Node:
    """The condition with what columns answer put among the flags."""
    match node:
        case And():
            return And(_mixed(node.left, scope, flags), _mixed(node.right, scope, flags))
        case Or():
            return Or(_mixed(node.left, scope, flags), _mixed(node.right, scope, flags))
        case Not():
            return Not(_mixed(node.operand, scope, flags))
    columns = _of_columns(node, scope)
    if columns is None:
        return checked(node, scope)
    flags.append(condition(columns))
    if len(flags) > MAX_FLAGS:
        raise FilterError("too many conditions beside what no column answers")
    return Path((str(len(flags) - 1),))


def _of_columns(node: Node, scope: Scope) -> Node | None:
    """The condition over columns; None when they do not answer it."""
    try:
        found = _node(node, scope)
        condition(found)
    except FilterError:
        return None
    return found


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
