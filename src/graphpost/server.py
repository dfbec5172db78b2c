"""The composition root: a Config goes in, a running server comes out.

Start: data directory, store, accounts, keys, couriers, worker, and the web last, because it is what lets mail in.
Stop: the web first (what was begun is answered), then the worker (attempts under way end), then the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TextIO

from graphpost import __version__
from graphpost.admin.access import administrator_token, announce, withdraw
from graphpost.admin.banner import origin
from graphpost.admin.http import AdminApi
from graphpost.admin.metrics_port import serve_metrics
from graphpost.admin.operations import Operations
from graphpost.auth.issuer import Issuer
from graphpost.auth.keys import SigningKeys, open_keys
from graphpost.auth.tokens import TokenVerifier, own_issuer
from graphpost.clock import Clock, SystemClock
from graphpost.config import Config
from graphpost.config.names import a_label
from graphpost.delivery.absence import Absence
from graphpost.delivery.attempt import Attempts
from graphpost.delivery.automatic import AutomaticMail
from graphpost.delivery.dispatch import Dispatcher
from graphpost.delivery.filing import Filer
from graphpost.delivery.indexing import Indexer
from graphpost.delivery.local import LocalDelivery
from graphpost.delivery.maintenance import Maintenance
from graphpost.delivery.outlets import HTTPS_PORT, Outlets, host_name
from graphpost.delivery.receipts import Receipts
from graphpost.delivery.reports import Reporter
from graphpost.delivery.rerouting import Rerouter
from graphpost.delivery.routing import LOCAL, Router
from graphpost.delivery.ruling import Ruler
from graphpost.delivery.settler import Settler
from graphpost.delivery.signers import signing
from graphpost.delivery.submit import Ration, Submitter
from graphpost.delivery.suppressing import Suppressions
from graphpost.delivery.worker import Worker
from graphpost.files import locked
from graphpost.graph.api import GraphApi
from graphpost.graph.attachments.uploading import Uploads
from graphpost.graph.bodies.zones import instant_of
from graphpost.graph.call import Services
from graphpost.graph.notifications.notifying import GraphWording
from graphpost.graph.routes import MAIL_LIST
from graphpost.graph.sending.due import due_check
from graphpost.ids import Numbers
from graphpost.maillog import MailLog, ProblemHandler
from graphpost.notifications.notifier import Notifier
from graphpost.notifications.posting import Poster
from graphpost.process import most_connections
from graphpost.store.blobs import Blobs
from graphpost.store.declared import apply_settings
from graphpost.store.opening import open_blobs, open_store
from graphpost.store.people import Accounts
from graphpost.store.store import Store
from graphpost.throttling.limiting import Throttling
from graphpost.throttling.throttle import Throttle
from graphpost.web.app import Application
from graphpost.web.certificates import CertificateFiles, server_certificate, subject_names
from graphpost.web.listener import Listener, listen


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
        config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
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
        await store.write(lambda tx: apply_settings(tx, config, numbers, clock.now()))
        people = Accounts(store, clock, self._log)
        await people.refresh()
        self._background(people.watch())
        notifier = await self._start_notifier(store, people, numbers)
        indexer = Indexer(store, self._log)
        self._background(indexer.run())
        suppressions = Suppressions(store, config.suppression, clock, self._log)
        await suppressions.refresh()
        self._background(suppressions.watch())
        throttling = Throttling(config.throttling, store, clock, self._log)
        self._background(throttling.run())
        worker, submitter, receipts = await self._start_delivery(
            store, blobs, people, numbers, indexer, suppressions, throttling.ration
        )
        with locked(config.data):  # what two first starts would make twice
            keys = open_keys(config.data / "keys", clock.now())
            self.ca = server_certificate(config, clock.now()) if config.server.tls else None
        application = self._application(
            store,
            blobs,
            people,
            numbers,
            worker,
            submitter,
            receipts,
            notifier,
            keys,
            indexer,
            suppressions,
            throttling.throttle,
        )
        await self._start_web(application, listener)
        announce(config.data, self.url, self._file)
        self._stack.callback(withdraw, config.data)
        self._is_ready = True
        self._log.ready(self.url)

    async def _start_notifier(self, store: Store, people: Accounts, numbers: Numbers) -> Notifier:
        config = self.config
        poster = Poster(config.notifications)
        self._stack.push_async_callback(poster.close)
        notifier = Notifier(
            store=store,
            poster=poster,
            wording=GraphWording(people.directory, config.tenant.id, MAIL_LIST),
            settings=config.notifications,
            clock=self._clock,
            log=self._log,
            owner=numbers.next(),
        )
        await notifier.start()
        self._stack.push_async_callback(notifier.stop)
        return notifier

    async def _start_delivery(
        self,
        store: Store,
        blobs: Blobs,
        people: Accounts,
        numbers: Numbers,
        indexer: Indexer,
        suppressions: Suppressions,
        ration: Ration | None,
    ) -> tuple[Worker, Submitter, Receipts]:
        config, clock, log = self.config, self._clock, self._log
        hostname = a_label(config.delivery.hostname) or host_name()
        filer = Filer(blobs, numbers, config.limits, config.store.inline_limit)
        router = Router(people.directory, config.tenant.domains, config.routes, suppressions.has)
        outlets = Outlets(
            config.routes,
            config.delivery,
            hostname,
            router=router,
            dns=config.dns,
            store=store,
            clock=clock,
            log=log,
            policy_port=self._policy_port,
            signed=signing(config.dkim, clock),
        )
        self._stack.push_async_callback(outlets.close)
        self._background(outlets.run())
        self._forget_domain = outlets.forget
        owner = numbers.next()
        reporter, automatic = (
            Reporter(filer, hostname),
            AutomaticMail(filer, router.destination, config.delivery),
        )
        receipts = Receipts(
            automatic,
            hostname,
            enabled=config.delivery.read_receipts,
            refused_by=[each.address for each in config.mailboxes if not each.read_receipts],
        )
        absence = Absence(automatic, router.is_ours, instant_of)
        ruler = Ruler(filer, router.destination, config.delivery, receipts, absence)
        attempts = Attempts(
            store=store,
            blobs=blobs,
            couriers=outlets.find,
            local=LocalDelivery(store, filer, ruler, people.directory, hostname),
            reporter=reporter,
            directory=people.directory,
            settings=config.delivery,
            clock=clock,
        )
        worker = Worker(
            store=store,
            attempts=attempts,
            settler=Settler(store, clock, log, owner, suppressions.note),
            rerouter=Rerouter(
                store=store,
                destination_of=router.destination,
                is_known=lambda destination: destination == LOCAL or outlets.find(destination) is not None,
                log=log,
                owner=owner,
            ),
            settings=config.delivery,
            limits_of=outlets.limits,
            clock=clock,
            log=log,
            owner=owner,
        )
        submitter = Submitter(
            store=store,
            blobs=blobs,
            inline_limit=config.store.inline_limit,
            settings=config.delivery,
            router=router,
            worker=worker,
            numbers=numbers,
            clock=clock,
            log=log,
            ration=ration,
        )
        dispatcher = Dispatcher(
            store=store,
            blobs=blobs,
            submitter=submitter,
            reporter=reporter,
            directory=people.directory,
            check=due_check(people.directory, config.limits),
            clock=clock,
            log=log,
        )
        await worker.start()
        self._stack.push_async_callback(worker.stop)
        maintenance = Maintenance(
            store,
            blobs,
            people.directory,
            config.delivery,
            clock,
            log,
            config.store.removals_seconds,
            indexer.keep,
        )
        self._background(maintenance.run())
        self._background(dispatcher.run())
        return worker, submitter, receipts

    def _application(
        self,
        store: Store,
        blobs: Blobs,
        people: Accounts,
        numbers: Numbers,
        worker: Worker,
        submitter: Submitter,
        receipts: Receipts,
        notifier: Notifier,
        keys: SigningKeys,
        indexer: Indexer,
        suppressions: Suppressions,
        throttle: Throttle | None,
    ) -> Application:
        config, clock = self.config, self._clock
        names, tenant = subject_names(config.server.host, config.server.names), config.tenant.id
        services = Services(
            store=store,
            blobs=blobs,
            directory=people.directory,
            verifier=TokenVerifier(
                [own_issuer(tenant, names, keys)],
                clock,
                authorization_uri=f"{self.url}/common/oauth2/authorize",
            ),
            submitter=submitter,
            numbers=numbers,
            clock=clock,
            limits=config.limits,
            tenant_id=tenant,
            notifier=notifier,
            searched=indexer.searched,
            receipt_of=receipts.filing,
            inline_limit=config.store.inline_limit,
            throttle=throttle,
        )
        issuer = (
            Issuer(
                store,
                clock,
                people.directory,
                config.issuer,
                tenant,
                config.tenant.domains,
                keys,
                names=names,
            )
            if config.issuer.enabled
            else None
        )
        operations = Operations(
            store,
            numbers,
            clock,
            queue_changed=worker.forget_holds,
            accounts_changed=people.refresh,
            suppressions_changed=suppressions.refresh,
            tls_forgotten=self._forget_domain,
        )
        admin = AdminApi(
            operations,
            administrator_token(config.data),
            self._log,
            lambda: "" if self._is_ready else "the server is starting or stopping",
        )
        return Application(
            graph=GraphApi(services),
            uploads=Uploads(services),
            issuer=issuer,
            admin=admin,
            limits=config.limits,
            log=self._log,
            hosts=frozenset(names),
        )

    def _listen_to_logging(self) -> None:
        handler, root = ProblemHandler(self._log), logging.getLogger()
        root.addHandler(handler)
        self._stack.callback(root.removeHandler, handler)

    async def _start_web(self, web: Application, listener: socket.socket) -> None:
        """The metrics first: who watches sees the server before it takes mail."""
        config = self.config
        if config.metrics.port:
            metrics = await serve_metrics(web.admin, config.metrics)
            self._stack.callback(metrics.close)
        served = Listener(
            web,
            listener,
            files=self.ca,
            forwarded_allow_ips=config.server.forwarded_allow_ips,
            head_seconds=config.limits.request_seconds,
            most_connections=most_connections(),
        )
        self._stack.push_async_callback(served.stop)
        await served.start()

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(end)
