"""What a `$search` looks for, as a tree that the store looks up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that follow each other in one text of one of the fields.

    With `is_prefix` the last word only begins with the last one here; with `is_whole` the text has no other words.
    The fields are those of `search.FIELDS`; the words are as `odata.words` makes them.
    """

    fields: tuple[str, ...]
    words: tuple[str, ...]
    is_prefix: bool = False
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """A number from `low` on and below `high`, where None is no bound: received, sent (instants) or size (bytes)."""

    field: str
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Is:
    """A field that has one of a few values: hasattachments ("true", "false"), importance, kind."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class AllOf:
    terms: tuple[Sought, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    terms: tuple[Sought, ...]


@dataclass(frozen=True, slots=True)
class Without:
    term: Sought


Sought = Phrase | Range | Is | AllOf | AnyOf | Without
