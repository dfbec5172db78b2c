"""The server under test: ours on both databases, or the one that `--graph-url` names (see README.md)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conformance.targets import GivenTarget, OwnTarget, Target
from tests.programs import running_postgres

from graphpost.testing.postgres import PostgresServer
from graphpost.testing.server import running_server

SETTINGS = Path(__file__).parent / "settings.toml"
_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("graph")
    group.addoption("--graph-url", metavar="URL", help="the server to ask, instead of our own")
    group.addoption("--graph-ca", metavar="FILE", help="the authority to trust")
    group.addoption(
        "--graph-token",
        metavar="NAME=FILE",
        action="append",
        default=[],
        help="a file with the token of that name; more than once",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        given = metafunc.config.getoption("graph_url", None)
        only = metafunc.definition.get_closest_marker("kinds")
        kinds = ["given"] if given else only.args if only else ["sqlite", "postgres"]
        metafunc.parametrize("kind", kinds, scope="session")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


def new_schema(server: PostgresServer) -> str:
    """The URL of an empty schema of its own."""
    import psycopg

    schema = f"conformance{next(_numbers)}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{server.url}&options=-csearch_path%3D{schema}"


@pytest.fixture(scope="session")
def target(
    kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    if kind == "given":
        config = request.config
        ca = config.getoption("graph_ca")
        tokens = dict(word.split("=", 1) for word in config.getoption("graph_token"))
        given = GivenTarget(
            config.getoption("graph_url"),
            Path(ca) if ca else None,
            {name: Path(file) for name, file in tokens.items()},
        )
        yield given
        given.wire.close()
        return
    flags = {}
    if kind == "postgres":
        flags = {"store.url": new_schema(request.getfixturevalue("postgres_server"))}
    with running_server(tmp_path_factory.mktemp(kind), file=SETTINGS, flags=flags) as server:
        own = OwnTarget(server)
        yield own
        own.wire.close()
    assert [secret for secret in own.secrets if secret in server.output.getvalue()] == []


@pytest.fixture(scope="session")
def own(target: Target) -> OwnTarget:
    """The server under test, when it is ours."""
    if not isinstance(target, OwnTarget):
        pytest.skip("only our own server can be asked this")
    return target
