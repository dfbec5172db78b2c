"""Which checks of DNS there are: of domains, keys and where mail comes from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

from graphpost.cli import published
from graphpost.cli.finding import Finding, worst
from graphpost.cli.sending import Origin, check_origin, find_origins
from graphpost.config import Config
from graphpost.delivery.outbound.outlets import host_name
from graphpost.mail.address import domain_of
from graphpost.transport.dkim_keys import read_key
from graphpost.transport.mta_sts import Policy
from graphpost.transport.policy_host import PolicyHost
from graphpost.transport.resolver import Records

RESERVED: Final = frozenset(("test", "example", "invalid", "localhost"))  # RFC 6761
HTTPS_PORT: Final = 443
Job = tuple[str, Callable[[], Awaitable[list[Finding]]]]


async def dns_jobs(config: Config, records: Records) -> list[Job]:
    """The checks, each with the name that is said when it comes to nothing.

    Nothing in DNS matters where no mail goes out and none comes in.
    """
    if not _matters(config):
        return []
    origins = await find_origins(config, records)
    ours = {(each.hello, each.addresses): each for each in origins if not each.relay}
    keys = [i for i, entry in enumerate(config.dkim) if not _is_reserved(config, entry.domain)]
    return [
        *((f"{origin.route} PTR", partial(_origin, records, origin)) for origin in ours.values()),
        *((f"dkim[{i}] DNS", partial(_key, config, records, i)) for i in keys),
        *(job for domain in our_domains(config) for job in _of_domain(config, records, domain, origins)),
    ]


def _matters(config: Config) -> bool:
    return _sends(config) or bool(config.inbound.port)


def _sends(config: Config) -> bool:
    return any(route.is_relay or route.to.startswith("mx:") for route in config.routes)


def longest_name(config: Config) -> int:
    """How long the name of a check may be."""
    domains = our_domains(config) if _matters(config) else []
    return max((len(f"MTA-STS {each}") for each in domains if not _is_reserved(config, each)), default=0)


def our_domains(config: Config) -> list[str]:
    """The tenant's domains and those of mailboxes, as A-labels."""
    addresses = [f"@{domain}" for domain in config.tenant.domains]
    addresses += [each for mailbox in config.mailboxes for each in (mailbox.address, *mailbox.aliases)]
    return sorted({domain_of(address) for address in addresses} - {""})


def _is_reserved(config: Config, domain: str) -> bool:
    """Whether DNS knows no such name; name servers of one's own may."""
    last = domain.rpartition(".")[2]
    return not config.dns.servers and (last in RESERVED or last == domain)


async def _origin(records: Records, origin: Origin) -> list[Finding]:
    return [worst(f"{origin.route} PTR", await check_origin(records, origin))]


async def _key(config: Config, records: Records, i: int) -> list[Finding]:
    entry = config.dkim[i]
    key = read_key(Path(entry.key), entry.selector)
    return await published.check_key(records, f"dkim[{i}] DNS", domain_of(f"@{entry.domain}"), key)


def _of_domain(config: Config, records: Records, domain: str, origins: list[Origin]) -> list[Job]:
    if _is_reserved(config, domain):
        return [(domain, partial(_nothing, domain))]
    name = config.inbound.hostname or config.delivery.hostname or host_name()
    own, here = frozenset({name.lower()}), bool(config.inbound.port)
    signer, fetch = _signer(config, domain), partial(_fetch, records)
    sent: list[Job] = [
        (f"SPF {domain}", partial(published.check_sender_policy, records, domain, origins)),
        (f"DKIM {domain}", partial(published.check_signer, domain, signer)),
        (f"DMARC {domain}", partial(published.check_policy, records, domain, signer)),
    ]
    return [
        (f"MX {domain}", partial(published.check_exchangers, records, domain, own, inbound=here)),
        *(sent if _sends(config) else ()),
        (f"MTA-STS {domain}", partial(published.check_transport_policy, records, domain, fetch)),
        (f"TLSRPT {domain}", partial(published.check_report_address, records, domain)),
    ]


async def _nothing(domain: str) -> list[Finding]:
    return [Finding(domain, "ok", "a name for tests, of which there is nothing in DNS")]


async def _fetch(records: Records, domain: str) -> Policy:
    """Our own policy may be on our own network."""
    policy, _ = await PolicyHost(records, HTTPS_PORT).fetch(domain, ca_file="", allow_local=True)
    return policy


def _signer(config: Config, domain: str) -> str:
    """The domain whose keys sign mail of this one; '' when none do."""
    keys = {domain_of(f"@{entry.domain}") for entry in config.dkim}
    while domain and domain not in keys:
        domain = domain.partition(".")[2]
    return domain
