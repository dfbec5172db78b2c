"""A filter tree over columns of `messages`, as an SQL condition and parameters.

The same text and the same answers on SQLite and PostgreSQL.  Only the columns named here get into the SQL, and no value
ever does.  Contracts of the columns (see `store/mailbox/messages.py`): text is kept casefolded, so text literals are casefolded
and comparisons ignore letter case; text is ordered by code point; nothing is NULL: an absent text is '' and an absent
time 0, and that is what `eq null` finds.  With null, `eq` and `ne` alone can be true.  Enums are their position, booleans
0 or 1, times instants.  FilterError: what cannot be asked, or not of that column.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final, cast

from graphpost.errors import GraphpostError
from graphpost.odata.tree import And, Comparison, Function, Lambda, Literal, Node, Not, Operand, Or, Path
from graphpost.store.mailbox.rows import FLAG_STATUS, IMPORTANCE, INFERENCE, SEPARATOR

Condition = tuple[str, tuple[Any, ...]]


class FilterError(GraphpostError):
    """The condition cannot be put to the store."""


class _Kind(Enum):
    TEXT = auto()
    BOOLEAN = auto()
    NUMBER = auto()
    TIME = auto()
    BYTES = auto()
    WORD = auto()  # an enum
    LIST = auto()  # texts, each between two SEPARATORs


MAX_PATTERN: Final = 4000  # characters; SQLite refuses patterns over 50,000 bytes
_COLUMNS: Final = {
    **dict.fromkeys(
        ("subject", "from_address", "from_name", "sender_address", "internet_message_id"), _Kind.TEXT
    ),
    **dict.fromkeys(("created_at", "modified_at", "received_at", "sent_at"), _Kind.TIME),
    **dict.fromkeys(("is_read", "is_draft", "is_mentioned", "has_attachments"), _Kind.BOOLEAN),
    **dict.fromkeys(("importance", "inference", "flag_status"), _Kind.WORD),
    **dict.fromkeys(("folder_id", "size"), _Kind.NUMBER),
    "conversation_id": _Kind.BYTES,
    "categories": _Kind.LIST,
}
_WORDS: Final = {
    column: {word.casefold(): number for word, number in words.items()}
    for column, words in (("importance", IMPORTANCE), ("inference", INFERENCE), ("flag_status", FLAG_STATUS))
}
_LITERALS: Final = {  # the kinds of literal a kind of column is compared with
    _Kind.TEXT: ("string", "guid"),
    _Kind.BOOLEAN: ("boolean",),
    _Kind.NUMBER: ("number",),
    _Kind.TIME: ("datetime",),
    _Kind.BYTES: ("binary",),
    _Kind.WORD: ("string",),
}
_ABSENT: Final[dict[_Kind, str | int | bytes]] = {_Kind.TEXT: "", _Kind.TIME: 0, _Kind.BYTES: b""}
_SQL: Final = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_FLIPPED: Final = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
_TRUE: Final[Condition] = ("(1 = 1)", ())
_FALSE: Final[Condition] = ("(1 = 0)", ())
_PATTERNS: Final[dict[str, Callable[[str], str]]] = {
    "contains": lambda part: f"%{part}%",
    "startswith": lambda part: f"{part}%",
    "endswith": lambda part: f"%{part}",
}
_LIST_PATTERNS: Final[dict[str, Callable[[str], str]]] = {
    "eq": lambda part: f"%{SEPARATOR}{part}{SEPARATOR}%",
    "contains": lambda part: f"%{part}%",
    "startswith": lambda part: f"%{SEPARATOR}{part}%",
    "endswith": lambda part: f"%{part}{SEPARATOR}%",
}


def condition(node: Node) -> Condition:
    """The condition as SQL text (in parentheses) and parameters."""
    match node:
        case And():
            return _joined("AND", condition(node.left), condition(node.right))
        case Or():
            return _joined("OR", condition(node.left), condition(node.right))
        case Not():
            return _negated(condition(node.operand))
        case Comparison():
            return _comparison(node)
        case Lambda():
            return _lambda(node)
        case Path():
            column, kind = _column(node)
            if kind is not _Kind.BOOLEAN:
                raise FilterError(f"{column} is not a condition")
            return f"({column} = 1)", ()
        case Function():
            return _function(node)


def order_column(name: str) -> str:
    """The name, if it is a column that can be ordered by."""
    if _COLUMNS.get(name, _Kind.LIST) is _Kind.LIST:
        raise FilterError(f"cannot order by {name}")
    return name


def key_type(name: str) -> type:
    """The type of the values that a column is ordered by."""
    return {_Kind.TEXT: str, _Kind.BYTES: bytes}.get(_COLUMNS[name], int)


def _comparison(node: Comparison) -> Condition:
    left, right, operator = node.left, node.right, node.operator
    if isinstance(left, Literal) and not isinstance(right, Literal):
        left, right, operator = right, left, cast(Any, _FLIPPED[operator])
    if isinstance(left, Function) and left.name in _PATTERNS:
        return _truth(_function(left), operator, right)
    if isinstance(left, Function) and left.name == "length":
        return _length(left, operator, right)
    column, kind = _column(_unwrapped(left))
    if isinstance(right, Literal):
        return _with_literal(column, kind, operator, right)
    other, other_kind = _column(_unwrapped(right))
    if kind is not other_kind or kind is _Kind.LIST or (kind is _Kind.WORD and column != other):
        raise FilterError(f"{column} and {other} cannot be compared")
    return f"({column} {_SQL[operator]} {other})", ()


def _with_literal(column: str, kind: _Kind, operator: str, literal: Literal) -> Condition:
    if kind is _Kind.LIST:
        raise FilterError(f"{column} is a collection")
    if literal.value is None:
        return _with_null(column, kind, operator)
    if literal.kind not in _LITERALS[kind]:
        raise FilterError(f"{column} cannot be compared with a {literal.kind}")
    if kind is _Kind.BOOLEAN and operator in ("eq", "ne"):  # written out, as the indexes on it are
        return f"({column} = {int(bool(literal.value) is (operator == 'eq'))})", ()
    return f"({column} {_SQL[operator]} ?)", (_parameter(column, kind, literal),)


def _with_null(column: str, kind: _Kind, operator: str) -> Condition:
    if kind not in _ABSENT or operator not in ("eq", "ne"):
        return _TRUE if operator == "ne" else _FALSE
    return f"({column} {_SQL[operator]} ?)", (_ABSENT[kind],)


def _parameter(column: str, kind: _Kind, literal: Literal) -> str | int | float | bytes:
    value = literal.value
    assert value is not None
    if kind is _Kind.BOOLEAN:
        return int(bool(value))
    if kind is _Kind.WORD:
        position = _WORDS[column].get(str(value).casefold())
        if position is None:
            raise FilterError(f"not a value of {column}: {value!r}")
        return position
    return _text(value) if isinstance(value, str) else value


def _truth(found: Condition, operator: str, right: Operand) -> Condition:
    """A true-or-false function compared with true or false."""
    if not isinstance(right, Literal) or right.kind != "boolean" or operator not in ("eq", "ne"):
        raise FilterError("a condition can only be compared with true or false")
    return found if bool(right.value) is (operator == "eq") else _negated(found)


def _length(function: Function, operator: str, right: Operand) -> Condition:
    column, kind = _column(_unwrapped(function.arguments[0]))
    if kind is not _Kind.TEXT or not isinstance(right, Literal) or right.kind != "number":
        raise FilterError("length is of a text and compared with a number")
    return f"(length({column}) {_SQL[operator]} ?)", (right.value,)


def _function(function: Function) -> Condition:
    if function.name not in _PATTERNS:
        raise FilterError(f"{function.name} is not supported")
    column, kind = _column(_unwrapped(function.arguments[0]))
    part = _unwrapped(function.arguments[1])
    if kind is not _Kind.TEXT or not isinstance(part, Literal) or part.kind not in ("string", "guid"):
        raise FilterError(f"{function.name} is of a text property and a text")
    return _like(column, _PATTERNS[function.name], str(part.value))


def _lambda(node: Lambda) -> Condition:
    column, kind = _column(node.path)
    if kind is not _Kind.LIST:
        raise FilterError(f"{column} is not a collection")
    if node.condition is None:
        return f"(length({column}) > 2)", ()
    if node.kind == "any":
        return _any(column, node.variable, node.condition)
    return _negated(_any(column, node.variable, _opposite(node.condition)))


def _any(column: str, variable: str, node: Node) -> Condition:
    """Whether one of the texts meets the condition.

    LIKE finds one that has something; that one lacks it, or has two things at once, cannot be asked this way.
    """
    if isinstance(node, Or):
        return _joined("OR", _any(column, variable, node.left), _any(column, variable, node.right))
    if isinstance(node, Comparison) and node.operator == "eq":
        return _has(column, variable, "eq", node.left, node.right)
    if isinstance(node, Function) and node.name in _PATTERNS:
        return _has(column, variable, node.name, *node.arguments)
    raise FilterError(f"this cannot be asked of {column}")


def _has(column: str, variable: str, name: str, left: Operand, right: Operand) -> Condition:
    if isinstance(left, Literal) and name == "eq":
        left, right = right, left
    if (
        _unwrapped(left) != Path((variable,))
        or not isinstance(right, Literal)
        or right.kind not in ("string", "guid")
    ):
        raise FilterError(f"this cannot be asked of {column}")
    if SEPARATOR in str(right.value):
        return _FALSE
    if not right.value and name != "eq":
        return f"(length({column}) > 2)", ()
    return _like(column, _LIST_PATTERNS[name], str(right.value))


def _opposite(node: Node) -> Node:
    match node:
        case Not():
            return node.operand
        case And():
            return Or(_opposite(node.left), _opposite(node.right))
        case Or():
            return And(_opposite(node.left), _opposite(node.right))
        case Comparison(operator="ne"):
            return Comparison("eq", node.left, node.right)
        case _:
            return Not(node)


def _like(column: str, pattern: Callable[[str], str], part: str) -> Condition:
    folded = _text(part)
    if len(folded) > MAX_PATTERN:
        raise FilterError("the text to look for is too long")
    for special in "!%_":
        folded = folded.replace(special, "!" + special)
    return f"({column} LIKE ? ESCAPE '!')", (pattern(folded),)


def _text(text: str) -> str:
    """As the columns have it; PostgreSQL takes no NUL, and neither database a lone surrogate."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise FilterError("a text with characters that no property has")
    return text.casefold()


def _column(operand: Operand) -> tuple[str, _Kind]:
    if not isinstance(operand, Path) or len(operand.segments) != 1 or operand.segments[0] not in _COLUMNS:
        raise FilterError("a property is needed here")
    return operand.segments[0], _COLUMNS[operand.segments[0]]


def _unwrapped(operand: Operand) -> Operand:
    """Without tolower and toupper: letter case makes no difference anyway."""
    while isinstance(operand, Function) and operand.name in ("tolower", "toupper"):
        operand = operand.arguments[0]
    return operand


def _joined(word: str, left: Condition, right: Condition) -> Condition:
    return f"({left[0]} {word} {right[0]})", left[1] + right[1]


def _negated(found: Condition) -> Condition:
    return f"(NOT {found[0]})", found[1]
