"""The way of accepted mail: submitter, worker, couriers, housekeeping."""

from __future__ import annotations

from dataclasses import dataclass

from graphpost.delivery.acceptance.capacity import Capacity
from graphpost.delivery.acceptance.dispatch import Dispatcher
from graphpost.delivery.acceptance.rationing import Rations
from graphpost.delivery.acceptance.submit import Submitter
from graphpost.delivery.arrival.arriving import Arrivals
from graphpost.delivery.arrival.local import LocalDelivery
from graphpost.delivery.arrival.noticing import Noticing
from graphpost.delivery.arrival.ruling import Ruler
from graphpost.delivery.filing import Filer
from graphpost.delivery.housekeeping.indexing import Indexer
from graphpost.delivery.housekeeping.maintenance import Maintenance
from graphpost.delivery.outbound.outlets import Outlets
from graphpost.delivery.outbound.signers import signing
from graphpost.delivery.outbound.suppressing import Suppressions
from graphpost.delivery.queue.attempt import Attempts
from graphpost.delivery.queue.rerouting import Rerouter
from graphpost.delivery.queue.settler import Settler
from graphpost.delivery.queue.worker import Worker
from graphpost.delivery.queueing import AutomaticDeliveries
from graphpost.delivery.quotas import Quotas
from graphpost.delivery.responses.absence import Absence
from graphpost.delivery.responses.automatic import AutomaticMail
from graphpost.delivery.responses.confirming import Confirmer
from graphpost.delivery.responses.receipts import Receipts
from graphpost.delivery.responses.reports import Reporter
from graphpost.delivery.routing import LOCAL, Router
from graphpost.graph.bodies.zones import instant_of
from graphpost.graph.sending.due import due_check
from graphpost.server.foundation import Foundation


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the rest of the server has to do with."""

    worker: Worker
    submitter: Submitter
    receipts: Receipts
    outlets: Outlets
    indexer: Indexer
    suppressions: Suppressions
    router: Router
    filer: Filer
    arrivals: Arrivals
    confirmer: Confirmer
    quotas: Quotas
    hostname: str


async def start_delivery(base: Foundation, policy_port: int, rations: Rations | None) -> Delivery:
    """`policy_port` is where other domains' MTA-STS policies are served; `rations` say when messages may leave."""
    config, clock, log, store, blobs = base.config, base.clock, base.log, base.store, base.blobs
    people, numbers, hostname = base.people, base.numbers, base.hostname
    indexer = Indexer(store, log, clock)
    base.background(indexer.run())
    suppressions = Suppressions(store, config.suppression, clock, log)
    await suppressions.refresh()
    base.background(suppressions.watch())
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
        policy_port=policy_port,
        signed=signing(config.dkim, clock),
        names=[config.inbound.hostname],
    )
    base.stack.push_async_callback(outlets.close)
    base.background(outlets.run())
    capacity = await _watched_capacity(base)
    observers = (
        *([suppressions.note] if config.suppression.statuses else []),
        *([capacity.note] if capacity else []),
    )
    owner = numbers.next()
    reporter = Reporter(filer, hostname)
    deliveries = AutomaticDeliveries(router.destination, config.delivery)
    automatic = AutomaticMail(filer, deliveries)
    receipts = Receipts.by_settings(config, automatic, hostname)
    absence = Absence(automatic, people.directory, router.is_ours, instant_of)
    ruler = Ruler(filer, deliveries, receipts, absence)
    arrivals = Arrivals(store, filer, ruler, Noticing(store, log))
    quotas = Quotas(store, config.accounts, clock, log)
    attempts = Attempts(
        store=store,
        blobs=blobs,
        couriers=outlets.find,
        local=LocalDelivery(arrivals, filer, people.directory, quotas, hostname),
        reporter=reporter,
        directory=people.directory,
        settings=config.delivery,
        clock=clock,
    )
    worker = Worker(
        store=store,
        attempts=attempts,
        settler=Settler(store, clock, log, owner, observers),
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
        rations=rations,
        capacity=capacity,
        quotas=quotas,
        audited=None if base.auditor is None else base.auditor.sent,
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
        refused=base.note_unsent,
    )
    await worker.start()
    base.stack.push_async_callback(worker.stop)
    maintenance = Maintenance(
        store,
        blobs,
        config.accounts,
        config.delivery,
        clock,
        log,
        config.store.removals_seconds,
        config.idempotency.seconds,
        indexer.keep,
        _rest if base.auditor is None else base.auditor.forget,
    )
    base.background(maintenance.run())
    base.background(dispatcher.run())
    return Delivery(
        worker=worker,
        submitter=submitter,
        receipts=receipts,
        outlets=outlets,
        indexer=indexer,
        suppressions=suppressions,
        router=router,
        filer=filer,
        arrivals=arrivals,
        quotas=quotas,
        confirmer=Confirmer(reporter, automatic),
        hostname=hostname,
    )


async def _watched_capacity(base: Foundation) -> Capacity | None:
    """None when nothing is bounded."""
    settings = base.config.delivery
    if not (settings.queue_deliveries or settings.free_bytes):
        return None
    capacity = Capacity(base.store, settings, base.config.data, base.clock, base.log)
    await capacity.look()
    base.background(capacity.watch())
    return capacity


async def _rest() -> None:
    """There is nothing to forget."""
