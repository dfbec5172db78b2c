"""The local authority's certificates are accepted by TLS implementations, kept, and renewed in time."""

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from graphpost.clock import SECOND, SystemClock
from graphpost.config import Config, load
from graphpost.errors import ConfigurationError
from graphpost.web.certificates import CertificateFiles, ca_file, days_left, server_certificate

DAY = 86_400 * SECOND
NOW = SystemClock().now()


def config_of(data: Path, **flags: object) -> Config:
    return load(
        None, data=data, environ={}, flags={key.replace("_", ".", 1): value for key, value in flags.items()}
    )


def certificate(files: CertificateFiles) -> x509.Certificate:
    return x509.load_pem_x509_certificate(files.certificate.read_bytes())


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "mail.contoso.test", "127.0.0.9"])
def test_a_tls_client_that_trusts_the_authority_accepts_every_name(tmp_path: Path, name: str) -> None:
    config = config_of(tmp_path, server_host="127.0.0.9", server_names=["mail.contoso.test"])
    files = server_certificate(config, NOW)
    assert files.ca is not None
    assert asyncio.run(handshake(files, ssl.create_default_context(cafile=files.ca), name)) == b"hello"


def test_a_tls_client_refuses_another_name_and_another_authority(tmp_path: Path) -> None:
    files = server_certificate(config_of(tmp_path / "a"), NOW)
    other = server_certificate(config_of(tmp_path / "b"), NOW)
    assert files.ca is not None
    assert other.ca is not None
    for ca, name in ((files.ca, "evil.test"), (other.ca, "localhost")):
        with pytest.raises(ssl.SSLCertVerificationError):
            asyncio.run(handshake(files, ssl.create_default_context(cafile=ca), name))


async def handshake(files: CertificateFiles, trust: ssl.SSLContext, name: str) -> bytes:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    trust.verify_flags |= ssl.VERIFY_X509_STRICT

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=name)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_verifies_the_chain_strictly(tmp_path: Path) -> None:
    files = server_certificate(config_of(tmp_path), NOW)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "localhost"]
    done = subprocess.run(
        [*command, "-CAfile", str(files.ca), str(files.certificate)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_keys_are_for_the_owner_alone(tmp_path: Path) -> None:
    server_certificate(config_of(tmp_path / "d"), NOW)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "d/ca").iterdir()}
    assert modes == {"ca.key": 0o600, "server.key": 0o600, "ca.pem": 0o644, "server.pem": 0o644}
    assert (tmp_path / "d/ca").stat().st_mode & 0o777 == 0o700


def test_a_leaf_lives_at_most_397_days_and_the_authority_signs_no_other(tmp_path: Path) -> None:
    files = server_certificate(config_of(tmp_path), NOW)
    leaf = certificate(files)
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days <= 397
    assert files.ca is not None
    authority = x509.load_pem_x509_certificate(files.ca.read_bytes())
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)


@pytest.mark.parametrize(
    ("later", "renewed"), [(0, False), (300, False), (370, True), (500, True), (-30, True)]
)
def test_a_certificate_is_renewed_when_it_ends_soon(tmp_path: Path, later: int, renewed: bool) -> None:
    config = config_of(tmp_path)
    first = certificate(server_certificate(config, NOW))
    ca = (tmp_path / "ca/ca.pem").read_bytes()
    second = certificate(server_certificate(config, NOW + later * DAY))
    assert (first != second) is renewed
    assert (tmp_path / "ca/ca.pem").read_bytes() == ca


def test_a_certificate_is_renewed_when_the_names_change(tmp_path: Path) -> None:
    first = certificate(server_certificate(config_of(tmp_path), NOW))
    second = certificate(server_certificate(config_of(tmp_path, server_names=["new.test"]), NOW))
    assert first != second


@pytest.mark.parametrize("lost", ["server.pem", "server.key"])
def test_a_lost_or_damaged_leaf_is_made_anew(tmp_path: Path, lost: str) -> None:
    config = config_of(tmp_path)
    files = server_certificate(config, NOW)
    (tmp_path / "ca" / lost).write_text("damaged")
    assert server_certificate(config, NOW) == files
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(files.certificate, files.key)


@pytest.mark.parametrize(
    ("damage", "fault"),
    [("lost", r"/ca/ca\.key: No such file or directory"), ("damaged", "a file in .*/ca is damaged")],
)
def test_a_lost_authority_is_reported_because_clients_trust_the_old_one(
    tmp_path: Path, damage: str, fault: str
) -> None:
    config = config_of(tmp_path)
    server_certificate(config, NOW)
    key = tmp_path / "ca/ca.key"
    key.unlink() if damage == "lost" else key.write_text("damaged")
    words = f"local certificate authority cannot be used: .*{fault}; put it back, or move the directory away"
    with pytest.raises(ConfigurationError, match=words):
        server_certificate(config, NOW)


def test_the_operators_certificate_is_used_as_it_is(tmp_path: Path) -> None:
    own = server_certificate(config_of(tmp_path / "other"), NOW)
    config = config_of(tmp_path, server_certificate=str(own.certificate), server_key=str(own.key))
    assert server_certificate(config, NOW) == CertificateFiles(own.certificate, own.key, None)
    assert ca_file(config) is None
    assert days_left(own.certificate, NOW) == 395
