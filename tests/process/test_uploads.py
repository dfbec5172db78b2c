"""A large file from its upload to the relay, over a restart in the middle, in little memory."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from tests.conformance.drafting import Session, attachment_id_of
from tests.conformance.wire import Answer, Wire
from tests.process.conftest import Program

from graphpost.testing.process import ServerProcess
from graphpost.testing.smtp_peer import SmtpPeer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MIB = 1024 * 1024
BLOCK = random.Random(3).randbytes(MIB)
BOX = "/v1.0/users/adele@example.test"


def resident(process: ServerProcess) -> int:
    """Bytes of memory that the process has."""
    for line in Path(f"/proc/{process.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


class Client:
    """Asks a server that may be started anew in between."""

    def __init__(self, graphpost: Program) -> None:
        self.graphpost = graphpost
        self.wire: Wire

    def reach(self, server: ServerProcess) -> None:
        self.wire = self.graphpost.wire(server)

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        fields = {"Authorization": f"Bearer {self.graphpost.token()}", "Content-Type": "application/json"}
        return self.wire.request(method, BOX + path, fields, json.dumps(body).encode() if body else b"")


def test_a_large_file_is_uploaded_over_a_restart_and_delivered(
    serve: Callable[..., ServerProcess], graphpost: Program, relay: SmtpPeer
) -> None:
    data = BLOCK * 12
    server, client = serve("--relay", f"smtp://127.0.0.1:{relay.port}"), Client(graphpost)
    client.reach(server)
    recipients = [{"emailAddress": {"address": "zoe@remote.example"}}]
    draft = client.ask("POST", "/messages", {"subject": "Large", "toRecipients": recipients}).json["id"]
    item = {"AttachmentItem": {"attachmentType": "file", "name": "large.bin", "size": len(data)}}
    begun = client.ask("POST", f"/messages/{draft}/attachments/createUploadSession", item)
    session = Session(client.wire, begun.json["uploadUrl"], len(data))
    assert session.put(0, data[: 5 * MIB]).status == 200
    client.wire.close()
    assert server.stop() == 0
    server = serve("--relay", f"smtp://127.0.0.1:{relay.port}")
    client.reach(server)
    session.wire = client.wire
    assert session.expected() == [f"{5 * MIB}-{len(data) - 1}"]
    session.put(5 * MIB, data[5 * MIB : 10 * MIB])
    number = attachment_id_of(session.put(10 * MIB, data[10 * MIB :]))
    assert client.ask("GET", f"/messages/{draft}/attachments/{number}/$value").body == data
    assert client.ask("POST", f"/messages/{draft}/send").status == 202
    (letter,) = relay.wait_for_messages(1)
    parsed = message_from_bytes(letter.data, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    (file,) = parsed.iter_attachments()
    assert file.get_filename() == "large.bin"
    assert hashlib.sha256(file.get_content()).digest() == hashlib.sha256(data).digest()
    client.wire.close()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_an_upload_takes_no_memory_to_speak_of(
    serve: Callable[..., ServerProcess], graphpost: Program
) -> None:
    size, slice_ = 120 * MIB, 40 * MIB
    server, client = serve(), Client(graphpost)
    client.reach(server)
    draft = client.ask("POST", "/messages", {"subject": "Large"}).json["id"]
    item = {"AttachmentItem": {"attachmentType": "file", "name": "large.bin", "size": size}}
    begun = client.ask("POST", f"/messages/{draft}/attachments/createUploadSession", item)
    session = Session(client.wire, begun.json["uploadUrl"], size)
    before = resident(server)
    for start in range(0, size, slice_):
        answer = session.put(start, BLOCK * (slice_ // MIB))
        assert resident(server) - before < 24 * MIB
    number = attachment_id_of(answer)
    read = client.ask("GET", f"/messages/{draft}/attachments/{number}/$value").body
    assert hashlib.sha256(read).digest() == hashlib.sha256(BLOCK * (size // MIB)).digest()
    assert resident(server) - before < 24 * MIB
    client.wire.close()
