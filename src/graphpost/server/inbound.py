"""What takes mail from other hosts."""

from __future__ import annotations

from graphpost.inbound.opening import open_inbound
from graphpost.server.delivery import Delivery
from graphpost.server.foundation import Foundation
from graphpost.web.certificates import CertificateFiles


async def start_inbound(base: Foundation, delivery: Delivery, own: CertificateFiles | None) -> None:
    """Open the ports that are wanted; `own` is the server's certificate, unless there is one for this."""
    inbound = open_inbound(
        base.config,
        store=base.store,
        filer=delivery.filer,
        arrivals=delivery.arrivals,
        confirmer=delivery.confirmer,
        router=delivery.router,
        directory=base.people.directory,
        hostname=delivery.hostname,
        clock=base.clock,
        log=base.log,
    )
    base.stack.push_async_callback(inbound.stop)
    await inbound.start(own)
