"""The signing keys of a running server, which follow their files.

They are read again every `READ_SECONDS`, and when a token names a key that is not among them, at most once in
`BETWEEN_SECONDS`: another server with the same files may have it already.  What cannot be read changes nothing, and is
said once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from joserfc.jwk import RSAKey

from graphpost.auth.key_files import READ_SECONDS
from graphpost.auth.keys import SigningKeys, read_keys
from graphpost.clock import SECOND, Clock, Instant
from graphpost.errors import ConfigurationError
from graphpost.maillog import MailLog

BETWEEN_SECONDS: Final = 5.0


class WatchedKeys:
    """What a verifier asks for our own keys.  `lost` is told when one verifies no more."""

    is_stale: Final = False

    def __init__(self, keys: SigningKeys, clock: Clock, log: MailLog) -> None:
        self.lost: Callable[[], object] = lambda: None
        self._keys = keys
        self._clock = clock
        self._log = log
        self._read_at: Instant = 0
        self._fault = ""
        self._turn = asyncio.Lock()

    def find_key(self, kid: str) -> RSAKey | None:
        return self._keys.find_key(kid)

    async def refresh(self) -> None:
        """Read them now, unless that was just done; nothing is raised."""
        async with self._turn:
            now = self._clock.now()
            if 0 <= now - self._read_at < BETWEEN_SECONDS * SECOND:  # a clock that was set back is no reason
                return
            self._read_at = now
            try:
                read = await asyncio.to_thread(read_keys, self._keys.directory, self._keys.read)
            except ConfigurationError as error:
                if str(error) != self._fault:
                    self._log.problem("issuer", error)
                self._fault = str(error)
                return
            self._fault = ""
            if self._keys.take(read, now):
                self.lost()

    async def watch(self) -> None:
        """Follow the files for ever."""
        while True:
            await self._clock.sleep(READ_SECONDS)
            await self.refresh()
