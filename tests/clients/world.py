"""A server as an operator sets one up, and the clients as programs of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.clients.relay import Relay

from graphpost.cli.env import environment
from graphpost.testing.server import ServerThread, running_server

HERE = Path(__file__).parent
ADELE, ADELE_NAME = "AdeleV@contoso.test", "Adèle Vance"
ALEX, ALEX_NAME = "alex@contoso.test", "Alex Wilber"
PASSWORD = "correct horse battery staple"
CLIENT = "aaaaaaaa-0000-4000-8000-000000000001"
NARROW = "aaaaaaaa-0000-4000-8000-000000000002"  # may read, must not send
SECRET = "a secret somebody chose"
SECONDS = 100  # for one program; a test has 120

SETTINGS = """
[server]
names = ["localhost", "graph.microsoft.com", "login.microsoftonline.com"]

[tenant]
id = "11111111-2222-3333-4444-555555555555"
domains = ["contoso.test"]

[issuer]
password_grant = true

[notifications]
allow = ["127.0.0.0/8", "::1/128"]
allow_http = true

[[mailboxes]]
address = "{adele}"
name = "{adele_name}"
password = "{password}"

[[mailboxes]]
address = "{alex}"
name = "{alex_name}"

[[applications]]
client_id = "{client}"
name = "Invoices"
public = true
secrets = ["{secret}"]
certificates = ["{certificate}"]
redirect_uris = ["http://localhost"]
application_permissions = ["Mail.Send", "Mail.ReadWrite", "User.Read.All", "MailboxSettings.ReadWrite"]
delegated_permissions = ["Mail.Send", "Mail.ReadWrite", "User.Read"]

[[applications]]
client_id = "{narrow}"
name = "Reader"
secrets = ["{secret}"]
application_permissions = ["Mail.Read"]

[[routes]]
domains = ["*"]
to = "smtp://127.0.0.1:{port}"
"""


@dataclass(frozen=True)
class World:
    """What a test needs to run clients: the server, the relay, and the variables of `graphpost env`."""

    server: ServerThread
    relay: Relay
    certificate: Path
    variables: dict[str, str]

    @property
    def ca_file(self) -> Path:
        return Path(self.variables["CA_FILE"])

    def environment(self, **more: str) -> dict[str, str]:
        """A bare environment: nothing of this machine but where programs are and what `graphpost env` says."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        trust = dict.fromkeys(
            ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"), str(self.ca_file)
        )
        own = {"CERTIFICATE": str(self.certificate), "PYTHONUTF8": "1"}
        return {**kept, **trust, **own, **self.variables, **more}

    def python(self, script: str, *arguments: object, **more: str) -> Any:
        """Run a program of `python/`; the JSON it prints last."""
        return self.run(python_script(script), *arguments, **more)

    def run(self, command: list[str], *arguments: object, **more: str) -> Any:
        """Run a program with these arguments and variables; the JSON it prints last."""
        done = subprocess.run(
            [*command, *map(str, arguments)],
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        ended = f"{command[-1]} ended with {done.returncode}"
        assert done.returncode == 0, f"{ended}:\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout.splitlines()[-1])

    @contextmanager
    def talking(self, command: list[str], *arguments: object) -> Iterator[Talk]:
        """Run a program that asks for something in between, by its standard input and output."""
        environment = self.environment(PYTHONUNBUFFERED="1")
        pipe, out = subprocess.PIPE, subprocess.STDOUT
        with subprocess.Popen(
            [*command, *map(str, arguments)], env=environment, stdin=pipe, stdout=pipe, stderr=out, text=True
        ) as process:
            try:
                yield Talk(process)
            finally:
                process.kill()


@dataclass(frozen=True)
class Talk:
    """A program under way."""

    process: subprocess.Popen[str]

    def hear(self, word: str) -> list[str]:
        """The words after this one, in the first line that begins with it."""
        assert self.process.stdout
        said = []
        for line in self.process.stdout:
            if line.startswith(f"{word} "):
                return line.split()[1:]
            said.append(line)
        raise AssertionError("".join(said))

    def say(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """The JSON in its last line, when it has ended well."""
        out, _ = self.process.communicate(timeout=SECONDS)
        assert self.process.returncode == 0, out
        return json.loads(out.splitlines()[-1])


def python_script(name: str) -> list[str]:
    """The command that runs a program of `python/`."""
    return [sys.executable, str(HERE / "python" / name)]


@contextmanager
def running_world(directory: Path, relay: Relay, more: str = "") -> Iterator[World]:
    """A server with two people, two applications, and more settings; mail for others goes to the relay."""
    certificate = make_certificate(directory / "client.pem")
    file = directory / "graphpost.toml"
    file.write_text(settings(certificate, relay.port) + more, "utf-8")
    with running_server(directory / "data", file=file) as server:
        variables = environment(server.config)
        yield World(server, relay, certificate, variables)
    lines = server.output.getvalue().splitlines()
    # What other servers of this process log through `logging` is here too: `where` is then a logger's name.
    unwanted = [
        line
        for line in lines
        if re.match(r'\S+ (?:problem where=(?!"?(?:graphpost\.|asyncio|mail\.log))|deferred )', line)
    ]
    assert not unwanted, "\n".join(unwanted)


def settings(certificate: Path, port: int) -> str:
    return SETTINGS.format(
        adele=ADELE,
        adele_name=ADELE_NAME,
        alex=ALEX,
        alex_name=ALEX_NAME,
        password=PASSWORD,
        client=CLIENT,
        narrow=NARROW,
        secret=SECRET,
        certificate=certificate,
        port=port,
    )


def make_certificate(path: Path) -> Path:
    """A PEM file with an application's private key and certificate."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Invoices")])
    start = datetime(2025, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36_500))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem + certificate.public_bytes(Encoding.PEM))
    return path
