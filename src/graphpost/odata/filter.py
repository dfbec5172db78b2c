"""`parse_filter`: a `$filter` as a tree (OData 4.01, part 2), recursive descent.

Operators, functions and `any`/`all` are read in any letter case.  `x in (a,b)` becomes `x eq a or x eq b`.  A chain of
`and` or of `or` becomes a balanced tree, so that depth is bounded: by `MAX_DEPTH` parentheses, and by the logarithm of
`MAX_LENGTH`.  Every fault is an ODataError with its position; nothing else is raised, whatever the text.
"""

from __future__ import annotations

from typing import Final, NoReturn, cast
from typing import Literal as Word

from graphpost.odata.errors import ODataError
from graphpost.odata.tokens import Token, tokens
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

__all__ = [
    "And",
    "Comparison",
    "Function",
    "Lambda",
    "Literal",
    "Node",
    "Not",
    "ODataError",
    "Operand",
    "Or",
    "Path",
    "parse_filter",
]

MAX_LENGTH: Final = 16_384
MAX_DEPTH: Final = 64

_OPERATORS: Final = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
_RESERVED: Final = _OPERATORS | {"and", "or", "not", "in"}  # not the name of a property
CONDITIONS: Final = frozenset({"contains", "startswith", "endswith"})  # functions that are true or false
_ARGUMENTS: Final = {  # how many of them: least, most
    "contains": (2, 2),
    "startswith": (2, 2),
    "endswith": (2, 2),
    "tolower": (1, 1),
    "toupper": (1, 1),
    "trim": (1, 1),
    "length": (1, 1),
    "indexof": (2, 2),
    "substring": (2, 3),
    "concat": (2, 2),
    "year": (1, 1),
    "month": (1, 1),
    "day": (1, 1),
    "hour": (1, 1),
    "minute": (1, 1),
    "second": (1, 1),
    "date": (1, 1),
    "time": (1, 1),
    "now": (0, 0),
    "cast": (2, 2),
}


def parse_filter(text: str) -> Node:
    """The condition a `$filter` states; ODataError says what is wrong with it and where."""
    if len(text) > MAX_LENGTH:
        raise ODataError("The filter is too long", MAX_LENGTH, "$filter")
    try:
        return _Parser(list(tokens(text))).parse()
    except ODataError as error:
        error.option = error.option or "$filter"
        raise


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._index = 0
        self._depth = 0
        self._variable = ""  # of the innermost lambda

    def parse(self) -> Node:
        node = self._disjunction()
        if self._peek().kind != "end":
            self._fail()
        return node

    def _disjunction(self) -> Node:
        self._enter()
        terms = [self._conjunction()]
        while self._take_word("or"):
            terms.append(self._conjunction())
        self._depth -= 1
        return balanced(Or, terms)

    def _conjunction(self) -> Node:
        terms = [self._negation()]
        while self._take_word("and"):
            terms.append(self._negation())
        return balanced(And, terms)

    def _negation(self) -> Node:
        if not self._take_word("not"):
            return self._comparison()
        self._enter()
        node = Not(self._negation())
        self._depth -= 1
        return node

    def _comparison(self) -> Node:
        start = self._peek()
        left = self._group() if self._take_mark("(") else self._primary()
        operator = self._peek()
        if operator.kind == "word" and operator.text.lower() in _OPERATORS:
            if not isinstance(left, Literal | Path | Function):
                self._fail("A condition cannot be compared", start)
            self._index += 1
            return Comparison(
                cast(Word["eq", "ne", "gt", "ge", "lt", "le"], operator.text.lower()), left, self._operand()
            )
        if self._take_word("in"):
            if not isinstance(left, Literal | Path | Function):
                self._fail("A condition cannot be compared", start)
            return balanced(Or, [Comparison("eq", left, each) for each in self._list()])
        if isinstance(left, Literal) or (isinstance(left, Function) and left.name not in CONDITIONS):
            self._fail("The expression is not a condition", start)
        return left

    def _group(self) -> Node:
        """What stands in parentheses: a condition, or (as some clients write it) only an operand."""
        node = self._disjunction()
        self._expect(")")
        return node

    def _list(self) -> list[Operand]:
        self._expect("(")
        items = [self._operand()]
        while self._take_mark(","):
            items.append(self._operand())
        self._expect(")")
        return items

    def _operand(self) -> Operand:
        start = self._peek()
        operand = self._primary()
        if isinstance(operand, Lambda):
            self._fail("A condition cannot be compared", start)
        return operand

    def _primary(self) -> Operand | Lambda:
        token = self._next()
        if token.literal is not None:
            return token.literal
        if token.kind != "word" or token.text.lower() in _RESERVED:
            self._fail(None, token)
        if self._take_mark("("):
            return self._function(token)
        return self._path(token)

    def _function(self, name: Token) -> Function:
        least, most = _ARGUMENTS.get(name.text.lower(), (-1, -1))
        if least < 0:
            self._fail(f"Unknown function '{name.text}'", name)
        self._enter()
        arguments: list[Operand] = []
        while not self._take_mark(")"):
            if arguments:
                self._expect(",")
            arguments.append(self._operand())
        self._depth -= 1
        if not least <= len(arguments) <= most:
            self._fail(f"Wrong number of arguments for '{name.text}'", name)
        return Function(name.text.lower(), tuple(arguments))

    def _path(self, first: Token) -> Path | Lambda:
        segments = [first.text]
        while self._take_mark("/"):
            token = self._next()
            if token.kind != "word":
                self._fail(None, token)
            if token.text.lower() in ("any", "all") and self._take_mark("("):
                return self._lambda("any" if token.text.lower() == "any" else "all", Path(tuple(segments)))
            segments.append(token.text)
        return Path(tuple(segments))

    def _lambda(self, kind: Word["any", "all"], path: Path) -> Lambda:
        """A lambda in a lambda goes over its element: over all of the collection again, it would grow by powers."""
        if self._variable and path.segments[0] != self._variable:
            self._fail("A lambda in a lambda goes over its variable only")
        if kind == "any" and self._take_mark(")"):
            return Lambda(kind, path, "", None)
        variable = self._next()
        if variable.kind != "word":
            self._fail(None, variable)
        self._expect(":")
        outer, self._variable = self._variable, variable.text
        condition = self._disjunction()
        self._variable = outer
        self._expect(")")
        return Lambda(kind, path, variable.text, condition)

    def _peek(self) -> Token:
        return self._tokens[self._index]

    def _next(self) -> Token:
        token = self._tokens[self._index]
        if token.kind != "end":
            self._index += 1
        return token

    def _take_word(self, word: str) -> bool:
        token = self._peek()
        if token.kind != "word" or token.text.lower() != word:
            return False
        self._index += 1
        return True

    def _take_mark(self, mark: str) -> bool:
        token = self._peek()
        if token.kind != "mark" or token.text != mark:
            return False
        self._index += 1
        return True

    def _expect(self, mark: str) -> None:
        if not self._take_mark(mark):
            self._fail(f"'{mark}' expected")

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail("The filter is nested too deeply")

    def _fail(self, message: str | None = None, token: Token | None = None) -> NoReturn:
        raise ODataError(message or "Syntax error", (token or self._peek()).position)
