"""A server's life: the order in which it is brought up and taken down.

Start: data directory, store, accounts, keys, couriers, worker, and web and inbound last, because they let mail in.
Stop: these first (what was begun is answered), then the worker (attempts under way end), then the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import sys
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from graphpost import __version__
from graphpost.admin.access import announce, withdraw
from graphpost.admin.banner import origin
from graphpost.admin.metrics_port import serve_metrics
from graphpost.auditing.auditor import Auditor, open_files
from graphpost.auth.guesses import Guesses, Ledger
from graphpost.auth.keys import open_keys
from graphpost.clock import Clock, SystemClock
from graphpost.config import Config
from graphpost.config.names import a_label
from graphpost.delivery.outbound.outlets import HTTPS_PORT, host_name
from graphpost.eventlog import ProblemHandler
from graphpost.files import locked, make_directory
from graphpost.graph.notifications.notifying import GraphWording
from graphpost.graph.standing import MAIL_LIST
from graphpost.ids import Numbers
from graphpost.maillog import MailLog
from graphpost.notifications.notifier import Notifier
from graphpost.notifications.posting import Poster
from graphpost.process import most_connections
from graphpost.server.application import make_application
from graphpost.server.certificates import Certificates
from graphpost.server.delivery import start_delivery
from graphpost.server.foundation import Foundation
from graphpost.server.inbound import start_inbound
from graphpost.sockets import listen, own_address
from graphpost.store.databases.opening import open_blobs, open_store
from graphpost.store.directory.declared import apply_settings
from graphpost.store.directory.people import Accounts
from graphpost.store.store import Store
from graphpost.throttling.limiting import Throttling
from graphpost.web.app import Application
from graphpost.web.certificates import CertificateFiles
from graphpost.web.listener import Listener


class Server:
    """One process: start it, use `url`, stop it."""

    def __init__(
        self,
        config: Config,
        *,
        file: Path | None = None,
        clock: Clock | None = None,
        stream: TextIO | None = None,
        policy_port: int = HTTPS_PORT,
    ) -> None:
        """`policy_port` is where other domains' MTA-STS policies are served."""
        self.config = config
        self._file = file
        self._policy_port = policy_port
        self.url = ""
        self.port = 0
        self.ca: CertificateFiles | None = None
        self.certificates: Certificates | None = None
        self.store: Store | None = None  # open from start to stop
        self._clock = clock or SystemClock()
        self._log = MailLog(config.log, stream or sys.stdout, self._clock.now)
        self._stack = contextlib.AsyncExitStack()
        self._is_ready = False

    @property
    def log(self) -> MailLog:
        return self._log

    async def start(self) -> None:
        """Bring everything up; what was begun is undone when a step fails."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            self._log.close()
            raise

    async def stop(self, why: str = "asked to") -> None:
        """Take everything down in the opposite order."""
        self._is_ready = False
        self._log.stopping(why)
        await self._stack.aclose()
        self._log.stopped()
        self._log.close()

    async def _start(self) -> None:
        config, clock = self.config, self._clock
        make_directory(config.data)
        self._log.started(__version__)
        self._listen_to_logging()
        listener = listen("server", config.server.host, config.server.port)
        self._stack.callback(listener.close)
        self.port = listener.getsockname()[1]
        self.url = origin(config, self.port)
        store = self.store = await asyncio.to_thread(open_store, config.store, config.data)
        self._stack.push_async_callback(store.close)
        blobs = open_blobs(config.store, config.data)
        numbers = Numbers(clock.now)
        for address in await apply_settings(store, config, numbers, clock.now()):
            self._log.restored(address)
        hostname = a_label(config.delivery.hostname) or host_name()
        people = Accounts(store, clock, self._log, config.tenant, (hostname, config.inbound.hostname))
        await people.refresh()
        with locked(config.data):  # what two first starts would make twice
            keys = open_keys(config.data / "keys", clock.now())
            certificates = self.certificates = Certificates(config, clock, self._log)
        auditor = None
        if config.audit.enabled:
            open_files(config.audit)
            auditor = Auditor(store, config.audit, numbers, clock, self._log)
            self._stack.push_async_callback(auditor.close)
        base = Foundation(
            config,
            clock,
            self._log,
            self._stack,
            store,
            blobs,
            people,
            numbers,
            hostname,
            auditor,
            Guesses(clock, Ledger(store, clock, keys.derive) if store.dialect.name == "postgres" else None),
        )
        base.background(people.watch())
        if auditor is not None:
            base.background(auditor.run())
        notifier = await self._start_notifier(base)
        throttling = Throttling(config.throttling, store, clock, self._log)
        base.background(throttling.run())
        delivery = await start_delivery(base, self._policy_port, throttling.rations)
        self.ca = certificates.files
        application = make_application(
            base, delivery, notifier, throttling.throttle, keys, self.url, self._why_not_ready
        )
        await self._start_web(application, listener, certificates.web)
        await start_inbound(base, delivery, certificates.inbound)
        base.background(certificates.watch())
        at = f"{urlsplit(self.url).scheme}://{own_address(listener)}"
        announce(config.data, self.url, self._file, at=at, certificate=config.server.certificate)
        self._stack.callback(withdraw, config.data)
        self._is_ready = True
        self._log.ready(self.url)

    def _why_not_ready(self) -> str:
        return "" if self._is_ready else "the server is starting or stopping"

    async def _start_notifier(self, base: Foundation) -> Notifier:
        config = self.config
        poster = Poster(config.notifications)
        self._stack.push_async_callback(poster.close)
        notifier = Notifier(
            store=base.store,
            poster=poster,
            wording=GraphWording(base.people.directory, config.tenant.id, MAIL_LIST),
            settings=config.notifications,
            clock=self._clock,
            log=self._log,
            owner=base.numbers.next(),
        )
        await notifier.start()
        self._stack.push_async_callback(notifier.stop)
        return notifier

    def _listen_to_logging(self) -> None:
        handler, root = ProblemHandler(self._log), logging.getLogger()
        root.addHandler(handler)
        self._stack.callback(root.removeHandler, handler)

    async def _start_web(self, web: Application, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        """The metrics first: who watches sees the server before it takes mail."""
        config = self.config
        if config.metrics.port:
            metrics = await serve_metrics(web.admin, config.metrics)
            self._stack.callback(metrics.close)
        served = Listener(
            web,
            listener,
            tls=tls,
            forwarded_allow_ips=config.server.forwarded_allow_ips,
            head_seconds=config.limits.request_seconds,
            most_connections=most_connections(),
        )
        self._stack.push_async_callback(served.stop)
        await served.start()
