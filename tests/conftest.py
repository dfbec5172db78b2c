"""For all tests: one PostgreSQL server in each process, and Hypothesis without deadlines and luck.

The examples are the same in every run, so that a run says something of the change it is about; with
`--hypothesis-profile exploring` they are new ones each time.

How long an example takes is the machine's matter, not the rule's; nor is it a fault when examples are made slowly: the
machine may be busy with something else.

Programs that tests start may keep what they compiled, also where the environment says otherwise: there are hundreds of
them, and compiling takes longer than the rest of a command.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from tests.programs import running_postgres

from graphpost.testing.postgres import PostgresServer

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

_UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("same", _UNTIMED, derandomize=True)
settings.register_profile("exploring", _UNTIMED)
settings.load_profile("same")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server
