"""Graphpost beside a Postfix, with what is behind them."""

from __future__ import annotations

import contextlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dkim
import pytest
from tests.client import ADELE, Client

from graphpost.cli import main
from graphpost.testing.postfix import why_not
from graphpost.testing.server import ServerThread, running_server
from graphpost.transport.dkim_keys import read_key, record_text

DOMAIN = "example.test"
MINE = "far.test"  # Postfix's own domain
BOB = f"bob@{MINE}"

needs_postfix = pytest.mark.skipif(bool(why_not()), reason=why_not())


def settings(data: Path, routes: str, more: str = "") -> Path:
    """Settings with the embedded default's accounts, small waits, and these routes."""
    file = data.parent / "settings.toml"
    file.write_text(
        f'[tenant]\ndomains = ["{DOMAIN}"]\n[server]\ntls = false\n[limits]\nrequest_bytes = 60_000_000\n'
        '[delivery]\nhostname = "graphpost.example.test"\nretry_seconds = [0.2]\npoll_seconds = 0.05\n'
        f"{more}\n{routes}"
    )
    return file


def route(port: int, more: str = "") -> str:
    """Everything goes to that port."""
    return f'[[routes]]\ndomains = ["*"]\nto = "smtp://127.0.0.1:{port}"\n{more}\n'


@contextlib.contextmanager
def graphpost(data: Path, file: Path, policy_port: int = 443) -> Iterator[tuple[Client, ServerThread]]:
    with running_server(data, file=file, policy_port=policy_port) as server:
        yield Client(server.port, data), server


def make_keys(data: Path) -> str:
    """An RSA and an Ed25519 key for our domain; the settings that sign with them."""
    assert main(["dkim", "create", DOMAIN, "--selector", "s1", "--data", str(data)]) == 0
    ed25519 = ["--selector", "s2", "--algorithm", "ed25519"]
    assert main(["dkim", "create", DOMAIN, *ed25519, "--data", str(data)]) == 0
    return "".join(f'[[dkim]]\ndomain = "{DOMAIN}"\nselector = "{each}"\n' for each in ("s1", "s2"))


def verified(message: bytes, data: Path) -> list[bool]:
    """Whether each of the two signatures holds, by dkimpy and the records of the keys in the data directory."""

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        selector, _, rest = name.decode().rstrip(".").partition(".")
        assert rest == f"_domainkey.{DOMAIN}"
        return record_text(read_key(data / "dkim" / DOMAIN / f"{selector}.pem", selector)).encode()

    verifier = dkim.DKIM(message)
    return [verifier.verify(idx=index, dnsfunc=look_up) for index in (0, 1)]


def send_mime(client: Client, message: bytes) -> str:
    """The queue's id of a message that is sent as MIME."""
    headers = {"Authorization": f"Bearer {client.token()}", "Content-Type": "text/plain"}
    answer = client.ask("POST", f"/v1.0/users/{ADELE}/sendMail", b64encode(message), headers)
    assert answer.status == 202, answer.body
    return answer.headers["x-graphpost-message-id"]


def reply_of(client: Client, queue_id: str) -> str:
    """What was said of the only recipient."""
    (recipient,) = client.message(queue_id)["recipients"]
    said: dict[str, Any] | None = recipient["reply"]
    return f"{said['code']} {said['status']} {said['text']}" if said else ""
