"""A mailbox on first use: for whom, once, and not for who was deleted."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest
from tests.auth.verification.test_issuers import NOBODY, TENANT, Gate, entra, keycloak, service, staff, v1
from tests.store.conftest import anyio_backend, open_store, postgres_url, store

from graphpost.auth.verification.issuers import NewcomerError, NobodyHereError
from graphpost.auth.verification.provisioning import A_MINUTE, Newcomer, Provisioner
from graphpost.auth.verification.tokens import TokenVerifier
from graphpost.config import LogSettings, TenantSettings
from graphpost.errors import Unauthenticated, Unavailable
from graphpost.ids import Numbers
from graphpost.mail.mailbox import INBOX, Application, Mailbox
from graphpost.maillog import MailLog
from graphpost.store.directory import accounts, deleted, groups
from graphpost.store.directory.people import Accounts
from graphpost.store.mailbox import folders
from graphpost.store.store import Store
from graphpost.testing.clock import JumpingClock

__all__ = ["anyio_backend", "open_store", "postgres_url", "store"]
OID = "eeeeeeee-0000-4000-8000-00000000000A"
NEW = "new@contoso.test"
PROVISION: dict[str, Any] = {"provision": True, "provision_domains": ["contoso.test"]}


def newcomer_of(gate: Gate, claims: dict[str, Any]) -> Newcomer | None:
    try:
        gate.issuers[0].principal(claims)
    except NewcomerError as error:
        return error.newcomer
    except (NobodyHereError, ValueError):
        return None
    return None


@pytest.mark.parametrize(
    ("settings", "claims", "address"),
    [
        ({}, {"preferred_username": NEW}, NEW),
        ({}, {"preferred_username": "new", "email": NEW}, ""),
        ({}, {"preferred_username": "new", "email": NEW, "email_verified": "yes"}, ""),
        ({"user_claim": "email"}, {"preferred_username": "new", "email": NEW}, NEW),
        ({"user_claim": "email"}, {"preferred_username": "new", "email": NEW, "email_verified": False}, ""),
        ({}, {"preferred_username": "new", "email": NEW, "email_verified": True}, NEW),
        ({}, {"preferred_username": "new", "email": NEW, "email_verified": False}, ""),
        ({}, {"preferred_username": NEW, "email": NEW, "email_verified": False}, ""),
        ({}, {"preferred_username": NEW, "email_verified": "false"}, ""),
        ({}, {"preferred_username": NEW, "email_verified": None}, ""),
        ({}, {"preferred_username": "new"}, ""),
        ({}, {"preferred_username": "new@fabrikam.test"}, ""),
        ({}, {"preferred_username": "new@sub.contoso.test"}, ""),
        ({}, {"preferred_username": "new@CONTOSO.test"}, "new@CONTOSO.test"),
        ({}, {"preferred_username": "a b@contoso.test"}, ""),
        ({}, {"preferred_username": "a@fabrikam.test@contoso.test"}, ""),
        ({}, {"preferred_username": ["new@contoso.test"]}, ""),
        ({}, {"preferred_username": NEW, "azp": "unknown"}, ""),
        ({"provision": False}, {"preferred_username": NEW}, ""),
        ({"domains": ["fabrikam.test"]}, {"preferred_username": NEW}, ""),
        ({"user_claim": "mail"}, {"mail": NEW, "preferred_username": "other@contoso.test"}, NEW),
    ],
)
def test_who_has_an_address_in_an_allowed_domain_may_have_a_mailbox(
    settings: dict[str, Any], claims: dict[str, Any], address: str
) -> None:
    found = newcomer_of(keycloak(**(PROVISION | settings)), staff(**claims))
    assert (found.address if found else "") == address


def test_an_application_gets_no_mailbox() -> None:
    assert newcomer_of(keycloak(**PROVISION), service(email=NEW)) is None


def test_somebody_of_entra_id_has_the_object_id_and_name_of_there() -> None:
    claims = v1(oid=OID, upn=NEW, name="New Person", email="ceo@contoso.test")
    found = newcomer_of(entra(**PROVISION), claims)
    assert found is not None
    assert (found.address, found.object_id, found.name, found.token_id) == (
        NEW,
        OID.lower(),
        "New Person",
        "u1",
    )
    assert TENANT in found.issuer
    unverified = newcomer_of(entra(**PROVISION), v1(oid=OID, upn=None, email=NEW))
    assert unverified is None  # anybody can write anything into that claim


def test_who_has_a_mailbox_by_the_verified_address_is_that_one() -> None:
    gate = keycloak(**PROVISION)
    adele = {"preferred_username": "adele", "email": "adele@contoso.test"}
    principal = gate.issuers[0].principal(staff(**adele, email_verified=True))
    assert principal.object_id == "cccccccc-0000-4000-8000-000000000001"
    assert newcomer_of(keycloak(), staff(**adele, email_verified=True)) is None
    for claims in ({}, {"email_verified": False}, {"email_verified": None}):
        with pytest.raises(NobodyHereError):
            gate.issuers[0].principal(staff(**adele, **claims))


class Hall:
    """A store, its directory, and a gate that provides."""

    def __init__(self, store: Store, clock: JumpingClock, node: int = 1) -> None:
        self.store, self.clock, self.noted = store, clock, list[tuple[Newcomer, Mailbox]]()
        self.output = io.StringIO()
        self.log = MailLog(LogSettings(), self.output, clock.now)
        self.people = Accounts(store, clock, self.log, TenantSettings())
        self.provisioner = Provisioner(
            self.people,
            Numbers(clock.now, node=node),
            clock,
            self.log,
            lambda who, box: self.noted.append((who, box)),
        )

    async def addresses(self) -> list[str]:
        return [box.address for box in await self.store.read(accounts.list_mailboxes)]


def someone(address: str = NEW, object_id: str = "") -> Newcomer:
    return Newcomer(address=address, name="New", issuer="https://id.test", client_id="c", object_id=object_id)


@pytest.mark.anyio
async def test_a_mailbox_is_made_once_however_many_ask_in_several_processes(store: Store) -> None:
    clock = JumpingClock()
    halls = [Hall(store, clock, node) for node in (1, 2, 3)]
    asked = [hall.provisioner.provide(someone()) for hall in halls for _ in range(4)]
    assert await asyncio.gather(*asked) == [True] * 12
    assert await halls[0].addresses() == [NEW]
    assert sum(len(hall.noted) for hall in halls) == 1
    (box,) = await store.read(accounts.list_mailboxes)
    assert (box.name, box.kind) == ("New", "person")
    inbox = await store.read(lambda tx: folders.get(tx, box.mailbox_id, INBOX))
    assert inbox is not None
    assert await store.read(lambda tx: accounts.password_of(tx, box.mailbox_id)) == ""


@pytest.mark.anyio
async def test_who_was_deleted_is_not_made_again_while_the_mailbox_can_be_restored(store: Store) -> None:
    hall = Hall(store, JumpingClock())
    assert await hall.provisioner.provide(someone(object_id=OID.lower()))
    (box,) = await store.read(accounts.list_mailboxes)
    assert box.object_id == OID.lower()
    await store.write(lambda tx: deleted.delete(tx, box, 100))
    await hall.people.refresh()
    assert not await hall.provisioner.provide(someone(object_id=OID.lower()))
    assert not await hall.provisioner.provide(someone())
    assert not await hall.provisioner.provide(someone("renamed@contoso.test", OID.lower()))
    assert await hall.addresses() == []
    await store.write(lambda tx: deleted.begin_erasing(tx, box.mailbox_id, 101))
    assert await hall.provisioner.provide(someone(object_id=OID.lower()))


@pytest.mark.anyio
async def test_the_address_of_a_group_is_nobodys(store: Store) -> None:
    hall = Hall(store, JumpingClock())
    await store.write(lambda tx: groups.put(tx, "Group", NEW, "command"))
    assert not await hall.provisioner.provide(someone())


@pytest.mark.anyio
async def test_so_many_are_made_in_a_minute_and_no_more(store: Store) -> None:
    hall = Hall(store, JumpingClock())
    hall.provisioner._made, hall.provisioner._minute = A_MINUTE - 1, hall.clock.now() // 60_000_000
    assert await hall.provisioner.provide(someone())
    with pytest.raises(Unavailable) as busy:
        await hall.provisioner.provide(someone("other@contoso.test"))
    assert busy.value.headers == {"Retry-After": "60"}
    assert await hall.provisioner.provide(someone())
    await hall.clock.advance(60)
    assert await hall.provisioner.provide(someone("other@contoso.test"))


@pytest.mark.anyio
async def test_a_newcomers_token_is_admitted_and_others_are_not(store: Store) -> None:
    gate = keycloak(**PROVISION)
    hall = Hall(store, gate.clock)
    application = Application(client_id=gate.directory.applications.popitem()[0], object_id="a")
    await store.write(lambda tx: accounts.put_application(tx, application))
    await hall.people.refresh()
    issuers = [type(gate.issuers[0])(**{n: getattr(gate.issuers[0], n) for n in gate.issuers[0].__slots__} | {"directory": hall.people.directory})]  # fmt: skip
    verifier = TokenVerifier(
        issuers, gate.clock, people=hall.people.directory, provide=hall.provisioner.provide
    )
    principal = await verifier.admit(gate.sign(staff(preferred_username="n", email=NEW, email_verified=True)))
    (box,) = await store.read(accounts.list_mailboxes)
    assert (principal.kind, principal.object_id) == ("user", box.object_id)
    assert f"provisioned mailbox={NEW}" in _said(hall)
    for claims in (
        {"preferred_username": "x@fabrikam.test"},
        {"preferred_username": "x", "email": "x@contoso.test", "email_verified": False},
    ):
        with pytest.raises(Unauthenticated, match=NOBODY):
            await verifier.admit(gate.sign(staff(**claims)))
    assert await hall.addresses() == [NEW]


def _said(hall: Hall) -> str:
    hall.log.flush()
    return hall.output.getvalue()
