"""The Courier seam: an envelope goes out, one Outcome per recipient comes back.

A remote reply is carried whole (code, enhanced status, text, host) from the wire to the bounce; nothing on the way
flattens it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

from graphpost.mail.dsn import Dsn


class Reply(Struct, frozen=True, array_like=True):
    """What the other side said: `code` 0 when it said nothing (no connection, timeout); `status` as RFC 3463.

    `host` is who said it ('' for ourselves), `text` its words in one line or what we saw instead.
    """

    code: int
    status: str
    text: str
    host: str = ""

    @property
    def words(self) -> str:
        """`550 5.1.1 no such user`; without a code when nobody said it."""
        return f"{self.code} {self.status} {self.text}" if self.code else f"{self.status} {self.text}"


class Delivered(Struct, frozen=True, tag="delivered"):
    """The other side took responsibility.  `speaks_dsn`: it will send the success report itself, if one was asked."""

    reply: Reply
    speaks_dsn: bool = False


class Deferred(Struct, frozen=True, tag="deferred"):
    """Not now.  `whole_destination`: the host, not this message, is the reason: hold back the others too.

    `lacks_tls`: it would not, or could not, start TLS as it has to be.
    """

    reply: Reply
    whole_destination: bool = False
    lacks_tls: bool = False


class Failed(Struct, frozen=True, tag="failed"):
    """Never."""

    reply: Reply


Outcome = Delivered | Deferred | Failed


def is_unsaid(outcome: Outcome) -> bool:
    """Whether the host said nothing about the recipient, so that another one may be asked."""
    return type(outcome) is Deferred and outcome.whole_destination


class Data(Protocol):
    """A message as it goes over the wire: CRLF line ends, no dot-stuffing yet; may be read more than once."""

    @property
    def size(self) -> int:
        """Octets, exactly."""
        ...

    @property
    def is_8bit(self) -> bool:
        """Whether any octet is above 127 (needs 8BITMIME)."""
        ...

    def __iter__(self) -> Iterator[bytes]:
        """The octets in chunks of any size; a small message is one chunk.

        A chunk that is Base64Lines (`mail.encoding`) leaves as it is.
        """
        ...


class Envelope(Struct, frozen=True):
    """RFC 5321 envelope and content.  `sender` '' is the null reverse-path."""

    sender: str
    recipients: tuple[str, ...]
    data: Data
    envelope_id: str = ""  # RFC 3461 ENVID, xtext is the courier's matter
    wants_success_report: bool = False
    needs_smtputf8: bool = False
    is_foreign: bool = False  # whoever wrote it is not known here: nothing of ours vouches for it
    dsn: Dsn | None = None  # what its sender asked for in the envelope, in place of `wants_success_report`

    @property
    def asks_for_reports(self) -> bool:
        """Whether it says of a recipient what is to be reported, and there is somebody to tell."""
        return bool(self.sender) and (self.wants_success_report or self.dsn is not None)


class Courier(Protocol):
    """Takes envelopes to one destination; many `deliver` calls may be under way at once."""

    async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
        """One outcome per recipient, in their order.  Never raises for what the network or the peer does."""
        ...

    async def close(self) -> None:
        """Let go of connections; deliveries under way are finished by their callers first."""
        ...
