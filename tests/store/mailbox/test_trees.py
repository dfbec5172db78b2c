"""Trees of folders: bounded steps, and what happens beside them."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from tests.store.made import delivery, item

from graphpost.errors import PreconditionFailed
from graphpost.mail.mailbox import INBOX, NO_FOLDER, ROOT, Folder
from graphpost.mail.message import ContentRef
from graphpost.store import contents
from graphpost.store.contents import Content
from graphpost.store.mailbox import folders, messages, trees
from graphpost.store.mailbox.trees import Copying
from graphpost.store.queue import deliveries
from graphpost.store.store import Store, Tx

pytestmark = pytest.mark.anyio
TOP, INNER, COUNT = 100, 101, 25
UNTIL = 50_000


def folder(number: int, parent: int = ROOT, name: str = "", **more: Any) -> Folder:
    return Folder(mailbox_id=7, folder_id=number, parent_id=parent, name=name or str(number), **more)


async def fill(store: Store) -> None:
    def add(tx: Tx) -> None:
        folders.create_defaults(tx, 7)
        folders.add(tx, folder(TOP))
        folders.add(tx, folder(INNER, TOP))
        for number in range(COUNT):
            raw = ContentRef(1)
            messages.add(
                tx,
                item(1000 + number, folder_id=TOP, is_read=number % 2 == 0, raw=raw, received_at=number // 3),
            )
            messages.add(tx, item(2000 + number, folder_id=INNER))
            contents.add(tx, 7, 1000 + number, [Content(1, 1, "0" * 64, b"x")])

    await store.write(add)


async def counts(store: Store, number: int) -> tuple[int, int, int] | None:
    """What the folder says: messages, unread ones, and (counted) what is there."""

    def read(tx: Tx) -> tuple[int, int, int] | None:
        found = folders.get(tx, 7, number)
        there = messages.count(tx, 7, number, ("mailbox_id = ?", (7,)))
        return None if found is None else (found.total_count, found.unread_count, there)

    return await store.read(read)


async def test_an_erasure_goes_on_in_steps_with_right_counts(store: Store) -> None:
    await fill(store)
    steps = 0
    while not await store.write(lambda tx: trees.erase_step(tx, 7, TOP, 10)):
        steps += 1
        for number in (TOP, INNER):
            found = await counts(store, number)
            assert found is None or found[0] == found[2]
    assert steps >= 2 * COUNT // 10
    assert await counts(store, TOP) is None
    assert await counts(store, INNER) is None
    assert await store.read(lambda tx: messages.count(tx, 7)) == 0
    assert await store.read(
        lambda tx: tx.one("SELECT COUNT(*) FROM contents WHERE mailbox_id = ?", (7,))
    ) == (0,)
    assert await store.write(lambda tx: trees.erase_step(tx, 7, TOP, 10))


async def test_an_erasure_that_was_interrupted_is_finished_by_another(store: Store) -> None:
    await fill(store)
    await store.write(lambda tx: trees.erase_step(tx, 7, TOP, 10))
    assert await counts(store, TOP) is not None
    while not await store.write(lambda tx: trees.erase_step(tx, 7, TOP)):
        pass
    assert await counts(store, TOP) is None


async def test_what_waits_to_be_delivered_is_only_taken_out(store: Store) -> None:
    await fill(store)

    def queue(tx: Tx) -> None:
        deliveries.add(tx, delivery(1000))
        deliveries.add(tx, delivery(1001, state=deliveries.HELD))
        deliveries.add(tx, delivery(1002, state=deliveries.DONE))

    await store.write(queue)
    assert await store.write(lambda tx: trees.erase_step(tx, 7, TOP))
    left = await store.read(lambda tx: [messages.get(tx, 7, 1000 + n) for n in range(3)])
    assert [each and each.folder_id for each in left] == [NO_FOLDER, NO_FOLDER, None]
    assert await store.read(lambda tx: contents.of_message(tx, 7, 1000))


async def test_a_copy_goes_on_in_steps_with_right_counts(store: Store) -> None:
    await fill(store)
    numbers = itertools.count(UNTIL + 1)
    copying, steps = Copying(7, ((TOP, INBOX),), UNTIL), 0
    while not copying.is_done:
        copying = await store.write(
            lambda tx, so_far=copying: trees.copy_step(tx, so_far, numbers.__next__, 5, 10)  # type: ignore[misc]
        )
        steps += 1
        target = await counts(store, UNTIL + 1)
        assert target
        assert target[0] == target[2]
    assert steps >= 2 * COUNT // 10
    (copy,) = await store.read(lambda tx: folders.children(tx, 7, INBOX))
    (inner,) = await store.read(lambda tx: folders.children(tx, 7, copy.folder_id))
    assert (copy.name, copy.total_count, copy.unread_count) == (str(TOP), COUNT, COUNT // 2)
    assert (inner.name, inner.total_count) == (str(INNER), COUNT)
    assert await counts(store, TOP) == (COUNT, COUNT // 2, COUNT)


async def test_a_copy_leaves_out_what_came_after_it_began(store: Store) -> None:
    await fill(store)
    numbers = itertools.count(UNTIL + 1)
    start = Copying(7, ((TOP, INBOX),), UNTIL)
    copying = await store.write(lambda tx: trees.copy_step(tx, start, numbers.__next__, 5, 3))

    def arrive(tx: Tx) -> None:
        messages.add(tx, item(UNTIL + 10_000, folder_id=TOP))
        folders.add(tx, folder(UNTIL + 10_001, TOP))

    await store.write(arrive)
    while not copying.is_done:
        copying = await store.write(
            lambda tx, so_far=copying: trees.copy_step(tx, so_far, numbers.__next__, 5)  # type: ignore[misc]
        )
    (copy,) = await store.read(lambda tx: folders.children(tx, 7, INBOX))
    assert (copy.total_count, copy.child_count) == (COUNT, 1)


async def test_a_copy_that_somebody_removes_meanwhile_ends(store: Store) -> None:
    await fill(store)
    numbers = itertools.count(UNTIL + 1)
    start = Copying(7, ((TOP, INBOX),), UNTIL)
    copying = await store.write(lambda tx: trees.copy_step(tx, start, numbers.__next__, 5, 3))
    assert not copying.is_done
    assert await store.write(lambda tx: trees.erase_step(tx, 7, copying.target))
    copying = await store.write(lambda tx: trees.copy_step(tx, copying, numbers.__next__, 5))
    assert copying.is_done
    assert await store.read(lambda tx: messages.count(tx, 7)) == 2 * COUNT


async def test_a_folder_is_changed_in_the_version_that_is_known(store: Store) -> None:
    await fill(store)
    before = await store.read(lambda tx: folders.get(tx, 7, TOP))
    assert before is not None
    after = folder(TOP, INBOX, "Zwei\0")
    changed = await store.write(lambda tx: folders.change(tx, before, after))
    assert changed.version == 2
    now = await store.read(lambda tx: folders.find(tx, 7, INBOX, "ZWEI"))
    assert now is not None
    assert (now.name, now.version, now.total_count) == ("Zwei", 2, COUNT)
    with pytest.raises(PreconditionFailed):
        await store.write(lambda tx: folders.change(tx, before, after))


async def test_ancestors_and_free_names(store: Store) -> None:
    await fill(store)
    assert await store.read(lambda tx: folders.ancestors(tx, 7, INNER)) == [INNER, TOP, ROOT]
    assert await store.read(lambda tx: folders.ancestors(tx, 7, 999)) == []
    assert await store.read(lambda tx: folders.ancestors(tx, 8, INNER)) == []

    def free(name: str, limit: int = 255) -> Any:
        return store.read(lambda tx: folders.free_name(tx, 7, TOP, name, limit))

    assert await free("x") == "x"
    assert await free("101") == "1011"
    assert await free("101", 3) == "102"


async def test_two_moves_at_once_make_no_circle(store: Store) -> None:
    """Each alone is right; together they would put either folder below the other."""
    await fill(store)
    await store.write(lambda tx: folders.add(tx, folder(200)))

    def move(number: int, to: int) -> Any:
        def run(tx: Tx) -> bool:
            folders.hold_tree(tx, 7)
            found = folders.get(tx, 7, number)
            assert found is not None
            if number in folders.ancestors(tx, 7, to):
                return False
            folders.change(tx, found, folder(number, to))
            return True

        return store.write(run)

    for _ in range(10):
        moved = await asyncio.gather(move(TOP, 200), move(200, TOP))
        assert sum(moved) == 1
        for number in (TOP, 200):
            assert ROOT in await store.read(lambda tx, number=number: folders.ancestors(tx, 7, number))  # type: ignore[misc]
        for number in (TOP, 200):
            assert await move(number, ROOT)


async def test_a_message_is_not_put_into_a_folder_that_goes(store: Store) -> None:
    await fill(store)

    def put(number: int) -> Any:
        def run(tx: Tx) -> bool:
            if folders.share(tx, 7, TOP) is None:
                return False
            messages.add(tx, item(number, folder_id=TOP))
            return True

        return store.write(run)

    async def erase() -> None:
        while not await store.write(lambda tx: trees.erase_step(tx, 7, TOP, 5)):
            pass

    await asyncio.gather(erase(), *(put(3000 + number) for number in range(40)))
    await erase()
    assert await store.read(lambda tx: messages.count(tx, 7)) == 0
    assert await store.read(
        lambda tx: tx.one("SELECT COUNT(*) FROM messages WHERE mailbox_id = ?", (7,))
    ) == (0,)
