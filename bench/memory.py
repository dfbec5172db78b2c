"""Line 4: memory and start.

A 150 MB attachment is uploaded to a draft in a session, sent, delivered and read back, byte by byte the same, while the
server's resident set is watched; then idle memory, and the time from command to ready with warm caches.
"""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from hashlib import sha256
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from bench.delivered import wait_for_empty_queue
from bench.peers import smtp_sink
from bench.product import Product, product

STARTS = 5
GOAL_MB = 150
MIB = 1024 * 1024
SLICES = (320 * 1024 - 1, 320 * 1024, 320 * 1024 + 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 60 * MIB)


def run() -> list[str]:
    starts, idle = [], []
    for _ in range(STARTS):
        with product() as server:
            starts.append(server.ready_seconds)
            time.sleep(0.3)
            idle.append(server.rss_mb())
    return [
        f"start: command to ready {median(starts):.2f} s (goal < 1.5)",
        f"memory: idle {median(idle):.0f} MB (goal < 90)",
        *large_attachment(),
    ]


def large_attachment() -> list[str]:
    rows = []
    for slice_bytes in SLICES:
        with smtp_sink() as sink, product("--relay", f"smtp://127.0.0.1:{sink}") as server:
            client = Client(server)
            client.ask("GET", "/messages?$top=1")
            with Watch(server) as watch:
                content, seconds = upload_and_send(client, slice_bytes)
                sent = watch.peak
                wait_for_empty_queue(server)
                delivered = watch.peak
                check_read_back(client, content)
        rows.append(
            f"memory: {GOAL_MB} MB uploaded in slices of {slice_bytes:,} bytes ({seconds:.1f} s)"
            f" RSS +{sent - watch.start:.1f} MB, delivered +{delivered - watch.start:.1f} MB,"
            f" read back +{watch.peak - watch.start:.1f} MB (goal <= 48)"
        )
    return rows


class Watch:
    """The largest resident set seen while it watches."""

    def __init__(self, server: Product) -> None:
        self._server = server
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.start = server.rss_mb()
        self.peak = self.start

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ends.wait(0.02):
            self.peak = max(self.peak, self._server.rss_mb())


class Client:
    """The application, on one connection."""

    def __init__(self, server: Product) -> None:
        self._authorization = {"Authorization": f"Bearer {server.token()}"}
        self._box = f"/v1.0/users/{server.settings['MAILBOX']}"
        self._connection = http.client.HTTPConnection("localhost", server.port, timeout=120)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {**self._authorization, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body)
        answer = self._request(method, self._box + path, data, headers)
        text = answer.read()
        return json.loads(text) if text else None

    def put(self, url: str, start: int, data: bytes, total: int) -> None:
        parts = urlsplit(url)
        headers = {"Content-Range": f"bytes {start}-{start + len(data) - 1}/{total}"}
        self._request("PUT", f"{parts.path}?{parts.query}", data, headers).read()

    def digest(self, path: str) -> str:
        """The SHA-256 of an answer, read in pieces."""
        answer, digest = self._request("GET", self._box + path, None, self._authorization), sha256()
        while chunk := answer.read(MIB):
            digest.update(chunk)
        return digest.hexdigest()

    def _request(
        self, method: str, path: str, data: str | bytes | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        self._connection.request(method, path, data, headers)
        answer = self._connection.getresponse()
        if answer.status >= 300:
            raise RuntimeError(f"{answer.status}: {answer.read()!r}")
        return answer


def upload_and_send(client: Client, slice_bytes: int) -> tuple[str, float]:
    """The digest of what was attached, and how long the upload took."""
    total, block, digest = GOAL_MB * MIB, os.urandom(MIB), sha256()
    source = block * (slice_bytes // MIB + 2)
    recipients = [{"emailAddress": {"address": "b@example.org"}}]
    draft = client.ask("POST", "/messages", {"subject": "large", "toRecipients": recipients})["id"]
    item = {"attachmentType": "file", "name": "large.bin", "size": total}
    path = f"/messages/{draft}/attachments/createUploadSession"
    url = client.ask("POST", path, {"AttachmentItem": item})["uploadUrl"]
    started = time.perf_counter()
    for start in range(0, total, slice_bytes):
        data = source[start % MIB :][: min(slice_bytes, total - start)]
        digest.update(data)
        client.put(url, start, data, total)
    seconds = time.perf_counter() - started
    client.ask("POST", f"/messages/{draft}/send")
    return digest.hexdigest(), seconds


def check_read_back(client: Client, content: str) -> None:
    """Read the attachment and the whole message in pieces."""
    (message,) = client.ask("GET", "/mailFolders/sentitems/messages?$select=id&$top=1")["value"]
    path = f"/messages/{message['id']}"
    (attachment,) = client.ask("GET", f"{path}/attachments?$select=id")["value"]
    if client.digest(f"{path}/attachments/{attachment['id']}/$value") != content:
        raise RuntimeError("what is read back is not what was uploaded")
    client.digest(f"{path}/$value")
