"""`graphpost check`: what would keep the server from working."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from graphpost.cli.options import SETTINGS_FILE, json_option, with_config
from graphpost.cli.output import counted, one_line, print_json
from graphpost.errors import ConfigurationError, GraphpostError

if TYPE_CHECKING:
    from graphpost.cli.finding import Finding
    from graphpost.config import Config

AT_ONCE: Final = 8  # checks that ask others
NAME: Final = 14  # columns
SECONDS: Final = 60.0  # for each of them
Job = tuple[str, Callable[[], Awaitable[list["Finding"]]]]


@click.command()
@with_config
@click.option("--no-dns", is_flag=True, help="Leave SPF, DKIM, DMARC, MX and PTR out.")
@json_option
def command(config: Config, no_dns: bool, as_json: bool) -> int:
    """Check settings, data directory, database, certificate, metrics, relays, issuers, keys, DNS.

    The exit status is 1 when anything is wrong; a warning is not.
    """
    found = asyncio.run(_run(config, no_dns=no_dns, show=not as_json))
    if as_json:
        print_json(
            [
                {"check": name, "ok": state != "FAIL", "warning": state == "warn", "detail": detail}
                for name, state, detail in found
            ]
        )
    return 1 if any(each.state == "FAIL" for each in found) else 0


async def _run(config: Config, *, no_dns: bool, show: bool) -> list[Finding]:
    """Everything that is found, shown as it is found."""
    from graphpost.cli.dns_checks import longest_name

    width = max(NAME, 0 if no_dns else longest_name(config))
    found: list[Finding] = []
    async for finding in _findings(config, no_dns=no_dns):
        found.append(finding)
        if show:
            _progress("")
            click.echo(f"{finding.state:<4}  {finding.check:<{width}} {one_line(finding.detail)}")
    return found


async def _findings(config: Config, *, no_dns: bool) -> AsyncIterator[Finding]:
    for finding in _local(config):
        yield finding
    jobs = _people(config) + _relays(config) + _issuers(config)
    if not no_dns:
        jobs += await _dns(config)
    async for finding in _together(jobs):
        yield finding


def _local(config: Config) -> Iterator[Finding]:
    """What this machine tells by itself."""
    from graphpost.cli import checks
    from graphpost.cli.finding import Finding

    applications = counted(len(config.applications), "application", "applications")
    mailboxes = counted(len(config.mailboxes), "mailbox", "mailboxes")
    file = click.get_current_context().meta.get(SETTINGS_FILE)
    if file is not None and (doubt := checks.doubt_of_file(file)):
        yield Finding("settings", "warn", doubt)
    else:
        yield Finding("settings", "ok", f"{mailboxes}, {applications}")
    if not config.issuer.enabled and not config.issuers:
        text = "issuer.enabled is false and there are no [[issuers]]: nobody's token is believed"
        yield Finding("issuers", "warn", text)
    if config.metrics.port:
        yield checks.metrics(config.metrics)
    if config.inbound.is_open:
        yield checks.inbound(config)
    yield from checks.unused_routes(config.routes)
    todo: list[tuple[str, Callable[[], str]]] = [
        ("data directory", lambda: checks.data_directory(config)),
        ("database", lambda: checks.database(config)),
        ("certificate", lambda: checks.certificate(config)),
    ]
    if config.audit.enabled and Path(config.audit.directory).parent not in (config.data, Path()):
        todo.append(("audit", lambda: checks.audit_directory(config.audit)))
    if config.inbound.is_open and config.inbound.certificate:
        todo.append(("inbound TLS", lambda: checks.inbound_certificate(config.inbound)))
    for i, entry in enumerate(config.dkim):
        todo.append((f"dkim[{i}]", lambda entry=entry: checks.dkim_key(entry)))  # type: ignore[misc]
    for i, route in enumerate(config.routes):
        if route.certificate or route.ca_file:
            todo.append((f"routes[{i}] TLS", partial(checks.tls_files, route, f"routes[{i}]")))
    for name, check in todo:
        try:
            yield Finding(name, "ok", check())
        except (GraphpostError, OSError) as error:
            yield Finding(name, "FAIL", str(error))


def _people(config: Config) -> list[Job]:
    """Who the settings name is there."""
    from graphpost.cli import checks

    async def ask() -> list[Finding]:
        return [await asyncio.to_thread(checks.postmaster, config)]

    return [("postmaster", ask)] if config.tenant.postmaster else []


def _relays(config: Config) -> list[Job]:
    """The relays are spoken to; no message is sent."""
    from graphpost.cli import checks
    from graphpost.cli.finding import Finding

    jobs: list[Job] = []
    for i, route in enumerate(config.routes):
        for j, host in enumerate(route.smarthosts() if route.is_relay else ()):
            name = f"routes[{i}].hosts[{j}]" if route.hosts else f"routes[{i}]"

            async def ask(name=name, route=route, host=host) -> list[Finding]:  # type: ignore[no-untyped-def]
                return [Finding(name, "ok", await asyncio.to_thread(checks.relay, config, route, host))]

            jobs.append((name, ask))
    return jobs


def _issuers(config: Config) -> list[Job]:
    """Their keys are fetched."""
    from graphpost.cli import checks
    from graphpost.cli.finding import Finding

    jobs: list[Job] = []
    for i, issuer in enumerate(config.issuers):

        async def ask(name=f"issuers[{i}]", issuer=issuer) -> list[Finding]:  # type: ignore[no-untyped-def]
            return [Finding(name, "ok", await checks.issuer(config, issuer))]

        jobs.append((f"issuers[{i}]", ask))
    return jobs


async def _dns(config: Config) -> list[Job]:
    from graphpost.cli.dns_checks import dns_jobs
    from graphpost.cli.finding import Finding
    from graphpost.transport.resolver import DnsResolver

    try:
        async with asyncio.timeout(SECONDS):
            return await dns_jobs(config, DnsResolver(config.dns))
    except (ConfigurationError, TimeoutError) as error:
        failed = Finding("dns", "FAIL", f"{error or 'no answer in time'} (--no-dns leaves DNS out)")

    async def say() -> list[Finding]:
        return [failed]

    return [("dns", say)]


async def _together(jobs: Sequence[Job]) -> AsyncIterator[Finding]:
    """Some at a time, each within its time; told in their order."""
    room = asyncio.Semaphore(AT_ONCE)
    done = 0

    async def one(job: Job) -> list[Finding]:
        nonlocal done
        async with room:
            found = await _bounded(*job)
        done += 1
        _progress(f"{done} of {len(jobs)} checks of others")
        return found

    tasks = [asyncio.create_task(one(job)) for job in jobs]
    for task in tasks:
        for finding in await task:
            yield finding
    _progress("")


async def _bounded(name: str, work: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
    from graphpost.cli.finding import Finding

    try:
        async with asyncio.timeout(SECONDS):
            return await work()
    except TimeoutError:
        return [Finding(name, "FAIL", "no answer in time")]
    except (GraphpostError, OSError) as error:
        return [Finding(name, "FAIL", str(error))]


def _progress(text: str) -> None:
    """A line on the terminal that the next one takes the place of."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", err=True, nl=False)
