"""Mail leaves signed: from the key made on the command line to what an independent relay got."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import dkim
import pytest
from tests.client import ADELE, Client
from tests.clients.relay import running_relay

from graphpost.cli import main
from graphpost.errors import ConfigurationError
from graphpost.testing.server import running_server
from graphpost.transport.dkim_keys import read_key, record_text

DOMAIN = "example.test"


def settings(data: Path, relay_port: int) -> Path:
    file = data.parent / "settings.toml"
    file.write_text(
        f'[tenant]\ndomains = ["{DOMAIN}"]\n[server]\ntls = false\n'
        f'[[routes]]\ndomains = ["*"]\nto = "smtp://127.0.0.1:{relay_port}"\n'
        f'[[dkim]]\ndomain = "{DOMAIN}"\nselector = "s1"\n[[dkim]]\ndomain = "{DOMAIN}"\nselector = "s2"\n'
    )
    return file


def verified(message: bytes, data: Path) -> list[bool]:
    """Whether each of the two signatures holds, by the records of the keys in the data directory."""

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        selector, _, rest = name.decode().rstrip(".").partition(".")
        assert rest == f"_domainkey.{DOMAIN}"
        return record_text(read_key(data / "dkim" / DOMAIN / f"{selector}.pem", selector)).encode()

    verifier = dkim.DKIM(message)
    return [verifier.verify(idx=index, dnsfunc=look_up) for index in (0, 1)]


@pytest.mark.parametrize("kind", ["json", "mime", "large"])
def test_what_leaves_is_signed_by_every_key_of_the_authors_domain(kind: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert main(["dkim", "create", DOMAIN, "--selector", "s1", "--data", str(data)]) == 0
    ed25519 = ["--selector", "s2", "--algorithm", "ed25519"]
    assert main(["dkim", "create", DOMAIN, *ed25519, "--data", str(data)]) == 0
    with running_relay() as relay, running_server(data, file=settings(data, relay.port)) as server:
        client = Client(server.port, data)
        if kind == "mime":
            mime = f"From: {ADELE}\nTo: bob@far.test\nSubject: signed\n\nHi.  \n\n\n".encode()
            headers = {"Authorization": f"Bearer {client.token()}", "Content-Type": "text/plain"}
            answer = client.ask("POST", f"/v1.0/users/{ADELE}/sendMail", b64encode(mime), headers)
            assert answer.status == 202, answer.body
        else:
            content = "Grüße  aus\tdem\r\n\r\nNorden. \r\n" * (20_000 if kind == "large" else 1)
            client.send(
                "bob@far.test",
                "cc@far.test",
                subject="signed",
                body={"contentType": "Text", "content": content},
                replyTo=[{"emailAddress": {"address": ADELE}}],
            )
        delivered = relay.wait_for("signed")
    assert verified(delivered.data, data) == [True, True]


def test_mail_of_other_domains_is_not_signed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert main(["dkim", "create", "other.test", "--selector", "s1", "--data", str(data)]) == 0
    with running_relay() as relay:
        file = settings(data, relay.port)
        other = '[[dkim]]\ndomain = "other.test"\nselector = "s1"\n'
        file.write_text(file.read_text().partition("[[dkim]]")[0] + other)
        with running_server(data, file=file) as server:
            Client(server.port, data).send("bob@far.test", subject="unsigned")
            delivered = relay.wait_for("unsigned")
    assert b"DKIM-Signature" not in delivered.data


def test_a_server_does_not_start_without_a_key_that_is_to_sign(tmp_path: Path) -> None:
    why = r"dkim\[0\].key: .*cannot be read.*graphpost dkim create"
    data = tmp_path / "data"
    with pytest.raises(ConfigurationError, match=why), running_server(data, file=settings(data, 25)):
        pass
