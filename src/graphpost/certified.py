"""TLS contexts with a certificate that is replaced while they are used.

Whoever renews certificates (an ACME client) replaces their files.  New ones are taken up by the same contexts, so that
handshakes from then on show them and connections that are there go on.  Files that cannot be used change nothing.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

from graphpost.errors import ConfigurationError
from graphpost.tls import load_certificate

Stamp = tuple[int, int, int]


class Certified:
    """Contexts that have the certificate and its key, as they were when they last could be used."""

    def __init__(
        self, contexts: Iterable[ssl.SSLContext], certificate: Path, key: Path, setting: str
    ) -> None:
        """`setting` is where the certificate comes from; raises ConfigurationError when they cannot be used."""
        self.certificate = certificate
        self._contexts = tuple(contexts)
        self._setting = setting
        self._key = key
        self._seen = self._stamps()
        self._load()

    def renew(self) -> bool:
        """Take up the files if they are others than before; whether they were.

        Raises ConfigurationError when they cannot be used, once for the same files.
        """
        stamps = self._stamps()
        if stamps == self._seen:
            return False
        self._seen = stamps
        if None in stamps:
            missing = self.certificate if stamps[0] is None else self._key
            raise ConfigurationError(self._setting, f"there is no {missing}")
        self._load()
        return True

    def _load(self) -> None:
        """Into one that is used by nobody first: a context that is given a certificate forgets a key that does not fit."""
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), *self._contexts):
            load_certificate(context, self.certificate, self._key, self._setting)

    def _stamps(self) -> tuple[Stamp | None, Stamp | None]:
        return _stamp(self.certificate), _stamp(self._key)


def _stamp(path: Path) -> Stamp | None:
    """What tells a file from another in its place, also behind a link."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
