"""Declared passwords and secrets: hashed before the transaction, and again when another server was faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from graphpost.config import ApplicationSettings, Config, MailboxSettings
from graphpost.ids import Numbers
from graphpost.store.directory import accounts
from graphpost.store.directory.declared import apply_settings
from graphpost.store.directory.passwords import hash_generated, hash_password, is_password
from graphpost.store.store import Store, Tx

pytestmark = pytest.mark.anyio
CLIENT = "aaaaaaaa-0000-4000-8000-000000000001"


class Seen(str):
    """A secret that knows how often it was hashed, and where."""

    __slots__ = ("where",)
    here = "outside"

    def encode(self, *how: Any) -> bytes:
        self.where.append(Seen.here)
        return super().encode(*how)


def seen(text: str) -> Seen:
    secret = Seen(text)
    secret.where = []
    return secret


class Between:
    """A store that does something else before its first write, and says when it writes."""

    def __init__(self, store: Store, before: Callable[[], Any] | None = None) -> None:
        self.store, self.before, self.dialect = store, before, store.dialect
        self.read, self.watch, self.close = store.read, store.watch, store.close

    async def write(self, fn: Callable[[Tx], Any]) -> Any:
        before, self.before = self.before, None
        if before is not None:
            await before()
        return await self.store.write(lambda tx: self._written(tx, fn))

    def _written(self, tx: Tx, fn: Callable[[Tx], Any]) -> Any:
        Seen.here = "inside"
        try:
            return fn(tx)
        finally:
            Seen.here = "outside"


def declared(password: str, secret: str) -> Config:
    return Config(
        mailboxes=[MailboxSettings(address="a@x.test", password=password)],
        applications=[ApplicationSettings(client_id=CLIENT, secrets=[secret])],
    )


async def start(store: Store, config: Config) -> None:
    await apply_settings(store, config, Numbers(lambda: 1, node=1), 1)


async def kept(store: Store) -> tuple[str, list[str]]:
    box = (await store.read(accounts.load_directory)).find("a@x.test")
    assert box is not None
    password = await store.read(lambda tx: accounts.password_of(tx, box.mailbox_id))
    credentials = await store.read(lambda tx: accounts.credentials(tx, CLIENT))
    return password, [each.value for each in credentials]


async def test_secrets_are_hashed_once_and_never_while_others_wait(store: Store) -> None:
    first, again, changed = (declared(seen(p), seen(s)) for p, s in (("1", "a"), ("1", "a"), ("2", "b")))
    for config, times in ((first, 1), (again, 0), (changed, 2)):  # compared with what is kept, then hashed
        await start(Between(store), config)
        assert config.mailboxes[0].password.where == ["outside"] * times
        assert config.applications[0].secrets[0].where == ["outside"] * times


@pytest.mark.parametrize(
    "change",
    [
        lambda tx: tx.execute("UPDATE mailboxes SET password = ?", (hash_password("other"),)),
        lambda tx: tx.execute("UPDATE mailboxes SET password = ''"),
        lambda tx: tx.execute("DELETE FROM credentials"),
        lambda tx: tx.execute("UPDATE credentials SET value = ?", (hash_password("other"),)),
        lambda tx: tx.execute("UPDATE seal SET hash = ?", (hash_password("other"),)),
        lambda tx: tx.execute("UPDATE seal SET hash = ''"),
    ],
)
async def test_what_a_command_changed_is_as_declared_after_a_start(
    store: Store, change: Callable[[Tx], int]
) -> None:
    await start(store, declared("1", "a"))
    await store.write(change)
    for _ in range(2):
        await start(store, declared("1", "a"))
        password, (secret,) = await kept(store)
        assert is_password("1", password)
        assert is_password("a", secret)


async def test_a_secret_that_a_command_added_stays(store: Store) -> None:
    await start(store, declared("1", "a"))
    added = accounts.Credential(
        client_id=CLIENT, credential_id="x", kind="secret", value=hash_generated("gps~1")
    )
    await store.write(lambda tx: accounts.add_credential(tx, added))
    for _ in range(2):
        await start(store, declared("1", "a"))
        assert len((await kept(store))[1]) == 2
    await start(store, Config(applications=[ApplicationSettings(client_id=CLIENT, secrets=["b"])]))
    left = (await kept(store))[1]
    assert added.value in left
    assert [is_password(secret, each) for each in left if each != added.value for secret in "ab"] == [
        False,
        True,
    ]


async def test_servers_that_start_together_agree(store: Store) -> None:
    """The second one finds what the first one made, and leaves it as it is."""
    first: list[Any] = []

    async def another() -> None:
        await start(store, declared("1", "a"))
        first.append(await kept(store))

    await start(Between(store, another), declared("1", "a"))
    assert [await kept(store)] == first


async def test_what_another_server_changed_meanwhile_is_compared_anew(store: Store) -> None:
    await start(store, declared("1", "a"))
    await start(Between(store, lambda: start(store, declared("2", "b"))), declared("1", "a"))
    password, (secret,) = await kept(store)
    assert is_password("1", password)
    assert is_password("a", secret)
