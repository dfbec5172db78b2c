"""A running server shows the certificate that is in its files, on every port."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from msgspec.structs import replace
from tests.client import Client

from graphpost.clock import SECOND
from graphpost.config import RouteSettings, load
from graphpost.errors import ConfigurationError
from graphpost.maillog import MailLog
from graphpost.server.certificates import Certificates
from graphpost.testing.clock import JumpingClock
from graphpost.testing.ports import free_port
from graphpost.testing.server import Output, ServerThread, running_server
from graphpost.testing.smtp_peer import SmtpPeer
from graphpost.web.https import HttpsContext

DAY = 86_400


def put(authority: trustme.CA, path: Path, name: str = "localhost") -> None:
    issued = authority.issue_cert(name)
    for file, pem in (("new.key", issued.private_key_pem), ("new.pem", issued.cert_chain_pems[0])):
        pem.write_to_path(path / file)
        (path / file).rename(path / file.replace("new", "server"))


class Serving:
    def __init__(self, server: ServerThread, port: int, authority: trustme.CA) -> None:
        self.server, self.port = server, port
        self.trust = ssl.create_default_context()
        authority.configure_trust(self.trust)

    def look(self) -> None:
        certificates = self.server.server.certificates
        assert certificates is not None
        self.server.call(certificates.look)

    def line(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("localhost", self.server.port), timeout=60)
        return self.trust.wrap_socket(plain, server_hostname="localhost")

    def shown(self) -> tuple[object, object]:
        """The serial numbers on the web's port and on that of SMTP."""
        with closing(self.line()) as line, smtplib.SMTP("localhost", self.port, timeout=60) as smtp:
            smtp.starttls(context=self.trust)
            assert isinstance(smtp.sock, ssl.SSLSocket)
            both = line.getpeercert(), smtp.sock.getpeercert()
            assert all(both)
            return tuple(each["serialNumber"] for each in both if each)  # type: ignore[return-value]


@contextmanager
def serving(path: Path, authority: trustme.CA) -> Iterator[Serving]:
    put(authority, path)
    port = free_port()
    settings = path / "graphpost.toml"
    settings.write_text(
        f'[server]\ncertificate = "{path}/server.pem"\nkey = "{path}/server.key"\n[inbound]\nport = {port}\n'
    )
    with running_server(path / "data", file=settings) as server:
        yield Serving(server, port, authority)


@pytest.mark.slow
def test_a_renewed_certificate_is_taken_up_and_no_connection_ends(tmp_path: Path) -> None:
    authority = trustme.CA()
    with serving(tmp_path, authority) as site, closing(site.line()) as line:
        before = site.shown()
        put(authority, tmp_path)
        site.look()
        after = site.shown()
        assert before[0] == before[1] != after[0] == after[1]
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert line.recv(1000).startswith(b"HTTP/1.1 200")
        site.server.output.wait_for(r"certificate-renewed file=.*server\.pem")


@pytest.mark.slow
def test_a_broken_certificate_is_told_once_and_the_old_one_stays(tmp_path: Path) -> None:
    with serving(tmp_path, trustme.CA()) as site:
        before = site.shown()
        (tmp_path / "server.pem").write_text("nonsense")
        site.look()
        site.look()
        assert site.shown() == before
        assert site.server.output.getvalue().count("problem where=") == 1


def test_a_certificate_of_no_use_is_refused_at_the_start(tmp_path: Path) -> None:
    put(trustme.CA(), tmp_path)
    flags = {"server.certificate": str(tmp_path / "server.pem"), "server.key": str(tmp_path / "server.key")}
    (tmp_path / "server.key").write_text("nonsense")
    config = load(None, data=tmp_path, environ={}, flags=flags)
    log = MailLog(config.log, Output())
    with pytest.raises(ConfigurationError, match=r"^server\.certificate: .*cannot be used"):
        Certificates(config, JumpingClock(), log)
    log.close()


def test_smtp_shows_the_webs_certificate_and_has_nothing_else_of_the_web(tmp_path: Path) -> None:
    """Neither its answer to plain HTTP nor its refusals when it is full."""
    authority = trustme.CA()
    put(authority, tmp_path)
    flags = {"server.certificate": str(tmp_path / "server.pem"), "server.key": str(tmp_path / "server.key")}
    config = load(None, data=tmp_path, environ={}, flags=flags)
    log = MailLog(config.log, Output())
    certificates = Certificates(config, JumpingClock(), log)
    log.close()
    web, smtp = certificates.web, certificates.inbound
    assert isinstance(web, HttpsContext)
    assert smtp is not None
    web.is_full = lambda: True
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trust.wrap_bio(to_client, to_server, server_hostname="localhost")
    server = smtp.wrap_bio(to_server, to_client, server_side=True)
    for end in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    assert client.getpeercert()
    (to_server := ssl.MemoryBIO()).write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    with pytest.raises(ssl.SSLError, match="HTTP_REQUEST"):
        smtp.wrap_bio(to_server, to_client, server_side=True).do_handshake()


@pytest.mark.anyio
async def test_one_of_the_local_authority_is_renewed_while_the_server_runs(tmp_path: Path) -> None:
    config, clock = load(None, data=tmp_path, environ={}, flags={}), JumpingClock()
    log = MailLog(config.log, output := Output(), clock.now)
    certificates = Certificates(config, clock, log)
    assert certificates.files is not None
    first = x509.load_pem_x509_certificate(certificates.files.certificate.read_bytes())
    await certificates.look()
    clock.jump_to(clock.now() + 380 * DAY * SECOND)
    await certificates.look()
    second = x509.load_pem_x509_certificate(certificates.files.certificate.read_bytes())
    assert first.not_valid_after_utc < second.not_valid_after_utc
    log.close()
    assert output.getvalue().count("certificate-renewed") == 1


@pytest.mark.slow
def test_what_is_shown_to_a_relay_is_renewed_too(tmp_path: Path) -> None:
    authority = trustme.CA()
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(asking)
    authority.configure_trust(asking)
    asking.verify_mode = ssl.CERT_REQUIRED
    put(trustme.CA(), tmp_path, "us.test")  # an authority that the relay does not know
    route = RouteSettings(
        domains=["*"],
        to="smtp://localhost:0",
        tls="required",
        certificate=str(tmp_path / "server.pem"),
        key=str(tmp_path / "server.key"),
    )
    with SmtpPeer(tls=asking) as peer:
        routes = [replace(route, to=f"smtp://localhost:{peer.port}")]
        with running_server(
            tmp_path / "data",
            flags={"server.tls": False},
            change=lambda config: replace(config, routes=routes),
        ) as server:
            client = Client(server.port, tmp_path / "data")
            first = client.send("bob@else.test")
            server.output.wait_for("deferred message=")
            put(authority, tmp_path, "us.test")
            assert server.server.certificates is not None
            server.call(server.server.certificates.look)
            client.administer(f"/admin/queue/{first}/retry", "POST")
            assert client.outcome(first) == {"bob@else.test": "delivered"}
        assert [message.is_tls for message in peer.messages] == [True]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
