"""Questions to a mailbox with their meaning in plain Python: filters, orders, pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from tests.model.mailbox import Kept, addresses

IMPORTANCE = ("low", "normal", "high")
SUBJECTS = ("", "Lunch", "Größe", "RE: Lunch", "50% of_it", "o'clock")


@dataclass(frozen=True)
class Filter:
    text: str
    means: Callable[[Kept], bool]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _address(kept: Kept) -> str:
    author = kept.seen["from"]
    return str(author["emailAddress"]["address"]).casefold() if author else ""


def _subject(kept: Kept) -> str:
    return str(kept.seen["subject"])[:255].casefold()


def _flag(name: str) -> st.SearchStrategy[Filter]:
    return st.booleans().map(
        lambda value: Filter(f"{name} eq {str(value).lower()}", lambda kept: kept.seen[name] is value)
    )


def _text(name: str, test: Callable[[str, str], bool]) -> st.SearchStrategy[Filter]:
    return st.sampled_from(("Lunch", "lunch", "GRÖSSE", "%", "_", "'", "re:", "x")).map(
        lambda part: Filter(
            f"{name}(subject,{_quoted(part)})", lambda kept: test(_subject(kept), part.casefold())
        )
    )


_ATOMS = st.one_of(
    _flag("isRead"),
    _flag("isDraft"),
    _flag("hasAttachments"),
    _text("contains", lambda text, part: part in text),
    _text("startswith", lambda text, part: text.startswith(part)),
    _text("endswith", lambda text, part: text.endswith(part)),
    st.sampled_from(SUBJECTS).map(
        lambda text: Filter(f"subject eq {_quoted(text)}", lambda kept: _subject(kept) == text.casefold())
    ),
    st.sampled_from(IMPORTANCE).map(
        lambda word: Filter(f"importance eq '{word}'", lambda kept: kept.seen["importance"] == word)
    ),
    st.sampled_from(("red", "Blue", "none")).map(
        lambda word: Filter(
            f"categories/any(c:c eq '{word}')",
            lambda kept: word.casefold() in {each.casefold() for each in kept.seen["categories"]},
        )
    ),
    st.sampled_from(("adelev@contoso.com", "ADELE@contoso.com", "zoe@one.test")).map(
        lambda address: Filter(
            f"from/emailAddress/address eq '{address}'", lambda kept: _address(kept) == address.casefold()
        )
    ),
    st.sampled_from(("notFlagged", "complete", "flagged")).map(
        lambda word: Filter(
            f"flag/flagStatus eq '{word}'", lambda kept: kept.seen["flag"]["flagStatus"] == word
        )
    ),
    st.tuples(
        st.sampled_from(("toRecipients", "ccRecipients", "bccRecipients", "replyTo")),
        st.sampled_from(("zoe@one.test", "AdeleV@contoso.com", "nobody@contoso.test")),
    ).map(
        lambda both: Filter(
            f"{both[0]}/any(r:r/emailAddress/address eq '{both[1]}')",
            lambda kept: both[1].casefold() in {each.casefold() for each in addresses(kept.seen[both[0]])},
        )
    ),
    st.sampled_from(("Soup", "fish", "<b>")).map(
        lambda part: Filter(
            f"contains(body/content,'{part}')",
            lambda kept: part.casefold() in kept.seen["body"]["content"].casefold(),
        )
    ),
    st.integers(0, 59).map(
        lambda second: Filter(
            f"receivedDateTime ge 2026-01-01T00:00:{second:02}Z",
            lambda kept: kept.seen["receivedDateTime"] >= f"2026-01-01T00:00:{second:02}Z",
        )
    ),
)


def _joined(left: Filter, word: str, right: Filter) -> Filter:
    test = all if word == "and" else any
    return Filter(
        f"({left.text}) {word} ({right.text})", lambda kept: test((left.means(kept), right.means(kept)))
    )


def _negated(inner: Filter) -> Filter:
    return Filter(f"not ({inner.text})", lambda kept: not inner.means(kept))


FILTERS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.builds(_joined, inner, st.sampled_from(("and", "or")), inner), st.builds(_negated, inner)
    ),
    max_leaves=4,
)

_COLUMNS: dict[str, Callable[[Kept], Any]] = {
    "receivedDateTime": lambda kept: kept.seen["receivedDateTime"],
    "subject": _subject,
    "isRead": lambda kept: kept.seen["isRead"],
    "importance": lambda kept: IMPORTANCE.index(kept.seen["importance"]),
    "from/emailAddress/address": _address,
    "hasAttachments": lambda kept: kept.seen["hasAttachments"],
}
ORDERS = st.lists(
    st.tuples(st.sampled_from(sorted(_COLUMNS)), st.booleans()),
    max_size=2,
    unique_by=lambda order: order[0],
)
Order = list[tuple[str, bool]]


def order_text(order: Order) -> str:
    return ",".join(f"{name} desc" if down else name for name, down in order)


class _Down:
    """Sorts the other way round."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Down) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Down) and bool(other.value == self.value)

    __hash__ = None  # type: ignore[assignment]


def sort_key(order: Order, *, filtered: bool) -> Callable[[Kept], tuple[Any, ...]]:
    """The newest first when nothing else is asked; the oldest with a filter."""
    wanted = order or [("receivedDateTime", not filtered)]

    def key(kept: Kept) -> tuple[Any, ...]:
        values = [(_COLUMNS[name](kept), down) for name, down in wanted]
        return tuple(_Down(value) if down else value for value, down in values)

    return key
