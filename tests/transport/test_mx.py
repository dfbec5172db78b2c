"""The courier to mail exchangers, with a resolver that knows hosts and no addresses."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from tests.transport.letters import envelope

from graphpost.errors import GraphpostError
from graphpost.transport.capture import CaptureCourier
from graphpost.transport.courier import Deferred
from graphpost.transport.mx import HOSTS, MxCourier
from graphpost.transport.resolver import Exchanger, LookupFailedError, NoSuchDomainError


class Directory:
    def __init__(self, error: type[GraphpostError]) -> None:
        self.asked: list[str] = []
        self._error = error

    async def exchangers(self, domain: str) -> tuple[Exchanger, ...]:
        return tuple(Exchanger(number, f"mx{number}.{domain}") for number in range(500))

    async def addresses(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        raise self._error(f"no {host}")


@pytest.mark.parametrize("error", [LookupFailedError, NoSuchDomainError])
def test_of_many_exchangers_few_are_looked_up(error: type[GraphpostError]) -> None:
    directory = Directory(error)
    courier = MxCourier("far.test", directory, lambda host, address: CaptureCourier(), frozenset(), Random(1))
    [outcome] = asyncio.run(courier.deliver(envelope()))
    assert isinstance(outcome, Deferred)
    assert directory.asked == [f"mx{number}.far.test" for number in range(HOSTS)]
