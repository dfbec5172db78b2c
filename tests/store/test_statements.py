"""Every statement names the column its table is distributed by; every function of the store is looked at."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

import pytest
from tests.store.made import delivery, feed, item, subscription, upload

from graphpost.mail.mailbox import INBOX, NO_FOLDER, Folder
from graphpost.mail.preferences import Category, PersonalSettings
from graphpost.odata.sought import Phrase
from graphpost.store import audit, contents, repeats, usage
from graphpost.store.audit import Actor, Record, entry_of
from graphpost.store.contents import Content
from graphpost.store.databases.transaction import COUNT
from graphpost.store.mailbox import (
    changes,
    deferrals,
    folder_properties,
    folders,
    forgetting,
    messages,
    portions,
    preferences,
    removals,
    trees,
    uploads,
)
from graphpost.store.mailbox.changes import Mark
from graphpost.store.mailbox.deferrals import Deferral
from graphpost.store.mailbox.pages import NEWEST, Slot
from graphpost.store.mailbox.preferences import Entry, Kind
from graphpost.store.mailbox.trees import Copying
from graphpost.store.notifications import feeds, subscriptions
from graphpost.store.queue import (
    deliveries,
    depths,
    destinations,
    interventions,
    lookups,
    nodes,
    reported,
    rerouting,
    suppressions,
    tls,
)
from graphpost.store.queue.lookups import Choice
from graphpost.store.queue.reported import Reported
from graphpost.store.queue.suppressions import Suppression
from graphpost.store.queue.tls import Level, StoredPolicy
from graphpost.store.repeats import Once
from graphpost.store.search import candidates, indexing, searching, words
from graphpost.store.search.indexing import Progress
from graphpost.store.search.searching import Search
from graphpost.store.store import Dialect, Params, Row, Store, Tx
from graphpost.store.usage import Use

pytestmark = pytest.mark.anyio

KEYS = {
    "messages": "mailbox_id",
    "contents": "mailbox_id",
    "folders": "mailbox_id",
    "uploads": "mailbox_id",
    "words": "mailbox_id",
    "indexes": "mailbox_id",
    "preferences": "mailbox_id",
    "removals": "mailbox_id",
    "audit": "mailbox_id",
    "repeats": "mailbox_id",
    "deliveries": "bucket",
    "destinations": "bucket",
    "paces": "bucket",
    "reported": "bucket",
    "subscriptions": "bucket",
    "feeds": "bucket",
    "deferrals": "bucket",
    "folder_properties": "mailbox_id",
    "usage": "bucket",
    "tls_levels": "bucket",
    "tls_policies": "bucket",
}
CHOICE = Choice(mailbox_id=7, destination="d", sender="a@b.test")
PLACES = [("received_at", False)]
SEARCH = Search(7, INBOX, Phrase(("subject",), ("a",)))
ENTRY = Entry("a", "red", Category("Red"))
FOLDER = Folder(mailbox_id=7, folder_id=99, parent_id=1, name="x")
DEFERRAL = Deferral(mailbox_id=7, message_id=1, due_at=100, created_at=1)
RECORD = Record(7, 1, 5, Actor("user"))
CALLS: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = [
    (folders.create_defaults, (7,), {}),
    (folders.add, (FOLDER,), {}),
    (folders.get, (7, 1), {}),
    (folders.children, (7, 1, True), {}),
    (folders.find, (7, 1, "x"), {}),
    (folders.hold, (7, 1), {}),
    (folders.size_of, (7,), {}),
    (folders.recoverable_size, (7,), {}),
    (folders.share, (7, 1), {}),
    (folders.listed, (7, 0, 10), {}),
    (folders.hold_tree, (7,), {}),
    (folders.ancestors, (7, 99), {}),
    (folders.free_name, (7, 1, "x", 255), {}),
    (folders.change, (FOLDER, FOLDER), {}),
    (folder_properties.put, (7, 98, ()), {}),
    (folder_properties.get, (7, 98), {}),
    (folders.remove, (7, 98), {}),
    (folders.children, (7, 1, False), {}),
    (messages.add, (item(1),), {}),
    (messages.get, (7, 1), {}),
    (messages.find, (7,), {}),
    (messages.find, (7,), {"order": PLACES, "where": ("is_read = ?", (1,))}),
    (messages.find, (7,), {"folder_id": INBOX}),
    (
        messages.find_flagged,
        (7, [("is_read = ?", (1,))], Slot(NEWEST, (5, 5), 1, 2)),
        {"where": ("1 = ?", (1,))},
    ),
    (messages.find_flagged, (7, [], Slot([("subject", True), ("size", False)], ("x", 1, 5))), {}),
    (messages.get_some, (7, [1, 2]), {}),
    (messages.ascending, (7, 0, 5), {}),
    (messages.portion_of, (7, []), {}),
    (portions.fill, (7, [(1, None, 5)], 1), {}),
    (messages.descending_ids, (7, None, 0, 99, 5), {}),
    (messages.count, (7, None), {}),
    (words.add, (7, {"sa": [1], "sb": [2, 3]}), {}),
    (words.block_below, (7, "sa", 5), {}),
    (words.beginning_with, (7, "s", 5), {}),
    (words.dead, (7, words.BEGINNING, 5), {}),
    (words.remove, (7, {("sa", 1): {1}}), {}),
    (audit.add, (entry_of(RECORD),), {}),
    (audit.get, (7, 1), {}),
    (audit.below, (7, 9, 0, 5), {}),
    (audit.prune, (7, 9, 5), {}),
    (repeats.find, (7, Once(b"d", 0)), {}),
    (repeats.check, (7, Once(b"d", 0)), {}),
    (repeats.remember, (7, Once(b"d", 0), 1, 5), {}),
    (repeats.prune, (7, 9, 5), {}),
    (indexing.begin, (7,), {}),
    (indexing.progress, (7,), {}),
    (indexing.gather, (7,), {}),
    (indexing.add, (7, {"sa": [1]}), {}),
    (indexing.advance, (7, Progress(Mark(1, 1), 0), Progress(Mark(2, 2), 0)), {}),
    (indexing.prune, (7, {("sb", 2): {3}}, ("sb", 2)), {}),
    (searching.begin, (SEARCH,), {}),
    (searching.look, (SEARCH, 25), {}),
    (searching.fetch, (SEARCH, [(0, 1)]), {}),
    (candidates.candidates, (7, INBOX, SEARCH.sought, Progress(Mark(1, 1), 5), (1,)), {}),
    (messages.count, (7, INBOX, ("is_read = ?", (1,))), {}),
    (messages.change, (item(1), item(1, folder_id=NO_FOLDER)), {}),
    (messages.remove, (item(1, version=2),), {}),
    (messages.places, (7,), {}),
    (removals.add, (7, INBOX, [(1, 0), (2, 0)], removals.MOVED), {}),
    (removals.add, (7, INBOX, [(1, 2), (2, 0)], removals.DELETED), {}),
    (removals.places, (7,), {}),
    (removals.note_time, (100,), {}),
    (removals.forget, (100,), {}),
    (removals.forgotten, (), {}),
    (removals.forget_all, (), {}),
    (changes.latest, (), {}),
    (changes.forgotten, (), {}),
    (changes.messages_since, (7, INBOX, Mark(0, 0), 2**62, 10), {}),
    (changes.messages_since, (7, None, Mark(0, 0), 2**62, 10), {}),
    (changes.folders_since, (7, Mark(0, 0), 2**62, 10), {}),
    (changes.present, (7, INBOX, (100, 0), 0, 10), {}),
    (changes.among, (7, INBOX, [1]), {}),
    (removals.prune, (7, 2**62, 10), {}),
    (contents.add, (7, 1, [Content(1, 1, "0" * 64, b"x")]), {}),
    (contents.of_message, (7, 1), {}),
    (contents.blobs_of, (7, ["0" * 64]), {}),
    (contents.remove_some, (7, 1, [1]), {}),
    (uploads.add, (upload(1),), {}),
    (uploads.get, (7, 1), {}),
    (uploads.advance, (upload(1), upload(1, received=5)), {}),
    (uploads.count_open, (7, 100), {}),
    (uploads.parts_of, (7,), {}),
    (uploads.blobs_of, (7,), {}),
    (uploads.remove_ended, (7, 100), {}),
    (uploads.remove, (7, 1), {}),
    (contents.copy, (7, 1, 2), {}),
    (contents.copy_some, (7, 1, 3, [1]), {}),
    (contents.remove, (7, 1), {}),
    (forgetting.forget, (item(1, version=3),), {}),
    (forgetting.remove, (item(1, version=3),), {}),
    (forgetting.find_unneeded, (7, 10), {}),
    (forgetting.find_outdated, (7, 100, 10), {}),
    (forgetting.sweep, (7, [1]), {}),
    (deliveries.add, (delivery(1),), {}),
    (destinations.hold, ("d", 1, 1), {}),
    (destinations.due_in, (7, 100), {}),
    (destinations.due, (100,), {}),
    (destinations.held, (100,), {}),
    (destinations.forget, (100,), {}),
    (destinations.take_times, ("d", 100, 2, 10), {}),
    (deliveries.claim, (7, "smtp://relay.test:25", 100, 200, 1, 10), {}),
    (deliveries.waiting, (7, "smtp://relay.test:25", 100, (-1, 0, 0), 100, 10), {}),
    (deliveries.claim_one, (delivery(1), 100, 200, 1), {}),
    (deliveries.settle, ([delivery(1, attempts=1)], 1), {}),
    (deliveries.give_back, (delivery(1, attempts=1), 1, 100), {}),
    (deliveries.renew, ([delivery(1)], 1, 200), {}),
    (deliveries.get, (7, 1), {}),
    (deliveries.find, (1,), {}),
    (lookups.page, (), {}),
    (lookups.page, (CHOICE,), {"state": 0}),
    (interventions.keys, (7, 0, CHOICE, (0, 0), 10), {}),
    (interventions.act, ("hold", 7, [(1, 0)], Choice(), 100), {}),
    (interventions.act, ("release", 7, [(1, 0)], Choice(), 100), {}),
    (interventions.act, ("retry", 7, [(1, 0)], Choice(), 100), {}),
    (deliveries.release, (7, 100), {}),
    (deliveries.release, (7, 100, 9), {}),
    (nodes.beat, (9,), {}),
    (nodes.leave, (9, 100), {}),
    (nodes.take_over, (9, 1, 100), {}),
    (reported.note, (7, 1, Reported("a@b.test", "read", 100)), {}),
    (reported.of_message, (7, 1), {}),
    (reported.find_sent, (7, "<1@contoso.test>"), {}),
    (reported.prune, (7,), {}),
    (deliveries.depth, (), {}),
    (deliveries.prune, (7, 100), {}),
    (depths.by_destination, (100,), {}),
    (depths.last_answer, ("d",), {}),
    (suppressions.put, ([Suppression("a@b.test"), Suppression("c@b.test", origin="bounce")],), {}),
    (suppressions.revision, (), {}),
    (suppressions.load, (), {}),
    (suppressions.find, ("a@b.test",), {}),
    (suppressions.listed, (), {}),
    (suppressions.remove_expired, (5,), {}),
    (suppressions.remove, ("a@b.test",), {}),
    (deliveries.give_back, (delivery(1, attempts=1), 1, 100), {}),
    (deliveries.renew, ([delivery(1, attempts=1)], 1, 100), {}),
    (deliveries.add, (delivery(2, destination="old"),), {}),
    (deliveries.claim, (7, "old", 100, 200, 1, 10), {}),
    (trees.copy_step, (Copying(7, ((INBOX, 1),), 200), iter(range(300, 900)).__next__, 100), {}),
    (trees.erase_step, (7, INBOX), {"unread": lambda tx, item: None}),
    (trees.size_of, (7, INBOX), {}),
    (preferences.hold, (7,), {}),
    (preferences.entries, (7, Kind.RULE), {}),
    (preferences.get, (7, Kind.RULE, "x"), {}),
    (preferences.find, (7, Kind.CATEGORY, "red"), {}),
    (preferences.usage, (7, Kind.CATEGORY), {}),
    (preferences.add, (7, Kind.CATEGORY, ENTRY), {}),
    (preferences.change, (7, Kind.CATEGORY, ENTRY), {}),
    (preferences.remove, (7, Kind.CATEGORY, "a"), {}),
    (preferences.on_arrival, (7,), {}),
    (preferences.note_answer, (7, "zoe@one.test", 100), {}),
    (preferences.forget_answers, (7,), {}),
    (preferences.settings_of, (7,), {}),
    (preferences.set_settings, (7, PersonalSettings()), {}),
    (deferrals.put, (DEFERRAL,), {}),
    (deferrals.get, (7, 1), {}),
    (deferrals.find, (1,), {}),
    (deferrals.due, (100, 10), {}),
    (deferrals.listed, (10,), {}),
    (deferrals.listed, (10, 7), {}),
    (deferrals.postpone, (DEFERRAL, 200), {}),
    (deferrals.hasten, (DEFERRAL, 50), {}),
    (deferrals.cancel, (DEFERRAL, 50), {}),
    (deferrals.take, (DEFERRAL,), {}),
    (deferrals.remove, (7, 1), {}),
    (deferrals.remove_below, (7, 1), {}),
    (usage.add, ([Use(7, "requests", 100, 200, 1)],), {}),
    (usage.find, ({(7, "requests"): 100},), {}),
    (usage.prune, (7, 200), {}),
    (usage.forget, ((7, "requests"),), {}),
    (messages.matching, (7, [1, 2], ("is_read = ?", (1,))), {}),
    (subscriptions.add, (subscription(1),), {}),
    (feeds.add, (feed(1),), {}),
    (feeds.add, (feed(1, channel=feeds.LIFECYCLE),), {}),
    (subscriptions.get, (subscription(1).subscription_id,), {}),
    (subscriptions.owned, ("app", "owner", 0), {}),
    (subscriptions.count, (7, 0), {}),
    (subscriptions.change, (subscription(1),), {}),
    (feeds.all_of, (7,), {}),
    (feeds.has_news, (feed(1), 0), {}),
    (feeds.has_news, (feed(1, folder_id=INBOX), 0), {}),
    (feeds.claim, (feed(1), 100, 200, 1), {}),
    (feeds.settle, (feed(1, due_at=200, owner=1), feed(1)), {}),
    (feeds.tell, (7, subscription(1).subscription_id, feeds.MISSED), {}),
    (feeds.remind, (feed(1), 100, 200), {}),
    (feeds.renew, (7, subscription(1).subscription_id, 100), {}),
    (feeds.move, (7, subscription(1).subscription_id, "https://b.test/"), {}),
    (feeds.end_changes, (7, subscription(1).subscription_id), {}),
    (feeds.release, (7, 100), {}),
    (subscriptions.remove_expired, (7, 100), {}),
    (subscriptions.remove, (subscription(1).subscription_id,), {}),
    (tls.put_level, ("far.test", Level(2, 100)), {}),
    (tls.find_level, ("far.test",), {}),
    (tls.put_policy, (StoredPolicy("far.test", "1", "", 1, 2),), {}),
    (tls.find_policy, ("far.test",), {}),
    (tls.policies_to_refresh, (7, 100, 10), {}),
    (tls.prune, (7, 100, 100), {}),
    (tls.forget, ("far.test",), {}),
    (rerouting.put_in_place, (delivery(2, attempts=1), 1, [delivery(2), delivery(2)]), {}),
]


class Recorder:
    """A Tx that keeps the texts of the statements."""

    def __init__(self, tx: Tx, texts: set[str]) -> None:
        self._tx = tx
        self._texts = texts
        self.dialect: Dialect = tx.dialect

    def execute(self, sql: str, params: Params = ()) -> int:
        self._texts.add(sql)
        return self._tx.execute(sql, params)

    def executemany(self, sql: str, rows: Iterable[Params]) -> None:
        self._texts.add(sql)
        self._tx.executemany(sql, rows)

    def all(self, sql: str, params: Params = ()) -> list[Row]:
        self._texts.add(sql)
        return self._tx.all(sql, params)

    def one(self, sql: str, params: Params = ()) -> Row | None:
        self._texts.add(sql)
        return self._tx.one(sql, params)

    def change_number(self) -> int:
        return self._tx.change_number()

    def change_horizon(self) -> int:
        return self._tx.change_horizon()

    def touch(self, mailbox_id: int) -> None:
        self._tx.touch(mailbox_id)

    def count_folder(self, mailbox_id: int, folder_id: int, total: int, unread: int, size: int = 0) -> None:
        self._texts.add(COUNT)
        self._tx.count_folder(mailbox_id, folder_id, total, unread, size)

    def weigh_folder(self, mailbox_id: int, folder_id: int, size: int) -> None:
        self._tx.weigh_folder(mailbox_id, folder_id, size)

    def counted_size(self, mailbox_id: int, without: int) -> int:
        return self._tx.counted_size(mailbox_id, without)


async def test_every_statement_names_its_mailbox_or_bucket(store: Store) -> None:
    texts: set[str] = set()

    def call_all(tx: Tx) -> None:
        for function, arguments, options in CALLS:
            function(Recorder(tx, texts), *arguments, **options)

    await store.write(call_all)
    assert texts
    assert [text for text in texts if (lacking := unnamed(text))] == [], lacking


def unnamed(text: str) -> list[str]:
    """The tables of a statement whose parts of it (up to the next table) don't name their column."""
    parts = re.split(r"\b(FROM|INTO|UPDATE|JOIN)\s+(?=\w+)", text)
    lacking = []
    for verb, rest in zip(parts[1::2], parts[2::2], strict=True):
        table = re.match(r"\w+", rest)
        column = KEYS.get(table.group()) if table else None
        if column and verb != "UPDATE" and not re.search(rf"\b{column}\b", rest):
            lacking.append(rest)
        if column and verb == "UPDATE" and not re.search(rf"WHERE.*\b{column} = \?", text):
            lacking.append(rest)
    return lacking


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("SELECT 1 FROM messages WHERE mailbox_id = ?", 0),
        ("SELECT mailbox_id FROM messages WHERE message_id = ?", 1),
        ("UPDATE deliveries SET bucket = 1 WHERE message_id = ?", 1),
        (
            "SELECT 1 FROM folders f WHERE mailbox_id = ? AND EXISTS (SELECT 1 FROM messages WHERE message_id = 1)",
            1,
        ),
        ("DELETE FROM contents", 1),
        ("SELECT 1 FROM migrations", 0),
    ],
)
def test_the_check_finds_what_it_is_for(text: str, wrong: int) -> None:
    assert len(unnamed(text)) == wrong


def test_no_function_is_left_out() -> None:
    called = {function for function, _, _ in CALLS}
    modules: Sequence[ModuleType] = (
        messages,
        contents,
        folders,
        folder_properties,
        deliveries,
        destinations,
        interventions,
        lookups,
        rerouting,
        forgetting,
        uploads,
        usage,
        trees,
        preferences,
        deferrals,
        changes,
        removals,
        subscriptions,
        feeds,
        words,
        indexing,
        searching,
        portions,
        candidates,
        tls,
    )
    public = {
        function
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_") and function.__module__ == module.__name__
        if "tx" in inspect.signature(function).parameters
    }
    assert public - called == set()
