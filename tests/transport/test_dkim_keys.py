"""DKIM key files and records."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from graphpost.transport.dkim_keys import (
    Algorithm,
    DkimKeyError,
    make_key,
    read_key,
    record_text,
    zone_line,
)


@pytest.mark.parametrize(("algorithm", "signs"), [("rsa", "rsa-sha256"), ("ed25519", "ed25519-sha256")])
def test_a_key_made_can_be_read_again(algorithm: Algorithm, signs: str, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(make_key(algorithm))
    key = read_key(path, "s1")
    assert (key.selector, key.algorithm) == ("s1", signs)
    assert record_text(key).startswith(f"v=DKIM1; k={algorithm}; p=")


def test_the_strings_of_a_zone_line_are_short_and_make_up_the_record(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(make_key("rsa"))
    key = read_key(path, "s1")
    line = zone_line("contoso.test", key)
    assert line.startswith("s1._domainkey.contoso.test. IN TXT ( ")
    strings = re.findall(r'"([^"]*)"', line)
    assert len(strings) > 1
    assert max(map(len, strings)) <= 255
    assert "".join(strings) == record_text(key)


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "cannot be read"),
        (b"", "not a private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a private key"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "neither an RSA nor an Ed25519 key"),
    ],
)
def test_what_is_no_key_is_refused(data: bytes | None, why: str, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(DkimKeyError, match=why):
        read_key(path, "s1")
