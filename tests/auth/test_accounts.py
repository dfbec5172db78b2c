"""Accounts and grants in the store, on SQLite and, where there is one, PostgreSQL."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.auth.world import CLIENT, START, declared
from tests.programs import running_postgres

from graphpost.config import ApplicationSettings, Config, LogSettings, MailboxSettings, TenantSettings
from graphpost.errors import ConfigurationError
from graphpost.ids import Numbers
from graphpost.mail.mailbox import Application, Mailbox
from graphpost.maillog import MailLog
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.directory import accounts, consents, deleted, grants
from graphpost.store.directory.declared import apply_settings
from graphpost.store.directory.grants import Facts, Grant, grant_id_of
from graphpost.store.directory.passwords import generate_secret, hash_generated, hash_password, is_password
from graphpost.store.directory.people import Accounts
from graphpost.store.mailbox import folders
from graphpost.store.store import Store
from graphpost.testing.clock import JumpingClock
from graphpost.testing.postgres import PostgresServer

_SCHEMAS = itertools.count(1)
NUMBERS = Numbers(lambda: START, node=1)


class Runner:
    def __init__(self, loop: asyncio.Runner, store: Store) -> None:
        self.loop, self.store = loop, store

    def read(self, fn: Any) -> Any:
        return self.loop.run(self.store.read(fn))

    def write(self, fn: Any) -> Any:
        return self.loop.run(self.store.write(fn))


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


def new_schema(server: PostgresServer) -> str:
    """The URL of an empty schema."""
    import psycopg

    schema = f"accounts{next(_SCHEMAS)}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{server.url}&options=-csearch_path%3D{schema}"


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runner]:
    with asyncio.Runner() as loop:
        if request.param == "sqlite":
            opened: Store = SqliteStore.open(tmp_path / "graphpost.db", readers=1)
        else:
            from graphpost.store.databases.postgres import PostgresStore

            opened = PostgresStore.open(new_schema(request.getfixturevalue("postgres")), connections=2)
        yield Runner(loop, opened)
        loop.run(opened.close())


def apply(store: Runner, config: Config) -> list[str]:
    return store.loop.run(apply_settings(store.store, config, NUMBERS, START))


def box(number: int, address: str, *aliases: str) -> Mailbox:
    return Mailbox(
        mailbox_id=number,
        object_id=f"00000000-0000-4000-8000-{number:012d}",
        address=address,
        aliases=aliases,
    )


def test_declared_accounts_are_created_once(store: Runner, certificate: Path) -> None:
    config = declared([str(certificate)])
    apply(store, config)
    first = store.read(accounts.load_directory)
    revision = store.read(accounts.revision)
    adele = first.find("adelev@contoso.test")
    assert adele.aliases == ("adele@contoso.test",)
    assert is_password(
        "correct horse battery staple", store.read(lambda tx: accounts.password_of(tx, adele.mailbox_id))
    )
    assert store.read(lambda tx: folders.get(tx, adele.mailbox_id, 6)).name == "Inbox"
    assert [c.kind for c in store.read(lambda tx: accounts.credentials(tx, CLIENT))].count("certificate") == 1
    apply(store, config)
    assert store.read(accounts.load_directory) == first
    assert store.read(accounts.revision) == revision


def test_a_changed_declaration_changes_and_a_missing_one_stays(store: Runner) -> None:
    secret = ApplicationSettings(client_id=CLIENT, name="One", secrets=["a", "b"])
    apply(store, Config(mailboxes=[MailboxSettings(address="a@x.test", password="1")], applications=[secret]))
    before = store.read(accounts.load_directory).find("a@x.test")
    changed = ApplicationSettings(client_id=CLIENT.upper(), name="Two", secrets=["b"])
    apply(
        store,
        Config(
            mailboxes=[MailboxSettings(address="A@x.test", name="A", aliases=["b@x.test"], password="2")],
            applications=[changed],
        ),
    )
    directory = store.read(accounts.load_directory)
    after = directory.find("a@x.test")
    assert (after.object_id, after.name, after.address) == (before.object_id, "A", "A@x.test")
    assert directory.find_address("B@X.test") == after
    assert is_password("2", store.read(lambda tx: accounts.password_of(tx, after.mailbox_id)))
    assert directory.applications[CLIENT].name == "Two"
    (kept,) = store.read(lambda tx: accounts.credentials(tx, CLIENT))
    assert is_password("b", kept.value)
    apply(store, Config())
    assert store.read(accounts.load_directory).find("a@x.test") == after


@pytest.mark.parametrize(
    ("config", "key"),
    [
        (
            Config(mailboxes=[MailboxSettings(address="a@x.test"), MailboxSettings(address="b@x.test", aliases=["A@X.test"])]),
            "mailboxes[1].address",
        ),
        (Config(applications=[ApplicationSettings(client_id="x y")]), "applications[0].client_id"),
        (
            Config(applications=[ApplicationSettings(client_id="00000003-0000-0000-c000-000000000000")]),
            "applications[0].client_id",
        ),
        (
            Config(applications=[ApplicationSettings(client_id=CLIENT, redirect_uris=["javascript:alert(1)"])]),
            "applications[0].redirect_uris",
        ),
        (
            Config(applications=[ApplicationSettings(client_id=CLIENT, redirect_uris=["http://app.test/"])]),
            "applications[0].redirect_uris",
        ),
        (
            Config(applications=[ApplicationSettings(client_id=CLIENT, spa_redirect_uris=["https://*.app.test/"])]),
            "applications[0].spa_redirect_uris",
        ),
        (
            Config(applications=[ApplicationSettings(client_id=CLIENT, redirect_uris=["http://localhost"], spa_redirect_uris=["http://localhost:80/"])]),
            "applications[0].spa_redirect_uris",
        ),
        (Config(mailboxes=[MailboxSettings(address="a@x.test", password="x" * 1025)]), "mailboxes[0].password"),
        (Config(applications=[ApplicationSettings(client_id=CLIENT, secrets=["x" * 1025])]), "applications[0].secrets"),
        (
            Config(applications=[ApplicationSettings(client_id=CLIENT, certificates=["/nowhere.pem"])]),
            "applications[0].certificates",
        ),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_refused_by_its_key_and_changes_nothing(
    store: Runner, config: Config, key: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        apply(store, config)
    assert caught.value.key == key
    assert store.read(accounts.list_mailboxes) == []


def test_an_address_belongs_to_one_mailbox(store: Runner) -> None:
    store.write(lambda tx: accounts.add_mailbox(tx, box(1, "a@x.test", "b@x.test", "B@x.test")))
    assert store.read(accounts.list_mailboxes)[0].aliases == ("b@x.test",)
    with pytest.raises(ConfigurationError, match="belongs to another mailbox"):
        store.write(lambda tx: accounts.add_mailbox(tx, box(2, "B@X.test")))
    assert len(store.read(accounts.list_mailboxes)) == 1


def test_every_change_counts_the_revision(store: Runner) -> None:
    seen = [store.read(accounts.revision)]
    mailbox = box(1, "a@x.test")
    application = Application(client_id=CLIENT, object_id="sp")
    for change in (
        lambda tx: accounts.add_mailbox(tx, mailbox),
        lambda tx: accounts.change_mailbox(tx, msgspec.structs.replace(mailbox, enabled=False)),
        lambda tx: accounts.set_password(tx, mailbox, "x"),
        lambda tx: accounts.put_application(tx, application),
        lambda tx: accounts.put_application(tx, msgspec.structs.replace(application, enabled=False)),
    ):
        store.write(change)
        seen.append(store.read(accounts.revision))
    assert seen == sorted(set(seen))
    assert store.read(accounts.list_applications) == [msgspec.structs.replace(application, enabled=False)]


def test_a_certificate_whose_key_cannot_sign_assertions_is_refused(store: Runner, tmp_path: Path) -> None:
    import trustme

    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ec.pem"))
    config = Config(
        applications=[ApplicationSettings(client_id=CLIENT, certificates=[str(tmp_path / "ec.pem")])]
    )
    with pytest.raises(ConfigurationError, match="only RSA keys"):
        apply(store, config)


def grant(secret: str = "s", **changes: Any) -> Grant:
    usual: dict[str, Any] = {
        "grant_id": grant_id_of(secret),
        "kind": "refresh",
        "client_id": CLIENT,
        "object_id": "u",
        "family": "f",
        "expires_at": START,
        "facts": Facts(scopes=("Mail.Send", "\x00ä"), nonce="n"),
    }
    return Grant(**(usual | changes))


def test_a_grant_is_found_by_its_secret_and_kind(store: Runner) -> None:
    assert store.write(lambda tx: grants.add(tx, grant()))
    assert not store.write(lambda tx: grants.add(tx, grant()))
    assert store.read(lambda tx: grants.find(tx, "refresh", "s")) == grant()
    assert store.read(lambda tx: grants.find(tx, "code", "s")) is None
    assert store.read(lambda tx: grants.find(tx, "refresh", "\udc00")) is None


def test_a_grant_is_used_once(store: Runner) -> None:
    store.write(lambda tx: grants.add(tx, grant()))
    assert store.write(lambda tx: grants.use(tx, grant(), 7))
    assert not store.write(lambda tx: grants.use(tx, grant(), 8))
    used = store.read(lambda tx: grants.find(tx, "refresh", "s"))
    assert (used.state, used.used_at) == (grants.USED, 7)


def test_a_family_and_a_holder_are_revoked(store: Runner) -> None:
    for secret, family, holder in (("1", "f", "u"), ("2", "f", "u"), ("3", "g", "u"), ("4", "h", "v")):
        new = grant(secret, family=family, object_id=holder)
        store.write(lambda tx, new=new: grants.add(tx, new))
    assert store.write(lambda tx: grants.revoke_family(tx, "f")) == 2
    assert store.write(lambda tx: grants.revoke_holder(tx, "u")) == 1
    assert store.read(lambda tx: grants.find(tx, "refresh", "4")).state == grants.OPEN


def test_old_grants_are_swept(store: Runner) -> None:
    store.write(lambda tx: grants.add(tx, grant("1", expires_at=START - 1)))
    store.write(lambda tx: grants.add(tx, grant("2", expires_at=START)))
    assert store.write(lambda tx: grants.sweep(tx, START)) == 1
    assert store.read(lambda tx: grants.find(tx, "refresh", "2")) is not None
    assert store.write(lambda tx: grants.remove(tx, "refresh", "2"))


def test_a_device_is_found_by_its_user_code_and_decided_once(store: Runner) -> None:
    new = grant(kind="device", object_id="", family=grants.device_family("BCDF"))
    store.write(lambda tx: grants.add(tx, new))
    assert store.read(lambda tx: grants.find_device(tx, "BCDF")) == new
    assert store.write(lambda tx: grants.decide_device(tx, new, "u", True))
    assert not store.write(lambda tx: grants.decide_device(tx, new, "v", False))
    found = store.read(lambda tx: grants.find_device(tx, "BCDF"))
    assert (found.state, found.object_id) == (grants.APPROVED, "u")


def test_consents_add_up(store: Runner) -> None:
    assert store.read(lambda tx: consents.scopes_of(tx, CLIENT, "u")) == frozenset()
    store.write(lambda tx: consents.add(tx, CLIENT, "u", frozenset({"a"}), 1))
    store.write(lambda tx: consents.add(tx, CLIENT, "u", frozenset({"b"}), 1))
    assert store.read(lambda tx: consents.scopes_of(tx, CLIENT, "u")) == {"a", "b"}


def test_passwords_are_compared_with_their_hashes() -> None:
    kept = hash_password("p\u00e4ss")
    assert kept != hash_password("p\u00e4ss")
    assert "p\u00e4ss" not in kept
    assert is_password("p\u00e4ss", kept)
    secret = generate_secret()
    assert is_password(secret, hash_generated(secret))
    for wrong in ("", "pass", "x" * 2000, "\ud800", kept):
        assert not is_password(wrong, kept)
        assert not is_password(wrong, "")
        assert not is_password(wrong, hash_generated(secret))


def test_a_postmaster_who_is_nobody_is_told_of_once_and_again_when_he_goes(store: Runner) -> None:
    output, clock = io.StringIO(), JumpingClock()
    log = MailLog(LogSettings(), output, clock.now)
    people = Accounts(store.store, clock, log, TenantSettings(postmaster="p@x.test"))

    def told() -> int:
        store.loop.run(people.refresh())
        log.flush()
        return output.getvalue().count(" no-postmaster named=p@x.test instead=a@x.test\n")

    store.write(lambda tx: accounts.add_mailbox(tx, box(1, "a@x.test"), ""))
    assert told() == 1
    store.write(lambda tx: accounts.add_mailbox(tx, box(2, "b@x.test"), ""))
    assert told() == 1
    store.write(lambda tx: accounts.add_mailbox(tx, box(3, "p@x.test"), ""))
    assert told() == 1
    store.write(lambda tx: deleted.delete(tx, box(3, "p@x.test"), 100))
    store.write(accounts.changed)
    assert told() == 2
    log.close()


def test_what_was_deleted_and_is_declared_is_told_when_it_is_there_again(store: Runner) -> None:
    config = Config(mailboxes=[MailboxSettings(address=address) for address in ("a@x.test", "b@x.test")])
    assert apply(store, config) == []
    found = store.read(accounts.load_directory).find("b@x.test")
    store.write(lambda tx: deleted.delete(tx, found, 100))
    assert apply(store, config) == ["b@x.test"]
    assert apply(store, config) == []
