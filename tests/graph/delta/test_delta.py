"""Delta queries: rounds, options, tokens; and what a client has after it followed them."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.graph.shelf import (
    ADELE,
    ALEX,
    BASE,
    HOUR,
    INBOX_COUNT,
    PROJECT,
    RAW,
    RICH,
    START,
    Answer,
    Shelf,
    folder_id,
    message_id,
    plain,
)

from graphpost.clock import to_text
from graphpost.errors import AccessDenied, BadRequest, Gone, GraphError, NotFound
from graphpost.graph.delta.folders import folder_delta
from graphpost.graph.delta.messages import message_delta, refuse_delta
from graphpost.graph.delta.tokens import SyncState, parse_token, token_text
from graphpost.graph.messages.reading import list_messages
from graphpost.mail.mailbox import INBOX, ROOT, SENT_ITEMS, Folder
from graphpost.store.mailbox import folders, messages, removals, trees
from graphpost.store.store import Tx

IMMUTABLE = {"prefer": 'IdType="ImmutableId"'}
BASIC = frozenset({"Mail.ReadBasic"})
INBOX_PATH = "/me/mailFolders/inbox/messages/delta"
FOLDERS_PATH = "/me/mailFolders/delta()"


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    opened = Shelf(tmp_path)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """One for tests that change nothing."""
    opened = Shelf(tmp_path_factory.mktemp("still"))
    yield opened
    opened.close()


def write(shelf: Shelf, fn: Callable[[Tx], Any]) -> Any:
    return shelf.runner.run(shelf.store.write(fn))


def ask(shelf: Shelf, query: str = "", folder: str = "inbox", **more: Any) -> Answer:
    path = f"/me/mailFolders/{folder}/messages/delta"
    return shelf.call(message_delta, query, **{"path": path, "folder": folder, **more})


def ask_folders(shelf: Shelf, query: str = "", **more: Any) -> Answer:
    return shelf.call(folder_delta, query, **{"path": FOLDERS_PATH, **more})


def follow(shelf: Shelf, link: str, **more: Any) -> Answer:
    url = urlsplit(link)
    path = url.path.removeprefix("/v1.0")
    assert link.startswith(f"{BASE}{path}?$")
    if "messages" not in path:
        return ask_folders(shelf, url.query, path=path, **more)
    return ask(shelf, url.query, **{"path": path, **more})


def round_of(shelf: Shelf, answer: Answer, **more: Any) -> tuple[list[dict[str, Any]], str]:
    """All entries of a round, and the link to the next one."""
    entries = list(answer.values)
    while "@odata.nextLink" in answer.json:
        assert "@odata.deltaLink" not in answer.json
        answer = follow(shelf, answer.json["@odata.nextLink"], **more)
        entries += answer.values
    return entries, answer.json["@odata.deltaLink"]


def started(shelf: Shelf, query: str = "$top=100", **more: Any) -> str:
    """The link behind the first round."""
    return round_of(shelf, ask(shelf, query, **more), **more)[1]


def changed(shelf: Shelf, number: int, **changes: Any) -> None:
    def change(tx: Tx) -> None:
        item = messages.get(tx, 1, number)
        assert item is not None
        messages.change(tx, item, replace(item, **changes))

    write(shelf, change)


def ids(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["id"] for entry in entries]


def test_the_first_round_is_the_whole_folder_the_newest_first(still: Shelf) -> None:
    answer = ask(still, "$top=60")
    entries, _ = round_of(still, answer)
    assert ids(entries) == [message_id(number) for number in range(INBOX_COUNT, 0, -1)]
    listed = still.call(list_messages, "$top=1", path="/me/mailFolders/inbox/messages", folder="inbox")
    assert entries[0] == {"@odata.type": "#microsoft.graph.message", **listed.values[0]}
    assert list(entries[0])[:2] == ["@odata.type", "@odata.etag"]
    assert answer.json["@odata.context"] == f"{BASE}/$metadata#Collection(message)"
    assert len(answer.values) == 60


@pytest.mark.parametrize(
    ("query", "prefer", "size"),
    [
        ("", "", 10),
        ("$top=7", "", 7),
        ("", "odata.maxpagesize=5", 5),
        ("$top=7", "odata.maxpagesize=5", 5),
    ],
)
def test_pages_have_the_size_that_was_asked_for(still: Shelf, query: str, prefer: str, size: int) -> None:
    first = ask(still, query, headers={"prefer": prefer})
    second = follow(still, first.json["@odata.nextLink"], headers={"prefer": prefer})
    assert (len(first.values), len(second.values)) == (size, size)


def test_an_empty_round_has_a_link_to_the_next(still: Shelf) -> None:
    link = started(still)
    for _ in range(2):
        entries, link = round_of(still, follow(still, link))
        assert entries == []


def test_a_round_tells_what_came_what_changed_and_what_went(shelf: Shelf) -> None:
    link = started(shelf)
    write(shelf, lambda tx: messages.add(tx, plain(5000, INBOX, 300)))
    changed(shelf, 1, is_read=True)
    changed(shelf, 2, folder_id=SENT_ITEMS)
    write(shelf, lambda tx: messages.remove(tx, plain(3, INBOX, 2)))
    changed(shelf, 1001, is_read=True)  # in another folder
    entries, _ = round_of(shelf, follow(shelf, link))
    assert [(entry["id"], entry.get("@removed"), entry.get("isRead")) for entry in entries] == [
        (message_id(5000), None, False),
        (message_id(1), None, True),
        (message_id(2), {"reason": "deleted"}, None),
        (message_id(3), {"reason": "deleted"}, None),
    ]
    assert {entry["@odata.type"] for entry in entries} == {"#microsoft.graph.message"}


def test_what_moved_away_is_named_as_it_was_known(shelf: Shelf) -> None:
    usual, immutable = started(shelf), started(shelf, headers=IMMUTABLE)
    changed(shelf, 1, folder_id=SENT_ITEMS)
    assert ids(follow(shelf, usual).values) == [message_id(1)]
    assert ids(follow(shelf, immutable, headers=IMMUTABLE).values) == [message_id(1, immutable=True)]
    there = follow(shelf, started(shelf, folder="sentitems"), folder="sentitems")
    changed(shelf, 1, folder_id=INBOX)
    back = follow(shelf, there.json["@odata.deltaLink"], folder="sentitems").values
    assert ids(back) == [message_id(1, moves=1)]


def test_what_came_back_is_removed_under_its_old_id_only(shelf: Shelf) -> None:
    usual, immutable = started(shelf), started(shelf, headers=IMMUTABLE)
    changed(shelf, 1, folder_id=SENT_ITEMS)
    changed(shelf, 1, folder_id=INBOX)
    entries = follow(shelf, usual).values
    assert [(entry["id"], "@removed" in entry) for entry in entries] == [
        (message_id(1), True),
        (message_id(1, moves=2), False),
    ]
    entries = follow(shelf, immutable, headers=IMMUTABLE).values
    assert [(entry["id"], "@removed" in entry) for entry in entries] == [
        (message_id(1, immutable=True), False)
    ]


def test_what_changes_while_the_folder_is_enumerated_comes_in_the_next_round(shelf: Shelf) -> None:
    answer = ask(shelf, "$top=150")
    write(shelf, lambda tx: messages.add(tx, plain(5000, INBOX, 300)))
    changed(shelf, 1, folder_id=SENT_ITEMS)  # not shown yet
    changed(shelf, 200, folder_id=SENT_ITEMS)  # shown
    changed(shelf, 2, received_at=START + 400 * HOUR)  # not shown yet, and before the page now
    rest, link = round_of(shelf, answer)
    assert ids(rest) == [message_id(number) for number in range(INBOX_COUNT, 2, -1)]
    entries, _ = round_of(shelf, follow(shelf, link))
    assert sorted(ids(entries)) == sorted(message_id(number) for number in (5000, 1, 200, 2))


def test_a_round_ends_however_much_changes_meanwhile(shelf: Shelf) -> None:
    link = started(shelf)
    for number in (1, 2, 3):
        changed(shelf, number, is_read=True)
    answer = follow(shelf, link, headers={"prefer": "odata.maxpagesize=1"})
    assert ids(answer.values) == [message_id(1)]
    changed(shelf, 1, is_read=False)
    changed(shelf, 4, is_read=True)
    rest, link = round_of(shelf, answer, headers={"prefer": "odata.maxpagesize=1"})
    assert ids(rest[1:]) == [message_id(2), message_id(3)]
    assert sorted(ids(round_of(shelf, follow(shelf, link))[0])) == sorted([message_id(1), message_id(4)])


def test_a_token_may_be_used_again(shelf: Shelf) -> None:
    link = started(shelf)
    changed(shelf, 1, is_read=True)
    assert follow(shelf, link).values == follow(shelf, link).values != []


def test_options_hold_for_all_rounds(shelf: Shelf) -> None:
    first = ask(shelf, "$select=subject&$top=2&$filter=" + quote(f"receivedDateTime ge {at(190)}"))
    entries, link = round_of(shelf, first)
    assert len(entries) == 10
    assert set(entries[0]) == {"@odata.type", "@odata.etag", "id", "subject"}
    for number in range(1, INBOX_COUNT + 1):
        changed(shelf, number, is_read=False)
    again = follow(shelf, link + "&$select=body")
    assert len(again.values) == 2
    entries, _ = round_of(shelf, again)
    assert len(entries) == 10
    assert set(entries[0]) == {"@odata.type", "@odata.etag", "id", "subject"}


def at(index: int) -> str:
    return to_text(START + index * HOUR)


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        (f"receivedDateTime ge {at(190)}", 10),
        (f"receivedDateTime gt {at(190)}", 9),
        (f"receiveddatetime ge {at(0)}", 200),
        (f"receivedDateTime ge {at(500)}", 0),
    ],
)
def test_a_filter_may_be_by_the_time_of_receipt(still: Shelf, condition: str, count: int) -> None:
    query = f"$top=1000&$filter={quote(condition)}&$orderby=receivedDateTime desc"
    entries, _ = round_of(still, ask(still, query))
    assert len(entries) == count


def test_departures_pass_any_filter(shelf: Shelf) -> None:
    link = started(shelf, "$filter=" + quote(f"receivedDateTime ge {at(190)}"))
    changed(shelf, 1, folder_id=SENT_ITEMS)
    assert ids(follow(shelf, link).values) == [message_id(1)]


@pytest.mark.parametrize(
    ("kind", "first", "expected"),
    [
        ("created", INBOX_COUNT, [5000]),
        ("updated", 0, [1]),
        ("deleted", 0, [2]),
        ("Created", INBOX_COUNT, [5000]),
    ],
)
def test_changes_of_one_kind_may_be_asked_for(
    shelf: Shelf, kind: str, first: int, expected: list[int]
) -> None:
    entries, link = round_of(shelf, ask(shelf, f"changeType={kind}&$top=1000"))
    assert len(entries) == first
    write(shelf, lambda tx: messages.add(tx, plain(5000, INBOX, 300)))
    changed(shelf, 5000, is_read=True)
    changed(shelf, 1, is_read=True)
    changed(shelf, 2, folder_id=SENT_ITEMS)
    entries, link = round_of(shelf, follow(shelf, link))
    assert ids(entries) == [message_id(number) for number in expected]
    assert round_of(shelf, follow(shelf, link))[0] == []


def test_few_wanted_among_many_changes_come_in_pages_that_may_be_empty(shelf: Shelf) -> None:
    link = started(shelf, "changeType=deleted")
    write(
        shelf,
        lambda tx: [messages.add(tx, plain(10_000 + number, INBOX, 300 + number)) for number in range(1500)],
    )
    changed(shelf, 2, folder_id=SENT_ITEMS)
    answer = follow(shelf, link)
    assert answer.values == []
    assert ids(round_of(shelf, answer)[0]) == [message_id(2)]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("$search=x", "BadRequest"),
        ("$skip=5", "BadRequest"),
        ("$count=true", "BadRequest"),
        ("$filter=isRead eq false", "ErrorInvalidUrlQueryFilter"),
        ("$filter=receivedDateTime le 2026-01-01T00:00:00Z", "ErrorInvalidUrlQueryFilter"),
        (
            "$filter=receivedDateTime ge 2026-01-01T00:00:00Z and isRead eq true",
            "ErrorInvalidUrlQueryFilter",
        ),
        ("$orderby=receivedDateTime", "ErrorInvalidUrlQuery"),
        ("$orderby=subject desc", "ErrorInvalidUrlQuery"),
        ("$orderby=receivedDateTime desc,subject", "ErrorInvalidUrlQuery"),
        ("changeType=moved", "BadRequest"),
        ("changeType=", "BadRequest"),
        ("$top=0", "BadRequest"),
        ("$select=nothing", "BadRequest"),
        ("$expand=folder", "ExpandNotSupported"),
    ],
)
def test_what_cannot_be_tracked_is_refused(still: Shelf, query: str, code: str) -> None:
    with pytest.raises(BadRequest) as refused:
        ask(still, query)
    assert refused.value.code == code


def test_the_whole_mailbox_is_not_tracked(still: Shelf) -> None:
    with pytest.raises(BadRequest, match="Change tracking is not supported"):
        still.call(refuse_delta, path="/me/messages/delta")


def test_what_is_expanded_is_in_all_rounds(shelf: Shelf) -> None:
    query = "$expand=attachments($select=name)&$select=subject"
    entries, link = round_of(shelf, ask(shelf, query, folder=folder_id(PROJECT)), folder=folder_id(PROJECT))
    assert {entry["id"]: len(entry["attachments"]) for entry in entries} == {
        message_id(RICH): 5,
        message_id(RAW): 0,
    }
    changed(shelf, RICH, is_read=False)
    (entry,) = follow(shelf, link, folder=folder_id(PROJECT)).values
    assert len(entry["attachments"]) == 5


def test_a_token_that_reads_basics_sees_basics(still: Shelf) -> None:
    entries, link = round_of(still, ask(still, "$top=1000", permissions=BASIC), permissions=BASIC)
    assert "bodyPreview" not in entries[0]
    assert "body" not in entries[0]
    whole = started(still, "$select=body")
    with pytest.raises(AccessDenied):
        follow(still, whole, permissions=BASIC)
    assert follow(still, link, permissions=BASIC).values == []


def token_of(link: str) -> str:
    return urlsplit(link).query.partition("=")[2]


FOREIGN: list[tuple[str, dict[str, Any]]] = [
    ("another folder", {"folder": "sentitems"}),
    ("another mailbox", {"box": ALEX, "user_key": ALEX.object_id}),
]


@pytest.mark.parametrize(("name", "more"), FOREIGN, ids=[name for name, _ in FOREIGN])
def test_a_token_for_something_else_is_gone(still: Shelf, name: str, more: dict[str, Any]) -> None:
    for link in (ask(still).json["@odata.nextLink"], started(still)):
        with pytest.raises(Gone) as gone:
            follow(still, link, **more)
        assert (gone.value.status, gone.value.code) == (410, "syncStateNotFound")


def test_a_token_of_folders_is_none_of_messages(still: Shelf) -> None:
    link = round_of(still, ask_folders(still))[1]
    with pytest.raises(Gone):
        ask(still, f"$deltatoken={token_of(link)}", folder="msgfolderroot")


@pytest.mark.parametrize("text", ["", "x", "latest", "AAAA", "é", "0", "A" * 70_000, "%00", "AQ==", "_" * 64])
def test_what_is_no_token_is_badly_formed(still: Shelf, text: str) -> None:
    for option in ("$deltatoken", "$skiptoken"):
        with pytest.raises(BadRequest):
            ask(still, f"{option}={quote(text)}")
        with pytest.raises(BadRequest):
            ask_folders(still, f"{option}={quote(text)}")


STATE = SyncState("messages", ADELE.object_id, INBOX, 5, 0, False, (0, 0), {"$select": "subject"})


@given(st.integers(0, 400), st.integers(1, 255))
def test_a_spoilt_token_is_badly_formed(index: int, flip: int) -> None:
    data = bytearray(urlsafe_b64decode(token_text(STATE) + "=="))
    data[index % len(data)] ^= flip
    with pytest.raises(BadRequest):
        parse_token(urlsafe_b64encode(bytes(data)).rstrip(b"=").decode())


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda data: urlsafe_b64encode(data).decode()))
@example("A")
def test_any_text_is_a_token_or_refused(text: str) -> None:
    with pytest.raises(GraphError):
        parse_token(text)


def test_a_token_older_than_what_is_known_is_gone(shelf: Shelf) -> None:
    messages_link, folders_link = started(shelf), round_of(shelf, ask_folders(shelf))[1]
    page = ask(shelf).json["@odata.nextLink"]
    changed(shelf, 1, folder_id=SENT_ITEMS)
    write(shelf, lambda tx: removals.note_time(tx, 1000))
    fresh = started(shelf)
    write(shelf, lambda tx: removals.forget(tx, 2000))
    for link in (messages_link, folders_link, page):
        with pytest.raises(Gone):
            follow(shelf, link)
    assert follow(shelf, fresh).values == []


def test_a_token_from_the_future_is_gone(shelf: Shelf) -> None:
    """As after a backup was put back."""
    state = parse_token(token_of(started(shelf)))
    ahead = token_text(replace(state, since=state.since + 1))
    with pytest.raises(Gone):
        ask(shelf, f"$deltatoken={ahead}")
    write(shelf, lambda tx: messages.add(tx, plain(5000, INBOX, 300)))
    assert ask(shelf, f"$deltatoken={ahead}").values == []


@pytest.mark.parametrize(
    "numbers", [(-5, 0, (0, 0)), (0, 1, (2**62, 5)), (1, 2**62, (-1, -1)), (2**62, 0, (0, 0))]
)
@pytest.mark.parametrize("is_enumerating", [True, False])
def test_a_token_that_was_made_up_gets_no_more_than_none(
    still: Shelf, numbers: tuple[int, int, tuple[int, int]], is_enumerating: bool
) -> None:
    since, until, place = numbers
    state = SyncState("messages", ADELE.object_id, INBOX, since, until, is_enumerating, place, {"$top": "5"})
    try:
        answer = ask(still, f"$skiptoken={token_text(state)}")
    except Gone:
        return
    assert {entry["parentFolderId"] for entry in answer.values} <= {folder_id(INBOX)}


@pytest.mark.parametrize(
    "query", [{"$top": "0"}, {"$select": "x"}, {"$filter": "isRead eq true"}, {"changetype": "x"}]
)
def test_options_in_a_token_are_looked_at_as_others(still: Shelf, query: dict[str, str]) -> None:
    state = replace(parse_token(token_of(started(still))), query=query)
    with pytest.raises(BadRequest):
        ask(still, f"$deltatoken={token_text(state)}")


def test_a_folder_that_is_gone_is_not_found(shelf: Shelf) -> None:
    link = started(shelf, folder=folder_id(PROJECT))
    write(shelf, lambda tx: trees.erase_step(tx, 1, PROJECT))
    with pytest.raises(NotFound):
        follow(shelf, link, folder=folder_id(PROJECT))


def test_both_spellings_of_a_folder_are_one(still: Shelf) -> None:
    link = started(still)
    assert follow(still, link, folder=folder_id(INBOX)).status == 200


# Folders


def test_the_first_round_of_folders_is_all_that_are_shown(still: Shelf) -> None:
    answer = ask_folders(still, "$top=3")
    entries, _ = round_of(still, answer)
    assert answer.json["@odata.context"] == f"{BASE}/$metadata#Collection(mailFolder)"
    names = [entry["displayName"] for entry in entries]
    assert names == ["Archive", "Conversation History", "Deleted Items", "Drafts", "Inbox", "Junk Email",
                     "Outbox", "Sent Items", "Project"]  # fmt: skip
    inbox = entries[4]
    assert inbox["@odata.type"] == "#microsoft.graph.mailFolder"
    assert (inbox["totalItemCount"], inbox["childFolderCount"]) == (INBOX_COUNT, 1)
    hidden, _ = round_of(still, ask_folders(still, "includeHiddenFolders=true&$select=displayName"))
    assert "Clutter" in [entry["displayName"] for entry in hidden]
    assert set(hidden[0]) == {"@odata.type", "@odata.etag", "id", "displayName"}


def test_a_round_of_folders_tells_what_changed_and_what_went(shelf: Shelf) -> None:
    _, link = round_of(shelf, ask_folders(shelf))
    new = Folder(mailbox_id=1, folder_id=7000, parent_id=ROOT, name="New")
    write(shelf, lambda tx: folders.add(tx, new))
    write(shelf, lambda tx: messages.add(tx, plain(5000, 7000, 1)))
    entries, link = round_of(shelf, follow(shelf, link, headers={"prefer": "odata.maxpagesize=1"}))
    assert [(entry["displayName"], entry["totalItemCount"]) for entry in entries] == [("New", 1)]
    write(shelf, lambda tx: trees.erase_step(tx, 1, 7000))
    write(shelf, lambda tx: trees.erase_step(tx, 1, PROJECT))
    entries, link = round_of(shelf, follow(shelf, link))
    gone = [entry["id"] for entry in entries if entry.get("@removed") == {"reason": "deleted"}]
    assert gone == [folder_id(7000), folder_id(PROJECT)]
    assert [entry["childFolderCount"] for entry in entries if "@removed" not in entry] == [0]
    assert round_of(shelf, follow(shelf, link))[0] == []


@pytest.mark.parametrize(
    "query", ["$filter=displayName eq 'x'", "$orderby=displayName", "$search=x", "$expand=childFolders"]
)
def test_folders_take_no_conditions(still: Shelf, query: str) -> None:
    with pytest.raises(BadRequest):
        ask_folders(still, query)


def test_a_token_of_anothers_folders_is_gone(still: Shelf) -> None:
    link = round_of(still, ask_folders(still))[1]
    with pytest.raises(Gone):
        follow(still, link, box=ALEX, user_key=ALEX.object_id)
    assert ADELE.object_id not in link
