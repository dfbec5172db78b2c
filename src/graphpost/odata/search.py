"""`parse_search`: a `$search` on messages as a tree (KQL), recursive descent.

The value is KQL in double quotes, in which quotes and backslashes are escaped by a backslash; the bare words and quoted
phrases of OData's own grammar are understood too, and inner quotes that nobody escaped.  `AND`, `OR` and `NOT` are operators
in upper case; terms beside each other are joined by AND; `-x` is `NOT x`.  What looks like a property and is none is text.
Every fault is an ODataError; the time taken is linear in the length, which has a bound, as have depth and terms.
https://learn.microsoft.com/en-us/sharepoint/dev/general-development/keyword-query-language-kql-syntax-reference
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

from graphpost.clock import Instant
from graphpost.odata.errors import ODataError
from graphpost.odata.restrictions import DEFAULT_FIELDS, PROPERTIES, Value, restriction
from graphpost.odata.sought import AllOf, AnyOf, Phrase, Sought, Without
from graphpost.odata.words import words

MAX_LENGTH: Final = 4096
MAX_DEPTH: Final = 32
MAX_TERMS: Final = 100
MAX_WORDS: Final = 250  # each is looked up; in scripts without blanks a character is one
PREFIX_WORDS: Final = 10  # that a prefix counts for, as it stands for many

_BLANKS: Final = re.compile(r"\s*")
_PROPERTY: Final = re.compile(r"([A-Za-z]+)\s*(<>|<=|>=|[:=<>])\s*", re.ASCII)
_BARE: Final = re.compile(r'[^\s()"]+')
_OPERATOR: Final = re.compile(r"(?:AND|OR|NOT)(?![^\s()\"])")
_PERIOD: Final = re.compile(r"(?:this|last)\s+(?:week|month|year)\b", re.IGNORECASE)
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SINGLE: Final = re.compile(r"'[^']+'")
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_ODATA_WORD: Final = re.compile(r"[\w.@*-]+")


def parse_search(text: str, now: Instant) -> Sought:
    """What the `$search` looks for; days such as `today` are those of `now`."""
    if len(text) > MAX_LENGTH:
        raise ODataError("The search is too long.", MAX_LENGTH, "$search")
    query = _query(text.strip())
    if _SINGLE.fullmatch(query):  # as python-o365 writes it
        query = query[1:-1]
    return _Parser(query, now).parse()


class _Parser:
    def __init__(self, text: str, now: Instant) -> None:
        self._text = text
        self._now = now
        self._at = 0
        self._depth = 0
        self._terms = 0
        self._looked_up = 0  # words

    def parse(self) -> Sought:
        found = self._either(DEFAULT_FIELDS)
        if self._at < len(self._text):
            self._fail()
        if found is None:
            raise ODataError("The search has no word to look for.", 0, "$search")
        return found

    def _either(self, fields: tuple[str, ...]) -> Sought | None:
        """Terms with OR between them; None when there is nothing but punctuation."""
        self._enter()
        terms = [self._all(fields)]
        while self._take_operator("OR"):
            terms.append(self._all(fields))
        self._depth -= 1
        if len(terms) == 1:
            return terms[0]
        if any(term is None for term in terms):
            self._fail()
        return AnyOf(tuple(term for term in terms if term is not None))

    def _all(self, fields: tuple[str, ...]) -> Sought | None:
        terms: list[Sought] = []
        operands = 0
        while not self._is_over():
            if self._take_operator("AND"):
                if not operands or self._is_over():
                    self._fail()
            elif term := self._one(fields):
                terms.append(term)
            operands += 1
        if not terms:
            return None
        return terms[0] if len(terms) == 1 else AllOf(tuple(terms))

    def _one(self, fields: tuple[str, ...]) -> Sought | None:
        if self._take_operator("NOT") or self._take_sign("-"):
            if self._is_over():
                self._fail()
            self._enter()
            term = self._one(fields)
            self._depth -= 1
            return None if term is None else Without(term)
        self._take_sign("+")
        if self._take("("):
            return self._group(fields)
        return self._restriction(fields)

    def _group(self, fields: tuple[str, ...]) -> Sought | None:
        found = self._either(fields)
        self._blanks()
        if not self._take(")"):
            self._fail()
        return found

    def _restriction(self, fields: tuple[str, ...]) -> Sought | None:
        """A property with its value, or text."""
        self._count()
        found = _PROPERTY.match(self._text, self._at)
        name = found[1].lower() if found else ""
        if found is None or name not in PROPERTIES:
            return self._words(fields)
        start, self._at = self._at, found.end()
        asked = PROPERTIES[name]
        if asked.fields and found[2] == ":" and self._take("("):
            return self._group(asked.fields)
        term = restriction(name, found[2], self._value(), self._now)
        if term is None:
            shown = self._text[start : self._at]
            raise ODataError(f"'{shown[:80]}' is not a value of the property '{name}'.", start, "$search")
        self._count_words(term.term if isinstance(term, Without) else term)
        return term

    def _words(self, fields: tuple[str, ...]) -> Sought | None:
        value = self._value()
        found = tuple(words(value.text))
        phrase = Phrase(fields, found, value.is_prefix) if found else None
        self._count_words(phrase)
        return phrase

    def _value(self) -> Value:
        """A quoted phrase or everything up to a blank, with a star after it or not."""
        if self._text.startswith('"', self._at):
            end = self._text.find('"', self._at + 1)
            if end < 0:
                self._fail("Unterminated phrase")
            text, self._at = self._text[self._at + 1 : end], end + 1
            return Value(text, is_prefix=self._take("*"))
        found = _PERIOD.match(self._text, self._at) or _BARE.match(self._text, self._at)
        if found is None:
            self._fail()
        self._at = found.end()
        text = found[0]
        return Value(text.rstrip("*"), is_prefix=text.endswith("*"))

    def _is_over(self) -> bool:
        """Whether the terms that are joined by AND end here."""
        self._blanks()
        found = _OPERATOR.match(self._text, self._at)
        return (
            self._at >= len(self._text)
            or self._text[self._at] == ")"
            or (found is not None and found[0] == "OR")
        )

    def _take_operator(self, word: str) -> bool:
        self._blanks()
        found = _OPERATOR.match(self._text, self._at)
        if found is None or found[0] != word:
            return False
        self._at = found.end()
        return True

    def _take_sign(self, sign: str) -> bool:
        """A plus or minus right before what it is for."""
        following = self._text[self._at + 1 : self._at + 2]
        return not (following in ("", ")") or following.isspace()) and self._take(sign)

    def _take(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            return False
        self._at += 1
        return True

    def _blanks(self) -> None:
        found = _BLANKS.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail("The search is nested too deeply")

    def _count(self) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            self._fail("The search has too many terms")

    def _count_words(self, term: Sought | None) -> None:
        if isinstance(term, Phrase):
            self._looked_up += len(term.words) + (PREFIX_WORDS if term.is_prefix else 0)
        if self._looked_up > MAX_WORDS:
            self._fail("The search has too many words")

    def _fail(self, message: str = "Syntax error") -> NoReturn:
        raise _fault(self._text, self._at, message)


def _query(text: str) -> str:
    """The KQL of the option's value."""
    if '"' not in text:
        return _plain(text)
    if whole := _QUOTED.fullmatch(text):
        return _ESCAPED.sub(lambda escape: escape[1], whole[1])
    parts: list[str] = []
    at = 0
    while at < len(text):
        found = _QUOTED.match(text, at)
        if found is None:
            found = _ODATA_WORD.match(text, at)
            part = found[0] if found else text[at]
            if found is None and part not in "() \t\r\n":
                return _unescaped(text)
        elif not _is_border(text[at - 1 : at]) or not _is_border(text[found.end() : found.end() + 1]):
            return _unescaped(text)
        else:
            part = f"({_ESCAPED.sub(lambda escape: escape[1], found[1])})"
        parts.append(part)
        at = found.end() if found else at + 1
    return "".join(parts)


def _plain(text: str) -> str:
    """Bare words, as OData has them; in its words, what no word can have."""
    for at, character in enumerate(text):
        if not _is_border(character) and not _ODATA_WORD.match(character):
            raise _fault(text, at, f"Syntax error: character '{character}' is not valid")
    return text


def _unescaped(text: str) -> str:
    """What stands in the outermost quotes, when those inside were not escaped."""
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        raise _fault(text, 0, "Syntax error")
    return _ESCAPED.sub(lambda escape: escape[1], text[1:-1])


def _is_border(character: str) -> bool:
    return not character or character.isspace() or character in "()"


def _fault(text: str, at: int, message: str) -> ODataError:
    shown = text if len(text) <= 200 else text[:200] + "…"
    return ODataError(f"{message} at position {at} in '{shown}'.", at, "$search")
