"""Whom commands trust: the running server's own certificate, and nobody else's."""

import ssl
from pathlib import Path

import trustme
from cryptography import x509

from graphpost.admin.access import Running
from graphpost.cli.reaching import _trust
from graphpost.config import load


def test_of_a_chain_the_first_certificate_alone_is_trusted(tmp_path: Path) -> None:
    """Whoever signed it signs others too, and the administrator's token is not for them."""
    above = trustme.CA().create_child_ca()
    own = above.issue_cert("mail.contoso.test")
    chain = b"".join(pem.bytes() for pem in (*own.cert_chain_pems, above.cert_pem))
    (tmp_path / "fullchain.pem").write_bytes(chain)
    running = Running(url="https://localhost", pid=1, certificate=str(tmp_path / "fullchain.pem"))
    context = _trust(load(None, data=tmp_path, environ={}, flags={}), running)
    first = x509.load_pem_x509_certificate(own.cert_chain_pems[0].bytes())
    assert len(x509.load_pem_x509_certificates(chain)) > 1
    assert context.cert_store_stats()["x509"] == 1
    assert [int(each["serialNumber"], 16) for each in context.get_ca_certs()] in ([], [first.serial_number])
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, False)
