"""What the server says, with enhanced status codes.

RFC 5321 §4.2, RFC 2034, RFC 3463.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

_LONGEST: Final = 480  # octets of text on a line: RFC 5321 §4.5.3.1.5 has 512 with all that is around it


class Reply(Struct, frozen=True):
    """`status` '' where no enhanced status belongs: the greeting, EHLO, intermediate replies."""

    code: int
    status: str
    text: str

    def to_bytes(self) -> bytes:
        """The reply's line; what a client said and is repeated there stays on one line, and in bounds."""
        status = f"{self.status} " if self.status else ""
        return f"{self.code} {status}{printable(self.text)}\r\n".encode("utf-8", "replace")


class Refusal(Exception):
    """Whatever is refused; the reply says why, `reason` is the word that counts it; `ends` the session."""

    def __init__(self, reply: Reply, reason: str, *, ends: bool = False) -> None:
        super().__init__(reply.text)
        self.reply = reply
        self.reason = reason
        self.ends = ends


def refusal(code: int, status: str, text: str, reason: str = "syntax", *, ends: bool = False) -> Refusal:
    return Refusal(Reply(code, status, text), reason, ends=ends)


def printable(text: str) -> str:
    """One line of bearable length, without controls."""
    clean = text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
    return clean if len(clean) <= _LONGEST else clean[:_LONGEST]


OK: Final = Reply(250, "2.0.0", "Ok")
SENDER_OK: Final = Reply(250, "2.1.0", "Ok")
RECIPIENT_OK: Final = Reply(250, "2.1.5", "Ok")
GO_AHEAD: Final = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
READY_FOR_TLS: Final = Reply(220, "2.0.0", "Ready to start TLS")
BYE: Final = Reply(221, "2.0.0", "Bye")
NOT_VERIFIED: Final = Reply(252, "2.1.5", "Cannot verify; send some mail and see")
SHUTTING_DOWN: Final = Reply(421, "4.3.2", "The server is shutting down; try again later")
TIMED_OUT: Final = Reply(421, "4.4.2", "Timeout exceeded")
TOO_MANY_ERRORS: Final = Reply(421, "4.7.0", "Too many errors")
