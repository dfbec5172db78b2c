"""The real server that kills itself at a named point.

    python -m tests.crash.serve POINT COUNT serve --data DIR ...

The Store and Courier seams are wrapped where the composition root makes them; everything else is the product as it
is.  At the COUNT-th time that the POINT is reached the process sends itself SIGKILL: nothing is flushed, no handler
runs.  The point `none` is never reached.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import graphpost.server.delivery
import graphpost.server.lifetime
from graphpost.cli import main
from graphpost.delivery.outbound.outlets import Outlets
from graphpost.store.store import Dialect, Store, Tx
from graphpost.transport.courier import Courier, Data, Envelope, Outcome

T = TypeVar("T")

# A write of the store is told by the module of the function it is given.
WRITES = {
    "graphpost.delivery.acceptance.accepting": "accept",
    "graphpost.delivery.queue.settler": "settle",
    "graphpost.graph.writing": "mark",
}
POINTS = (
    "accept:before",  # the message is not in a transaction yet
    "accept:written",  # in the transaction, before its commit
    "accept:committed",  # durable, before 202
    "courier:before",  # the attempt is on record, nothing was sent
    "courier:reading",  # inside DATA
    "courier:after",  # the final reply is here, nothing is settled
    "settle:before",
    "settle:written",
    "settle:committed",
)
MARKS = ("mark:before", "mark:written", "mark:committed")  # a change of a message by a client


@dataclass
class Fuse:
    """Ends the process when its point was reached so many times."""

    point: str
    left: int

    def reached(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if self.left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


class FusedStore:
    """A Store; the fuse sees what is before, inside and after its writes."""

    def __init__(self, store: Store, fuse: Fuse) -> None:
        self._store = store
        self._fuse = fuse
        self.dialect: Dialect = store.dialect

    async def read(self, fn: Callable[[Tx], T]) -> T:
        return await self._store.read(fn)

    async def write(self, fn: Callable[[Tx], T]) -> T:
        kind = WRITES.get(fn.__module__)
        if kind is None:
            return await self._store.write(fn)

        def watched(tx: Tx) -> T:
            result = fn(tx)
            self._fuse.reached(f"{kind}:written")
            return result

        self._fuse.reached(f"{kind}:before")
        result = await self._store.write(watched)
        self._fuse.reached(f"{kind}:committed")
        return result

    async def join(self) -> None:
        await self._store.join()

    def watch(self, told: Callable[[Collection[int]], None]) -> None:
        self._store.watch(told)

    async def close(self) -> None:
        await self._store.close()


@dataclass(frozen=True)
class FusedData:
    """Data whose chunks come one after the other, with the fuse between them."""

    data: Data
    fuse: Fuse

    @property
    def size(self) -> int:
        return self.data.size

    @property
    def is_8bit(self) -> bool:
        return self.data.is_8bit

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.data:
            middle = len(chunk) // 2
            yield chunk[:middle]
            self.fuse.reached("courier:reading")
            yield chunk[middle:]


class FusedCourier:
    """A Courier; the fuse sees what is before, inside and after its deliveries."""

    def __init__(self, courier: Courier, fuse: Fuse) -> None:
        self._courier = courier
        self._fuse = fuse

    async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
        self._fuse.reached("courier:before")
        data = FusedData(envelope.data, self._fuse)
        changed = Envelope(
            envelope.sender,
            envelope.recipients,
            data,
            envelope.envelope_id,
            envelope.wants_success_report,
            envelope.needs_smtputf8,
        )
        outcomes = await self._courier.deliver(changed)
        self._fuse.reached("courier:after")
        return outcomes

    async def close(self) -> None:
        await self._courier.close()


def install(fuse: Fuse) -> None:
    """Wrap the seams where the composition root makes them."""
    open_store = graphpost.server.lifetime.open_store

    class FusedOutlets(Outlets):
        def find(self, destination: str) -> Courier | None:
            courier = super().find(destination)
            return FusedCourier(courier, fuse) if courier is not None else None

    def open_fused(*arguments: Any) -> FusedStore:
        return FusedStore(open_store(*arguments), fuse)

    graphpost.server.lifetime.open_store = open_fused
    graphpost.server.delivery.Outlets = FusedOutlets  # type: ignore[misc]


if __name__ == "__main__":
    point, times, *rest = sys.argv[1:]
    assert point in (*POINTS, *MARKS, "none"), point
    install(Fuse(point, int(times)))
    sys.exit(main(rest))
