"""What is known of how domains take mail: the best TLS, and MTA-STS policies.

Domains are A-labels in lower case, and lie in buckets as the queue does.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from msgspec import Struct

from graphpost.clock import Instant
from graphpost.store.queue.deliveries import BUCKETS
from graphpost.store.store import Tx

_PUT_LEVEL: Final = (
    "INSERT INTO tls_levels (bucket, domain, level, reached_at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (bucket, domain) DO UPDATE SET level = excluded.level, reached_at = excluded.reached_at"
)
_PUT_POLICY: Final = (
    "INSERT INTO tls_policies (bucket, domain, record_id, policy, fetched_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (bucket, domain) DO UPDATE SET record_id = excluded.record_id, policy = excluded.policy,"
    " fetched_at = excluded.fetched_at, expires_at = excluded.expires_at"
)
_POLICY: Final = "SELECT domain, record_id, policy, fetched_at, expires_at FROM tls_policies WHERE bucket = ?"

_TO_REFRESH: Final = (
    "{policy} AND fetched_at < ? AND domain IN (SELECT domain FROM tls_levels WHERE bucket = ?)"
    " ORDER BY fetched_at LIMIT ?"
).replace("{policy}", _POLICY)


class Level(Struct, frozen=True):
    """`level` is a TlsLevel's number, and `reached_at` when it was last reached."""

    level: int
    reached_at: Instant


class StoredPolicy(Struct, frozen=True):
    """A policy as its host served it (`policy`), and the id that the DNS record had then."""

    domain: str
    record_id: str
    policy: str
    fetched_at: Instant
    expires_at: Instant


def find_level(tx: Tx, domain: str) -> Level | None:
    row = tx.one(
        "SELECT level, reached_at FROM tls_levels WHERE bucket = ? AND domain = ?", (_bucket(domain), domain)
    )
    return None if row is None else Level(*row)


def put_level(tx: Tx, domain: str, level: Level) -> None:
    """Keep it in the place of the one before."""
    tx.execute(_PUT_LEVEL, (_bucket(domain), domain, level.level, level.reached_at))


def find_policy(tx: Tx, domain: str) -> StoredPolicy | None:
    """The policy kept, also when its time is over."""
    row = tx.one(f"{_POLICY} AND domain = ?", (_bucket(domain), domain))
    return None if row is None else StoredPolicy(*row)


def put_policy(tx: Tx, policy: StoredPolicy) -> None:
    """Keep it in the place of the one before."""
    values = (policy.domain, policy.record_id, policy.policy, policy.fetched_at, policy.expires_at)
    tx.execute(_PUT_POLICY, (_bucket(policy.domain), *values))


def policies_to_refresh(tx: Tx, bucket: int, fetched_before: Instant, limit: int) -> list[StoredPolicy]:
    """Those fetched before that time, of domains that have a level, the oldest first."""
    return [StoredPolicy(*row) for row in tx.all(_TO_REFRESH, (bucket, fetched_before, bucket, limit))]


def forget(tx: Tx, domain: str) -> bool:
    """Know nothing of a domain any more; whether anything was known."""
    key = (_bucket(domain), domain)
    levels = tx.execute("DELETE FROM tls_levels WHERE bucket = ? AND domain = ?", key)
    policies = tx.execute("DELETE FROM tls_policies WHERE bucket = ? AND domain = ?", key)
    return bool(levels or policies)


def prune(tx: Tx, bucket: int, reached_before: Instant, expired_before: Instant) -> None:
    """Let go of levels that were not reached since, and of policies that ended before."""
    tx.execute("DELETE FROM tls_levels WHERE bucket = ? AND reached_at < ?", (bucket, reached_before))
    tx.execute("DELETE FROM tls_policies WHERE bucket = ? AND expires_at < ?", (bucket, expired_before))


def _bucket(domain: str) -> int:
    return crc32(domain.encode()) % BUCKETS
