"""The present directory, swapped for a new one when an account has changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from graphpost.clock import Clock
from graphpost.config import TenantSettings
from graphpost.mail.address import domain_of
from graphpost.mail.mailbox import Directory, Reception
from graphpost.maillog import MailLog
from graphpost.store.directory import accounts
from graphpost.store.store import Store

REFRESH_SECONDS: Final = 2.0


class Accounts:
    """Who there is, for one process; never waits."""

    def __init__(
        self, store: Store, clock: Clock, log: MailLog, tenant: TenantSettings, hosts: Iterable[str] = ()
    ) -> None:
        """`hosts` are names of this server, which have a postmaster as the tenant's domains have (RFC 5321, 4.5.1)."""
        self.store = store
        self._clock = clock
        self._log = log
        self._reception = Reception(
            tenant.recipient_delimiter,
            tenant.postmaster,
            frozenset(domain_of(f"@{name}") for name in (*tenant.domains, *hosts) if name),
        )
        self._directory = Directory.of(())
        self._revision = -1
        self._is_postmaster_missing = False

    def directory(self) -> Directory:
        return self._directory

    async def refresh(self) -> None:
        """Read the directory again if it is another than ours."""
        revision = await self.store.read(accounts.revision)
        if revision != self._revision:
            directory = await self.store.read(accounts.load_directory)
            self._directory = directory.receiving(self._reception)
            self._revision = revision
            self._tell_of_postmaster()

    def _tell_of_postmaster(self) -> None:
        """Once, until there is one: somebody else gets his mail."""
        named, directory = self._reception.postmaster, self._directory
        is_missing = bool(named) and directory.named_postmaster is None
        if is_missing and not self._is_postmaster_missing:
            instead = directory.postmaster
            self._log.no_postmaster(named, instead.address if instead else "")
        self._is_postmaster_missing = is_missing

    async def watch(self) -> None:
        """Refresh for ever."""
        while True:
            await self._clock.sleep(REFRESH_SECONDS)
            try:
                await self.refresh()
            except Exception as error:  # the next round may succeed; the old directory serves meanwhile
                self._log.problem("directory", error)
