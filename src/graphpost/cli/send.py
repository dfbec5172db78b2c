"""`graphpost send`: one message through the running server, to its outcome."""

from __future__ import annotations

import mimetypes
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from graphpost.cli.options import with_config
from graphpost.cli.output import one_line, reply_text
from graphpost.clock import SECOND, SystemClock, from_datetime
from graphpost.errors import ConfigurationError, GraphpostError

if TYPE_CHECKING:
    import httpx2

    from graphpost.config import Config

_CHUNK: Final = 65_536
_LARGE: Final = 262_144  # bytes from which progress is shown
_POLL_SECONDS: Final = 0.2
_FINAL: Final = frozenset({"delivered", "captured", "failed", "cancelled"})
_UNFINISHED: Final = 3  # the exit status of a message that is still on its way
_GOOD: Final = frozenset({"delivered", "captured"})


@click.command()
@with_config
@click.option(
    "--from", "sender", metavar="ADDRESS", help="The mailbox that sends [the first of the settings]."
)
@click.option("--to", multiple=True, metavar="ADDRESS", help="May be repeated, as --cc and --bcc.")
@click.option("--cc", multiple=True, metavar="ADDRESS")
@click.option("--bcc", multiple=True, metavar="ADDRESS")
@click.option("--subject", required=True)
@click.option("--html", is_flag=True, help="The body is HTML.")
@click.option(
    "--attach",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="May be repeated.",
)
@click.option(
    "--wait",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="Seconds to follow the message; 0: don't.",
)
@click.option("--to-the-end", is_flag=True, help="Follow it until it is done, however long that takes.")
@click.argument("body", default="")
def command(
    config: Config,
    sender: str | None,
    to: tuple[str, ...],
    cc: tuple[str, ...],
    bcc: tuple[str, ...],
    subject: str,
    html: bool,
    attach: tuple[Path, ...],
    wait: float,
    to_the_end: bool,
    body: str,
) -> int:
    """Send a message through the running server, and follow it.

    BODY is the text, or - for standard input.  The exit status is 0 when every recipient's mail was delivered (or
    captured, which is where mail goes that has no route), 1 when that of one failed, and 3 when some of it is still on
    its way: the next attempt is later than --wait, or the time is over.
    """
    if not (to or cc or bcc):
        raise click.UsageError("give at least one of --to, --cc and --bcc")
    text = sys.stdin.read() if body == "-" else body
    message: dict[str, Any] = {
        "subject": subject,
        "body": {"contentType": "HTML" if html else "Text", "content": text},
        "toRecipients": _recipients(to),
        "ccRecipients": _recipients(cc),
        "bccRecipients": _recipients(bcc),
    }
    _check_size(config, attach)
    message["attachments"] = [_attachment(file) for file in attach]
    queue_id = _post(config, sender or _first_mailbox(config), message)
    click.echo(f"Accepted as {queue_id}.")
    if to_the_end:
        return _follow(config, queue_id, float("inf"))
    return _follow(config, queue_id, wait) if wait else 0


def _recipients(addresses: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{"emailAddress": {"address": address}} for address in addresses]


def _attachment(file: Path) -> dict[str, Any]:
    return {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": file.name,
        "contentType": mimetypes.guess_type(file.name)[0] or "application/octet-stream",
        "contentBytes": b64encode(file.read_bytes()).decode(),
    }


def _first_mailbox(config: Config) -> str:
    if not config.mailboxes:
        raise ConfigurationError("mailboxes", "none is in the settings; say who sends with --from")
    return config.mailboxes[0].address


def _check_size(config: Config, attach: tuple[Path, ...]) -> None:
    """Before anything is read: base64 makes four bytes of three."""
    _refuse_larger(config, sum(-(-file.stat().st_size // 3) * 4 for file in attach))


def _refuse_larger(config: Config, size: int) -> None:
    limit = config.limits.request_bytes
    if size > limit:
        raise GraphpostError(
            f"the message takes {size / 2**20:.1f} MB, and one request may take {limit / 2**20:.1f} MB "
            "(limits.request_bytes); larger attachments need an upload session, which this command does not do yet"
        )


def _post(config: Config, sender: str, message: dict[str, Any]) -> str:
    """Send; the id by which the queue knows the message."""
    from urllib.parse import quote

    import httpx2
    import msgspec

    from graphpost.cli.reaching import UnreachableError, get_running, http_client
    from graphpost.cli.token import app_token, choose_application

    body = msgspec.json.encode({"message": message, "saveToSentItems": True})
    _refuse_larger(config, len(body))
    running = get_running(config)
    token = app_token(config, running, choose_application(config, permission="Mail.Send"))
    headers = {
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        "content-length": str(len(body)),
    }
    path = f"/v1.0/users/{quote(sender, safe='@')}/sendMail"
    try:
        with http_client(config, running) as client:
            answer = client.post(path, headers=headers, content=_chunks(body))
    except httpx2.HTTPError as error:
        raise UnreachableError(f"{running.url} does not answer: {error}") from error
    if answer.status_code != 202:
        raise GraphpostError(_refusal(answer))
    return str(answer.headers["x-graphpost-message-id"])


def _chunks(body: bytes) -> Iterator[bytes]:
    """The body in pieces, with a progress bar on a terminal when it is large."""
    pieces = range(0, len(body), _CHUNK)
    if len(body) < _LARGE:
        yield body
        return
    with click.progressbar(length=len(body), label="Sending", file=sys.stderr) as bar:
        for start in pieces:
            piece = body[start : start + _CHUNK]
            yield piece
            bar.update(len(piece))


def _refusal(answer: httpx2.Response) -> str:
    try:
        error = answer.json()["error"]
        return one_line(f"{answer.status_code} {error['code']}: {error['message']}")
    except (ValueError, KeyError, TypeError):
        return f"the server answered {answer.status_code} {answer.reason_phrase}"


def _follow(config: Config, queue_id: str, wait: float) -> int:
    """Print each recipient's outcome as it comes; the exit status."""
    from graphpost.cli.reaching import get_running, request

    running = get_running(config)
    told: dict[str, str] = {}
    deadline = time.monotonic() + wait
    while True:
        shown = request(config, running, "GET", f"/admin/queue/{queue_id}")
        recipients = shown["recipients"]
        _tell(recipients, told)
        if all(recipient["state"] in _FINAL for recipient in recipients):
            return 0 if all(recipient["state"] in _GOOD for recipient in recipients) else 1
        left = deadline - time.monotonic()
        due = _next_attempt(shown["deliveries"], left)
        if due or left <= 0:
            later = f"Deferred until {due}" if due else "Still on its way"
            click.echo(f"{later}; look again with: graphpost queue show {queue_id}")
            return _UNFINISHED
        time.sleep(_POLL_SECONDS)


def _next_attempt(deliveries: list[dict[str, Any]], seconds: float) -> str:
    """When the next attempt is, if none will be made in that time; else ''."""
    open_ = [entry for entry in deliveries if entry["state"] != "done"]
    if not open_ or any(entry["under_way"] or not entry["attempts"] or not entry["due"] for entry in open_):
        return ""
    due = min(str(entry["due"]) for entry in open_)
    until = (from_datetime(datetime.fromisoformat(due)) - SystemClock().now()) / SECOND
    return due if until > seconds else ""


def _tell(recipients: list[dict[str, Any]], told: dict[str, str]) -> None:
    for recipient in recipients:
        said = f"{recipient['state']:<9} {one_line(recipient['address'])}"
        if reply := reply_text(recipient):
            said = f"{said}  {reply}"
        if recipient["state"] != "queued" and told.get(recipient["address"]) != said:
            told[recipient["address"]] = said
            click.echo(said)
