"""A certificate that cannot be used is said with the setting that names it, and nobody is asked for a password."""

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from graphpost.errors import ConfigurationError
from graphpost.tls import load_certificate

PASSWORD = serialization.BestAvailableEncryption(b"secret")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    made, other = (trustme.CA().issue_cert("mail.contoso.test") for _ in range(2))
    made.cert_chain_pems[0].write_to_path(tmp_path / "certificate")
    made.private_key_pem.write_to_path(tmp_path / "key")
    other.private_key_pem.write_to_path(tmp_path / "other")
    made.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both")
    key = serialization.load_pem_private_key(made.private_key_pem.bytes(), None)
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, PASSWORD)
    (tmp_path / "encrypted").write_bytes(key.private_bytes(*pem))
    (tmp_path / "nonsense").write_text("nonsense")
    return tmp_path


@pytest.mark.parametrize(("certificate", "key"), [("certificate", "key"), ("both", ""), ("both", "both")])
def test_a_certificate_has_its_key_in_a_file_of_its_own_or_in_the_same(
    files: Path, certificate: str, key: str
) -> None:
    load_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), files / certificate, key and files / key)


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [
        ("certificate", "other", "the key is another certificate's"),
        ("certificate", "encrypted", "the key is encrypted; take its password off"),
        ("certificate", "nonsense", "the certificate or the key is not there in PEM"),
        ("nonsense", "key", "the certificate or the key is not there in PEM"),
        ("certificate", "", "the certificate or the key is not there in PEM"),
        ("certificate", "nowhere", "No such file or directory"),
    ],
)
def test_what_is_wrong_with_it_is_said_with_the_setting(
    files: Path, certificate: str, key: str, words: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(ConfigurationError) as raised:
        load_certificate(context, files / certificate, key and files / key, "inbound.certificate")
    assert str(raised.value) == f"inbound.certificate: cannot be used with its key: {words}"
