"""Grants: codes, refresh tokens, sessions, used assertions.

A grant is found by the SHA-256 of the secret its holder has, so the table tells nobody a secret.  What may happen
once only (redeeming, approving, an assertion's id) is one conditional statement: whoever changes the row was first.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal

import msgspec
from msgspec import Struct

from graphpost.clock import Instant
from graphpost.store.store import Row, Tx

Kind = Literal["code", "refresh", "device", "session", "assertion"]
OPEN: Final = 0
USED: Final = 1
DENIED: Final = 2
REVOKED: Final = 3
APPROVED: Final = 4
_COLUMNS: Final = "grant_id, kind, client_id, object_id, family, state, expires_at, used_at, document"


class Facts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was agreed when the grant was made."""

    scopes: tuple[str, ...] = ()  # as they will be answered
    redirect_uri: str = ""
    challenge: str = ""
    challenge_method: str = ""
    nonce: str = ""
    user_code: str = ""
    resource: str = ""  # of the version 1 endpoints
    is_spa: bool = False  # whether it came to a page of a single-page application
    signed_in_at: Instant = 0


class Grant(Struct, frozen=True, kw_only=True):
    """`object_id` is the user's, '' while nobody approved; grants that came of one sign-in share a `family`."""

    grant_id: str
    kind: Kind
    client_id: str = ""
    object_id: str = ""
    family: str = ""
    state: int = OPEN
    expires_at: Instant
    used_at: Instant = 0
    facts: Facts = Facts()


def grant_id_of(secret: str) -> str:
    """The id under which the grant of a secret is kept."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def add(tx: Tx, grant: Grant) -> bool:
    """Keep a grant; False when one with that id is there already."""
    document = msgspec.json.encode(grant.facts).decode()
    values = (grant.grant_id, grant.kind, grant.client_id, grant.object_id, grant.family, grant.state)
    added = tx.execute(
        f"INSERT INTO grants ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (grant_id) DO NOTHING",  # noqa: S608
        (*values, grant.expires_at, grant.used_at, document),
    )
    return added == 1


def find(tx: Tx, kind: Kind, secret: str) -> Grant | None:
    """The grant a secret stands for, in whatever state, expired or not."""
    sql = f"SELECT {_COLUMNS} FROM grants WHERE grant_id = ? AND kind = ?"  # noqa: S608
    row = tx.one(sql, (grant_id_of(secret), kind))
    return _grant(row) if row else None


def find_device(tx: Tx, user_code: str) -> Grant | None:
    """The device grant somebody is shown this user code for."""
    row = tx.one(
        f"SELECT {_COLUMNS} FROM grants WHERE family = ? AND kind = 'device'",  # noqa: S608
        (device_family(user_code),),
    )
    return _grant(row) if row else None


def device_family(user_code: str) -> str:
    """The family of a device grant, which is how its user code finds it."""
    return "device:" + grant_id_of(user_code)


def use(tx: Tx, grant: Grant, now: Instant) -> bool:
    """Use a grant up; False when somebody was faster.  Its state must still be the one it was read with."""
    changed = tx.execute(
        "UPDATE grants SET state = ?, used_at = ? WHERE grant_id = ? AND state = ?",
        (USED, now, grant.grant_id, grant.state),
    )
    return changed == 1


def decide_device(tx: Tx, grant: Grant, object_id: str, approved: bool) -> bool:
    """Approve or decline an open device grant for a user; False when it was decided already."""
    changed = tx.execute(
        "UPDATE grants SET state = ?, object_id = ? WHERE grant_id = ? AND state = ?",
        (APPROVED if approved else DENIED, object_id, grant.grant_id, OPEN),
    )
    return changed == 1


def note_poll(tx: Tx, grant: Grant, now: Instant) -> None:
    """Remember when a device last asked."""
    tx.execute("UPDATE grants SET used_at = ? WHERE grant_id = ? AND state = ?", (now, grant.grant_id, OPEN))


def revoke_family(tx: Tx, family: str) -> int:
    """End every grant that came of the same sign-in."""
    return tx.execute(
        "UPDATE grants SET state = ? WHERE family = ? AND state <> ?", (REVOKED, family, REVOKED)
    )


def revoke_holder(tx: Tx, object_id: str) -> int:
    """End everything a user is holding: after a change of password, or when disabled."""
    return tx.execute(
        "UPDATE grants SET state = ? WHERE object_id = ? AND state <> ?", (REVOKED, object_id, REVOKED)
    )


def is_revoked(tx: Tx, grant_id: str) -> bool:
    """Whether a grant was ended; it is not until the transaction is over."""
    row = tx.one(f"SELECT state FROM grants WHERE grant_id = ?{tx.dialect.for_update}", (grant_id,))  # noqa: S608
    return row is not None and row[0] == REVOKED


def remove_holder(tx: Tx, object_id: str) -> None:
    """Forget what a user holds, and has consented to."""
    tx.execute("DELETE FROM grants WHERE object_id = ?", (object_id,))
    tx.execute("DELETE FROM consents WHERE object_id = ?", (object_id,))


def remove(tx: Tx, kind: Kind, secret: str) -> bool:
    return tx.execute("DELETE FROM grants WHERE grant_id = ? AND kind = ?", (grant_id_of(secret), kind)) == 1


def sweep(tx: Tx, before: Instant) -> int:
    """Remove grants that expired before that instant."""
    return tx.execute("DELETE FROM grants WHERE expires_at < ?", (before,))


def _grant(row: Row) -> Grant:
    grant_id, kind, client_id, object_id, family, state, expires_at, used_at, document = row
    return Grant(
        grant_id=grant_id,
        kind=kind,
        client_id=client_id,
        object_id=object_id,
        family=family,
        state=state,
        expires_at=expires_at,
        used_at=used_at,
        facts=msgspec.json.decode(document, type=Facts),
    )
