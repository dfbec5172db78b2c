"""What a ready server prints: where everything is, and a first line to try."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from graphpost import __version__
from graphpost.config import Config, InboundSettings
from graphpost.config.checking import WILDCARDS
from graphpost.config.names import is_loopback

_LOCALHOST: Final = ("localhost", "127.0.0.1")  # not ::1, to which the name does not lead everywhere


def origin(config: Config, port: int | None = None) -> str:
    """Scheme, name and port by which clients of this machine reach the server; `port` when it was chosen at start.

    It is localhost where that leads to the listener, else the listener's own address.  Names that others use (such as
    graph.microsoft.com) may lead elsewhere from here, so they are taken only when a certificate of the operator's own
    leaves no choice.
    """
    scheme, usual = ("https", 443) if config.server.tls else ("http", 80)
    number = config.server.port if port is None else port
    name = _local_name(config)
    return f"{scheme}://{name}" if number == usual else f"{scheme}://{name}:{number}"


def _local_name(config: Config) -> str:
    server = config.server
    if server.certificate and "localhost" not in server.names:
        return server.names[0]
    if server.host in (*WILDCARDS, *_LOCALHOST):
        return "localhost"
    host = server.host.strip("[]")
    return f"[{host}]" if ":" in host else host


def banner(config: Config, url: str, ca: Path | None, file: Path | None = None) -> str:
    """Some lines for a terminal.  Tells no secret.

    `url` is the origin, `ca` the file that clients have to trust, `file` the settings file, for commands to name it.
    """
    rows = [(name, value) for name, value in _rows(config, url, ca, file) if value]
    width = max(len(name) for name, _ in rows)
    lines = [f"Graphpost {__version__} is ready.", ""]
    lines += [f"  {name:<{width}}  {value}" for name, value in rows]
    return "\n".join([*lines, "", *_trial(config, url, ca, file), ""])


def command_name() -> str:
    """How to call this program from another shell: by its path when it is in an environment of its own."""
    program = Path(sys.argv[0]).absolute()
    in_environment = sys.prefix != sys.base_prefix
    if not program.is_file() or (shutil.which("graphpost") and not in_environment):
        return "graphpost"
    if program.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m graphpost"
    return shlex.quote(str(program))


def command_line(data: Path, words: str) -> str:
    """A command to be pasted, about the server on that data directory."""
    where = "" if data == Config().data.absolute() else f" --data {shlex.quote(str(data))}"
    return f"{command_name()} {words}{where}"


def _rows(config: Config, url: str, ca: Path | None, file: Path | None) -> Iterator[tuple[str, str]]:
    yield "Graph", f"{url}/v1.0"
    yield "Elsewhere", ", ".join(_elsewhere(config, url))
    if config.issuer.enabled:
        yield "Authority", f"{url}/{config.tenant.id}"
    yield "Tenant", config.tenant.id
    yield "Client", ", ".join(application.client_id for application in config.applications[:3])
    boxes = [mailbox.address for mailbox in config.mailboxes]
    yield "Mailboxes", ", ".join(boxes[:5]) + (f" and {len(boxes) - 5} more" if len(boxes) > 5 else "")
    yield "Data", str(config.data)
    yield "CA file", str(ca) if ca else ""
    yield "Mail to", "; ".join(["local mailboxes: their Inbox", *_relays(config)])
    yield "Mail in", "; ".join(_ports(config.inbound))
    yield "Captured", _command(config, file, "queue list") if _captures(config) else ""
    yield "Settings", f'eval "$({_command(config, file, "env")})"' if config.applications else ""


def _elsewhere(config: Config, url: str) -> Iterator[str]:
    """What clients on other machines call it, by the first names of the settings."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    if not is_loopback(config.server.host):
        for name in [name for name in config.server.names if not is_loopback(name)][:3]:
            if name != parts.hostname:
                yield f"{parts.scheme}://{name}{port}/v1.0"


def _ports(inbound: InboundSettings) -> Iterator[str]:
    """Where other hosts and programs may bring mail."""
    if inbound.port:
        yield f"SMTP on {inbound.host} port {inbound.port}"
    if inbound.submission_port:
        yield f"submission on {inbound.host} port {inbound.submission_port}"
    if inbound.lmtp_port:
        yield f"LMTP on {inbound.lmtp_host} port {inbound.lmtp_port}"
    if inbound.lmtp_socket:
        yield f"LMTP on {inbound.lmtp_socket}"


def _relays(config: Config) -> Iterator[str]:
    for route in config.routes:
        to = ", ".join(host.to for host in route.hosts) or route.to
        yield f"{', '.join('all others' if domain == '*' else domain for domain in route.domains)}: {to}"
    if _captures(config):
        yield "all others: captured, nothing leaves this machine"


def _captures(config: Config) -> bool:
    return not any("*" in route.domains for route in config.routes)


def _trial(config: Config, url: str, ca: Path | None, file: Path | None) -> list[str]:
    if not config.mailboxes or not config.applications:
        return []
    sender = config.mailboxes[0].address
    reader = config.mailboxes[-1].address
    message = (
        '{"message":{"subject":"Hello","body":{"contentType":"Text","content":"It works."},'
        f'"toRecipients":[{{"emailAddress":{{"address":"{reader}"}}}}]}}}}'
    )
    trust = f"--cacert {shlex.quote(str(ca))} " if ca else ""
    return [
        "Try:",
        f"  curl -i {trust}{url}/v1.0/users/{sender}/sendMail \\",
        f'    -H "Authorization: Bearer $({_command(config, file, "token")})" -H "Content-Type: application/json" \\',
        f"    -d {shlex.quote(message)}",
    ]


def _command(config: Config, file: Path | None, command: str) -> str:
    settings = f" --config {shlex.quote(str(file.absolute()))}" if file else ""
    return f"{command_name()} {command}{settings} --data {shlex.quote(str(config.data))}"
