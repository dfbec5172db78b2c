"""Postfix as the mail exchanger of another domain: TLS, MTA-STS and our certificate, as Postfix saw them."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.client import Client
from tests.peers.world import BOB, MINE, graphpost, needs_postfix, settings

from graphpost.testing.dns_peer import DnsPeer
from graphpost.testing.policy_peer import PolicyPeer
from graphpost.testing.postfix import Postfix
from graphpost.testing.server import ServerThread

pytestmark = [needs_postfix, pytest.mark.slow, pytest.mark.timeout(300)]

HOST = f"mx.{MINE}"


class Way:
    def __init__(self, client: Client, postfix: Postfix, server: ServerThread) -> None:
        self.client, self.postfix, self.server = client, postfix, server


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Way]:
    authority, data, ca_file = trustme.CA(), tmp_path / "data", tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    files = {name: tmp_path / f"{name}.pem" for name in (HOST, "us.test")}
    for name, file in files.items():
        authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(f"mta-sts.{MINE}").configure_cert(context)
    with contextlib.ExitStack() as stack:
        dns, policies = stack.enter_context(DnsPeer()), stack.enter_context(PolicyPeer(context))
        postfix = stack.enter_context(
            Postfix(
                users=[BOB],
                smtpd_tls_security_level="may",
                smtpd_tls_chain_files=str(files[HOST]),
                smtpd_tls_CAfile=str(ca_file),
                smtpd_tls_ask_ccert="yes",
                smtpd_tls_loglevel="1",
            )
        )
        dns.add(MINE, "MX", f"10 {HOST}.")
        dns.add(HOST, "A", "127.0.0.1")
        dns.add(f"mta-sts.{MINE}", "A", "127.0.0.1")
        dns.add(f"_mta-sts.{MINE}", "TXT", '"v=STSv1; id=1;"')
        policies.publish(MINE, f"version: STSv1\nmode: enforce\nmx: {HOST}\nmax_age: 86400\n")
        route = (
            f'[[routes]]\ndomains = ["*"]\nto = "mx:{postfix.port}"\nallow_local = true\n'
            f'ca_file = "{ca_file}"\ncertificate = "{files["us.test"]}"\n[dns]\nservers = ["{dns.address}"]\n'
        )
        file = settings(data, route)
        client, server = stack.enter_context(graphpost(data, file, policy_port=policies.port))
        yield Way(client, postfix, server)


def test_mail_arrives_under_a_policy_and_with_our_certificate(way: Way) -> None:
    assert way.client.outcome(way.client.send(BOB)) == {BOB: "delivered"}
    (message,) = way.postfix.wait_for_mail(BOB)
    assert b"Soup." in message
    way.postfix.wait_for_log("Trusted TLS connection established from")
    said = way.server.output.wait_for(f"secured host={HOST} address=127.0.0.1")
    assert "certificate=verified" in said
