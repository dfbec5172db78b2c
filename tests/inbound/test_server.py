"""The whole server: mail in over SMTP and LMTP, what Graph shows of it, and what rules send on."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.client import ADELE, ALEX, Client, eventually
from tests.clients.relay import running_relay

from graphpost.cli import checks, main
from graphpost.config import load
from graphpost.testing.ports import free_port
from graphpost.testing.server import ServerThread, running_server

DOMAIN = "example.test"
LETTER = f"From: {ADELE}\r\nTo: {ALEX}\r\nSubject: %s\r\n\r\nSoup.\r\n"


@contextmanager
def serving(tmp_path: Path, text: str = "", *, tls: bool = False) -> Iterator[tuple[ServerThread, Client]]:
    file = tmp_path / "settings.toml"
    file.write_text(
        f'[tenant]\ndomains = ["{DOMAIN}"]\n[server]\ntls = {str(tls).lower()}\n'
        f'[inbound]\nport = {free_port()}\nlmtp_socket = "lmtp.sock"\nhostname = "mx.{DOMAIN}"\n{text}'
    )
    with running_server(tmp_path / "data", file=file) as server:
        yield server, Client(server.port, tmp_path / "data")


def test_what_comes_in_is_read_over_graph(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, client):
        with smtplib.SMTP("127.0.0.1", server.config.inbound.port) as smtp:
            smtp.sendmail("bob@else.test", [f"alex+news@{DOMAIN}"], LETTER % "One")
        with smtplib.LMTP(str(tmp_path / "data/lmtp.sock")) as lmtp:
            refused = lmtp.sendmail("bob@else.test", [ALEX, f"nobody@{DOMAIN}"], LETTER % "Two")
        assert refused == {f"nobody@{DOMAIN}": (550, b"5.1.1 <nobody@example.test>: no such mailbox here")}
        assert [each["subject"] for each in client.folder("inbox", ALEX)] == ["One", "Two"]
        metrics = server.server.log.metrics.exposition().decode()
    assert "graphpost_received_total 2.0" in metrics
    assert 'graphpost_turned_away_total{reason="unknown-recipient"} 1.0' in metrics


def test_starttls_has_the_servers_certificate(tmp_path: Path) -> None:
    with serving(tmp_path, tls=True) as (server, _):
        context = ssl.create_default_context(cafile=server.ca_file)
        with smtplib.SMTP("localhost", server.config.inbound.port) as smtp:
            smtp.starttls(context=context)
            assert smtp.sendmail("bob@else.test", [ALEX], LETTER % "Secret") == {}
        line = server.output.wait_for("received id=")
    assert "client=127.0.0.1" in line


def test_mail_to_a_detail_of_a_mailbox_arrives_there_when_it_is_sent_here_too(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, client):
        number = client.send(f"alex+orders@{DOMAIN}", f"postmaster@{DOMAIN}", subject="Detail")
        assert client.outcome(number) == {
            f"alex+orders@{DOMAIN}": "delivered",
            f"postmaster@{DOMAIN}": "delivered",
        }
        assert [each["subject"] for each in client.folder("inbox", ALEX)] == ["Detail"]
        assert [each["subject"] for each in client.folder("inbox", ADELE)] == ["Detail"]


def test_who_answers_a_report_writes_to_the_postmaster(tmp_path: Path) -> None:
    with serving(tmp_path, '[delivery]\nhostname = "Post.Example.test"\n') as (server, client):
        client.outcome(client.send(f"nobody@{DOMAIN}"))
        (report,) = client.folder("inbox")
        postmaster = report["from"]["emailAddress"]["address"]
        assert client.outcome(client.send(postmaster, subject="Why?")) == {postmaster: "delivered"}
        with smtplib.SMTP("127.0.0.1", server.config.inbound.port) as smtp:
            smtp.sendmail("bob@else.test", [postmaster, f"postmaster@mx.{DOMAIN}"], LETTER % "Who?")
        assert [each["subject"] for each in client.folder("inbox")[1:]] == ["Why?", "Who?"]


@pytest.mark.parametrize(
    ("text", "state", "word"),
    [
        ("port = 2525", "ok", "this machine only"),
        ('port = 25\nhost = "0.0.0.0"', "warn", "tenant.domains"),
        ('port = 25\nhost = "0.0.0.0"', "warn", "local authority"),
        ('port = 25\nhost = "0.0.0.0"\ntls = false', "warn", "STARTTLS"),
        ('port = 25\nhost = "::"\nunlimited = ["::/0"]', "warn", "every limit"),
        ('lmtp_port = 24\nlmtp_host = "0.0.0.0"', "warn", "lmtp_host"),
    ],
)
def test_what_is_not_safe_in_public_is_warned_of(tmp_path: Path, text: str, state: str, word: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f'[[mailboxes]]\naddress = "a@b.test"\n[inbound]\n{text}\n')
    found = checks.inbound(load(file, data=tmp_path, environ={}, flags={}))
    assert (found.check, found.state) == ("inbound", state)
    assert word in found.detail


@pytest.mark.slow
def test_what_a_rule_redirects_is_signed_only_when_it_was_written_here(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert main(["dkim", "create", DOMAIN, "--selector", "s1", "--data", str(data)]) == 0
    with running_relay() as relay:
        text = (
            f'[[routes]]\ndomains = ["*"]\nto = "smtp://127.0.0.1:{relay.port}"\n'
            f'[[dkim]]\ndomain = "{DOMAIN}"\nselector = "s1"\n'
        )
        with serving(tmp_path, text) as (server, client):
            rule = {
                "displayName": "on",
                "sequence": 1,
                "isEnabled": True,
                "actions": {"redirectTo": [{"emailAddress": {"address": "far@away.test"}}]},
            }
            answer = client.graph("POST", f"/users/{ALEX}/mailFolders/inbox/messageRules", rule)
            assert answer.status == 201, answer.body
            with smtplib.SMTP("127.0.0.1", server.config.inbound.port) as smtp:
                smtp.sendmail("bob@else.test", [ALEX], LETTER % "Forged")
            client.send(ALEX, subject="Real")
            forged, real = relay.wait_for("Forged"), relay.wait_for("Real")
            eventually(lambda: len(client.folder("inbox", ALEX)) == 2)
    assert forged.sender == ALEX
    assert b"DKIM-Signature" not in forged.data
    assert real.data.startswith(b"DKIM-Signature")
