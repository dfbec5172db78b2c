"""One relay and one server for all clients of this directory, and the files they attach."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.person import Person
from tests.clients.relay import Relay, running_relay
from tests.clients.world import ADELE, PASSWORD, World, running_world

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360f8cf500f0003860180b434c8660000000049454e44ae426082"
)


@pytest.fixture(scope="package")
def relay() -> Iterator[Relay]:
    with running_relay() as running:
        yield running


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory, relay: Relay) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("clients"), relay) as running:
        yield running


@pytest.fixture(scope="package")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "logo.png"
    path.write_bytes(PNG)
    return path


@pytest.fixture(scope="package")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2.5 MB of every byte there is, with a name that needs encoding."""
    path = tmp_path_factory.mktemp("files") / "Übersicht 2026.bin"
    path.write_bytes(random.Random(20260101).randbytes(2_500_000))
    return path


@pytest.fixture
def adele(world: World) -> Iterator[Person]:
    person = Person(ADELE, PASSWORD, world.ca_file)
    yield person
    person.web.close()
