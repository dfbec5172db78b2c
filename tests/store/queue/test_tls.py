"""What is known of how domains take mail."""

from __future__ import annotations

from functools import partial

import pytest

from graphpost.store.queue import tls
from graphpost.store.queue.deliveries import BUCKETS
from graphpost.store.queue.tls import Level, StoredPolicy
from graphpost.store.store import Store

pytestmark = pytest.mark.anyio


def policy(domain: str, fetched_at: int, expires_at: int = 1000) -> StoredPolicy:
    return StoredPolicy(domain, "1", "version: STSv1", fetched_at, expires_at)


async def test_of_a_domain_the_last_is_kept(store: Store) -> None:
    for number in (1, 2):
        await store.write(partial(tls.put_level, domain="far.test", level=Level(number, number)))
        await store.write(partial(tls.put_policy, policy=policy("far.test", number)))
    assert await store.read(lambda tx: tls.find_level(tx, "far.test")) == Level(2, 2)
    assert await store.read(lambda tx: tls.find_policy(tx, "far.test")) == policy("far.test", 2)
    assert await store.read(lambda tx: tls.find_level(tx, "other.test")) is None
    assert await store.read(lambda tx: tls.find_policy(tx, "other.test")) is None


async def test_a_domain_is_forgotten_and_others_are_not(store: Store) -> None:
    for domain in ("far.test", "other.test"):
        await store.write(partial(tls.put_level, domain=domain, level=Level(1, 1)))
    assert await store.write(lambda tx: tls.forget(tx, "far.test"))
    assert not await store.write(lambda tx: tls.forget(tx, "far.test"))
    assert await store.read(lambda tx: tls.find_level(tx, "far.test")) is None
    assert await store.read(lambda tx: tls.find_level(tx, "other.test")) == Level(1, 1)


async def test_policies_of_domains_with_a_level_are_refreshed_the_oldest_first(store: Store) -> None:
    ages = {f"{number}.test": 100 - number for number in range(40)}

    for domain, fetched_at in ages.items():
        await store.write(partial(tls.put_policy, policy=policy(domain, fetched_at)))
        if fetched_at % 2:
            await store.write(partial(tls.put_level, domain=domain, level=Level(2, 1)))
    found = []
    for bucket in range(BUCKETS):
        some = await store.read(partial(tls.policies_to_refresh, bucket=bucket, fetched_before=90, limit=100))
        assert [each.fetched_at for each in some] == sorted(each.fetched_at for each in some)
        found += some
    assert {each.domain for each in found} == {
        domain for domain, fetched_at in ages.items() if fetched_at < 90 and fetched_at % 2
    }


async def test_what_is_over_is_pruned(store: Store) -> None:
    for domain, time in (("far.test", 10), ("other.test", 20)):
        await store.write(partial(tls.put_level, domain=domain, level=Level(1, time)))
        await store.write(partial(tls.put_policy, policy=policy(domain, 1, time)))
    for bucket in range(BUCKETS):
        await store.write(partial(tls.prune, bucket=bucket, reached_before=15, expired_before=15))
    for domain, is_left in (("far.test", False), ("other.test", True)):
        assert (await store.read(partial(tls.find_level, domain=domain)) is not None) is is_left
        assert (await store.read(partial(tls.find_policy, domain=domain)) is not None) is is_left
