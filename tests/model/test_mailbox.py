"""A whole mailbox and a model of it in plain Python never disagree, on either database."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.model.machine import MailboxMachine
from tests.model.place import Place
from tests.store.conftest import postgres_url  # noqa: F401

from graphpost.store.databases.postgres import PostgresStore
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.mailbox import trees
from graphpost.store.store import Store


@pytest.fixture
def check(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs the machine; folders are copied and erased in steps of a few rows, so that most take several."""
    for step in (trees.copy_step, trees.erase_step):
        monkeypatch.setattr(step, "__defaults__", (3,))
    examples = request.config.getoption("model_examples", None)
    steps = request.config.getoption("model_steps", None) or 30

    def run(opened: Callable[[Path], Store], usual: int) -> None:
        with tempfile.TemporaryDirectory() as directory:

            def begin() -> Place:
                folder = Path(tempfile.mkdtemp(dir=directory))
                place = Place(lambda: opened(folder), folder)
                place.at_end = lambda: shutil.rmtree(folder)
                return place

            run_state_machine_as_test(
                type("Machine", (MailboxMachine,), {"opened": staticmethod(begin)}),
                settings=settings(
                    max_examples=examples or usual,
                    stateful_step_count=steps,
                    derandomize=examples is None,
                    print_blob=True,
                    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
                    suppress_health_check=list(HealthCheck),
                ),
            )

    return run


@pytest.mark.slow
@pytest.mark.timeout(0)  # as many as are asked for; finding the least example of a fault takes minutes
def test_a_mailbox_is_as_the_model_says(check: Callable[..., None]) -> None:
    check(lambda folder: SqliteStore.open(folder / "mail.db", readers=1), 20)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_a_mailbox_is_as_the_model_says_on_postgresql(
    check: Callable[..., None],
    postgres_url: str,  # noqa: F811
) -> None:
    import psycopg

    def opened(folder: Path) -> Store:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            schema = postgres_url.rpartition("%3D")[2]
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
            connection.execute(f"CREATE SCHEMA {schema}")
        return PostgresStore.open(postgres_url, connections=2)

    check(opened, 8)
