"""Reaching the administration: through the running server, or in the store itself."""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from graphpost.errors import ConfigurationError, GraphpostError, StoreBusy

if TYPE_CHECKING:
    import httpx2

    from graphpost.admin.access import Running
    from graphpost.admin.operations import Operations
    from graphpost.config import Config


class UnreachableError(GraphpostError):
    """No server answers."""


def perform(config: Config, operation: str, **arguments: Any) -> Any:
    """Run an operation of `admin.operations.Operations` by name; its result as plain values."""
    from graphpost.admin.access import find_running

    running, silence = find_running(config.data), None
    if running is not None:
        try:
            return _remotely(config, running, operation, arguments)
        except UnreachableError as error:  # it has just ended, or its process number is another's now
            silence = error
    try:
        return asyncio.run(_locally(config, operation, arguments))
    except StoreBusy:
        if silence is not None:
            raise silence from None  # it is there, and that is why it was not reached
        raise


def get_running(config: Config) -> Running:
    """The running server; raises when there is none."""
    from graphpost.admin.access import find_running

    running = find_running(config.data)
    if running is None:
        raise UnreachableError(f"no server is running on {config.data}; start one with `graphpost serve`")
    return running


def http_client(config: Config, running: Running, **options: Any) -> httpx2.Client:
    """A client for the running server that trusts its certificate and nothing else, whatever the environment says."""
    import httpx2

    verify: ssl.SSLContext | bool = _trust(config, running) if running.url.startswith("https:") else False
    return httpx2.Client(
        base_url=running.at or running.url,
        headers={"host": urlsplit(running.url).netloc},
        verify=verify,
        trust_env=False,
        timeout=30.0,
        **options,
    )


def _trust(config: Config, running: Running) -> ssl.SSLContext:
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_pem_x509_certificates

    from graphpost.web.certificates import authority_file

    # Whatever names it has: our authority signs nobody else, and of the operator's own certificate, which is here on
    # disk, that very one is expected, and no other of those who signed it.
    if not running.certificate:
        context = ssl.create_default_context(cafile=authority_file(config.data))
    else:
        own = load_pem_x509_certificates(Path(running.certificate).read_bytes())[0]
        context = ssl.create_default_context(cadata=own.public_bytes(Encoding.DER))
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    return context


def request(config: Config, running: Running, method: str, path: str, **content: Any) -> Any:
    """One administrative request: the JSON it answers; raises with the server's words when it refuses."""
    import httpx2

    from graphpost.admin.access import administrator_token

    headers = {"authorization": f"Bearer {administrator_token(config.data)}"}
    try:
        with http_client(config, running) as client:
            answer = client.request(method, path, headers=headers, **content)
    except (httpx2.ConnectError, FileNotFoundError) as error:
        raise UnreachableError(f"{running.url} does not answer: {error}") from error
    except httpx2.HTTPError as error:
        raise GraphpostError(f"{running.url}: {error}") from error
    if answer.is_success:
        return answer.json()
    problem = _refusal(answer)
    key, _, detail = problem.partition(": ")
    if (
        answer.status_code == 400 and detail
    ):  # an argument is at fault, as the operation itself would have raised
        raise ConfigurationError(key, detail)
    raise GraphpostError(problem)


def _refusal(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {answer.status_code} {answer.reason_phrase}"


def _remotely(config: Config, running: Running, operation: str, arguments: dict[str, Any]) -> Any:
    from graphpost.admin.operations import Operations

    method, template = Operations.ROUTES[operation]
    path, rest = template, {}
    for key, value in arguments.items():
        if f"{{{key}}}" in path:
            path = path.replace(f"{{{key}}}", quote(str(value), safe=""))
        elif value is not None:
            rest[key] = value
    content = {"params": rest} if method == "GET" else {"json": rest}
    return request(config, running, method, path, **content)


async def _record(config: Config, operations: Operations, action: str) -> None:
    """What is done while no server runs is in the audit log too."""
    from graphpost.auditing.auditor import Auditor
    from graphpost.maillog import MailLog
    from graphpost.store.audit import Actor

    log = MailLog(config.log, sys.stderr, operations.clock.now)
    auditor = Auditor(operations.store, config.audit, operations.numbers, operations.clock, log)
    auditor.note(Actor("administrator", action=action), status=200)
    await auditor.close()
    log.close()


async def _locally(config: Config, operation: str, arguments: dict[str, Any]) -> Any:
    from graphpost.admin.http import checked_arguments
    from graphpost.admin.mailboxes import declared_addresses
    from graphpost.admin.operations import Operations
    from graphpost.clock import SystemClock
    from graphpost.ids import Numbers
    from graphpost.store.databases.opening import open_store

    clock = SystemClock()
    store = open_store(config.store, config.data)
    try:
        operations = Operations(
            store=store,
            numbers=Numbers(clock.now),
            clock=clock,
            deleted_seconds=config.accounts.deleted_seconds,
            quota_bytes=config.accounts.quota_bytes,
            declared=declared_addresses(config),
        )
        given = {key: value for key, value in arguments.items() if value is not None}
        result = await getattr(operations, operation)(**checked_arguments(operation, given))
        method, template = Operations.ROUTES[operation]
        if method != "GET" and config.audit.enabled:
            await _record(config, operations, f"{method} {template.format_map(arguments)}")
        return result
    finally:
        await store.close()
