"""Lists in pages, filtered and ordered anyhow, on both databases: as plain Python says, whatever happens meanwhile."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.graph.oracle import ORDERS, QUESTIONS, Order, Plain, Question, in_order, order_text, plains
from tests.graph.room import BOX, Room, numbers, room

from graphpost.ids import parse_folder_id
from graphpost.mail.mailbox import INBOX, ROOT, SENT_ITEMS, Folder
from graphpost.store.mailbox import folders, messages
from graphpost.store.store import Tx

__all__ = ["room"]
MAILBOXES = plains((INBOX, SENT_ITEMS))
PLACES = {"messages": (INBOX, SENT_ITEMS), "mailFolders/inbox/messages": (INBOX,)}
MODERATE = settings(max_examples=60, suppress_health_check=list(HealthCheck))
CHANGES = st.lists(
    st.tuples(st.sampled_from(("add", "move", "change", "remove")), st.integers(0, 99)), max_size=8
)


def query_of(question: Question | None, order: Order, top: int) -> str:
    parts = [f"$select=id&$top={top}"]
    parts += [f"$filter={quote(question[0])}"] if question else []
    parts += [f"$orderby={quote(order_text(order))}"] if order else []
    return "&".join(parts)


def effective(question: Question | None, order: Order) -> Order:
    """Without an order the newest come first, with a filter the oldest."""
    return order or (("receivedDateTime", question is None),)


@pytest.mark.slow
@MODERATE
@given(
    mailbox=MAILBOXES,
    question=st.none() | QUESTIONS,
    order=ORDERS,
    place=st.sampled_from(sorted(PLACES)),
    top=st.integers(1, 9),
    skip=st.integers(0, 9),
)
def test_a_list_is_what_plain_python_finds(
    room: Room, mailbox: list[Plain], question: Any, order: Order, place: str, top: int, skip: int
) -> None:
    room.fill(mailbox)
    found = [each for each in mailbox if each.folder in PLACES[place] and (not question or question[1](each))]
    expected = [each.number for each in in_order(found, effective(question, order))]
    answer = room.ask(place, query_of(question, order, top) + f"&$skip={skip}&$count=true")
    assert numbers(answer) == expected[skip : skip + top]
    if question:
        assert answer.json["@odata.count"] == len(expected)
    walked = numbers(answer)
    while link := answer.json.get("@odata.nextLink"):
        asked = dict(parse_qsl(urlsplit(link).query))
        assert int(asked["$skip"]) == skip + len(walked)
        answer = room.ask(place, urlsplit(link).query)
        assert len(numbers(answer)) <= top
        walked += numbers(answer)
        assert len(walked) < 200
    assert walked == expected[skip:]


@pytest.mark.slow
@MODERATE
@given(
    mailbox=MAILBOXES,
    question=st.none() | QUESTIONS,
    order=ORDERS,
    place=st.sampled_from(sorted(PLACES)),
    top=st.integers(1, 5),
    changes=CHANGES,
)
def test_a_walk_has_once_what_stays_whatever_comes_and_goes(
    room: Room,
    mailbox: list[Plain],
    question: Any,
    order: Order,
    place: str,
    top: int,
    changes: list[tuple[str, int]],
) -> None:
    room.fill(mailbox)
    touched: set[int] = set()
    pending = list(changes)
    answer = room.ask(place, query_of(question, order, top))
    walked = numbers(answer)
    while link := answer.json.get("@odata.nextLink"):
        if pending:
            kind, pick = pending.pop()
            touched.add(room.write(lambda tx, kind=kind, pick=pick: change(tx, kind, pick, mailbox)))
        answer = room.ask(place, urlsplit(link).query)
        walked += numbers(answer)
        assert len(walked) < 200
    found = [each for each in mailbox if each.folder in PLACES[place] and (not question or question[1](each))]
    expected = [
        each.number for each in in_order(found, effective(question, order)) if each.number not in touched
    ]
    assert [number for number in walked if number not in touched] == expected


def change(tx: Tx, kind: str, pick: int, mailbox: list[Plain]) -> int:
    """Do something to a message, or make one; its number."""
    number = 1 + pick % max(1, len(mailbox))
    item = messages.get(tx, BOX, number)
    if kind == "add" or item is None:
        made = Plain(1000 + pick, "a", "", (), ("Red",), "alpha", "high", pick % 2 == 0, pick % 4, "1", INBOX)
        if messages.get(tx, BOX, made.number) is None:
            messages.add(tx, made.item(BOX))
        return made.number
    if kind == "remove":
        messages.remove(tx, item)
    elif kind == "move":
        messages.change(tx, item, replace(item, folder_id=SENT_ITEMS + INBOX - item.folder_id))
    else:
        message = replace(item.message, subject="b", importance="low")
        messages.change(tx, item, replace(item, message=message, received_at=item.received_at + 1))
    return number


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    names=st.lists(st.sampled_from("abcdefghijklm"), unique=True),
    order=st.sampled_from(
        [
            "",
            "displayName desc",
            "isHidden,displayName desc",
            "totalItemCount,unreadItemCount desc",
            "id desc",
        ]
    ),
    top=st.integers(1, 4),
    gone=st.integers(0, 20),
)
def test_folders_are_walked_once_while_others_come_and_go(
    room: Room, names: list[str], order: str, top: int, gone: int
) -> None:
    def make(tx: Tx) -> None:
        tx.execute("DELETE FROM folders WHERE mailbox_id = ? AND parent_id = ?", (BOX, INBOX))
        for number, name in enumerate(names):
            folder = Folder(
                mailbox_id=BOX, folder_id=100 + number, parent_id=INBOX, name=name, is_hidden=number % 2 == 0
            )
            folders.add(tx, folder)

    room.write(make)
    path = "mailFolders/inbox/childFolders"
    query = f"includeHiddenFolders=true&$top={top}" + (f"&$orderby={quote(order)}" if order else "")
    whole = [value["id"] for value in room.ask(path, query.replace(f"$top={top}", "$top=100")).json["value"]]
    assert len(whole) == len(names)
    answer = room.ask(path, query)
    walked = [value["id"] for value in answer.json["value"]]
    removed, number = "", 500
    while link := answer.json.get("@odata.nextLink"):
        if not removed:
            removed = whole[gone % len(whole)]
            room.write(lambda tx, id=removed: folders.remove(tx, BOX, parse_folder_id(id)[1]))
        number += 1
        added = Folder(mailbox_id=BOX, folder_id=number, parent_id=INBOX, name=f"{number % 7}x{number}")
        room.write(lambda tx, added=added: folders.add(tx, added))
        answer = room.ask(path, urlsplit(link).query)
        walked += [value["id"] for value in answer.json["value"]]
        if number > 540:
            break
    assert [each for each in walked if each in whole and each != removed] == [
        each for each in whole if each != removed
    ]


def test_the_top_level_is_in_order_of_names(room: Room) -> None:
    answer = room.ask("mailFolders", "$top=4")
    found = [value["displayName"] for value in answer.json["value"]]
    while link := answer.json.get("@odata.nextLink"):
        answer = room.ask("mailFolders", urlsplit(link).query)
        found += [value["displayName"] for value in answer.json["value"]]
    visible = room.write(lambda tx: [each.name for each in folders.children(tx, BOX, ROOT)])
    assert found == visible


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("messages", "$skiptoken=x"),
        ("messages", "$skiptoken=é"),
        ("messages", "$skiptoken=kwH_"),
        ("messages", "$orderby=subject&$skiptoken=ks8ABkfnh7P4AMy_"),
        ("messages", "$skiptoken=" + "A" * 20_000),
        ("mailFolders", "$skiptoken=x"),
        ("mailFolders", "$orderby=nosuch&$skiptoken=x"),
    ],
)
def test_a_token_that_is_not_ours_is_400(room: Room, path: str, query: str) -> None:
    answer = room.runner.run(room.study.ask("GET", path, query=query))
    assert answer.status == 400


def test_the_page_size_can_be_preferred(room: Room) -> None:
    for path in ("messages", "mailFolders"):
        room.fill([Plain(n, "a", "", (), (), "", "low", True, 0, "", INBOX) for n in range(1, 9)])
        answer = room.runner.run(room.study.ask("GET", path, prefer="odata.maxpagesize=3"))
        assert len(answer.json["value"]) == 3
        answer = room.runner.run(room.study.ask("GET", path, query="$top=2", prefer="odata.maxpagesize=3"))
        assert len(answer.json["value"]) == 2
