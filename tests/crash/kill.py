"""kill -9 under load: every acknowledged message is delivered, and the duplicates are counted.

    python -m tests.crash.kill --kills 50 --messages 10000 [--postgres]

Clients send without pause to a real `graphpost serve` on SQLite or PostgreSQL, with a real SMTP peer behind it.  The server is killed
at random moments, at the named points of `tests.crash.serve`, and by the peer's side between a message's last byte and
the reply to it; each time it is started again on the same data.  In the end:

- every message that was answered 202 is at the peer, with every recipient, and its copies are the same byte by byte;
- every copy wanted is in Sent Items, and every local copy in its Inbox, exactly once;
- nothing that was refused is anywhere, and the queue is empty.

What was sent but never answered may be there or not.  A message may arrive twice only when a kill fell between the
peer's taking it and the commit of what became of it; these are counted.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO

from tests.crash.serve import POINTS

from graphpost.clock import SECOND, SystemClock, to_text
from graphpost.config import StoreSettings, embedded_defaults
from graphpost.mail.mailbox import INBOX, SENT_ITEMS
from graphpost.store.databases.opening import open_store
from graphpost.store.directory import accounts
from graphpost.store.mailbox import deferrals, messages
from graphpost.store.queue import deliveries, lookups
from graphpost.store.store import Store, Tx
from graphpost.testing.ports import free_port
from graphpost.testing.postgres import PostgresServer
from graphpost.testing.smtp_peer import Gate, Hold, SmtpPeer

ADELE, ALEX = "adele@example.test", "alex@example.test"
BY_PEER = "peer:before-reply"
AT_RANDOM = "at random"
SUBJECT = re.compile(rb"^Subject: kill-(\d+)\r$", re.MULTILINE)
LARGE = base64.b64encode(bytes(range(256)) * 320).decode()  # 80 KB: kept as a file beside the database
QUICK = {"GRAPHPOST_DELIVERY_TAKEOVER_SECONDS": "3"}  # on PostgreSQL: what the one before had in hand
PATIENCE = 120.0  # seconds that anything awaited may take


@dataclass
class Report:
    """What a run showed.  `lost`, `altered`, `misfiled` and `ghosts` (refused, yet there) are to be empty."""

    kills: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    unanswered: int = 0
    refused: int = 0
    duplicates: int = 0
    lost: list[int] = field(default_factory=list)
    altered: list[int] = field(default_factory=list)
    misfiled: list[int] = field(default_factory=list)
    ghosts: list[int] = field(default_factory=list)
    waiting: int = 0

    def is_clean(self) -> bool:
        return not (self.lost or self.altered or self.misfiled or self.ghosts or self.waiting)

    def __str__(self) -> str:
        points = ", ".join(f"{point} {number}" for point, number in sorted(self.kills.items()))
        return (
            f"kills {self.kills.total()} ({points})\n"
            f"acknowledged {self.acknowledged}, unanswered {self.unanswered}, refused {self.refused}\n"
            f"lost {len(self.lost)} {self.lost[:10]}, duplicates {self.duplicates}, altered {len(self.altered)}, "
            f"misfiled {len(self.misfiled)} {self.misfiled[:10]}, refused but there {len(self.ghosts)}, "
            f"left in the queue {self.waiting}"
        )


# What is sent: the kind of a message follows from its number.


def is_wrong(number: int) -> bool:
    return number % 23 == 0


def is_local_too(number: int) -> bool:
    return number % 5 == 1


def is_kept(number: int) -> bool:
    return number % 7 != 2 or is_mime(number)


def is_mime(number: int) -> bool:
    return number % 11 == 3


def is_later(number: int) -> bool:
    """Whether it waits among the drafts for a second."""
    return number % 17 == 5


def has_attachment(number: int) -> bool:
    return number % 29 == 4


def recipients(number: int) -> list[str]:
    """Those at the peer."""
    return [f"r{number}.{index}@remote.test" for index in range(1 + number % 3)]


def request_of(number: int) -> tuple[str, bytes]:
    """Content type and body of a sendMail."""
    everybody = [*recipients(number), *([ALEX] if is_local_too(number) else [])]
    if is_mime(number) and not is_wrong(number):
        text = f"From: {ADELE}\nTo: {', '.join(everybody)}\nSubject: kill-{number}\n\nAs MIME.\n"
        return "text/plain", base64.b64encode(text.encode())
    message = {
        "subject": f"kill-{number}",
        "body": {"contentType": "Text", "content": f"Number {number}.\n.\nEnd."},
        "toRecipients": [] if is_wrong(number) else [{"emailAddress": {"address": a}} for a in everybody],
    }
    if is_later(number):
        time = to_text(SystemClock().now() + SECOND)
        message["singleValueExtendedProperties"] = [{"id": "SystemTime 0x3FEF", "value": time}]
    if has_attachment(number):
        kind = "#microsoft.graph.fileAttachment"
        message["attachments"] = [{"@odata.type": kind, "name": "large.bin", "contentBytes": LARGE}]
    return "application/json", json.dumps({"message": message, "saveToSentItems": is_kept(number)}).encode()


class Clients:
    """Threads that send without pause while the server is `up`, and remember what they were answered."""

    def __init__(self, port: int, threads: int) -> None:
        self.up = threading.Event()
        self.acknowledged: set[int] = set()
        self.refused: set[int] = set()
        self.unanswered: set[int] = set()
        self.strange: list[str] = []
        self._port = port
        self._token = ""
        self._starts = 0
        self._numbers = count(1)
        self._ended = threading.Event()
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._send_on, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def go_on(self, token: str) -> None:
        with self._changed:
            self._token = token
            self._starts += 1
            self.up.set()

    def wait_for_more(self, number: int) -> None:
        """Until so many more were acknowledged."""
        with self._changed:
            goal = len(self.acknowledged) + number
            if not self._changed.wait_for(lambda: len(self.acknowledged) >= goal, PATIENCE):
                raise TimeoutError("the server acknowledges nothing")

    def end(self) -> None:
        self._ended.set()
        self.up.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def drafts(self) -> int:
        """How many messages wait for their time; what nobody acknowledged may be among them."""
        connection = http.client.HTTPConnection("localhost", self._port, timeout=PATIENCE)
        try:
            headers = {"Authorization": f"Bearer {self._token}"}
            connection.request("GET", f"/v1.0/users/{ADELE}/mailFolders/drafts", headers=headers)
            number: int = json.load(connection.getresponse())["totalItemCount"]
            return number
        finally:
            connection.close()

    def _send_on(self) -> None:
        connection = http.client.HTTPConnection("localhost", self._port, timeout=PATIENCE)
        start = 0
        while self.up.wait() and not self._ended.is_set():
            if start != self._starts:
                start = self._starts
                connection.close()  # it was to a server that is no more
            number = next(self._numbers)
            try:
                status = self._send(connection, number)
            except (OSError, http.client.HTTPException):
                connection.close()
                status = 0
            with self._changed:
                match status:
                    case 0:
                        self.unanswered.add(number)
                        if start == self._starts:
                            self.up.clear()  # until the server is started again, unless it was meanwhile
                    case 202:
                        self.acknowledged.add(number)
                    case _:
                        self.refused.add(number)
                        if status != 400:
                            self.strange.append(f"{number} was answered {status}")
                self._changed.notify_all()
        connection.close()

    def _send(self, connection: http.client.HTTPConnection, number: int) -> int:
        content_type, body = request_of(number)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": content_type}
        connection.request("POST", f"/v1.0/users/{ADELE}/sendMail", body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status


class Child:
    """The server in a process of its own, on one port and one data directory."""

    def __init__(self, data: Path, port: int, relay: str, store: StoreSettings) -> None:
        self._data = data
        self._environ = {**os.environ, "GRAPHPOST_STORE_URL": store.url, **QUICK}
        self.port = port
        self._relay = relay
        self._process: subprocess.Popen[str] | None = None
        self._tail: list[str] = []

    def start(self, point: str, times: int) -> str:
        """Start it, wait until it is ready, and return a token; '' when it died on the way."""
        command = [
            sys.executable, "-m", "tests.crash.serve", point, str(times),
            "serve", "--data", str(self._data), "--port", str(self.port), "--no-tls", "--relay", self._relay,
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=Path(__file__).parents[2],
            env=self._environ,
        )
        output = self._process.stdout
        assert output is not None
        is_ready = any(" ready " in self._noted(line) for line in output)
        self._reader = threading.Thread(target=self._read_on, args=(output,), daemon=True)
        self._reader.start()
        if not is_ready:
            if self._ended() == -signal.SIGKILL:
                return ""
            raise RuntimeError("the server did not start:\n" + "".join(self._tail))
        try:
            return self._token()
        except (OSError, http.client.HTTPException):
            return ""

    def _read_on(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self._noted(line)

    def _ended(self) -> int:
        """Wait for its end; the exit status."""
        assert self._process is not None
        status = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def _noted(self, line: str) -> str:
        self._tail = [*self._tail[-30:], line]
        return line

    def _token(self) -> str:
        made = embedded_defaults(self._data)
        form = urllib.parse.urlencode(
            {
                "client_id": made.client_id,
                "client_secret": made.client_secret,
                "scope": "https://graph.microsoft.com/.default",
                "grant_type": "client_credentials",
            }
        )
        connection = http.client.HTTPConnection("localhost", self.port, timeout=PATIENCE)
        try:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", f"/{made.tenant_id}/oauth2/v2.0/token", form, headers)
            token: str = json.load(connection.getresponse())["access_token"]
            return token
        finally:
            connection.close()

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()

    def wait_for_death(self) -> None:
        status = self._ended()
        if status != -signal.SIGKILL:
            raise RuntimeError(f"the server ended with {status}:\n" + "".join(self._tail))

    def stop(self) -> int:
        """By SIGTERM; the exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._ended()


def run(
    kills: int, wanted: int, *, url: str = "", threads: int = 8, seed: int | None = None, tell: bool = False
) -> Report:
    """Kill so many times over at least so many acknowledged messages, and look at what became of them.

    `url` is of an empty PostgreSQL database; '' is SQLite.
    """
    store = StoreSettings(url=url) if url else StoreSettings()
    chance = random.Random(seed)
    base = Path(tempfile.mkdtemp(prefix="graphpost-kill-"))
    report = Report()
    with SmtpPeer() as peer:
        child = Child(base / "data", free_port(), f"smtp://{peer.host}:{peer.port}", store)
        clients = Clients(child.port, threads)
        each = -(-wanted // kills)
        for round_, point in zip(range(kills), points(chance), strict=False):
            kill_once(child, clients, peer, point, chance.randint(each // 2, each + each // 2))
            report.kills[point] += 1
            if tell and sys.stderr.isatty():
                print(
                    f"\r{round_ + 1} kills, {len(clients.acknowledged)} acknowledged", end="", file=sys.stderr
                )
        clients.go_on(child.start("none", 0))
        clients.wait_for_more(max(1, wanted - len(clients.acknowledged)))
        clients.end()
        await_all(clients, peer, child)
        assert child.stop() == 0, "the last stop was not clean"
        judge(report, clients, peer, open_store(store, base / "data"))
    shutil.rmtree(base)
    return report


def points(chance: random.Random) -> Iterator[str]:
    """Every named point in turn, a random moment between each two."""
    while True:
        named = [*POINTS, BY_PEER]
        chance.shuffle(named)
        for point in named:
            yield point
            yield AT_RANDOM


def kill_once(child: Child, clients: Clients, peer: SmtpPeer, point: str, number: int) -> None:
    """Start the server, let it work for a while (`number` of whatever the point counts), and have it killed."""
    fused = point in POINTS
    token = child.start(point if fused else "none", number)
    if token:
        clients.go_on(token)
    gate = Gate()
    if not fused:
        clients.wait_for_more(number)
    if point == BY_PEER:
        peer.rule("content", Hold(gate), times=1)
        if not gate.reached.wait(PATIENCE):
            raise TimeoutError("nothing comes to the peer")
    if not fused:
        child.kill()
    child.wait_for_death()
    clients.up.clear()
    gate.open()
    peer.clear_rules()


def await_all(clients: Clients, peer: SmtpPeer, child: Child) -> None:
    """Until the peer has everything that was acknowledged, and nothing waits; or patience ends."""

    def is_done() -> bool:
        there = set(map(number_of, (message.data for message in list(peer.messages))))
        return clients.acknowledged <= there and clients.drafts() == 0 and queued(child) == 0

    with contextlib.suppress(TimeoutError):
        eventually(is_done)


def eventually(is_so: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Look until it is so; TimeoutError when it is not in that time."""
    tick = threading.Event()
    for _ in range(int(seconds / 0.1)):
        if is_so():
            return
        tick.wait(0.1)
    raise TimeoutError


def queued(child: Child) -> int:
    """How many deliveries wait, by the server's own account."""
    token = (child._data / "admin.token").read_text().strip()
    connection = http.client.HTTPConnection("localhost", child.port, timeout=PATIENCE)
    try:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {token}"})
        for line in connection.getresponse().read().decode().splitlines():
            if line.startswith("graphpost_queue_depth "):
                return int(float(line.split()[1]))
    finally:
        connection.close()
    raise LookupError("the server does not tell the depth of its queue")


def number_of(data: bytes) -> int:
    found = SUBJECT.search(data)
    return int(found.group(1)) if found else 0


def judge(report: Report, clients: Clients, peer: SmtpPeer, store: Store) -> None:
    """Compare what was answered with what is at the peer and in the database."""
    copies: dict[int, list[tuple[frozenset[str], bytes]]] = {}
    for message in peer.messages:
        copies.setdefault(number_of(message.data), []).append((frozenset(message.recipients), message.data))
    sent, inbox, waiting = asyncio.run(read_back(store))
    report.acknowledged = len(clients.acknowledged)
    report.unanswered, report.refused = len(clients.unanswered), len(clients.refused)
    report.waiting = waiting
    for number in clients.acknowledged:
        found = copies.get(number, [])
        reached = frozenset(address for addresses, _ in found for address in addresses)
        if reached != frozenset(recipients(number)):
            report.lost.append(number)
        if sent[number] != is_kept(number) or inbox[number] != is_local_too(number):
            report.misfiled.append(number)
    for number, found in copies.items():
        report.duplicates += len(found) - 1
        if len(set(found)) > 1:
            report.altered.append(number)
    report.ghosts = sorted(clients.refused & (copies.keys() | sent.keys() | inbox.keys()))
    assert not clients.strange, clients.strange[:10]


async def read_back(store: Store) -> tuple[Counter[int], Counter[int], int]:
    """How often each number is in Adele's Sent Items and in Alex's Inbox, and how many deliveries are not done."""
    try:
        directory = await store.read(accounts.load_directory)

        def numbers(tx: Tx, address: str, folder: int) -> Counter[int]:
            box = directory.by_address[address].mailbox_id
            items = messages.find(tx, box, folder_id=folder, top=10**9)
            return Counter(int(item.message.subject.removeprefix("kill-")) for item in items)

        sent = await store.read(lambda tx: numbers(tx, ADELE, SENT_ITEMS))
        inbox = await store.read(lambda tx: numbers(tx, ALEX, INBOX))
        held, _ = await store.read(lambda tx: lookups.page(tx, state=deliveries.HELD, limit=10**6))
        later = await store.read(lambda tx: deferrals.listed(tx, 10**6))
        depth, _ = await store.read(deliveries.depth)
        return sent, inbox, depth + len(held) + len(later)
    finally:
        await store.close()


def main() -> int:
    parser = argparse.ArgumentParser(
        description="kill -9 under load; what was acknowledged must be delivered"
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--messages", type=int, default=10_000, help="acknowledged, at least")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own")
    options = parser.parse_args()
    with PostgresServer.start(durable=True) if options.postgres else contextlib.nullcontext() as postgres:
        url = postgres.url if postgres else ""
        report = run(
            options.kills, options.messages, url=url, threads=options.threads, seed=options.seed, tell=True
        )
    print(report)
    return 0 if report.is_clean() else 1


if __name__ == "__main__":
    sys.exit(main())
