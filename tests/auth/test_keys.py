"""Signing keys in their files."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.auth.world import START

from graphpost.auth.key_files import add_key, list_keys, retire_key
from graphpost.auth.keys import open_keys, to_jwk
from graphpost.clock import SECOND
from graphpost.errors import ConfigurationError

EC_KEY = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)


def test_the_first_start_makes_a_key_that_only_the_owner_reads(tmp_path: Path) -> None:
    first = open_keys(tmp_path / "signing", START)
    (file,) = (tmp_path / "signing").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "signing").stat().st_mode & 0o777 == 0o700
    again = open_keys(tmp_path / "signing", START + SECOND)
    assert again.current.kid == first.current.kid
    assert again.derive("x") == first.derive("x") != first.derive("y")


def test_a_new_key_signs_when_every_server_has_it_and_the_old_one_still_verifies(tmp_path: Path) -> None:
    old = open_keys(tmp_path, START).current.kid
    add_key(tmp_path, START + SECOND)
    assert open_keys(tmp_path, START + 60 * SECOND).current.kid == old
    keys = open_keys(tmp_path, START + 61 * SECOND)
    assert keys.current.kid != old
    assert keys.find_key(old) is not None
    assert keys.find_key("other") is None
    assert [key.kid for key in keys.public()] == [old, keys.current.kid]


def test_only_the_public_half_is_published(tmp_path: Path) -> None:
    jwk = to_jwk(open_keys(tmp_path, START).current, "https://localhost/t/v2.0")
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(jwk)


UNKNOWN_KIND = b"-----BEGIN PRIVATE KEY-----\nMA0CAQAwBQYDKgMEBAEA\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    "text", [b"", EC_KEY, UNKNOWN_KIND, b"-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n"]
)
def test_a_file_that_is_no_key_is_named(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "signing-1.pem").write_bytes(text)
    with pytest.raises(ConfigurationError, match=r"signing-1\.pem: not a readable signing key"):
        open_keys(tmp_path, START)


def test_a_key_is_retired_when_the_tokens_that_it_signed_are_over(tmp_path: Path) -> None:
    old = open_keys(tmp_path, START).current.kid
    add_key(tmp_path, START + SECOND)
    add_key(tmp_path, START + SECOND)
    kids = [key.kid for key in list_keys(tmp_path)]
    assert kids[0] == old
    assert [key.created_at for key in list_keys(tmp_path)] == [START, START + SECOND, START + 2 * SECOND]
    with pytest.raises(ConfigurationError, match="the next key does so in a minute"):
        retire_key(tmp_path, old, START + 60 * SECOND, 3600 * SECOND)
    with pytest.raises(ConfigurationError, match="good for another 1 seconds"):
        retire_key(tmp_path, old, START + 3680 * SECOND, 3600 * SECOND)
    retire_key(tmp_path, old, START + 3681 * SECOND, 3600 * SECOND)
    assert [key.kid for key in open_keys(tmp_path, START).public()] == kids[1:]
    with pytest.raises(ConfigurationError, match="signs; add another key first"):
        retire_key(tmp_path, kids[2], START + 9999 * SECOND, 0)
    add_key(tmp_path, START + 9999 * SECOND)
    retire_key(tmp_path, list_keys(tmp_path)[-1].kid, START + 9999 * SECOND, 3600 * SECOND)
    assert [key.kid for key in list_keys(tmp_path)] == kids[1:]
