"""What `graphpost check` looks at.

Each check returns a line that says what is fine, or raises with what is not.

The relay check speaks SMTP through the standard library, so that it is an independent opinion on the relay; where it
connects, and whom it trusts, is as in delivery.
"""

from __future__ import annotations

import asyncio
import io
import os
import smtplib
import ssl
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import closing
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from graphpost.admin.access import find_running
from graphpost.cli.finding import Finding
from graphpost.cli.output import counted
from graphpost.cli.reaching import perform
from graphpost.clock import SystemClock
from graphpost.config import (
    AuditSettings,
    Config,
    DkimSettings,
    HostSettings,
    InboundSettings,
    MetricsSettings,
    RouteSettings,
    TrustedIssuerSettings,
)
from graphpost.config.names import is_loopback
from graphpost.delivery.outbound.outlets import check_files, host_name
from graphpost.delivery.outbound.relaying import Relays
from graphpost.errors import GraphpostError
from graphpost.mail.address import domain_of
from graphpost.store.databases.pending import pending_migrations
from graphpost.tls import load_certificate
from graphpost.transport.dkim_keys import read_key
from graphpost.transport.sasl import BY_TOKEN, auth_lines, choose, concession
from graphpost.transport.session import SmtpTarget, tls_contexts
from graphpost.transport.tokens import TokenError
from graphpost.web.certificates import days_left

_SECONDS: Final = 10.0
_SECRETS: Final = ("password", "secrets", "client_secret")
_SOON: Final = 60  # days
_LONG: Final = 3650


def doubt_of_file(file: Path) -> str:
    """What is unsafe about a settings file: others may read the secrets in it; '' when nothing is."""
    if file.stat().st_mode & 0o077 and _has_secrets(tomllib.loads(file.read_text("utf-8"))):
        return f"{file} has secrets and can be read by others: chmod go= it, or keep the secrets in files of their own"
    return ""


def _has_secrets(value: object) -> bool:
    if isinstance(value, dict):
        return any(bool(inner) if key in _SECRETS else _has_secrets(inner) for key, inner in value.items())
    return isinstance(value, list) and any(map(_has_secrets, value))


def data_directory(config: Config) -> str:
    """It is there or can be made, is ours alone, and can be written to."""
    path = config.data
    if not _is_usable(path):
        return f"{path} will be made at the first start"
    if loose := _readable_by_others(path):
        raise GraphpostError(f"{loose} can be read by others; chmod go= it")
    return f"{path}, for its owner alone"


def audit_directory(settings: AuditSettings) -> str:
    """The directory of the audit log's files is there or can be made, and can be written to."""
    path = Path(settings.directory)
    return f"{path}" if _is_usable(path) else f"{path} will be made at the first start"


def _is_usable(path: Path) -> bool:
    """Whether a directory is there; raises when it cannot be made or written to."""
    if not path.exists():
        parent = next(parent for parent in path.parents if parent.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            raise GraphpostError(f"{path} cannot be made: {parent} cannot be written to")
        return False
    if not path.is_dir():
        raise GraphpostError(f"{path} is not a directory")
    if not os.access(path, os.W_OK | os.X_OK | os.R_OK):
        raise GraphpostError(f"{path} cannot be read and written")
    return True


def _readable_by_others(data: Path) -> Path | None:
    for name in ("", "defaults.json", "admin.token", "ca/ca.key", "ca/server.key"):
        path = data / name
        if path.exists() and path.stat().st_mode & 0o077:
            return path
    return None


def database(config: Config) -> str:
    """It can be opened and needs no migration that this version doesn't have."""
    shown = _without_credentials(config.store.url)
    running = find_running(config.data)
    if running is not None:
        return f"{shown}, in use by the server with process id {running.pid}"
    todo = pending_migrations(config.store, config.data)
    if not todo:
        return f"{shown}, up to date"
    return f"{shown}, {counted(len(todo), 'migration', 'migrations')} to apply"


def postmaster(config: Config) -> Finding:
    """Whom the settings name has a mailbox, by the settings or by a command."""
    named, known = config.tenant.postmaster, set[str]()
    for mailbox in config.mailboxes:
        known.update(address.casefold() for address in (mailbox.address, *mailbox.aliases))
    is_made = find_running(config.data) is not None or not pending_migrations(config.store, config.data)
    if named.casefold() not in known and is_made:
        for box in perform(config, "list_mailboxes"):
            known.update(address.casefold() for address in (box["address"], *box["aliases"]))
    if named.casefold() in known:
        return Finding("postmaster", "ok", named)
    text = f"nobody has {named} (tenant.postmaster): the mailbox that was made first gets its mail"
    return Finding("postmaster", "warn", text)


def _without_credentials(url: str) -> str:
    """A password may hold an @ of its own, and may be in the query."""
    return (url.rpartition("@")[2] or url).partition("?")[0]


def metrics(settings: MetricsSettings) -> Finding:
    """A port that others can reach tells everybody how much mail there is."""
    where = f"{settings.host} port {settings.port}, without a token"
    if is_loopback(settings.host):
        return Finding("metrics", "ok", where)
    return Finding(
        "metrics", "warn", f"{where}: whoever reaches it can read them; metrics.host is not loopback"
    )


def inbound(config: Config) -> Finding:
    """What is safe on the loopback and is not when everybody can reach it."""
    settings, doubts = config.inbound, list[str]()
    if settings.lmtp_port and not is_loopback(settings.lmtp_host):
        doubts.append("LMTP is for hosts that one trusts, and inbound.lmtp_host is not loopback")
    if is_loopback(settings.host):
        return Finding("inbound", "warn" if doubts else "ok", "; ".join(doubts) or "for this machine only")
    if not config.tenant.domains:
        doubts.append("there are no tenant.domains: mail for anybody but the mailboxes counts as relaying")
    if not settings.tls:
        doubts.append("without STARTTLS everybody on the way reads the mail")
    elif not settings.certificate and not config.server.certificate:
        doubts.append("the certificate is the local authority's: hosts that check it will not deliver")
    if any(ip_network(entry.strip("[]"), strict=False).prefixlen == 0 for entry in settings.unlimited):
        doubts.append("inbound.unlimited takes away every limit by address")
    if not settings.hostname and not config.delivery.hostname:
        doubts.append("inbound.hostname is not given: the greeting has this machine's own name")
    return Finding(
        "inbound", "warn" if doubts else "ok", "; ".join(doubts) or f"for all who reach {settings.host}"
    )


def unused_routes(routes: Sequence[RouteSettings]) -> list[Finding]:
    """Of routes the first that matches wins: what another has already is not reached."""
    first: dict[str, int] = {}
    found = []
    for place, route in enumerate(routes):
        for number, domain in enumerate(route.domains):
            own, *others = _patterns(domain)
            by = min([first.setdefault(own, place), *(first.get(each, place) for each in others)])
            if by < place:
                text = f"{domain} is never reached here, because routes[{by}] has it"
                found.append(Finding(f"routes[{place}].domains[{number}]", "warn", text))
    return found


def _patterns(domain: str) -> Iterator[str]:
    """What a route may name to match all that `domain` of a route does: that itself first, as it is compared, and `*` last."""
    above = domain_of(f"a@{domain.removeprefix('*.')}")
    if domain.startswith("*."):
        above = f"*.{above}"
    if domain != "*":
        yield above
    while "." in above:
        above = above.partition(".")[2]
        yield f"*.{above}"
    yield "*"


def certificate(config: Config) -> str:
    """The server's certificate and key fit each other, and last."""
    if not config.server.tls:
        return "none: plain HTTP on loopback"
    own = bool(config.server.certificate)
    chain = Path(config.server.certificate) if own else config.data / "ca" / "server.pem"
    key = Path(config.server.key) if own else config.data / "ca" / "server.key"
    if not own and not chain.exists():
        return "will be made at the first start"
    load_certificate(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), chain, key, str(chain))
    try:
        days = days_left(chain, SystemClock().now())
        authority = _LONG if own else days_left(config.data / "ca" / "ca.pem", SystemClock().now())
    except ValueError as error:
        raise GraphpostError(f"{chain} cannot be used: {error}") from error
    if days < 0 and own:
        raise GraphpostError(f"{chain} ended {-days} days ago")
    if authority < _SOON:
        raise GraphpostError(
            f"the local authority ends in {authority} days: move {chain.parent} away for a new one"
        )
    return f"{chain}, for another {max(days, 0)} days"


def inbound_certificate(settings: InboundSettings) -> str:
    """The certificate for STARTTLS and its key fit each other, and last."""
    chain = Path(settings.certificate)
    load_certificate(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), chain, settings.key, str(chain))
    days = days_left(chain, SystemClock().now())
    if days < 0:
        raise GraphpostError(f"{chain} ended {-days} days ago")
    return f"{chain}, for another {days} days"


def tls_files(route: RouteSettings, where: str) -> str:
    """What the route names for TLS can be read and fits."""
    check_files(route, where)
    return ", ".join(file for file in (route.certificate, route.key, route.ca_file) if file)


def dkim_key(entry: DkimSettings) -> str:
    """The key can be read, by us alone."""
    key, path = read_key(Path(entry.key), entry.selector), Path(entry.key)
    if path.stat().st_mode & 0o077:
        raise GraphpostError(f"{path} can be read by others; chmod go= it")
    return f"{path} signs for {entry.domain} ({key.algorithm})"


def relay(config: Config, route: RouteSettings, host: HostSettings) -> str:
    """The relay answers, does TLS as the route wants it, and takes the credentials."""
    hostname = config.delivery.hostname or host_name()
    target = Relays(config.delivery, hostname, SystemClock().now).target(route, host)
    where = f"{target.host}:{target.port}"
    try:
        with closing(_connected(target)) as smtp:
            said = _session(smtp, target)
            smtp.quit()
    except (smtplib.SMTPException, ssl.SSLError) as error:
        raise GraphpostError(f"{where}: {_reason(error)}") from error
    except TokenError as error:
        raise GraphpostError(f"{where}: {error}") from error
    except OSError as error:
        raise GraphpostError(f"{where}: {error.strerror or error}") from error
    return f"{where} {said}"


def _connected(target: SmtpTarget) -> smtplib.SMTP:
    """From the address, and under the name, that mail is brought with."""
    source = (target.source, 0) if target.source else None
    if target.implicit_tls:
        return smtplib.SMTP_SSL(
            target.host,
            target.port,
            target.hostname,
            timeout=_SECONDS,
            source_address=source,
            context=tls_contexts(target).first,
        )
    return smtplib.SMTP(target.host, target.port, target.hostname, _SECONDS, source)


def _session(smtp: smtplib.SMTP, target: SmtpTarget) -> str:
    smtp.ehlo_or_helo_if_needed()
    done = ["answers over TLS" if target.implicit_tls else "answers"]
    if not target.implicit_tls and target.tls != "none":
        if smtp.has_extn("starttls"):
            smtp.starttls(context=tls_contexts(target).first)
            smtp.ehlo()
            done.append("STARTTLS works")
        elif target.tls != "opportunistic":
            raise smtplib.SMTPException(f"it offers no STARTTLS, and the route's tls is {target.tls}")
        else:
            done.append("offers no TLS")
    if target.tokens is not None or target.auth in BY_TOKEN:
        _bear_token(smtp, target)
        done.append("takes the token")
    elif target.username:
        smtp.login(target.username, target.password)
        done.append("takes the credentials")
    smtp.noop()
    return ", ".join(done)


def _bear_token(smtp: smtplib.SMTP, target: SmtpTarget) -> None:
    mechanism = choose(target.auth, frozenset(smtp.esmtp_features.get("auth", "").upper().split()), BY_TOKEN)
    if mechanism is None:
        raise smtplib.SMTPException("it takes no token: it offers neither OAUTHBEARER nor XOAUTH2")
    token = asyncio.run(target.tokens.get()) if target.tokens is not None else target.password
    for line in auth_lines(mechanism, target.username, token, target.host, target.port):
        code, text = smtp.docmd(line.decode().rstrip())
        if code != 334:
            break
    if code == 334:
        code, text = smtp.docmd(concession(mechanism).decode().rstrip())
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, text)


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = (
            error.smtp_error.decode("utf-8", "replace")
            if isinstance(error.smtp_error, bytes)
            else error.smtp_error
        )
        return f"{error.smtp_code} {text}"
    return str(error)


async def issuer(config: Config, settings: TrustedIssuerSettings) -> str:
    """Its keys can be fetched."""
    from graphpost.auth.verification.issuers import foreign_issuer
    from graphpost.mail.mailbox import Directory
    from graphpost.maillog import MailLog

    log = MailLog(config.log, io.StringIO(), SystemClock().now)
    try:
        keys = foreign_issuer(settings, config.tenant.id, lambda: Directory.of(()), SystemClock(), log).keys
        found = await keys.fetch()
    finally:
        log.close()
    return f"{keys.issuer}, {len(found)} keys"
