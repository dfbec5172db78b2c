"""What Postfix asks whether a client is who it says: Dovecot's authentication protocol, version 1.1.

Postfix negotiates SASL with clients itself and hands what they say to this server, as to Dovecot's.
"""

from __future__ import annotations

import base64
import socketserver
import threading
from types import TracebackType
from typing import Self

MECHANISMS = ("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER")


class SaslServer:
    """A context manager.  `users`: password or token by name."""

    def __init__(self, users: dict[str, str]) -> None:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                lines = ["VERSION\t1\t1", *(f"MECH\t{each}" for each in MECHANISMS), "SPID\t1", "CUID\t1"]
                self.say(*lines, "COOKIE\t" + "0" * 32, "DONE")
                said: dict[str, list[str]] = {}  # by number: mechanism, and what the client said
                for line in self.rfile:
                    kind, *fields = line.decode().rstrip("\n").split("\t")
                    if kind == "AUTH":
                        number, mechanism, *options = fields
                        said[number] = [mechanism]
                        given = [each.removeprefix("resp=") for each in options if each.startswith("resp=")]
                        self.go_on(number, said[number], given)
                    elif kind == "CONT":
                        self.go_on(fields[0], said[fields[0]], fields[1:])

            def go_on(self, number: str, so_far: list[str], given: list[str]) -> None:
                so_far += [base64.b64decode(each).decode() for each in given]
                mechanism, *texts = so_far
                if not texts and mechanism != "LOGIN":
                    self.say(f"CONT\t{number}\t")
                elif mechanism == "LOGIN" and len(texts) < 2:
                    prompt = ("Username:", "Password:")[len(texts)]
                    self.say(f"CONT\t{number}\t{base64.b64encode(prompt.encode()).decode()}")
                elif (user := accepted(mechanism, texts)) is not None:
                    self.say(f"OK\t{number}\tuser={user}")
                elif mechanism in ("XOAUTH2", "OAUTHBEARER") and len(texts) == 1:
                    self.say(f"CONT\t{number}\t{base64.b64encode(b'{}').decode()}")
                else:
                    self.say(f"FAIL\t{number}")

            def say(self, *lines: str) -> None:
                self.wfile.write("".join(f"{line}\n" for line in lines).encode())

        def accepted(mechanism: str, texts: list[str]) -> str | None:
            user, secret = credentials(mechanism, texts)
            return user if users.get(user) == secret else None

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def credentials(mechanism: str, texts: list[str]) -> tuple[str, str]:
    """(user, secret) in what a client said."""
    if mechanism == "LOGIN":
        return texts[0], texts[1]
    if mechanism == "PLAIN":
        _, user, secret = texts[0].split("\0")
        return user, secret
    first, *fields = texts[0].split("\x01")
    (bearer,) = [each.removeprefix("auth=Bearer ") for each in fields if each.startswith("auth=")]
    return first.removeprefix("user=") if mechanism == "XOAUTH2" else first.split(",")[1].removeprefix(
        "a="
    ), bearer
