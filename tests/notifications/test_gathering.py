"""Whoever follows the notifications knows what is in the mailbox, whatever happened to it and to them on the way."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.notifications.bureau import ADELE, APP, READ, TENANT
from tests.store.made import feed, item, subscription

from graphpost.config import NotificationSettings
from graphpost.graph.notifications.notifying import GraphWording
from graphpost.ids import message_id_text
from graphpost.mail.mailbox import DELETED_ITEMS, DRAFTS, INBOX, NO_FOLDER, Directory
from graphpost.notifications.gathering import gather
from graphpost.notifications.settling import Outcome, settle
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.mailbox import changes, folders, messages
from graphpost.store.notifications import feeds, subscriptions
from graphpost.store.store import Tx

WORDING = GraphWording(lambda: Directory.of([ADELE], [APP]), TENANT, READ)
PLACES = (INBOX, DRAFTS, DELETED_ITEMS)
Step = Callable[["Diary"], None]


@dataclass
class Diary:
    """A mailbox, a subscription to it, and what its receiver believes.  Steps of one transaction go together."""

    tx: Tx
    folder: int
    immutable: bool
    believed: dict[str, int] = field(default_factory=dict)  # id -> how often it was told
    true: set[str] = field(default_factory=set)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def present(self) -> list[messages.Item]:
        found = [messages.get(self.tx, 7, number) for number in range(1, 40)]
        return [each for each in found if each is not None and each.folder_id in PLACES]

    def key(self, found: messages.Item) -> str:
        return message_id_text(ADELE.object_id, found.message_id, found.moves, immutable=self.immutable)

    def look(self) -> None:
        """What there is to know."""
        self.true = {self.key(each) for each in self.present() if self.folder in (0, each.folder_id)}


def arrive(place: int) -> Step:
    return lambda diary: messages.add(diary.tx, item(next(diary.numbers), folder_id=place))


def change(which: int, **fields: Any) -> Step:
    def run(diary: Diary) -> None:
        if found := diary.present():
            chosen = found[which % len(found)]
            messages.change(diary.tx, chosen, replace(chosen, **fields))

    return run


def remove(which: int) -> Step:
    def run(diary: Diary) -> None:
        if found := diary.present():
            messages.remove(diary.tx, found[which % len(found)])

    return run


def tell(*, fails: bool, limit: int) -> Step:
    """What a notifier does, and a receiver that does not always answer in time: it may have read nevertheless."""

    def run(diary: Diary) -> None:
        (made,) = feeds.all_of(diary.tx, 7)
        claimed = feeds.claim(diary.tx, made, 10, 20, 1)
        assert claimed is not None
        told = gather(diary.tx, claimed, WORDING, 10, limit)
        for each in told.notifications:
            key = each["resourceData"]["id"]
            if each["changeType"] == "deleted":
                diary.believed.pop(key, None)
            else:
                diary.believed[key] = diary.believed.get(key, 0) + 1
        outcome = Outcome("no answer" if fails else "", 10, NotificationSettings())
        assert settle(diary.tx, told, outcome).feed is not None or told.end
        diary.tx.execute("UPDATE feeds SET due_at = 0 WHERE bucket = 7 AND due_at <> 0")

    return run


PLACE = st.sampled_from(PLACES)
WHICH = st.integers(0, 9)
CHANGES = st.one_of(
    st.builds(arrive, PLACE),
    st.builds(arrive, PLACE),
    st.builds(lambda which, read: change(which, is_read=read), WHICH, st.booleans()),
    st.builds(lambda which, place: change(which, folder_id=place), WHICH, PLACE),
    st.builds(lambda which: change(which, folder_id=NO_FOLDER), WHICH),
    st.builds(remove, WHICH),
)
TELLING = st.builds(
    lambda fails, limit: tell(fails=fails, limit=limit),
    st.sampled_from([False, False, True]),
    st.integers(1, 5),
)
TRANSACTIONS = st.lists(
    st.one_of(st.lists(CHANGES, min_size=1, max_size=4), st.tuples(TELLING)), min_size=8, max_size=25
)


async def follow(directory: Path, transactions: list[Any], folder: int, *, immutable: bool) -> Diary:
    store = SqliteStore.open(directory / "diary.db", readers=1)

    def begin(tx: Tx) -> None:
        folders.create_defaults(tx, 7)
        subscriptions.add(
            tx, replace(OWNED, folder_id=folder, terms=replace(OWNED.terms, immutable=immutable))
        )
        number = changes.latest(tx)
        mark = changes.after(number)
        feeds.add(tx, feed(folder_id=folder, changed=mark.changed, message_id=mark.message_id, began=number))

    await store.write(begin)
    diary = Diary(None, folder, immutable)  # type: ignore[arg-type]  # has one in each transaction

    def run(tx: Tx, steps: Any) -> None:
        diary.tx = tx
        for step in steps:
            step(diary)

    for steps in transactions:
        await store.write(lambda tx, steps=steps: run(tx, steps))
    await store.write(lambda tx: run(tx, [tell(fails=False, limit=1000)]))
    await store.write(lambda tx: run(tx, [Diary.look]))
    await store.close()
    return diary


OWNED = subscription(client_id=APP.client_id, object_id=ADELE.object_id)


@pytest.mark.slow
@pytest.mark.parametrize("folder", [0, INBOX])
@pytest.mark.parametrize("immutable", [False, True])
@settings(max_examples=25)
@given(TRANSACTIONS)
def test_who_follows_knows_what_is_there(folder: int, immutable: bool, transactions: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        diary = asyncio.run(follow(Path(directory), transactions, folder, immutable=immutable))
    assert set(diary.believed) == diary.true
