"""A real store, a real issuer, and a clock that stands still."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.auth.browsing import TextBrowser
from tests.auth.world import START, SetClock, World, make_world, seed

from graphpost.auth.keys import SigningKeys, open_keys
from graphpost.config import IssuerSettings
from graphpost.store.databases.sqlite import SqliteStore


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SigningKeys:
    return open_keys(tmp_path_factory.mktemp("keys") / "signing", START)


def make_client_certificate(path: Path, days: int = 36_500) -> Path:
    """A PEM file with an application's key and certificate."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    start = datetime(2025, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem + certificate.public_bytes(Encoding.PEM))
    return path


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_client_certificate(tmp_path_factory.mktemp("client") / "client.pem")


@pytest.fixture(scope="session")
def expired_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_client_certificate(tmp_path_factory.mktemp("expired") / "expired.pem", days=1)


@pytest.fixture(scope="session")
def seeded(
    tmp_path_factory: pytest.TempPathFactory, certificate: Path, expired_certificate: Path, keys: SigningKeys
) -> Path:
    """A database file with the accounts of the tests, to be copied."""
    path = tmp_path_factory.mktemp("seeded") / "graphpost.db"
    with asyncio.Runner() as runner:
        store = SqliteStore.open(path, readers=1)
        world = make_world(runner, store, SetClock(), keys, IssuerSettings())
        seed(world, [str(certificate), str(expired_certificate)])
        runner.run(store.close())
    return path


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def settings() -> IssuerSettings:
    return IssuerSettings(password_grant=True)


@pytest.fixture
def world(
    tmp_path: Path, seeded: Path, clock: SetClock, keys: SigningKeys, settings: IssuerSettings
) -> Iterator[World]:
    path = tmp_path / "graphpost.db"
    shutil.copy(seeded, path)
    with asyncio.Runner() as runner:
        store = SqliteStore.open(path, readers=1)
        made = make_world(runner, store, clock, keys, settings)
        made.reload()
        yield made
        runner.run(store.close())


@pytest.fixture
def browser(world: World) -> TextBrowser:
    return TextBrowser(world)
