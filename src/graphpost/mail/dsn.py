"""What an envelope asks to be told of its message: RET, ENVID, NOTIFY, ORCPT.

RFC 3461 §4.  Values are as they were given, in xtext or RFC 6533's utf-8 form; '' and () were not said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

Event = Literal["SUCCESS", "FAILURE", "DELAY"]

_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")


class Wanted(Struct, frozen=True, array_like=True):
    """Of one recipient: `notify` is NEVER or some of the events, `original` is ORCPT."""

    notify: tuple[str, ...] = ()
    original: str = ""


class Dsn(Struct, frozen=True, array_like=True):
    """`recipients` by address in lower case; of who is not among them nothing was said."""

    ret: str = ""  # FULL or HDRS
    envelope_id: str = ""
    recipients: Mapping[str, Wanted] = {}

    def of(self, address: str) -> Wanted:
        """What was said of a recipient."""
        return self.recipients.get(address.lower(), _NOTHING)

    def only(self, addresses: Iterable[str]) -> Dsn:
        """The same, of these recipients."""
        keys = [address.lower() for address in addresses]
        return replace(self, recipients={key: self.recipients[key] for key in keys if key in self.recipients})

    def wants(self, address: str, event: Event) -> bool:
        """Whether the sender is to be told: without NOTIFY of what failed or is late (§4.1)."""
        notify = self.of(address).notify
        return event in notify if notify else event != "SUCCESS"


_NOTHING: Final = Wanted()


def in_ascii(original: str) -> str:
    """ORCPT for hosts that don't speak SMTPUTF8 too (RFC 6533 §3, utf-8-addr-xtext)."""
    return _NOT_ASCII.sub(lambda found: f"\\x{{{ord(found[0]):X}}}", original)
