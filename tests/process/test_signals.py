"""The end by a signal: what was begun is answered and kept, and the next start goes on with it."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.wire import Answer, Wire

from graphpost.testing.process import ServerProcess
from graphpost.testing.smtp_peer import Gate, Hold, SmtpPeer

pytestmark = pytest.mark.slow
TO = "somebody@else.test"


def message(subject: str) -> bytes:
    recipients = [{"emailAddress": {"address": TO}}]
    return json.dumps(
        {"message": {"subject": subject, "toRecipients": recipients, "body": {"content": "x" * 2000}}}
    ).encode()


class HalfSent:
    """A request whose body the server has begun to read."""

    def __init__(self, wire: Wire, token: str, body: bytes) -> None:
        self._wire = wire
        self._body = body
        head = (
            f"POST /v1.0/users/adele@example.test/sendMail HTTP/1.1\r\nHost: {wire.host}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        stream = wire.open()
        stream.sendall(head.encode())
        assert stream.recv(100).startswith(b"HTTP/1.1 100 ")
        stream.sendall(body[:1000])

    def finish(self) -> Answer:
        return self._wire.send(self._body[1000:])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_under_way_is_answered_and_its_message_delivered_once(
    serve: Any, graphpost: Any, relay: SmtpPeer, number: signal.Signals
) -> None:
    options = ("--relay", f"smtp://127.0.0.1:{relay.port}")
    server: ServerProcess = serve(*options)
    half = HalfSent(graphpost.wire(server), graphpost.token(), message("the last one"))
    port = int(server.url.rpartition(":")[2])
    server.signal(number)
    server.wait_for(f" stopping why={number.name}")
    while is_open(port):  # the port closes first
        pass
    answer = half.finish()
    assert (answer.status, answer.body) == (202, b"")
    assert server.wait() == 0
    assert server.output.rstrip().endswith("stopped")
    assert "Traceback" not in server.output
    again = serve(*options)
    (received,) = relay.wait_for_messages(1)
    assert received.recipients == (TO,)
    assert graphpost.messages(again, "sentitems") == ["the last one"]
    assert again.stop() == 0
    assert len(relay.messages) == 1


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except OSError:
        return False
    return True


def test_an_attempt_under_way_ends_before_the_server_does(
    serve: Any, graphpost: Any, relay: SmtpPeer
) -> None:
    gate = Gate()
    relay.rule("content", Hold(gate), times=1)
    server: ServerProcess = serve("--relay", f"smtp://127.0.0.1:{relay.port}")
    assert graphpost("send", "--to", TO, "--subject", "held", "--wait", "0", "text").status == 0
    assert gate.reached.wait(60)
    server.signal(signal.SIGTERM)
    server.wait_for(" stopping ")
    gate.open()
    assert server.wait() == 0
    server.wait_for(rf" delivered .*{TO}")
    assert [entry["state"] for entry in graphpost("queue", "list", "--json").json] == ["done"]


def test_a_restart_goes_on_with_the_queue(serve: Any, graphpost: Any, relay: SmtpPeer) -> None:
    relay.rule("RCPT", "451 4.3.0 later", times=1)
    options = ("--relay", f"smtp://127.0.0.1:{relay.port}")
    server: ServerProcess = serve(*options)
    done = graphpost("send", "--to", TO, "--subject", "later", "--wait", "0", "text")
    queue_id = done.out.split()[-1].rstrip(".")
    server.wait_for(r" deferred ")
    assert server.stop() == 0
    (entry,) = graphpost("queue", "list", "--json").json
    assert (entry["id"], entry["state"], entry["recipients"][0]["reply"]["code"]) == (queue_id, "queued", 451)
    assert graphpost("queue", "retry", queue_id).status == 0  # without a server
    again = serve(*options)
    (received,) = relay.wait_for_messages(1)
    assert b"Subject: later" in received.data
    again.wait_for(r" delivered ")
    assert graphpost("queue", "show", queue_id, "--json").json["state"] == "done"


def test_killed_in_an_attempt_the_message_is_tried_again(
    serve: Any, graphpost: Any, relay: SmtpPeer, data: Path
) -> None:
    gate = Gate()
    relay.rule("content", Hold(gate), times=1)
    options = ("--relay", f"smtp://127.0.0.1:{relay.port}")
    server: ServerProcess = serve(*options)
    graphpost("send", "--to", TO, "--subject", "again", "--wait", "0", "text")
    assert gate.reached.wait(60)
    server.signal(signal.SIGKILL)
    server.wait()
    gate.open()
    assert (data / "running.json").exists()  # of a process that is no more
    assert graphpost("queue", "list", "--json").json[0]["state"] == "queued"
    again = serve(*options)
    again.wait_for(r" delivered ")
    assert again.stop() == 0
