"""Random mailboxes, and what questions to them mean, in plain Python and written twice for nobody's sake but ours.

A question is a text for the URL and a predicate on a `Plain`; nothing of the server's is used to evaluate it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cmp_to_key
from typing import Any

from hypothesis import strategies as st

from graphpost.mail.message import Address, Attachment, Body, ExtendedProperty, Item, Message

DAY = 86_400_000_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
START = int(BEGIN.timestamp()) * 1_000_000
TEXTS = ("", "a", "b", "A b", "ab", "Straße", "50%", "it's", "Ärger")
PEOPLE = ("", "zoe@one.test", "Bo@two.test")
COLOURS = ("Red", "Blue", "Red hot")
LEVELS = ("low", "normal", "high")
BODIES = ("", "alpha beta", "Beta gamma, alpha", "delta")


@dataclass(frozen=True)
class Plain:
    """A message as a few plain values."""

    number: int
    subject: str
    sender: str
    to: tuple[str, ...]
    colours: tuple[str, ...]
    body: str
    level: str
    is_read: bool
    day: int
    value: str  # of an extended property; '' for none
    folder: int

    def item(self, mailbox_id: int, **more: Any) -> Item:
        message = Message(
            subject=self.subject,
            body=Body(self.body),
            from_=Address(self.sender) if self.sender else None,
            to=tuple(Address(each) for each in self.to),
            categories=self.colours,
            importance=self.level,  # type: ignore[arg-type]
            extended=(ExtendedProperty("String 0x1", self.value),) if self.value else (),
            attachments=(Attachment(attachment_id=1, name="plan.pdf"),) if self.number % 3 == 0 else (),
        )
        when = START + self.day * DAY
        return Item(
            mailbox_id=mailbox_id,
            message_id=self.number,
            folder_id=self.folder,
            message=message,
            received_at=when,
            sent_at=START + (9 - self.day) * DAY,
            is_read=self.is_read,
            conversation_id=bytes(16),
            size=self.number,
            **more,
        )


def plains(folders: tuple[int, ...]) -> st.SearchStrategy[list[Plain]]:
    """Mailboxes of a few messages that have much in common, numbered from 1."""
    one = st.builds(
        Plain,
        number=st.just(0),
        subject=st.sampled_from(TEXTS),
        sender=st.sampled_from(PEOPLE),
        to=st.lists(st.sampled_from(PEOPLE[1:]), max_size=2).map(tuple),
        colours=st.lists(st.sampled_from(COLOURS), max_size=2, unique=True).map(tuple),
        body=st.sampled_from(BODIES),
        level=st.sampled_from(LEVELS),
        is_read=st.booleans(),
        day=st.integers(0, 3),
        value=st.sampled_from(("", "1", "x")),
        folder=st.sampled_from(folders),
    )
    return st.lists(one, max_size=25).map(
        lambda found: [Plain(**{**each.__dict__, "number": number + 1}) for number, each in enumerate(found)]
    )


Question = tuple[str, Callable[[Plain], bool]]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
}
_PARTS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startswith": str.startswith,
    "endswith": str.endswith,
}


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def text_question(
    path: str, get: Callable[[Plain], str], values: tuple[str, ...]
) -> st.SearchStrategy[Question]:
    value = st.sampled_from(values)
    compared = st.builds(
        lambda op, v: (
            f"{path} {op} {quoted(v)}",
            lambda each: _COMPARE[op](get(each).casefold(), v.casefold()),
        ),
        st.sampled_from(sorted(_COMPARE)),
        value,
    )
    called = st.builds(
        lambda name, v: (
            f"{name}({path},{quoted(v)})",
            lambda each: _PARTS[name](get(each).casefold(), v.casefold()),
        ),
        st.sampled_from(sorted(_PARTS)),
        value,
    )
    among = st.builds(
        lambda v, w: (
            f"{path} in ({quoted(v)},{quoted(w)})",
            lambda each: get(each).casefold() in (v.casefold(), w.casefold()),
        ),
        value,
        value,
    )
    return compared | called | among


def list_question(
    path: str, part: str, get: Callable[[Plain], tuple[str, ...]], values: tuple[str, ...]
) -> st.SearchStrategy[Question]:
    def make(kind: str, how: str, value: str) -> Question:
        inner = f"e{part} eq {quoted(value)}" if how == "eq" else f"{how}(e{part},{quoted(value)})"
        holds = _PARTS.get(how, lambda text, wanted: text == wanted)
        every = any if kind == "any" else all
        return (
            f"{path}/{kind}(e:{inner})",
            lambda each: every(holds(text.casefold(), value.casefold()) for text in get(each)),
        )

    return st.builds(
        make,
        st.sampled_from(["any", "all"]),
        st.sampled_from(["eq", *sorted(_PARTS)]),
        st.sampled_from(values),
    ) | st.just((f"{path}/any()", lambda each: bool(get(each))))


def _day(op: str, day: int) -> Question:
    text = (BEGIN + timedelta(days=day)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"receivedDateTime {op} {text}", lambda each: _COMPARE[op](each.day, day)


QUESTIONS = st.recursive(
    st.one_of(
        text_question("subject", lambda each: each.subject, TEXTS),
        text_question("from/emailAddress/address", lambda each: each.sender, PEOPLE),
        text_question("body/content", lambda each: each.body, ("alpha", "BETA", "")),
        list_question("categories", "", lambda each: each.colours, COLOURS),
        list_question("toRecipients", "/emailAddress/address", lambda each: each.to, PEOPLE[1:]),
        st.builds(_day, st.sampled_from(sorted(_COMPARE)), st.integers(0, 3)),
        st.sampled_from(LEVELS).map(
            lambda level: (f"importance eq '{level}'", lambda each: each.level == level)
        ),
        st.just(("isRead", lambda each: each.is_read)),
        st.just(("isRead eq false", lambda each: not each.is_read)),
        st.just(("from/emailAddress/address eq null", lambda each: not each.sender)),
        st.just(("hasAttachments", lambda each: each.number % 3 == 0)),
        st.sampled_from(("1", "x")).map(
            lambda value: (
                f"singleValueExtendedProperties/Any(ep: ep/id eq 'string 0x0001' and ep/value eq '{value}')",
                lambda each: each.value == value,
            )
        ),
        st.just(
            (
                "singleValueExtendedProperties/any(p:p/id eq 'String 0x1' and cast(p/value,Edm.Int32) ge 1)",
                lambda each: each.value == "1",
            )
        ),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(
            lambda two: (f"({two[0][0]} and {two[1][0]})", lambda e: two[0][1](e) and two[1][1](e))
        ),
        st.tuples(inner, inner).map(
            lambda two: (f"({two[0][0]} or {two[1][0]})", lambda e: two[0][1](e) or two[1][1](e))
        ),
        inner.map(lambda one: (f"not ({one[0]})", lambda e: not one[1](e))),
    ),
    max_leaves=4,
)

_ORDERS: dict[str, Callable[[Plain], Any]] = {
    "subject": lambda each: each.subject.casefold(),
    "from/emailAddress/address": lambda each: each.sender.casefold(),
    "importance": lambda each: LEVELS.index(each.level),
    "isRead": lambda each: each.is_read,
    "receivedDateTime": lambda each: each.day,
    "sentDateTime": lambda each: -each.day,
}
Order = tuple[tuple[str, bool], ...]
ORDERS: st.SearchStrategy[Order] = st.lists(
    st.tuples(st.sampled_from(sorted(_ORDERS)), st.booleans()), max_size=3, unique_by=lambda each: each[0]
).map(tuple)


def order_text(order: Order) -> str:
    return ",".join(f"{name} desc" if descending else name for name, descending in order)


def in_order(found: list[Plain], order: Order) -> list[Plain]:
    """Sorted; ties by number, in the direction of the last term."""

    def compare(left: Plain, right: Plain) -> int:
        for name, descending in order:
            mine, other = _ORDERS[name](left), _ORDERS[name](right)
            if mine != other:
                return (1 if mine > other else -1) * (-1 if descending else 1)
        return (left.number - right.number) * (-1 if order[-1][1] else 1)

    return sorted(found, key=cmp_to_key(compare))


def said(text: str) -> str:
    """The words of a text between blanks."""
    plain = text.replace("ß", "ss").replace("Ä", "A").lower()
    return f" {' '.join(re.findall('[a-z0-9]+', plain))} "


def _texts(each: Plain, field: str) -> list[str]:
    return {
        "from": [each.sender],
        "to": list(each.to),
        "cc": [],
        "subject": [each.subject],
        "body": [each.body],
        "attachment": ["plan.pdf"] if each.number % 3 == 0 else [],
        "recipients": list(each.to),
        "participants": [each.sender, *each.to],
        "": [each.sender, each.subject, each.body],
    }[field]


def words_question(field: str, text: str) -> Question:
    """Words or a phrase, of a field or anywhere."""
    star = text.endswith("*")
    written = f'"{text[:-1]}"*' if star and " " in text else f'"{text}"' if " " in text else text
    part = said(text)[: -1 if star else None]
    return (
        f"{field}:{written}" if field else written,
        lambda each: any(part in said(one) for one in _texts(each, field)),
    )


def _whole(text: str) -> Question:
    return f'subject="{text}"', lambda each: said(each.subject) == said(text)


def _dated(name: str, op: str, day: int) -> Question:
    text = (BEGIN + timedelta(days=day)).strftime("%Y-%m-%d")
    compare = _COMPARE[{":": "eq", "=": "eq", "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "<>": "ne"}[op]]
    return f"{name}{op}{text}", lambda each: compare(each.day if name == "received" else 9 - each.day, day)


def _spanned(first: int, more: int) -> Question:
    begin, end = (BEGIN + timedelta(days=day) for day in (first, first + more))
    return f"received:{begin:%Y-%m-%d}..{end:%m/%d/%Y}", lambda each: first <= each.day <= first + more


WORDS = (
    "a",
    "ab",
    "A*",
    "strasse",
    "Ärger",
    "arg*",
    "alpha",
    "beta gamma",
    "gamma alpha",
    "be*",
    "zoe",
    "nowhere",
)
SEARCHES: st.SearchStrategy[Question] = st.recursive(
    st.one_of(
        st.builds(words_question, st.sampled_from(("", "", "subject", "body", "cc")), st.sampled_from(WORDS)),
        st.builds(
            words_question,
            st.sampled_from(("from", "to", "recipients", "participants")),
            st.sampled_from(("zoe", "bo@two.test", "tw*", "test")),
        ),
        st.builds(words_question, st.just("attachment"), st.sampled_from(("plan", "plan.pdf", "pdf plan"))),
        st.sampled_from(("a", "a b", "Ärger")).map(_whole),
        st.builds(
            _dated,
            st.sampled_from(("received", "sent")),
            st.sampled_from((":", "=", "<", "<=", ">", ">=", "<>")),
            st.integers(0, 9),
        ),
        st.builds(_spanned, st.integers(0, 3), st.integers(0, 2)),
        st.sampled_from(LEVELS).map(lambda level: (f"importance:{level}", lambda each: each.level == level)),
        st.just(("hasAttachments:true", lambda each: each.number % 3 == 0)),
        st.integers(0, 20).map(lambda size: (f"size>={size}", lambda each: each.number >= size)),
        st.just(("kind:email", lambda each: True)),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from((" ", " AND ")), inner).map(
            lambda two: (f"({two[0][0]}{two[1]}{two[2][0]})", lambda e: two[0][1](e) and two[2][1](e))
        ),
        st.tuples(inner, inner).map(
            lambda two: (f"({two[0][0]} OR {two[1][0]})", lambda e: two[0][1](e) or two[1][1](e))
        ),
        st.tuples(inner, st.sampled_from(("NOT ", "-"))).map(
            lambda one: (f"{one[1]}{one[0][0]}", lambda e: not one[0][1](e))
        ),
    ),
    max_leaves=4,
)
