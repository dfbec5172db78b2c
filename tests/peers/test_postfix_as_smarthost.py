"""Postfix between us and the world: what leaves Graphpost comes out at the far side as it was, and who may send."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.client import ADELE, Client, eventually
from tests.clients.relay import Relay, running_relay
from tests.peers.sasl_server import SaslServer
from tests.peers.world import (
    BOB,
    graphpost,
    make_keys,
    needs_postfix,
    reply_of,
    route,
    send_mime,
    settings,
    verified,
)

from graphpost.testing.ports import free_port
from graphpost.testing.postfix import Postfix

pytestmark = [needs_postfix, pytest.mark.slow, pytest.mark.timeout(300)]


LONG = "t0ken" * 250  # longer than a command line may be; Postfix takes lines of 2048 octets


class Way:
    """Graphpost, Postfix as its smarthost, and aiosmtpd behind that."""

    def __init__(self, client: Client, postfix: Postfix, far: Relay, data: Path) -> None:
        self.client, self.postfix, self.far, self.data = client, postfix, far, data


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    data = tmp_path_factory.mktemp("way") / "data"
    with contextlib.ExitStack() as stack:
        far = stack.enter_context(running_relay())
        postfix = stack.enter_context(Postfix(relayhost=f"[127.0.0.1]:{far.port}"))
        file = settings(data, route(postfix.port) + make_keys(data))
        client, _ = stack.enter_context(graphpost(data, file))
        yield Way(client, postfix, far, data)


BODIES = {
    "plain": b"Hello.\r\n",
    "empty": b"",
    "no line end": b"Hello.",
    "blank lines at the end": b"Hello.\r\n\r\n\r\n\r\n",
    "trailing blanks": b"Hello. \t \r\n \r\n\tthere\t\r\n",
    "runs of blanks": b"a  b \t c\r\n",
    "dots": b".\r\n..\r\n.a\r\n...b\r\n",
    "8-bit": "Grüße aus Köln\r\n".encode(),
    "latin-1": b"Gr\xfc\xdfe\r\n",
    "longest lines": (b"x" * 998 + b"\r\n") * 20,
    "From at a line's beginning": b"From here on\r\n>From there\r\n",
    "control characters": b"\x01\x02\x0b\x0c\x7f\r\n",
}


@pytest.mark.parametrize("name", BODIES)
def test_a_signature_survives_postfix(way: Way, name: str) -> None:
    subject = f"signed: {name}"
    header = (
        f"From: Adele\r\n  <{ADELE}>\r\nTo: {BOB},\r\n\tCarl <carl@far.test>\r\nSubject: {subject}\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain;\r\n charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
        "X-Folded:  a\r\n \t b  \r\n\r\n"
    )
    send_mime(way.client, header.encode() + BODIES[name])
    assert verified(way.far.wait_for(subject).data, way.data) == [True, True]


def test_the_signature_of_25_megabytes_survives_postfix(way: Way) -> None:
    line = "Grüße  aus dem Norden, .und aus dem Süden \r\n"
    subject = "signed: large"
    header = (
        f"From: {ADELE}\r\nTo: {BOB}\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    )
    message = header.encode() + line.encode() * (25_000_000 // len(line.encode()))
    send_mime(way.client, message)
    assert verified(way.far.wait_for(subject, 60).data, way.data) == [True, True]


def test_what_was_written_in_json_arrives_signed(way: Way) -> None:
    way.client.send(
        BOB,
        subject="Übersicht",
        body={"contentType": "HTML", "content": "<p>Grüße</p>\r\n.\r\n"},
        ccRecipients=[{"emailAddress": {"address": "cc@bücher.test", "name": "Jürgen"}}],
    )
    found = way.far.wait_for("Übersicht")
    assert verified(found.data, way.data) == [True, True]
    assert found.recipients == (BOB, "cc@xn--bcher-kva.test")


def test_addresses_that_are_not_ascii_go_through_by_smtputf8(way: Way) -> None:
    way.client.send("jürgen@bücher.test", subject="international")
    found = way.far.wait_for("international")
    assert found.recipients == ("jürgen@bücher.test",)
    assert verified(found.data, way.data) == [True, True]


def test_many_messages_in_a_row_arrive_once_each(way: Way) -> None:
    """Pipelined and one after another: nothing is lost, doubled or mixed up."""
    ids = [way.client.send(f"u{number}@far.test", subject=f"many {number}") for number in range(100)]
    for number, queue_id in enumerate(ids):
        assert way.client.outcome(queue_id) == {f"u{number}@far.test": "delivered"}
    for number in range(100):
        assert way.far.wait_for(f"many {number}").recipients == (f"u{number}@far.test",)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[Postfix]:
    """A Postfix that takes mail over TLS and from its users only."""
    folder = tmp_path_factory.mktemp("tls")
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))
    with SaslServer({"us@far.test": "secret", "bearer@far.test": "t0ken", "long@far.test": LONG}) as sasl:
        config = {
            "smtpd_tls_security_level": "encrypt",
            "smtpd_tls_chain_files": str(folder / "both.pem"),
            "smtpd_tls_auth_only": "yes",
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": f"inet:127.0.0.1:{sasl.port}",
            "smtpd_sasl_security_options": "noanonymous",
            "smtpd_recipient_restrictions": "permit_sasl_authenticated,reject",
            "smtpd_relay_restrictions": "permit_sasl_authenticated,reject",
        }
        with Postfix(users=[BOB], **config) as postfix:
            yield postfix


def secured_route(postfix: Postfix, ca: Path, more: str) -> str:
    lines = f'tls = "verified"\nca_file = "{ca}"\n{more}'
    return route(postfix.port, lines)


@pytest.mark.parametrize(
    "credentials",
    [
        'username = "us@far.test"\npassword = "secret"',
        'username = "us@far.test"\npassword = "secret"\nauth = "login"',
        'username = "bearer@far.test"\ntoken_command = ["echo", "t0ken"]',
        'username = "bearer@far.test"\ntoken_command = ["echo", "t0ken"]\nauth = "xoauth2"',
        f'username = "long@far.test"\ntoken_command = ["echo", "{LONG}"]',
    ],
)
def test_postfix_takes_mail_over_verified_tls_from_who_authenticates(
    secured: Postfix, authority: trustme.CA, tmp_path: Path, credentials: str
) -> None:
    ca, data = tmp_path / "ca.pem", tmp_path / "data"
    authority.cert_pem.write_to_path(str(ca))
    before = len(secured.mailbox(BOB))
    with graphpost(data, settings(data, secured_route(secured, ca, credentials))) as (client, _):
        assert client.outcome(client.send(BOB)) == {BOB: "delivered"}
    (*_, message) = secured.wait_for_mail(BOB, before + 1)
    assert b"with ESMTPSA" in message


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        ('username = "us@far.test"\npassword = "wrong"', "535 5.7.8"),
        ('username = "bearer@far.test"\ntoken_command = ["echo", "old"]', "535 5.7.8"),
        (
            'username = "bearer@far.test"\ntoken_command = ["false"]',
            "0 4.7.0 the token command ended with status 1",
        ),
    ],
)
def test_whom_postfix_does_not_know_waits_and_learns_why(
    secured: Postfix, authority: trustme.CA, tmp_path: Path, credentials: str, said: str
) -> None:
    ca, data = tmp_path / "ca.pem", tmp_path / "data"
    authority.cert_pem.write_to_path(str(ca))
    with graphpost(data, settings(data, secured_route(secured, ca, credentials))) as (client, _):
        queue_id = client.send(BOB)
        eventually(lambda: reply_of(client, queue_id).startswith(said))


def test_a_certificate_of_nobody_we_trust_keeps_mail_here(secured: Postfix, tmp_path: Path) -> None:
    ca, data = tmp_path / "ca.pem", tmp_path / "data"
    trustme.CA().cert_pem.write_to_path(str(ca))
    with graphpost(data, settings(data, secured_route(secured, ca, ""))) as (client, _):
        queue_id = client.send(BOB)
        eventually(lambda: "4.7.5 the certificate is not trusted" in reply_of(client, queue_id))


def test_a_postfix_stands_in_for_another(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Postfix(users=[BOB]) as postfix:
        hosts = f"""
        [[routes]]
        domains = ["*"]
        [[routes.hosts]]
        to = "smtp://127.0.0.1:{free_port()}"
        [[routes.hosts]]
        to = "smtp://127.0.0.1:{postfix.port}"
        priority = 1
        """
        with graphpost(data, settings(data, hosts)) as (client, _):
            assert client.outcome(client.send(BOB)) == {BOB: "delivered"}
            postfix.wait_for_mail(BOB)


def test_a_postfix_that_takes_few_recipients_at_a_time_gets_all_of_them_without_a_pause(
    tmp_path: Path,
) -> None:
    with contextlib.ExitStack() as stack:
        far = stack.enter_context(running_relay())
        limits = {"smtpd_recipient_limit": "3", "smtpd_recipient_overshoot_limit": "1000"}
        postfix = stack.enter_context(Postfix(relayhost=f"[127.0.0.1]:{far.port}", **limits))
        file = settings(tmp_path / "data", route(postfix.port), "")
        file.write_text(file.read_text().replace("retry_seconds = [0.2]", "retry_seconds = [3600]"))
        client, _ = stack.enter_context(graphpost(tmp_path / "data", file))
        people = [f"bob{number}@far.test" for number in range(10)]
        queue_id = client.send(*people)
        assert client.outcome(queue_id) == dict.fromkeys(people, "delivered")
        (delivery,) = client.message(queue_id)["deliveries"]
        assert delivery["attempts"] == 4
