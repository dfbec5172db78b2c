"""Opening: the inbound server as the settings want it, from its parts."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from graphpost.auth.signing_in import SigningIn
from graphpost.clock import Clock
from graphpost.config import Config
from graphpost.config.names import a_label
from graphpost.delivery.arrival.arriving import Arrivals
from graphpost.delivery.filing import Filer
from graphpost.delivery.quotas import Quotas
from graphpost.delivery.responses.confirming import Confirmer
from graphpost.delivery.routing import Router
from graphpost.errors import ConfigurationError
from graphpost.files import make_directory
from graphpost.inbound.gate import Gate
from graphpost.inbound.house import House, Kind
from graphpost.inbound.listener import Listener, listen_unix
from graphpost.inbound.reception import Evaluate, Reception, no_results
from graphpost.inbound.submission import Desk
from graphpost.mail.mailbox import Directory
from graphpost.maillog import MailLog
from graphpost.sockets import listen
from graphpost.store.store import Store


def open_inbound(
    config: Config,
    *,
    store: Store,
    filer: Filer,
    arrivals: Arrivals,
    confirmer: Confirmer,
    router: Router,
    directory: Callable[[], Directory],
    hostname: str,
    clock: Clock,
    quotas: Quotas,
    log: MailLog,
    evaluate: Evaluate = no_results,
    signing_in: SigningIn | None = None,
    desk: Desk | None = None,
) -> Inbound:
    """Everything but the sockets; `signing_in` and `desk` are for submission."""
    settings = config.inbound
    own_name = a_label(settings.hostname) or hostname
    reception = Reception(
        store=store,
        filer=filer,
        arrivals=arrivals,
        confirmer=confirmer,
        hostname=own_name,
        most_hops=settings.hops,
        header_bytes=config.limits.header_bytes,
        clock=clock,
        log=log,
        evaluate=evaluate,
    )
    house = House(
        settings=settings,
        hostname=own_name,
        directory=directory,
        destination_of=router.destination,
        reception=reception,
        gate=Gate(settings, asyncio.get_running_loop().time),
        spool=config.data / "spool",
        log=log,
        quotas=quotas,
        signing_in=signing_in,
        desk=desk,
    )
    return Inbound(house)


class Inbound:
    """The server: `start` opens the ports that are wanted, `stop` ends it."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._listener = Listener(house)

    async def start(self, tls: ssl.SSLContext | None) -> None:
        """Listen, if any port is wanted; `tls` is for STARTTLS.  Raises ConfigurationError."""
        house, settings = self._house, self._house.settings
        make_directory(house.spool)
        house.tls = tls
        if settings.port:
            await self.serve(listen("inbound", settings.host, settings.port), "smtp")
        if settings.submission_port:
            if house.tls is None:
                raise ConfigurationError(
                    "inbound.submission_port", "needs a certificate: there is none without TLS"
                )
            port = settings.submission_port
            submission = listen("inbound", settings.host, port, port_key="submission_port")
            await self.serve(submission, "submission")
        if settings.lmtp_port:
            host, port = settings.lmtp_host, settings.lmtp_port
            lmtp = listen("inbound", host, port, host_key="lmtp_host", port_key="lmtp_port")
            await self.serve(lmtp, "lmtp")
        if settings.lmtp_socket:
            await self.serve(listen_unix(Path(settings.lmtp_socket)), "lmtp")

    async def serve(self, listening: socket.socket, kind: Kind) -> None:
        """Serve one socket that listens."""
        await self._listener.start(listening, kind)

    async def stop(self) -> None:
        """End: messages under way are taken, all else is told to come back later."""
        await self._listener.stop()
