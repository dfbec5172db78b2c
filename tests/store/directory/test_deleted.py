"""Deleted mailboxes: nobody's for a while, then erased, everything of them and nothing of others."""

from __future__ import annotations

from typing import Any

import pytest
from tests.store.made import delivery, item

from graphpost.config import Config, GroupSettings, MailboxSettings
from graphpost.errors import ConfigurationError
from graphpost.ids import Numbers
from graphpost.mail.mailbox import Mailbox
from graphpost.store import audit
from graphpost.store.audit import Actor, Record, entry_of
from graphpost.store.directory import accounts, deleted, grants, groups
from graphpost.store.directory.declared import apply_settings
from graphpost.store.directory.grants import Facts, Grant
from graphpost.store.mailbox import folders, messages
from graphpost.store.queue import deliveries
from graphpost.store.queue.deliveries import bucket_of
from graphpost.store.store import Row, Store, Tx

pytestmark = pytest.mark.anyio
NUMBERS = Numbers(lambda: 1, node=1)

ADELE = Mailbox(
    mailbox_id=7,
    object_id="7" * 36,
    address="Adele@one.test",
    aliases=("a@one.test",),
    name="Adele",
    created_at=5,
)
ALEX = Mailbox(mailbox_id=8, object_id="8" * 36, address="alex@one.test", created_at=6)
FOREVER = 2**62
COLUMNS = {
    "sqlite": (
        "SELECT m.name, p.name, p.type FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table'"
    ),
    "postgres": (
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema()"
    ),
}


def tables_of_mailboxes(tx: Tx) -> dict[str, dict[str, str]]:
    """The tables that say whose a row is, with their columns and these' types."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in tx.all(COLUMNS[tx.dialect.name]):
        found.setdefault(table, {})[column] = kind.lower()
    return {table: columns for table, columns in found.items() if "mailbox_id" in columns}


def fill(tx: Tx, mailbox_id: int, rows: int) -> None:
    """So many rows in each table that a mailbox has something in."""
    for table, columns in tables_of_mailboxes(tx).items():
        if table in deleted.STAYING:
            continue
        for number in range(1, 2 if columns.keys() >= {"pruned_word"} else rows + 1):
            row = [value(name, kind, mailbox_id, number) for name, kind in columns.items()]
            marks = ", ".join("?" * len(row))
            tx.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING", row
            )


def value(name: str, kind: str, mailbox_id: int, number: int) -> Any:
    if name in ("mailbox_id", "bucket"):
        return mailbox_id if name == "mailbox_id" else bucket_of(mailbox_id)
    if kind in ("integer", "bigint", "smallint"):
        return number
    return f"{mailbox_id}.{number}" if kind == "text" else b"x%d" % number


def left(tx: Tx, mailbox_id: int) -> dict[str, int]:
    found = {}
    for table in tables_of_mailboxes(tx):
        (row,) = tx.all(f"SELECT COUNT(*) FROM {table} WHERE mailbox_id = ?", (mailbox_id,))
        found[table] = row[0]
    return found


async def both(store: Store) -> None:
    await store.write(lambda tx: [accounts.add_mailbox(tx, box, "hash") for box in (ADELE, ALEX)])


async def mailbox_row(store: Store) -> Row | None:
    return await store.read(lambda tx: tx.one("SELECT * FROM mailboxes WHERE mailbox_id = 7"))


async def test_no_table_is_forgotten(store: Store) -> None:
    tables = await store.read(tables_of_mailboxes)
    assert set(tables) == set(deleted.KEPT) | set(deleted.QUEUED) | deleted.STAYING


@pytest.mark.parametrize("rows", [1, 7, 1000])
async def test_erasing_goes_on_step_by_step_until_nothing_is_left(store: Store, rows: int) -> None:
    await both(store)
    await store.write(lambda tx: [fill(tx, box, 5) for box in (7, 8)])
    others, steps = await store.read(lambda tx: left(tx, 8)), 0
    await store.write(lambda tx: deleted.delete(tx, ADELE, 100))
    total = sum((await store.read(lambda tx: left(tx, 7))).values())
    await store.write(lambda tx: tx.execute("UPDATE deliveries SET state = 2"))
    assert await store.write(lambda tx: deleted.begin_erasing(tx, 7, 101))
    while not await store.write(lambda tx: deleted.erase_step(tx, 7, rows)):
        steps += 1
        gone = total - sum((await store.read(lambda tx: left(tx, 7))).values())
        assert gone <= steps * rows
        assert await store.read(lambda tx: deleted.due(tx, 0)) == [7]
    await store.write(deleted.forget_erased)
    assert set((await store.read(lambda tx: left(tx, 7))).values()) == {0}
    assert await store.read(lambda tx: left(tx, 8)) == others
    assert await store.read(lambda tx: deleted.due(tx, FOREVER)) == []


async def test_a_deleted_mailbox_is_nobodys_and_its_addresses_are_free(store: Store) -> None:
    await both(store)
    grant = Grant(
        grant_id="g",
        kind="refresh",
        client_id="c",
        object_id=ADELE.object_id,
        expires_at=FOREVER,
        facts=Facts(),
    )
    await store.write(lambda tx: grants.add(tx, grant))
    before = await store.read(accounts.revision)
    await store.write(lambda tx: deleted.delete(tx, ADELE, 100))
    directory = await store.read(accounts.load_directory)
    assert [box.address for box in directory.by_id.values()] == ["alex@one.test"]
    assert directory.find_recipient("a@one.test") is None
    assert await store.read(accounts.revision) > before
    assert await store.read(accounts.list_numbers) == [7, 8]
    assert (await store.read(lambda tx: tx.one("SELECT state FROM grants"))) == (grants.REVOKED,)
    await store.write(
        lambda tx: accounts.add_mailbox(
            tx, Mailbox(mailbox_id=9, object_id="9" * 36, address="ADELE@one.test")
        )
    )


@pytest.mark.parametrize("key", ["adele@ONE.test", "7" * 36])
async def test_a_deleted_mailbox_is_restored_as_it_was(store: Store, key: str) -> None:
    await both(store)
    await store.write(lambda tx: messages.add(tx, item(1)))
    await store.write(lambda tx: deleted.delete(tx, ADELE, 100))
    found = await store.read(lambda tx: deleted.find_deleted(tx, key))
    assert found == deleted.Deleted(ADELE, 100)
    await store.write(lambda tx: deleted.restore(tx, ADELE))
    assert (await store.read(accounts.load_directory)).find_address("a@one.test") == ADELE
    assert await store.read(lambda tx: messages.get(tx, 7, 1)) is not None
    assert await store.read(lambda tx: accounts.password_of(tx, 7)) == "hash"
    assert await store.read(deleted.list_deleted) == []


async def test_an_address_that_is_anothers_now_is_not_given_back(store: Store) -> None:
    await both(store)
    await store.write(lambda tx: deleted.delete(tx, ADELE, 100))
    await store.write(
        lambda tx: accounts.add_mailbox(tx, Mailbox(mailbox_id=9, object_id="9" * 36, address="a@one.test"))
    )
    with pytest.raises(ConfigurationError, match="belongs to another"):
        await store.write(lambda tx: deleted.restore(tx, ADELE))
    assert (await store.read(accounts.load_directory)).find("adele@one.test") is None


async def test_of_two_that_had_an_address_the_one_deleted_last_is_found(store: Store) -> None:
    await both(store)
    await store.write(lambda tx: deleted.delete(tx, ADELE, 100))
    again = Mailbox(mailbox_id=9, object_id="9" * 36, address="adele@one.test", name="", created_at=7)
    await store.write(lambda tx: accounts.add_mailbox(tx, again))
    await store.write(lambda tx: deleted.delete(tx, again, 200))
    found = await store.read(lambda tx: deleted.find_deleted(tx, "adele@one.test"))
    assert found is not None
    assert found.mailbox == again
    assert await store.read(lambda tx: deleted.find_all(tx, "adele@one.test")) == [9, 7]


async def test_erasing_waits_for_its_time_and_for_mail_that_is_on_its_way(store: Store) -> None:
    await both(store)
    await store.write(lambda tx: deliveries.add(tx, delivery(1)))
    assert not await store.write(lambda tx: deleted.begin_erasing(tx, 7, FOREVER))
    await store.write(lambda tx: deleted.delete(tx, ADELE, 100))
    assert await store.read(lambda tx: deleted.due(tx, 100)) == []
    assert not await store.write(lambda tx: deleted.begin_erasing(tx, 7, 100))
    assert not await store.write(lambda tx: deleted.begin_erasing(tx, 7, 101))
    await store.write(lambda tx: tx.execute("UPDATE deliveries SET state = 1"))
    assert await store.write(lambda tx: deleted.begin_erasing(tx, 7, 101))
    with pytest.raises(ConfigurationError, match="being erased"):
        await store.write(lambda tx: deleted.restore(tx, ADELE))
    assert await store.read(deleted.list_deleted) == []


async def test_what_the_audit_log_says_stays_as_long_as_the_log_does(store: Store) -> None:
    await both(store)
    await store.write(lambda tx: audit.add(tx, entry_of(Record(7, 1, 100, Actor("administrator")))))
    await store.write(lambda tx: deleted.delete(tx, ADELE, 100))
    await store.write(lambda tx: deleted.begin_erasing(tx, 7, 101))
    while not await store.write(lambda tx: deleted.erase_step(tx, 7)):
        pass
    await store.write(deleted.forget_erased)
    row = await mailbox_row(store)
    assert row is not None
    assert not {"Adele", "hash"} & set(row)
    assert await store.read(lambda tx: deleted.due(tx, FOREVER)) == []
    await store.write(lambda tx: audit.prune(tx, 7, FOREVER, 10))
    await store.write(deleted.forget_erased)
    assert await mailbox_row(store) is None


async def test_groups_forget_who_a_command_put_into_them(store: Store) -> None:
    await both(store)
    await store.write(lambda tx: groups.put(tx, "All", "", "command"))
    await store.write(lambda tx: groups.add_members(tx, "All", [ADELE.object_id, ALEX.object_id], "command"))
    await store.write(lambda tx: deleted.delete(tx, ADELE, 100))
    await store.write(lambda tx: deleted.begin_erasing(tx, 7, 101))
    (group,) = await store.read(groups.list_groups)
    assert group.members == {ALEX.object_id}


async def test_a_mailbox_that_the_settings_name_comes_back_at_the_next_start_with_its_mail(
    store: Store,
) -> None:
    config = Config(
        mailboxes=[MailboxSettings(address="adele@one.test", aliases=["x@one.test"])],
        groups=[GroupSettings(name="g", members=["x@one.test"])],
    )
    await both(store)
    await store.write(lambda tx: deleted.delete(tx, ADELE, 100))
    await apply_settings(store, config, NUMBERS, 1)
    directory = await store.read(accounts.load_directory)
    found = directory.find("adele@one.test")
    assert found is not None
    assert (found.mailbox_id, found.aliases, found.object_id) == (7, ("x@one.test",), ADELE.object_id)
    assert directory.members_of("g") == {7}
    assert await store.read(lambda tx: folders.get(tx, 7, 6)) is not None
