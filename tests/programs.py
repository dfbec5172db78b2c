"""Programs of the machine that some tests want: where they are, or the test is skipped with what is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from graphpost.testing.postgres import PostgresServer, find_binaries


def needed(name: str) -> str:
    """Where the program is."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this machine")
    return found


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[PostgresServer]:
    """A PostgreSQL server of the test's own."""
    if find_binaries() is None:
        pytest.skip("no PostgreSQL binaries on this machine")
    with PostgresServer.start(durable=durable) as server:
        yield server
