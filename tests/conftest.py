"""For all tests: one PostgreSQL server in each process, and Hypothesis without deadlines.

How long an example takes is the machine's matter, not the rule's; nor is it a fault when examples are made slowly: the
machine may be busy with something else.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from tests.programs import running_postgres

from graphpost.testing.postgres import PostgresServer

settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server
