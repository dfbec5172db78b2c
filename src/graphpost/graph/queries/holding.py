"""Large pages of messages, bounded by what all of them hold in memory together.

Nearly every page is light, and holds nothing once it is read.  One that is more holds a share of what all large pages may
hold until they are sent, and ends with a nextLink where that is used up.  The more are under way, the sooner each ends, but
none before it is no longer light; nobody waits, and clients that read slowly take no more from others than that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import msgspec

from graphpost.delivery.queue.share import Share
from graphpost.graph.call import LIGHT, Call, Reply
from graphpost.graph.converting import converted
from graphpost.graph.streaming import JSON_TYPE, Embedded
from graphpost.mail.message import Item
from graphpost.store.store import Tx

_ENTITY: Final = 1500  # bytes of one without its body
_BLOCK: Final = 64 * 1024  # bytes of an answer that are sent together, at least
_encode: Final = msgspec.json.Encoder().encode


class Part(Protocol):
    """What was read of a page."""

    @property
    def is_cut(self) -> bool:
        """Whether it is shorter than it was asked for because of its size."""
        ...

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        ...


T = TypeVar("T", bound=Part)
Entities = list[tuple[Item | None, Callable[[], dict[str, Any]]]]  # of which message, and how each is made


class Held:
    """What a page holds of the share, until it is released or nobody has it any more."""

    __slots__ = ("_share", "size")

    def __init__(self, share: Share) -> None:
        self._share = share
        self.size = max(0, share.room(0))
        share.used += self.size

    def shrink(self, size: int) -> None:
        """Give back what is more than that."""
        spare = max(0, self.size - size)
        self._share.used -= spare
        self.size -= spare

    @contextmanager
    def unless_it_fails(self) -> Iterator[None]:
        """Give back all when what is done meanwhile raises: the error may be known for longer than the page."""
        try:
            yield
        except BaseException:
            self.shrink(0)
            raise

    def weigh(self, size: int) -> None:
        """It is as large as that after all."""
        self._share.used += size - self.size
        self.size = size

    def __del__(self) -> None:
        self.shrink(0)


async def read_page(call: Call, fetch: Callable[[Tx, int], T]) -> tuple[T, Held | None]:
    """What `fetch` reads within its second argument in bytes; and what a page that is not light holds until it is sent."""
    store, share = call.services.store, call.services.pages
    held = Held(share)
    with held.unless_it_fails():
        page = await store.read(partial(_fetch, fetch=fetch, portion=max(LIGHT, held.size)))
    if page.is_cut and held.size <= LIGHT:
        held.shrink(0)
        if share.room(0) > LIGHT:  # others held more only while they were reading
            held = Held(share)
            with held.unless_it_fails():
                page = await store.read(partial(_fetch, fetch=fetch, portion=held.size))
    held.shrink(page.size)
    return page, held if held.size > LIGHT else None


def size_of(items: Iterable[Item | None]) -> int:
    """About how many bytes messages hold, without what they have stored."""
    return sum(_ENTITY + len(item.message.body.content) for item in items if item is not None)


def _fetch(tx: Tx, fetch: Callable[[Tx, int], T], portion: int) -> T:
    return fetch(tx, portion)


async def large_reply(
    call: Call,
    envelope: Mapping[str, Any],
    entities: Entities,
    embedded: Embedded,
    headers: Mapping[str, str],
    held: Held,
) -> Reply:
    """A page as a reply that is streamed; `entities` are made, and taken out, one by one in a thread."""
    opening = _encode({**envelope, "value": []})[:-2]
    with held.unless_it_fails():
        blocks = await converted(lambda: _written(call, opening, entities), held.size)
    held.weigh(sum(map(len, blocks)))
    return Reply(body=_stream(blocks, embedded, held), content_type=JSON_TYPE, headers=headers)


def _written(call: Call, opening: bytes, entities: Entities) -> deque[bytes]:
    """The JSON of the whole page in blocks; ClientGone as soon as nobody wants it."""
    blocks, block, size = deque[bytes](), [opening], 0
    entities.reverse()
    while entities:
        call.check_client()
        entity = _encode(entities.pop()[1]())
        block += (entity, b",") if entities else (entity,)
        size += len(entity)
        if size > _BLOCK:
            blocks.append(b"".join(block))
            block, size = [], 0
    blocks.append(b"".join([*block, b"]}"]))
    return blocks


async def _stream(blocks: deque[bytes], embedded: Embedded, held: Held) -> AsyncIterator[bytes]:
    while blocks:
        async for chunk in embedded.write(blocks.popleft()):
            yield chunk
    held.shrink(0)
