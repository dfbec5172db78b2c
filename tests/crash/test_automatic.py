"""What is sent by itself is sent once, however often the server dies on the way."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from tests.crash.serve import MARKS

from graphpost.config import embedded_defaults
from graphpost.mail.preferences import AutomaticReplies, PersonalSettings
from graphpost.store.directory import accounts
from graphpost.store.mailbox import preferences
from graphpost.store.store import Tx
from graphpost.testing.process import ServerProcess
from graphpost.testing.server import running_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ADELE, ALEX = "adele@example.test", "alex@example.test"
SETTLES = ("settle:before", "settle:written", "settle:committed")
BROKEN = (http.client.HTTPException, OSError)
SUBJECTS = [f"m{number}" for number in range(3)]


class Client:
    """Asks the server of the moment, on a connection for each request."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.defaults = embedded_defaults(data)
        self.url = ""
        self.token = ""

    def sign_in(self) -> None:
        """The token is good for every server on these data."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.defaults.client_id,
            "client_secret": self.defaults.client_secret,
            "scope": "https://graph.microsoft.com/.default",
        }
        _, found = self._ask("POST", f"/{self.defaults.tenant_id}/oauth2/v2.0/token", urlencode(form), "")
        self.token = found["access_token"]

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return self._ask(method, f"/v1.0/users/{path}", body and json.dumps(body), self.token)

    def waiting(self) -> list[Any]:
        token = (self.data / "admin.token").read_text().strip()
        found: list[Any] = self._ask("GET", "/admin/queue?state=queued", None, token)[1]["value"]
        return found

    def messages(self, mailbox: str) -> dict[str, str]:
        """Ids by subject of what is in the Inbox."""
        _, found = self.ask("GET", f"{mailbox}/mailFolders/inbox/messages?$top=100&$select=subject")
        return {each["subject"]: each["id"] for each in found["value"]}

    def subjects(self, mailbox: str) -> Counter[str]:
        _, found = self.ask("GET", f"{mailbox}/mailFolders/inbox/messages?$top=100&$select=subject")
        return Counter(each["subject"] for each in found["value"])

    def _ask(self, method: str, path: str, body: str | None, token: str) -> tuple[int, Any]:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        kind = "application/json" if token else "application/x-www-form-urlencoded"
        fields = {"Content-Type": kind} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            connection.request(method, path, body, fields)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(data) if data else None


def start(client: Client, point: str, times: int) -> ServerProcess:
    """A server that kills itself there."""
    command = [sys.executable, "-m", "tests.crash.serve", point, str(times), "serve"]
    options = ["--data", str(client.data), "--port", "0", "--no-tls"]
    process = subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    server = ServerProcess(process, client.data)
    with suppress(RuntimeError):  # what was left before is settled at once, perhaps before it is ready
        client.url = server.wait_for(r" ready url=(\S+)")[1]
    return server


def settle_down(client: Client) -> None:
    """Until nothing is on its way."""
    while client.waiting():
        pass


def send(client: Client, subject: str) -> None:
    message = {
        "subject": subject,
        "toRecipients": [{"emailAddress": {"address": ALEX}}],
        "isReadReceiptRequested": True,
    }
    client.ask("POST", f"{ADELE}/sendMail", {"message": message})


def read_all(client: Client, ids: list[str]) -> None:
    for message_id in ids:
        for is_read in (True, False, True):
            client.ask("PATCH", f"{ALEX}/messages/{message_id}", {"isRead": is_read})


def leave(data: Path) -> None:
    """Make the data, and let Alex be away."""
    away = PersonalSettings(automatic_replies=AutomaticReplies("alwaysEnabled", internal="Away"))
    with running_server(data, flags={"server.tls": False}) as server:

        def change(tx: Tx) -> None:
            (box,) = [each for each in accounts.list_mailboxes(tx) if each.address == ALEX]
            preferences.set_settings(tx, box.mailbox_id, away)

        server.call(lambda: server.store.write(change))


def test_receipts_and_replies_are_sent_once_over_kills(tmp_path: Path) -> None:
    leave(tmp_path)
    client = Client(tmp_path)
    with start(client, "none", 1):
        client.sign_in()
    for point, subject in zip(SETTLES, SUBJECTS, strict=True):
        with start(client, point, 1) as server:
            with suppress(*BROKEN):  # what was sent before is settled too, perhaps sooner
                send(client, subject)
            server.wait()
    with start(client, "none", 1):
        settle_down(client)
        arrived = client.messages(ALEX)
        assert arrived
    for point in MARKS:
        with start(client, point, 2) as server:
            with pytest.raises(BROKEN):
                read_all(client, list(arrived.values()))
            server.wait()
    with start(client, "none", 1):
        read_all(client, list(arrived.values()))
        settle_down(client)
        told = client.subjects(ADELE)
    replies = [subject for subject in told.elements() if subject.startswith("Automatic reply: ")]
    assert len(replies) == 1
    assert told - Counter(replies) == Counter(f"Read: {subject}" for subject in arrived)
