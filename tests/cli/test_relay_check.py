"""`graphpost check` tells whether a relay can be used, against an independent SMTP server."""

import base64
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from graphpost.clock import SystemClock
from graphpost.config import load
from graphpost.testing.ports import free_port
from graphpost.web.certificates import CertificateFiles, server_certificate


class Sink:
    """Takes everything; `callers` are the addresses and names of who said EHLO."""

    callers: ClassVar[list[tuple[str, str]]] = []

    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: Any
    ) -> Any:
        self.callers.append((session.peer[0], hostname))
        session.host_name = hostname
        return responses

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        return "250 OK"


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    return server_certificate(load(None, data=tmp_path / "relay", environ={}, flags={}), SystemClock().now())


@pytest.fixture
def start() -> Iterator[Callable[..., int]]:
    controllers: list[Controller] = []

    def begin(handler: Any = None, **options: Any) -> int:
        where: dict[str, Any] = {"hostname": "127.0.0.1", "port": free_port(), "ready_timeout": 60}
        controller = Controller(handler or Sink(), **where, **options)
        controller.start()
        controllers.append(controller)
        return int(controller.port)

    yield begin
    for controller in controllers:
        controller.stop()


@pytest.fixture
def check(graphpost: Any, tmp_path: Path) -> Callable[[str], tuple[int, str]]:
    def run(route: str) -> tuple[int, str]:
        file = tmp_path / "g.toml"
        file.write_text(f'[[routes]]\ndomains = ["*"]\n{route}\n')
        status, out, err = graphpost("check", "--no-dns", "--config", str(file))
        assert err == ""
        return status, out.splitlines()[-1]

    return run


def tls(files: CertificateFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    return context


def test_a_relay_that_answers_is_fine(start: Any, check: Any) -> None:
    port = start()
    assert check(f'to = "smtp://127.0.0.1:{port}"') == (
        0,
        f"ok    routes[0]      127.0.0.1:{port} answers, offers no TLS",
    )


def test_a_relay_that_is_not_there_fails(check: Any) -> None:
    port = free_port()
    status, line = check(f'to = "smtp://127.0.0.1:{port}"')
    assert status == 1
    assert line == f"FAIL  routes[0]      127.0.0.1:{port}: Connection refused"


def test_a_relay_without_starttls_fails_where_tls_is_required(start: Any, check: Any) -> None:
    status, line = check(f'to = "smtp://127.0.0.1:{start()}"\ntls = "required"')
    assert status == 1
    assert "offers no STARTTLS" in line


@pytest.mark.parametrize(
    ("host", "ca", "status", "said"),
    [
        ("localhost", True, 0, "STARTTLS works"),
        ("localhost", False, 1, "CERTIFICATE_VERIFY_FAILED"),
    ],
)
def test_a_verified_relay_needs_a_certificate_we_trust(
    start: Any, check: Any, files: CertificateFiles, host: str, ca: bool, status: int, said: str
) -> None:
    port = start(tls_context=tls(files))
    trust = f'ca_file = "{files.ca}"\n' if ca else ""
    found, line = check(f'to = "smtp://{host}:{port}"\ntls = "verified"\n{trust}')
    assert found == status
    assert said in line


@pytest.mark.parametrize(
    ("password", "status", "said"), [("right", 0, "takes the credentials"), ("wrong", 1, "535")]
)
def test_a_relay_is_asked_whether_it_takes_the_credentials(
    start: Any, check: Any, files: CertificateFiles, password: str, status: int, said: str
) -> None:
    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        return AuthResult(success=given.password == b"right", handled=False)

    port = start(tls_context=tls(files), authenticator=authenticate, auth_required=True)
    found, line = check(
        f'to = "smtp://127.0.0.1:{port}"\ntls = "required"\nusername = "u"\npassword = "{password}"'
    )
    assert found == status
    assert said in line
    assert password not in line


def test_a_route_that_does_not_verify_is_not_held_to_its_ca_file(
    start: Any, check: Any, files: CertificateFiles
) -> None:
    """As delivery takes it: only `verified` looks at the certificate."""
    port = start(tls_context=tls(files))
    other = files.certificate  # is the relay's own, and no authority's
    status, line = check(f'to = "smtp://127.0.0.1:{port}"\ntls = "required"\nca_file = "{other}"')
    assert (status, "STARTTLS works" in line) == (0, True)


class Bearers(Sink):
    """Takes one token, by the mechanism of Google and Microsoft."""

    async def auth_XOAUTH2(self, server: Any, args: list[str]) -> AuthResult:  # noqa: N802
        given = base64.b64decode(args[1]).decode()
        return AuthResult(success=given == "user=u\x01auth=Bearer right\x01\x01", handled=False)


@pytest.mark.parametrize(("token", "status", "said"), [("right", 0, "takes the token"), ("wrong", 1, "535")])
def test_a_relay_is_asked_whether_it_takes_the_token(
    start: Any, check: Any, files: CertificateFiles, token: str, status: int, said: str
) -> None:
    port = start(Bearers(), tls_context=tls(files))
    route = f'to = "smtp://127.0.0.1:{port}"\ntls = "required"\nusername = "u"\n'
    found, line = check(route + f'token_command = ["echo", "{token}"]')
    assert (found, said in line, token in line) == (status, True, False)


def test_each_of_several_hosts_is_asked(start: Any, check: Any) -> None:
    one, two = start(), free_port()
    status, line = check(f'hosts = [{{to = "smtp://127.0.0.1:{one}"}}, {{to = "smtp://127.0.0.1:{two}"}}]')
    assert (status, line) == (1, f"FAIL  routes[0].hosts[1] 127.0.0.1:{two}: Connection refused")


def test_a_relay_is_asked_from_where_mail_comes_and_under_that_name(start: Any, check: Any) -> None:
    route = f'to = "smtp://127.0.0.1:{start()}"\nsource = "127.0.0.3"\nhostname = "mail.contoso.test"'
    assert check(route)[0] == 0
    assert Sink.callers[-1] == ("127.0.0.3", "mail.contoso.test")
