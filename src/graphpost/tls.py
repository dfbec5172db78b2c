"""Certificates with their keys, from PEM files into TLS contexts."""

from __future__ import annotations

import ssl
from pathlib import Path

from graphpost.errors import ConfigurationError


def load_certificate(
    context: ssl.SSLContext, certificate: str | Path, key: str | Path, setting: str = "certificate"
) -> None:
    """Have a context show the certificate; `key` may be '' when it is in the same file.

    Raises ConfigurationError with the setting's name when they cannot be used.  Nobody is asked for a password: a server
    starts without a terminal.
    """
    try:
        context.load_cert_chain(certificate, key or None, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigurationError(setting, f"cannot be used with its key: {_words(error)}") from error


def _no_password() -> str:
    raise ValueError("the key is encrypted; take its password off")


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return "the key is another certificate's"
        return "the certificate or the key is not there in PEM"
    return getattr(error, "strerror", "") or str(error)
