"""Whether a message is what a search looks for, and the words it is found by.

`matches` is the truth: an index only proposes.  Of a body the first `BODY_CHARACTERS` are looked at, HTML as its text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, assert_never

from graphpost.mail.message import Address, Item
from graphpost.mail.text import html_to_text
from graphpost.odata.sought import AllOf, AnyOf, Is, Phrase, Range, Sought, Without
from graphpost.odata.words import words

BODY_CHARACTERS: Final = 1 << 20
WORD_LENGTH: Final = (
    40  # characters of a word in the index; longer ones share an entry with what begins alike
)
MOST_WORDS: Final = 20_000  # of a message; one with more is proposed to every search
KIND: Final = "email"  # of all that there is here
EVERYTHING: Final = "*"  # what such a message is under

_TAGS: Final = {"from": "f", "to": "t", "cc": "c", "bcc": "b", "subject": "s", "body": "y", "attachment": "a"}


def matches(sought: Sought, item: Item) -> bool:
    """Whether the message is meant."""
    return _Reader(item).holds(sought)


def index_words(item: Item) -> set[str]:
    """What the message is found by: each word of each field, with the field's mark before it."""
    reader = _Reader(item)
    found = {
        tag + word[:WORD_LENGTH]
        for field, tag in _TAGS.items()
        for text in reader.texts(field)
        for word in text.split()
    }
    return found if len(found) <= MOST_WORDS else {EVERYTHING}


def index_word(field: str, word: str) -> str:
    """How the index has a word of a field."""
    return _TAGS[field] + word[:WORD_LENGTH]


class _Reader:
    """One message; its fields are made into words when they are first asked for."""

    def __init__(self, item: Item) -> None:
        self._item = item
        self._texts: dict[str, list[str]] = {}

    def holds(self, sought: Sought) -> bool:
        match sought:
            case Phrase():
                return any(self._has(field, sought) for field in sought.fields)
            case Range():
                value = self._number(sought.field)
                return (sought.low is None or sought.low <= value) and (
                    sought.high is None or value < sought.high
                )
            case Is():
                return self._value(sought.field) == sought.value
            case AllOf():
                return all(self.holds(term) for term in sought.terms)
            case AnyOf():
                return any(self.holds(term) for term in sought.terms)
            case Without():
                return not self.holds(sought.term)
            case _:
                assert_never(sought)

    def texts(self, field: str) -> list[str]:
        """The field's texts: their words with a blank before, between and after them."""
        if field not in self._texts:
            self._texts[field] = [f" {' '.join(words(text))} " for text in _texts(self._item, field) if text]
        return self._texts[field]

    def _has(self, field: str, phrase: Phrase) -> bool:
        part = f" {' '.join(phrase.words)}" + ("" if phrase.is_prefix else " ")
        if phrase.is_whole and phrase.is_prefix:
            return any(text.startswith(part) for text in self.texts(field))
        if phrase.is_whole:
            return part in self.texts(field)
        return any(part in text for text in self.texts(field))

    def _number(self, field: str) -> int:
        item = self._item
        return {"received": item.received_at, "sent": item.sent_at, "size": item.size}[field]

    def _value(self, field: str) -> str:
        message = self._item.message
        if field == "hasattachments":
            return "true" if message.has_attachments else "false"
        return message.importance if field == "importance" else KIND


def _texts(item: Item, field: str) -> Iterable[str]:
    message = item.message
    match field:
        case "from":
            return _people(() if message.from_ is None else (message.from_,))
        case "to":
            return _people(message.to)
        case "cc":
            return _people(message.cc)
        case "bcc":
            return _people(message.bcc)
        case "subject":
            return (message.subject,)
        case "attachment":
            return (attachment.name for attachment in message.attachments)
    content = message.body.content[:BODY_CHARACTERS]
    return (html_to_text(content) if message.body.kind == "html" else content,)


def _people(addresses: Iterable[Address]) -> Iterable[str]:
    return (text for address in addresses for text in (address.name, address.address))
