"""Mail that comes in: how fast, against Postfix's accept, and how much memory large messages take.

Rounds are interleaved: smtp-source to the product (filed in an Inbox, one fsynced transaction), smtp-source to Postfix (into
a queue that holds everything).  Then 20 messages of 25 MB come in at once, while the memory is watched that is the
process's alone: pages of files that are mapped for reading belong to the system.
"""

from __future__ import annotations

import contextlib
import smtplib
import threading
from base64 import encodebytes
from pathlib import Path
from random import Random
from statistics import median

from bench.peers import find, postfix, smtp_source
from bench.product import product
from graphpost.testing.ports import free_port

ROUNDS = 3
MESSAGES = 4000
SESSIONS = 20
LARGE = 20
LARGE_BYTES = 25_000_000
LOOK_SECONDS = 0.05
DOMAIN = "example.org"  # to which smtp-source sends

SETTINGS = f"""
[[mailboxes]]
address = "b@{DOMAIN}"
[inbound]
port = %d
authentication = "off"
"""


def own_mb(pid: int) -> float:
    """Anonymous memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0.0


def large_message(number: int) -> bytes:
    content = encodebytes(Random(number).randbytes(LARGE_BYTES * 57 // 78)).replace(b"\n", b"\r\n")
    return (
        b'Subject: large\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nSee the file.\r\n'
        b"--b\r\nContent-Type: application/octet-stream; name=x\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + content
        + b"--b--\r\n"
    )


def send(port: int, message: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=300) as smtp:
        smtp.sendmail("a@example.test", [f"b@{DOMAIN}"], message)


def peak_of_large(port: int, pid: int) -> tuple[float, float]:
    """Memory before, and the most while all come in at once, in MB."""
    messages = [large_message(number) for number in range(LARGE)]
    before, peak, done = own_mb(pid), 0.0, threading.Event()
    clients = [threading.Thread(target=send, args=(port, message)) for message in messages]
    for client in clients:
        client.start()

    def wait() -> None:
        for client in clients:
            client.join()
        done.set()

    threading.Thread(target=wait).start()
    while not done.wait(LOOK_SECONDS):
        peak = max(peak, own_mb(pid))
    return before, peak


def run() -> list[str]:
    """Print each round, return the table's rows."""
    rounds: list[tuple[float, float]] = []
    port = free_port()
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(postfix(None))[0] if find("postfix") else 0
        server = stack.enter_context(product(config=SETTINGS % port))
        smtp_source(port, messages=500, sessions=SESSIONS, size=600)
        for number in range(ROUNDS):
            rate = smtp_source(port, messages=MESSAGES, sessions=SESSIONS, size=600)
            peer = smtp_source(held, messages=MESSAGES, sessions=SESSIONS, size=600) if held else 0.0
            rounds.append((rate, peer))
            print(f"  round {number + 1}: product {rate:,.0f}/s  Postfix {peer:,.0f}/s", flush=True)
        before, peak = peak_of_large(port, server.pid)
    against = f" = {median(a / b for a, b in rounds):.2f} x Postfix's accept" if held else ""
    return [
        f"inbound: {median(r[0] for r in rounds):,.0f}/s filed{against}",
        f"inbound: {LARGE} messages of 25 MB at once: {before:.0f} MB before, {peak:.0f} MB at most",
    ]
