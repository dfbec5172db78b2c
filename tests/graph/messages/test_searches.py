"""`$search` on both databases: as plain Python finds, however far the index is and whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as replaced
from tests.graph.oracle import SEARCHES, Plain, Question, plains, words_question
from tests.graph.room import BOX, Room, numbers, room
from tests.graph.study import Answer

from graphpost.graph.messages import searching as paging
from graphpost.mail.mailbox import INBOX, NO_FOLDER, RECOVERABLE, SENT_ITEMS
from graphpost.store.mailbox import messages
from graphpost.store.search import candidates, indexing, searching, words
from graphpost.store.store import Tx

__all__ = ["room"]
MAILBOXES = plains((INBOX, SENT_ITEMS, NO_FOLDER, RECOVERABLE))
PLACES = {
    "messages": (INBOX, SENT_ITEMS),
    "mailFolders/inbox/messages": (INBOX,),
    "mailFolders/recoverableitemsdeletions/messages": (RECOVERABLE,),
}
MOST = 7
MODERATE = settings(max_examples=40, suppress_health_check=list(HealthCheck))
PICK = st.integers(0, 99)
CHANGES = st.tuples(st.sampled_from(("add", "move", "change", "remove")), PICK)
ASKED = st.sampled_from(
    [words_question(field, text) for field in ("", "subject") for text in ("a", "ge*", "gamma")]
)
ROUNDS = st.lists(
    st.tuples(
        st.sampled_from((0, 1, 2, 40)),  # steps of the index
        st.lists(CHANGES, max_size=3),
        st.lists(st.tuples(SEARCHES | ASKED, st.sampled_from(sorted(PLACES)), st.integers(1, 9)), max_size=4),
    ),
    max_size=4,
)


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    """Bounds so small that everything has many steps."""
    bounds: list[tuple[Any, str, int]] = [
        (paging, "MOST", MOST),
        (searching, "LOOKED_AT", 4),
        (searching, "FIRST", 1),
        (searching, "TOGETHER", 2),
        (searching, "_LOGGED", 3),
        (indexing, "MESSAGES", 4),
        (indexing, "WORDS", 5),
        (words, "BLOCK", 3),
        (candidates, "FEW", 1),
    ]
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in bounds:
            patch.setattr(module, name, value)
        yield


def asked(question: str, top: int) -> str:
    text = question.replace("\\", "\\\\").replace('"', '\\"')
    return f"$select=id&$top={top}&$search={quote(chr(34) + text + chr(34))}"


def search(room: Room, question: Question, place: str, top: int) -> list[int]:
    """All pages."""
    answer = room.ask(place, asked(question[0], top))
    found = numbers(answer)
    while link := answer.json.get("@odata.nextLink"):
        assert "$skip=" not in link
        answer = room.ask(place, urlsplit(link).query)
        assert 0 < len(numbers(answer)) <= top
        found += numbers(answer)
        assert len(found) <= MOST
    return found


def expected(mailbox: dict[int, Plain], question: Question, place: str) -> list[int]:
    found = [each for each in mailbox.values() if each.folder in PLACES[place] and question[1](each)]
    latest = sorted(found, key=lambda each: -each.number)[:MOST]
    return [each.number for each in sorted(latest, key=lambda each: (each.day, -each.number))]


@pytest.mark.slow
@MODERATE
@given(mailbox=MAILBOXES, rounds=ROUNDS)
def test_a_search_finds_what_plain_python_finds(room: Room, mailbox: list[Plain], rounds: list[Any]) -> None:
    room.fill(mailbox)
    model = {each.number: each for each in mailbox}
    for steps, changes, searches in rounds:
        index(room, steps)
        room.write(lambda tx, changes=changes: [change(tx, kind, pick, model) for kind, pick in changes])
        for question, place, top in searches:
            assert search(room, question, place, top) == expected(model, question, place), question[0]
    room.runner.run(room.study.indexer.keep(BOX))
    assert room.read(lambda tx: words.dead(tx, BOX, words.BEGINNING, 10_000)) == ({}, None)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("alpha OR size>=11", lambda e: "alpha" in e.body or e.number >= 11),
        ("alpha OR NOT beta", lambda e: "alpha" in e.body or "beta" not in e.body),
        ("alpha beta", lambda e: "alpha" in e.body and "beta" in e.body),
        ("beta alpha -gamma", lambda e: e.body == "alpha beta"),
        (
            "alpha AND (gamma OR rare)",
            lambda e: "alpha" in e.body and ("gamma" in e.body or e.subject == "rare"),
        ),
        ("NOT alpha", lambda e: "alpha" not in e.body),
        ("size<4 OR size>=11", lambda e: e.number < 4 or e.number >= 11),
        ('"beta gamma"', lambda e: "beta gamma" in e.body),
        ("al* ga*", lambda e: "alpha" in e.body and "gamma" in e.body),
        ("subject:rare", lambda e: e.subject == "rare"),
        ("rare alpha", lambda e: e.subject == "rare" and "alpha" in e.body),
        ("subject=rare OR from:nobody", lambda e: e.subject == "rare"),
    ],
)
def test_what_words_tell_and_what_not_are_joined_right(room: Room, text: str, holds: Any) -> None:
    bodies = ("alpha beta", "beta gamma alpha", "delta", "gamma")
    model = {
        n: Plain(n, "rare" if n == 5 else "a", "", (), (), bodies[n % 4], "low", True, n % 4, "", INBOX)
        for n in range(1, 13)
    }
    room.fill(list(model.values()))
    for _ in range(2):  # without an index, and with one
        assert search(room, (text, holds), "messages", 50) == expected(model, (text, holds), "messages")
        room.runner.run(room.study.indexer.catch_up(BOX))


def index(room: Room, steps: int) -> None:
    """Some steps of the index, the last of which ends before it says how far it is."""
    if not steps:
        return
    room.write(lambda tx: indexing.begin(tx, BOX))
    for number in range(steps):
        step = room.read(lambda tx: indexing.gather(tx, BOX))
        if step is None:
            return
        for some in step.slices():
            room.write(lambda tx, some=some: indexing.add(tx, BOX, some))
        if number < steps - 1:
            assert room.write(lambda tx, step=step: indexing.advance(tx, BOX, step.before, step.after))


def change(tx: Tx, kind: str, pick: int, model: dict[int, Plain]) -> None:
    """Do something to a message, or make one."""
    number = sorted(model)[pick % len(model)] if model else 0
    if kind == "add" or not number:
        made = Plain(
            max(model, default=0) + 1,
            "Ärger",
            "zoe@one.test",
            (),
            (),
            "alpha beta",
            "high",
            True,
            pick % 4,
            "",
            INBOX,
        )
        model[made.number] = made
        messages.add(tx, made.item(BOX))
        return
    item = messages.get(tx, BOX, number)
    assert item is not None
    if kind == "remove":
        messages.remove(tx, item)
        del model[number]
    elif kind == "move":
        folder = (INBOX, SENT_ITEMS, RECOVERABLE, NO_FOLDER)[pick % 4]
        messages.change(tx, item, replaced(item, folder_id=folder))
        model[number] = replace(model[number], folder=folder)
    else:
        after = replace(
            model[number], subject="a b" if pick % 2 else "nowhere", body="gamma alpha", level="low"
        )
        messages.change(tx, item, after.item(BOX, moves=item.moves, version=item.version))
        model[number] = after


def test_pages_of_a_search_hold_together_while_mail_comes(room: Room) -> None:
    room.fill([Plain(n, "a", "", (), (), "", "low", True, n % 4, "", INBOX) for n in range(1, 20)])
    whole = search(room, ("a", lambda each: True), "messages", 100)
    answer = room.ask("messages", asked("a", 2))
    found = numbers(answer)
    number = 100
    while link := answer.json.get("@odata.nextLink"):
        number += 1
        made = Plain(number, "a", "", (), (), "", "low", True, number % 4, "", INBOX)
        room.write(lambda tx, made=made: messages.add(tx, made.item(BOX)))
        answer = room.ask("messages", urlsplit(link).query)
        found += numbers(answer)
    assert found == whole


def test_a_search_has_its_mailbox_indexed(room: Room) -> None:
    room.fill([Plain(1, "a", "", (), (), "", "low", True, 0, "", INBOX)])
    assert room.read(lambda tx: indexing.progress(tx, BOX)) is None
    room.ask("messages", asked("a", 2))
    assert list(room.study.indexer._waiting) == [BOX]
    room.runner.run(room.study.indexer.catch_up(BOX))
    assert room.read(lambda tx: words.block_below(tx, BOX, "sa", 99)) == [1]


def refusal(room: Room, path: str, query: str, **more: Any) -> tuple[int, str]:
    answer: Answer = room.runner.run(room.study.ask("GET", path, query=query, **more))
    return answer.error


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ('$search="a"&$filter=isRead', (400, "SearchWithFilter")),
        ('$search="a"&$orderby=subject', (400, "SearchWithOrderBy")),
        ('$search="a"&$skip=5', (400, "SearchWithSkip")),
        ("$search=", (400, "BadRequest")),
        ('$search="', (400, "BadRequest")),
        ('$search=""', (400, "BadRequest")),
        ("$search=subject:a", (400, "BadRequest")),
        ('$search="(a"', (400, "BadRequest")),
        ('$search="size:large"', (400, "BadRequest")),
        ('$search="a"&$skiptoken=x', (400, "ErrorInvalidUrlQuery")),
        ('$search="a"&$top=0', (400, "BadRequest")),
    ],
)
def test_what_cannot_be_searched_for_is_400(room: Room, query: str, error: tuple[int, str]) -> None:
    assert refusal(room, "messages", query) == error
    assert refusal(room, "mailFolders/inbox/messages", query) == error


def test_a_search_where_there_is_none_is_refused(room: Room) -> None:
    assert refusal(room, "messages/$count", '$search="a"') == (400, "SearchWithCount")
    assert refusal(room, "mailFolders/nosuch/messages", '$search="a"')[0] in (400, 404)


def test_a_count_is_not_made_for_a_search(room: Room) -> None:
    room.fill([Plain(1, "a", "", (), (), "", "low", True, 0, "", INBOX)])
    answer = room.ask("messages", asked("a", 2) + "&$count=true&includeHiddenMessages=true")
    assert numbers(answer) == [1]
    assert "@odata.count" not in answer.json
