"""Consents: which permissions users let applications have, and since when.

An administrator's consent is everybody's: its `object_id` is EVERYBODY.  What a user consented to and what everybody did
count together.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from graphpost.clock import Instant
from graphpost.store.directory.grants import REVOKED
from graphpost.store.store import Tx

EVERYBODY: Final = ""


class Consent(Struct, frozen=True):
    """`scopes` are permissions, and OpenID's words; `consented_at` is the last time that some were added, 0 unknown."""

    client_id: str
    object_id: str
    scopes: frozenset[str]
    consented_at: Instant


def scopes_of(tx: Tx, client_id: str, object_id: str) -> frozenset[str]:
    """What an application may have of a user."""
    rows = tx.all(
        "SELECT scopes FROM consents WHERE client_id = ? AND object_id IN (?, ?)",
        (client_id, object_id, EVERYBODY),
    )
    return frozenset(word for row in rows for word in row[0].split())


def list_consents(tx: Tx) -> list[Consent]:
    """All of them, by application, everybody's first."""
    rows = tx.all(
        "SELECT client_id, object_id, scopes, consented_at FROM consents ORDER BY client_id, object_id"
    )
    return [Consent(row[0], row[1], frozenset(row[2].split()), row[3]) for row in rows]


def add(tx: Tx, client_id: str, object_id: str, scopes: frozenset[str], now: Instant) -> None:
    """Let an application have these permissions beside those it has."""
    row = tx.one("SELECT scopes FROM consents WHERE client_id = ? AND object_id = ?", (client_id, object_id))
    merged = " ".join(sorted(scopes.union(row[0].split() if row else ())))
    tx.execute(
        "INSERT INTO consents (client_id, object_id, scopes, consented_at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (client_id, object_id) DO UPDATE "
        "SET scopes = excluded.scopes, consented_at = excluded.consented_at",
        (client_id, object_id, merged, now),
    )


def revoke(tx: Tx, client_id: str, object_id: str | None = None) -> bool:
    """Take a user's consent back, or with None all there is; False when there was none.

    The codes and refresh tokens that the application holds for them end too.
    """
    whose, params = ("", [client_id]) if object_id is None else (" AND object_id = ?", [client_id, object_id])
    tx.execute(
        f"UPDATE grants SET state = ? WHERE client_id = ?{whose} AND state <> ?",  # noqa: S608
        (REVOKED, *params, REVOKED),
    )
    return tx.execute(f"DELETE FROM consents WHERE client_id = ?{whose}", tuple(params)) > 0  # noqa: S608
