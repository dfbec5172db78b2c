"""Certificates that are replaced are shown from then on; what cannot be used changes nothing."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from graphpost.certified import Certified
from graphpost.errors import ConfigurationError

NAME = "mail.contoso.test"


class Place:
    """Where an ACME client puts its files, behind links."""

    def __init__(self, path: Path) -> None:
        self.authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.path, self.number = path, 0
        self.certificate, self.key = path / "cert.pem", path / "key.pem"

    def put(self) -> None:
        """A certificate and its key in place of what is there."""
        issued, self.number = self.authority.issue_cert(NAME), self.number + 1
        self.link(self.certificate, issued.cert_chain_pems[0].bytes())
        self.link(self.key, issued.private_key_pem.bytes())

    def link(self, link: Path, data: bytes) -> None:
        file = self.path / f"{link.stem}{self.number}.pem"
        file.write_bytes(data)
        draft = self.path / "draft"
        draft.symlink_to(file)
        draft.rename(link)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.put()
    return place


def shown(context: ssl.SSLContext, place: Place) -> int:
    """The serial number of the certificate that a client sees and finds good."""
    trust = ssl.create_default_context()
    place.authority.configure_trust(trust)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trust.wrap_bio(to_client, to_server, server_hostname=NAME)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for end in (client, server, client, server):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    found = client.getpeercert()
    assert found is not None
    return int(str(found["serialNumber"]), 16)


def test_a_certificate_that_was_replaced_is_shown_from_then_on(place: Place) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certified = Certified([context], place.certificate, place.key, "server.certificate")
    first = shown(context, place)
    assert not certified.renew()
    place.put()
    assert certified.renew()
    assert not certified.renew()
    assert shown(context, place) != first


@pytest.mark.parametrize("file", ["certificate", "key"])
@pytest.mark.parametrize("what", ["nothing", "nonsense", "another"])
def test_what_cannot_be_used_is_told_once_and_changes_nothing(place: Place, file: str, what: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certified = Certified([context], place.certificate, place.key, "server.certificate")
    first = shown(context, place)
    path: Path = getattr(place, file)
    path.unlink()
    if what != "nothing":
        other = place.authority.issue_cert(NAME)
        pem = other.cert_chain_pems[0] if file == "certificate" else other.private_key_pem
        path.write_bytes(pem.bytes() if what == "another" else b"nonsense")
    with pytest.raises(ConfigurationError):
        certified.renew()
    assert not certified.renew()
    assert shown(context, place) == first
    place.put()
    assert certified.renew()
    assert shown(context, place) != first


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(place: Place) -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(place.key.read_bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    place.link(place.key, encrypted)
    with pytest.raises(ConfigurationError, match="encrypted"):
        Certified([], place.certificate, place.key, "server.certificate")
