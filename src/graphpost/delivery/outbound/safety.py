"""How safely mail has to travel: by route, MTA-STS, and what was reached before.

A domain's MTA-STS policy in mode `enforce` asks for its own hosts and a verified certificate.  Without one, a domain that
took mail under TLS within the last 30 days gets none in clear text, unless the route says otherwise
(`tls_downgrade`): to strip STARTTLS is the cheapest attack there is, and a host seldom loses it otherwise.  A certificate
that was valid and is so no more is only logged: those who let theirs expire are many.
"""

from __future__ import annotations

from typing import Final

from graphpost.clock import SECOND, Clock, Instant, to_text
from graphpost.config import RouteSettings
from graphpost.delivery.outbound.levels import Levels
from graphpost.delivery.outbound.policies import Policies
from graphpost.maillog import MailLog
from graphpost.store.queue.tls import Level
from graphpost.transport.mta_sts import Policy
from graphpost.transport.mx import Demand
from graphpost.transport.security import Security, TlsLevel

_SAY_AGAIN: Final = 3600 * SECOND
_SAID: Final = 10_000


class Knowledge:
    """What is known of domains, for all routes; `close` when done."""

    def __init__(self, levels: Levels, policies: Policies, clock: Clock, log: MailLog) -> None:
        self.levels = levels
        self.policies = policies
        self.log = log
        self._clock = clock
        self._said: dict[tuple[str, str, str], Instant] = {}

    def is_news(self, what: str, domain: str, host: str) -> bool:
        """Whether it was not said within the last hour."""
        now, key = self._clock.now(), (what, domain, host)
        if now < self._said.get(key, 0) + _SAY_AGAIN:
            return False
        if len(self._said) >= _SAID:
            self._said.clear()
        self._said[key] = now
        return True

    def forget(self, domain: str) -> None:
        """Read from the store again what is known of a domain."""
        self.levels.forget(domain)
        self.policies.forget(domain)

    async def close(self) -> None:
        await self.policies.close()
        await self.levels.close()


class RouteSafety:
    """A `transport.mx.Safety` as one route has it."""

    def __init__(self, knowledge: Knowledge, route: RouteSettings) -> None:
        self._knowledge = knowledge
        self._route = route

    async def demand(self, domain: str) -> Demand:
        route, knowledge = self._route, self._knowledge
        if route.tls == "none":
            return Demand("none")
        level = await knowledge.levels.find(domain)
        policy = await knowledge.policies.find(domain, route) if route.mta_sts else None
        if policy is not None and policy.mode == "enforce":
            why = f"the MTA-STS policy of {domain} asks for TLS with a valid certificate"
            return Demand("verified", policy, why)
        if route.tls != "opportunistic":
            return Demand(route.tls, policy)
        if level is not None and level.level > TlsLevel.PLAIN and route.tls_downgrade == "refuse":
            return Demand("required", policy, _before(domain, level))
        return Demand("opportunistic", policy)

    def reached(self, domain: str, host: str, demand: Demand, security: Security) -> None:
        knowledge = self._knowledge
        if demand.tls == "none":
            return
        if demand.policy is not None and demand.policy.mode == "testing":
            self._test(domain, host, demand.policy, security)
        before = knowledge.levels.note(domain, security.level)
        if before is None or self._route.tls_downgrade == "allow":
            return
        if knowledge.is_news("downgrade", domain, host):
            names = TlsLevel(before.level).name.lower(), security.level.name.lower()
            knowledge.log.tls_downgraded(domain, host, *names, security.flaw)

    def refused(self, domain: str, host: str, reason: str) -> None:
        if self._knowledge.is_news("refused", domain, host):
            self._knowledge.log.tls_refused(domain, host, reason)

    def passed_over(self, domain: str, host: str, reason: str) -> None:
        if self._knowledge.is_news("passed over", domain, host):
            self._knowledge.log.passed_over(domain, host, reason)

    def _test(self, domain: str, host: str, policy: Policy, security: Security) -> None:
        """Say what would have failed, were the policy enforced."""
        if not policy.matches(host):
            reason = "the domain's MTA-STS policy does not name this host"
        elif security.level is not TlsLevel.VERIFIED:
            reason = security.flaw or "the certificate was not verified"
        else:
            return
        if self._knowledge.is_news("testing", domain, host):
            self._knowledge.log.policy_failed(domain, host, reason)


def _before(domain: str, level: Level) -> str:
    day = to_text(level.reached_at)[:10]
    return f"{domain} took mail under TLS before, last on {day}, so it is not sent in clear text"
