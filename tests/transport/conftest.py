"""Fixtures for the transport's tests: both event loops, peers, couriers that are closed in the end."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from graphpost.testing.smtp_peer import SmtpPeer
from graphpost.transport.smtp import SmtpCourier, SmtpTarget


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture
def smtp_peer() -> Iterator[Callable[..., SmtpPeer]]:
    """Makes scripted peers, and stops them."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(SmtpPeer(**settings))


@pytest.fixture
async def courier() -> AsyncIterator[Callable[..., SmtpCourier]]:
    """Makes couriers to a peer, and closes them."""
    made: list[SmtpCourier] = []

    def make(port: int, **settings: object) -> SmtpCourier:
        host = settings.pop("host", "127.0.0.1")
        target = SmtpTarget(host, port, "client.test", **settings)  # type: ignore[arg-type]
        made.append(SmtpCourier(target))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """A server's context with a certificate for 127.0.0.1 and localhost."""
    return server_context(authority, "127.0.0.1", "localhost")


@pytest.fixture(scope="session")
def wrong_tls(authority: trustme.CA) -> ssl.SSLContext:
    """A server's context with a certificate for somebody else."""
    return server_context(authority, "elsewhere.test")
