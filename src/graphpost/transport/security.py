"""How safe a connection is, and the TLS contexts that make it so (RFC 3207).

A context is made once for the same files and shared: it takes the system's authorities milliseconds and a megabyte.
"""

from __future__ import annotations

import ssl
from enum import IntEnum
from functools import lru_cache
from typing import Final

from msgspec import Struct

from graphpost.errors import ConfigurationError
from graphpost.tls import load_certificate


class TlsLevel(IntEnum):
    """What can be said of a connection, the more the better; the numbers are in the database."""

    PLAIN = 0
    ENCRYPTED = 1  # with whom is not known
    VERIFIED = 2  # with a certificate for the host, from an authority that is trusted


class Security(Struct, frozen=True):
    """A connection's: `flaw` is why its level is not the next better one, as far as somebody looked."""

    level: TlsLevel = TlsLevel.PLAIN
    protocol: str = ""
    cipher: str = ""
    flaw: str = ""


IN_CLEAR: Final = Security()


def security_of(tls: ssl.SSLObject, *, is_verified: bool, flaw: str) -> Security:
    """That of a connection whose handshake is done."""
    cipher = tls.cipher()
    level = TlsLevel.VERIFIED if is_verified else TlsLevel.ENCRYPTED
    return Security(level, tls.version() or "", cipher[0] if cipher else "", flaw)


@lru_cache(maxsize=256)
def client_context(
    *, is_verifying: bool, ca_file: str = "", certificate: str = "", key: str = ""
) -> ssl.SSLContext:
    """For a client that shows `certificate` when asked; ConfigurationError when one of the files cannot be used."""
    context = _verifying(ca_file) if is_verifying else _trusting_anybody()
    if certificate:
        load_certificate(context, certificate, key)
    return context


def client_contexts(*, ca_file: str, certificate: str, key: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Those that all targets with these files share: one that verifies, and one that does not."""
    strict = client_context(is_verifying=True, ca_file=ca_file, certificate=certificate, key=key)
    return strict, client_context(is_verifying=False, certificate=certificate, key=key)


def _verifying(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise ConfigurationError("ca_file", f"cannot be used: {error.strerror or error}") from error


def _trusting_anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
