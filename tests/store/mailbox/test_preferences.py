"""Entries of a mailbox are kept by kind and id, and no two of a kind have one key."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from graphpost.mail.message import Address
from graphpost.mail.preferences import AutomaticReplies, Category, PersonalSettings, SenderOverride
from graphpost.mail.rules import Actions, Predicates, Rule
from graphpost.store.mailbox import preferences
from graphpost.store.mailbox.preferences import Entry, Kind
from graphpost.store.store import Store, Tx

pytestmark = pytest.mark.anyio
VALUES = {
    Kind.CATEGORY: Category("Red", "preset0"),
    Kind.RULE: Rule(
        name="Pay",
        sequence=2,
        is_enabled=True,
        conditions=Predicates(subject_contains=("invoice",), from_addresses=(Address("a@x.test"),)),
        actions=Actions(move_to_folder=7, mark_importance="high"),
    ),
    Kind.OVERRIDE: SenderOverride(Address("a@x.test", "A"), "other"),
}


@pytest.mark.parametrize("kind", VALUES)
async def test_a_value_comes_back_as_it_was(store: Store, kind: Kind) -> None:
    entry = Entry("one", "key", VALUES[kind])
    assert await store.write(lambda tx: preferences.add(tx, 7, kind, entry))
    assert await store.read(lambda tx: preferences.get(tx, 7, kind, "one")) == entry
    assert await store.read(lambda tx: preferences.find(tx, 7, kind, "key")) == entry
    assert await store.read(lambda tx: preferences.entries(tx, 7, kind)) == [entry]
    count, size = await store.read(lambda tx: preferences.usage(tx, 7, kind))
    assert count == 1
    assert size > 0


async def test_neither_id_nor_key_is_taken_twice(store: Store) -> None:
    first = Entry("one", "red", Category("Red"))
    assert await store.write(lambda tx: preferences.add(tx, 7, Kind.CATEGORY, first))
    for entry in (Entry("one", "blue", Category("Blue")), Entry("two", "red", Category("RED"))):
        assert not await store.write(lambda tx, entry=entry: preferences.add(tx, 7, Kind.CATEGORY, entry))
    assert await store.write(lambda tx: preferences.add(tx, 8, Kind.CATEGORY, first))


async def test_what_is_there_is_changed_and_removed_once(store: Store) -> None:
    await store.write(lambda tx: preferences.add(tx, 7, Kind.CATEGORY, Entry("one", "red", Category("Red"))))
    changed = Entry("one", "red", Category("Red", "preset9"))
    assert await store.write(lambda tx: preferences.change(tx, 7, Kind.CATEGORY, changed))
    assert not await store.write(lambda tx: preferences.change(tx, 8, Kind.CATEGORY, changed))
    assert await store.read(lambda tx: preferences.get(tx, 7, Kind.CATEGORY, "one")) == changed
    assert await store.write(lambda tx: preferences.remove(tx, 7, Kind.CATEGORY, "one"))
    assert not await store.write(lambda tx: preferences.remove(tx, 7, Kind.CATEGORY, "one"))


async def test_settings_are_the_defaults_until_they_are_set(store: Store) -> None:
    assert await store.read(lambda tx: preferences.settings_of(tx, 7)) == PersonalSettings()
    for zone in ("Romance Standard Time", "Asia/Tokyo"):
        await store.write(lambda tx, zone=zone: preferences.set_settings(tx, 7, PersonalSettings(zone)))
        assert (await store.read(lambda tx: preferences.settings_of(tx, 7))).time_zone == zone


async def test_a_sender_is_answered_once_until_answers_are_forgotten(store: Store) -> None:
    def note(tx: Tx, sender: str, box: int = 7) -> bool:
        return preferences.note_answer(tx, box, sender, 100)

    assert await store.write(lambda tx: [note(tx, "zoe@one.test"), note(tx, "ZOE@one.test")]) == [True, False]
    both = await asyncio.gather(*(store.write(lambda tx: note(tx, "yan@one.test")) for _ in range(5)))
    assert sorted(both) == [False] * 4 + [True]
    assert await store.write(lambda tx: note(tx, "zoe@one.test", 8))
    await store.write(lambda tx: preferences.forget_answers(tx, 7))
    assert await store.write(lambda tx: [note(tx, "zoe@one.test"), note(tx, "zoe@one.test", 8)]) == [
        True,
        False,
    ]


async def test_replies_are_followed_while_they_are_on(store: Store) -> None:
    away = AutomaticReplies("alwaysEnabled", internal="x")
    for settings, expected in (
        (PersonalSettings(), None),
        (PersonalSettings(automatic_replies=away), away),
        (PersonalSettings(automatic_replies=replace(away, status="disabled")), None),
    ):
        await store.write(lambda tx, settings=settings: preferences.set_settings(tx, 7, settings))
        assert await store.read(lambda tx: preferences.on_arrival(tx, 7)) == ([], {}, expected)
