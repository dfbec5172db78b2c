"""Provisioning: who shows a right token for the first time gets a mailbox.

Only where the settings of the issuer say so, and for addresses in the domains they name.  The mailbox of an address is
made once, however many ask at once, in however many processes.  A mailbox that was deleted is not made again, nor
restored, while it can be restored: an administrator did that.  So many mailboxes a minute are made, not more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from graphpost.clock import SECOND, Clock, Instant
from graphpost.errors import ConfigurationError, Unavailable
from graphpost.ids import Numbers, new_guid
from graphpost.mail.mailbox import Mailbox
from graphpost.maillog import MailLog
from graphpost.store.directory import accounts, deleted
from graphpost.store.directory.people import Accounts
from graphpost.store.store import Tx

A_MINUTE: Final = 120  # mailboxes that one process makes
_MINUTE: Final = 60 * SECOND
_BUSY: Final = "Too many mailboxes are being made at the moment. Please try again later."


class Newcomer(Struct, frozen=True, kw_only=True):
    """Somebody who has no mailbox and may have one.  `object_id` '' is to be made up."""

    address: str
    name: str
    issuer: str
    client_id: str
    object_id: str = ""
    token_id: str = ""


class Provisioner:
    """Of one process; `note` is told of each mailbox that was made."""

    def __init__(
        self,
        people: Accounts,
        numbers: Numbers,
        clock: Clock,
        log: MailLog,
        note: Callable[[Newcomer, Mailbox], object],
    ) -> None:
        self._people = people
        self._numbers = numbers
        self._clock = clock
        self._log = log
        self._note = note
        self._one_by_one = asyncio.Lock()
        self._minute: Instant = 0
        self._made = 0

    async def provide(self, newcomer: Newcomer) -> bool:
        """See to it that there is a mailbox of that address; False when there must not be one.

        Raises Unavailable when too many were made just now, and StoreError.
        """
        async with self._one_by_one:
            if self._people.directory().find_address(newcomer.address) is not None:
                return True
            if self._is_busy():
                raise Unavailable(_BUSY, headers={"Retry-After": "60"})
            mailbox = Mailbox(
                mailbox_id=self._numbers.next(),
                object_id=newcomer.object_id or new_guid(),
                address=newcomer.address,
                name=newcomer.name or newcomer.address.partition("@")[0],
                created_at=self._clock.now(),
            )
            try:
                is_made = await self._people.store.write(lambda tx: _add(tx, mailbox))
            except ConfigurationError:  # a group has the address
                return False
            if is_made:
                self._made += 1
                self._log.provisioned(mailbox.address, newcomer.issuer)
                self._note(newcomer, mailbox)
            await self._people.refresh()
            return self._people.directory().find_address(newcomer.address) is not None

    def _is_busy(self) -> bool:
        minute = self._clock.now() // _MINUTE
        if minute != self._minute:
            self._minute, self._made = minute, 0
        return self._made >= A_MINUTE


def _add(tx: Tx, mailbox: Mailbox) -> bool:
    """Add it, unless it is there, or was and is deleted."""
    accounts.hold_directory(tx)
    if accounts.is_known(tx, mailbox.address, mailbox.object_id):
        return False
    if deleted.find_all(tx, mailbox.address):
        return False
    accounts.add_mailbox(tx, mailbox)
    return True
