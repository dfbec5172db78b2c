"""The certificates that are shown, and looking whether they were replaced.

Once in LOOK_SECONDS the files are looked at; connections that are there go on.  Once in an hour one of the local
authority's is made anew when it ends soon.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from graphpost.certified import Certified
from graphpost.clock import SECOND, Clock
from graphpost.config import Config
from graphpost.errors import ConfigurationError
from graphpost.files import locked
from graphpost.maillog import MailLog
from graphpost.transport.security import client_contexts
from graphpost.web.certificates import CertificateFiles, server_certificate
from graphpost.web.https import HttpsContext

LOOK_SECONDS: Final = 60.0
ISSUE_EVERY: Final = 3600 * SECOND


class Certificates:
    """`files` are the server's own; contexts are None without TLS.  Raises ConfigurationError."""

    def __init__(self, config: Config, clock: Clock, log: MailLog) -> None:
        self._config = config
        self._clock = clock
        self._log = log
        self._issued_at = clock.now()
        self._shown: list[Certified] = []
        self.files: CertificateFiles | None = None
        self.web: ssl.SSLContext | None = None
        self.inbound: ssl.SSLContext | None = None
        inbound = config.inbound
        if inbound.tls and (inbound.certificate or config.server.tls):
            self.inbound = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        shared = [self.inbound] if self.inbound is not None and not inbound.certificate else []
        if config.server.tls:
            self.files = server_certificate(config, clock.now())
            self.web = HttpsContext(ssl.PROTOCOL_TLS_SERVER)
            self._show([self.web, *shared], "server", self.files.certificate, self.files.key)
        if self.inbound is not None and not shared:
            self._show([self.inbound], "inbound", Path(inbound.certificate), Path(inbound.key))
        self._show_by_routes()

    def _show(self, contexts: Iterable[ssl.SSLContext], section: str, certificate: Path, key: Path) -> None:
        self._shown.append(Certified(contexts, certificate, key, f"{section}.certificate"))

    def _show_by_routes(self) -> None:
        """What is shown to hosts that ask for a certificate; the same one of several routes is looked at once."""
        contexts: dict[tuple[str, str], set[ssl.SSLContext]] = {}
        settings: dict[tuple[str, str], str] = {}
        for number, route in enumerate(self._config.routes):
            if route.certificate:
                files = (route.certificate, route.key or route.certificate)
                settings.setdefault(files, f"routes[{number}].certificate")
                contexts.setdefault(files, set()).update(
                    client_contexts(ca_file=route.ca_file, certificate=route.certificate, key=route.key)
                )
        for files, some in contexts.items():
            self._shown.append(Certified(some, Path(files[0]), Path(files[1]), settings[files]))

    async def watch(self) -> None:
        """For ever."""
        while self._shown:
            await self._clock.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Take up what was replaced.  What cannot be used is told once, and what was before stays."""
        await self._issue()
        for shown in self._shown:
            try:
                if shown.renew():
                    self._log.certificate_renewed(str(shown.certificate))
            except ConfigurationError as error:
                self._log.problem(f"certificate {shown.certificate}", error)

    async def _issue(self) -> None:
        now = self._clock.now()
        if self.files is None or self.files.ca is None or abs(now - self._issued_at) < ISSUE_EVERY:
            return
        self._issued_at = now
        try:
            await asyncio.to_thread(self._issue_now)
        except (ConfigurationError, OSError) as error:
            self._log.problem("certificate", error)

    def _issue_now(self) -> None:
        with locked(self._config.data):
            server_certificate(self._config, self._clock.now())
