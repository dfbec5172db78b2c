"""Groups of mailboxes: what the settings declare, what commands add, and who is found in them."""

from __future__ import annotations

import pytest

from graphpost.config import Config, GroupSettings, MailboxSettings
from graphpost.ids import Numbers
from graphpost.mail.mailbox import Directory, Group, Mailbox
from graphpost.store.directory import accounts, groups
from graphpost.store.directory.declared import apply_settings
from graphpost.store.store import Store

pytestmark = pytest.mark.anyio
NUMBERS = Numbers(lambda: 1, node=1)

PEOPLE = [
    MailboxSettings(address="Adele@one.test", aliases=["a@one.test"]),
    MailboxSettings(address="alex@one.test"),
]


async def declare(store: Store, *declared: GroupSettings) -> Directory:
    config = Config(mailboxes=PEOPLE, groups=list(declared))
    await apply_settings(store, config, NUMBERS, 1)
    return await store.read(accounts.load_directory)


def names(directory: Directory, key: str) -> list[str]:
    return sorted(directory.by_id[number].address for number in directory.members_of(key))


async def test_a_group_is_found_by_name_and_address_and_its_members_by_any_of_their_addresses(
    store: Store,
) -> None:
    directory = await declare(
        store,
        GroupSettings(name="Billing", address="Billing@one.test", members=["A@one.test", "nobody@one.test"]),
    )
    for key in ("Billing", "BILLING", "billing@one.test"):
        assert names(directory, key) == ["Adele@one.test"]
        found = directory.find_group(key)
        assert found is not None
        assert found.members == {"a@one.test", "nobody@one.test"}
    assert directory.members_of("other") == frozenset()
    assert directory.find_recipient("billing@one.test") is None


async def test_who_is_taken_out_of_the_file_leaves_and_who_a_command_added_stays(store: Store) -> None:
    await declare(store, GroupSettings(name="Billing", members=["adele@one.test"]))
    await store.write(lambda tx: groups.add_members(tx, "billing", ["ALEX@one.test"], "command"))
    directory = await declare(store, GroupSettings(name="BILLING", members=[]))
    assert names(directory, "billing") == ["alex@one.test"]
    directory = await declare(store)
    assert names(directory, "billing") == ["alex@one.test"]
    assert await store.write(lambda tx: groups.remove_members(tx, "billing", ["alex@one.test"], "command"))
    assert names(await declare(store), "billing") == []


async def test_a_group_without_other_members_goes_with_its_declaration(store: Store) -> None:
    await declare(store, GroupSettings(name="Billing", members=["adele@one.test"]))
    assert (await declare(store)).find_group("Billing") is None
    assert await store.read(groups.list_groups) == []


async def test_a_declaration_that_did_not_change_writes_nothing(store: Store) -> None:
    declared = GroupSettings(name="Billing", address="b@one.test", members=["adele@one.test"])
    await declare(store, declared)
    before = await store.read(accounts.revision)
    await declare(store, declared)
    assert await store.read(accounts.revision) == before


async def test_groups_are_put_and_removed(store: Store) -> None:
    assert await store.write(lambda tx: groups.put(tx, "Billing", "", "command"))
    assert not await store.write(lambda tx: groups.put(tx, "Billing", "", "command"))
    assert await store.write(lambda tx: groups.add_members(tx, "Billing", ["x@one.test"], "command"))
    assert not await store.write(lambda tx: groups.add_members(tx, "Billing", ["X@one.test"], "command"))
    assert await store.read(groups.list_groups) == [Group(name="Billing", members=frozenset({"x@one.test"}))]
    assert await store.write(lambda tx: groups.remove(tx, "BILLING"))
    assert not await store.write(lambda tx: groups.remove(tx, "Billing"))


async def test_a_shared_mailbox_is_kept_as_one(store: Store) -> None:
    shared = Config(mailboxes=[MailboxSettings(address="sales@one.test", kind="shared")])
    for config in (shared, Config(mailboxes=[MailboxSettings(address="sales@one.test")]), shared):
        await apply_settings(store, config, NUMBERS, 1)
        found = (await store.read(accounts.load_directory)).find("sales@one.test")
        assert isinstance(found, Mailbox)
        assert (found.kind, found.can_sign_in) == (config.mailboxes[0].kind, config is not shared)
