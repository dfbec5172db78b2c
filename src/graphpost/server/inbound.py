"""What takes mail from other hosts."""

from __future__ import annotations

import ssl
from typing import Final

from graphpost.auth.signing_in import SigningIn
from graphpost.inbound.opening import open_inbound
from graphpost.inbound.reception import Evaluate, no_results
from graphpost.inbound.submission import Desk
from graphpost.server.delivery import Delivery
from graphpost.server.foundation import Foundation

ANSWERS: Final = 2000  # of DNS that are remembered: whoever brings mail says what is asked


async def start_inbound(base: Foundation, delivery: Delivery, tls: ssl.SSLContext | None) -> None:
    """Open the ports that are wanted."""
    config, hostname = base.config, base.config.inbound.hostname or delivery.hostname
    inbound = open_inbound(
        config,
        store=base.store,
        filer=delivery.filer,
        arrivals=delivery.arrivals,
        confirmer=delivery.confirmer,
        router=delivery.router,
        directory=base.people.directory,
        hostname=hostname,
        clock=base.clock,
        quotas=delivery.quotas,
        log=base.log,
        evaluate=_evaluation(base, hostname) if config.inbound.port else no_results,
        signing_in=SigningIn(base.store, base.guesses, base.people.directory, base.note),
        desk=Desk(delivery.submitter, base.numbers, config.limits, hostname, base.clock),
    )
    base.stack.push_async_callback(inbound.stop)
    await inbound.start(tls)


def _evaluation(base: Foundation, hostname: str) -> Evaluate:
    """What says who a message is from, as the settings want it."""
    settings = base.config.inbound
    if settings.authentication == "off":
        return no_results
    from graphpost.authenticity.authenticator import Authenticator  # DNS takes time and memory
    from graphpost.inbound.judging import Judge
    from graphpost.transport.resolver import DnsResolver

    authenticator = Authenticator(DnsResolver(base.config.dns, ANSWERS), hostname, base.clock)
    return Judge(authenticator, settings, base.log).evaluate
