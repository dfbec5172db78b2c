"""What sessions have in common, and what one of them knows so far."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from graphpost.auth.signing_in import SigningIn
from graphpost.config import InboundSettings
from graphpost.delivery.quotas import Quotas
from graphpost.inbound.commands import Mail
from graphpost.inbound.connection import Connection
from graphpost.inbound.gate import Gate
from graphpost.inbound.reception import Reception, Taker
from graphpost.inbound.replies import Reply, refusal
from graphpost.inbound.submission import Desk
from graphpost.inbound.trace import Peer
from graphpost.inbound.transfer import Transfer
from graphpost.mail.mailbox import Directory, Mailbox
from graphpost.maillog import MailLog

CROWDED_SECONDS: Final = 10.0
Kind = Literal["smtp", "lmtp", "submission"]


@dataclass(slots=True)
class House:
    """The server."""

    settings: InboundSettings
    hostname: str
    directory: Callable[[], Directory]
    destination_of: Callable[[str], str]
    reception: Reception
    gate: Gate
    spool: Path
    log: MailLog
    quotas: Quotas
    signing_in: SigningIn | None = None
    desk: Desk | None = None  # for submissions
    tls: ssl.SSLContext | None = None
    is_stopping: bool = False

    def has_room(self, size: int) -> bool:
        """Whether the disk has room for a message of that size, which is written twice, and for all else."""
        try:
            disk = os.statvfs(self.spool)
        except OSError:
            return False
        return disk.f_bavail * disk.f_frsize >= self.settings.free_bytes + 2 * size


@dataclass(slots=True)
class Transaction:
    """A message under way: its envelope, and what of it has come."""

    mail: Mail
    takers: list[Taker] = field(default_factory=list)
    refused: int = 0  # recipients that were too many
    transfer: Transfer | None = None

    def close(self) -> None:
        if self.transfer is not None:
            self.transfer.close()


@dataclass(slots=True)
class Talk:
    """One client: who it is, what it has said.  `key` is what its address is counted as."""

    house: House
    connection: Connection
    address: str
    kind: Kind
    key: str
    helo: str = ""
    is_extended: bool = False  # it said EHLO or LHLO
    user: Mailbox | None = None  # who signed in
    transaction: Transaction | None = None
    messages: int = 0
    commands: int = 0  # since the last message
    is_over: bool = False

    @property
    def is_lmtp(self) -> bool:
        return self.kind == "lmtp"

    @property
    def most(self) -> int:
        """How many octets a message may have."""
        settings = self.house.settings
        return settings.submission_bytes if self.kind == "submission" else settings.message_bytes

    def check_user(self) -> Mailbox:
        """Who signed in, as they are now: things change while somebody is connected.  Raises Refusal when nobody is."""
        if self.user is not None:
            found = self.house.directory().by_id.get(self.user.mailbox_id)
            self.user = found if found is not None and found.can_sign_in else None
        if self.user is None:
            raise refusal(530, "5.7.0", "Authentication required", "authentication")
        return self.user

    def say(self, reply: Reply) -> None:
        self.connection.say(reply)

    def end(self, reply: Reply) -> None:
        """Say it, and nothing more."""
        self.connection.say(reply)
        self.is_over = True

    def forget(self) -> None:
        """Throw away the message under way."""
        if self.transaction is not None:
            self.transaction.close()
            self.transaction = None

    def seconds(self) -> float:
        """How long to wait for the client."""
        seconds = self.house.settings.command_seconds
        return min(seconds, CROWDED_SECONDS) if self.house.gate.is_crowded(self.kind) else seconds

    def transfer(self) -> Transfer:
        """For a message that begins to come."""
        house = self.house
        return Transfer(house.settings, self.most, house.spool, house.reception.in_memory, self.seconds)

    def peer(self, mail: Mail) -> Peer:
        """Who brings a message, for its Received field (RFC 3848, RFC 6531 §3.7.3)."""
        base = "LMTP" if self.is_lmtp else "ESMTP" if self.is_extended else "SMTP"
        if mail.is_utf8:
            base = "UTF8LMTP" if self.is_lmtp else "UTF8SMTP"
        secure = ("S" if self.connection.is_secure else "") + ("A" if self.user is not None else "")
        return Peer(self.address, self.helo, base + secure, self.connection.tls)
