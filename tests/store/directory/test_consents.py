"""Consents, on both databases."""

from __future__ import annotations

import pytest

from graphpost.store.directory import consents, grants
from graphpost.store.directory.consents import EVERYBODY, Consent
from graphpost.store.directory.grants import Grant, grant_id_of
from graphpost.store.store import Store, Tx

pytestmark = pytest.mark.anyio


def names(*words: str) -> frozenset[str]:
    return frozenset(words)


async def test_everybodys_consent_and_the_users_count_together(store: Store) -> None:
    def run(tx: Tx) -> None:
        consents.add(tx, "app", "u", names("a"), 1)
        consents.add(tx, "app", "u", names("b"), 2)
        consents.add(tx, "app", EVERYBODY, names("c"), 3)
        consents.add(tx, "other", "u", names("d"), 4)

    await store.write(run)
    assert await store.read(lambda tx: consents.scopes_of(tx, "app", "u")) == {"a", "b", "c"}
    assert await store.read(lambda tx: consents.scopes_of(tx, "app", "v")) == {"c"}
    assert await store.read(consents.list_consents) == [
        Consent("app", EVERYBODY, names("c"), 3),
        Consent("app", "u", names("a", "b"), 2),
        Consent("other", "u", names("d"), 4),
    ]


@pytest.mark.parametrize(("user", "left"), [("u", {"v": 0, "u": 3}), (None, {"v": 3, "u": 3})])
async def test_revoking_ends_what_the_application_holds(
    store: Store, user: str | None, left: dict[str, int]
) -> None:
    def make(tx: Tx) -> None:
        for client, holder in (("app", "u"), ("app", "v"), ("other", "u")):
            secret = f"{client}-{holder}"
            grant = Grant(
                grant_id=grant_id_of(secret), kind="refresh", client_id=client, object_id=holder, expires_at=9
            )
            grants.add(tx, grant)
            consents.add(tx, client, holder, names("a"), 1)

    def states(tx: Tx) -> dict[str, int]:
        found = {holder: grants.find(tx, "refresh", f"app-{holder}") for holder in "vu"}
        other = grants.find(tx, "refresh", "other-u")
        assert other is not None
        assert other.state == grants.OPEN
        return {holder: grant.state for holder, grant in found.items() if grant is not None}

    await store.write(make)
    assert await store.write(lambda tx: consents.revoke(tx, "app", user))
    assert await store.read(states) == left
    assert not await store.write(lambda tx: consents.revoke(tx, "app", user))
    assert await store.read(lambda tx: consents.scopes_of(tx, "other", "u")) == {"a"}


async def test_a_grant_that_was_ended_is_known_as_such(store: Store) -> None:
    def run(tx: Tx) -> list[bool]:
        grants.add(tx, Grant(grant_id="one", kind="code", family="f", expires_at=9))
        before = grants.is_revoked(tx, "one")
        grants.revoke_family(tx, "f")
        return [before, grants.is_revoked(tx, "one"), grants.is_revoked(tx, "two")]

    assert await store.write(run) == [False, True, False]
