"""Rights between mailboxes, on both databases: what the file declares and what commands give."""

from __future__ import annotations

import pytest

from graphpost.config import Config, GroupSettings, MailboxSettings, RightsSettings
from graphpost.errors import ConfigurationError
from graphpost.ids import Numbers
from graphpost.mail.mailbox import Directory
from graphpost.mail.rights import Given
from graphpost.store.directory import accounts, rights
from graphpost.store.directory.declared import apply_settings
from graphpost.store.store import Store

pytestmark = pytest.mark.anyio
NUMBERS = Numbers(lambda: 1, node=1)
PEOPLE = [MailboxSettings(address=f"{name}@one.test") for name in ("adele", "alex", "info")]
SALES = GroupSettings(name="Sales", members=["adele@one.test"])
INFO = "info@one.test"


async def declare(store: Store, *declared: RightsSettings) -> Directory:
    config = Config(mailboxes=PEOPLE, groups=[SALES], rights=list(declared))
    await apply_settings(store, config, NUMBERS, 1)
    return await store.read(accounts.load_directory)


def held(directory: Directory, who: str, whose: str = INFO) -> set[str]:
    holder, box = directory.find_address(who), directory.find_address(whose)
    assert holder is not None
    assert box is not None
    return set(directory.rights_of(holder, box))


async def test_the_file_gives_rights_to_people_and_groups(store: Store) -> None:
    found = await declare(
        store,
        RightsSettings(mailbox=INFO.upper(), to=["group:SALES", "alex@one.test"], rights=["FullAccess"]),
        RightsSettings(mailbox=INFO, to=["ALEX@one.test"], rights=["SendAs", "SendAs"]),
    )
    assert held(found, "adele@one.test") == {"FullAccess"}
    assert held(found, "alex@one.test") == {"FullAccess", "SendAs"}
    assert held(found, INFO, "adele@one.test") == set()


async def test_what_is_taken_out_of_the_file_goes_and_what_a_command_gave_stays(store: Store) -> None:
    declared = RightsSettings(mailbox=INFO, to=["alex@one.test"], rights=["SendAs", "FullAccess"])
    found = await declare(store, declared)
    number = found.by_address[INFO].mailbox_id
    given = Given(mailbox_id=number, holder="alex@one.test", rights=frozenset({"SendOnBehalf"}))
    assert await store.write(lambda tx: rights.put(tx, given))
    assert not await store.write(lambda tx: rights.put(tx, given))
    assert held(await declare(store, declared), "alex@one.test") == {"SendAs", "FullAccess", "SendOnBehalf"}
    fewer = RightsSettings(mailbox=INFO, to=["alex@one.test"], rights=["SendAs"])
    assert held(await declare(store, fewer), "alex@one.test") == {"SendAs", "SendOnBehalf"}
    assert held(await declare(store), "alex@one.test") == {"SendOnBehalf"}
    await store.write(lambda tx: rights.forget_holder(tx, "ALEX@one.test"))
    assert await store.read(rights.list_given) == []


async def test_nothing_is_written_when_nothing_changes(store: Store) -> None:
    declared = RightsSettings(mailbox=INFO, to=["group:sales"], rights=["SendAs"])
    await declare(store, declared)
    before = await store.read(accounts.revision)
    await declare(store, declared)
    assert await store.read(accounts.revision) == before


async def test_rights_to_no_mailbox_are_an_error(store: Store) -> None:
    with pytest.raises(ConfigurationError, match=r"rights\[0\]\.mailbox: there is no mailbox no@one\.test"):
        await declare(store, RightsSettings(mailbox="no@one.test", to=["alex@one.test"], rights=["SendAs"]))
