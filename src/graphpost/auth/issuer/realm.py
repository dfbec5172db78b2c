"""What all endpoints of the issuer work with, and signing in by password."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from graphpost.auth.authority import Authority
from graphpost.auth.guesses import Guesses
from graphpost.auth.issuer.minting import Mint
from graphpost.auth.keys import SigningKeys
from graphpost.auth.protocol import (
    LOCKED,
    LOGIN,
    PENDING,
    SLOW_DOWN,
    USER_DISABLED,
    WRONG_PASSWORD,
    IssuerRequest,
    OAuthError,
)
from graphpost.auth.throttle import Throttle, account_of
from graphpost.auth.trail import Note, nobody
from graphpost.clock import SECOND, Clock, Instant
from graphpost.config import IssuerSettings
from graphpost.mail.mailbox import Directory, Mailbox
from graphpost.store.directory import accounts, grants
from graphpost.store.directory.passwords import is_password
from graphpost.store.store import Store, Tx

_SWEEP = 600 * SECOND
_KEPT = 86_400 * SECOND  # expired grants stay a day, so that their holders are told "expired", not "unknown"
_KNOWN: Final = 1024
_WAITING: Final = (PENDING, SLOW_DOWN, LOGIN)


@dataclass(slots=True)
class Realm:
    """One tenant's issuer."""

    store: Store
    clock: Clock
    directory: Callable[[], Directory]
    settings: IssuerSettings
    authority: Authority
    keys: SigningKeys
    mint: Mint
    guesses: Guesses
    asking: Throttle  # for device codes, which strangers may ask for
    hashing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))  # 16 MB and a core each
    swept_at: Instant = 0
    known: dict[bytes, None] = field(default_factory=dict)  # keyed digests of client secrets that were right
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    note: Note = nobody

    def now(self) -> Instant:
        return self.clock.now()

    def after(self, seconds: int) -> Instant:
        """The instant that many seconds from now."""
        return self.clock.now() + seconds * SECOND

    def done(self, request: IssuerRequest, action: str) -> None:
        """The audit log is told that something was done."""
        request.trail.action = action
        self._tell(request, 200, "")

    def refused(self, request: IssuerRequest, error: OAuthError) -> None:
        """The audit log is told of a refusal, unless it is the answer to who only waits."""
        if request.trail.action and error.fault not in _WAITING:
            self._tell(request, error.fault.status, error.code)

    def _tell(self, request: IssuerRequest, status: int, code: str) -> None:
        actor = request.trail.actor(request.remote, request.request_id, request.correlation_id)
        self.note(actor, status, code)

    def find_user(self, object_id: str) -> Mailbox | None:
        """The user of that object id, unless nobody may sign in to that mailbox."""
        user = self.directory().find(object_id)
        return user if user and user.can_sign_in else None

    async def keep(self, new: grants.Grant, *, after: str = "") -> bool:
        """Keep a new grant; False when that which it comes `after` was revoked meanwhile.

        Now and then expired ones are swept out with it.
        """
        sweep = self.now() - self.swept_at > _SWEEP
        self.swept_at = self.now() if sweep else self.swept_at
        before = self.now() - _KEPT

        def write(tx: Tx) -> bool:
            if after and grants.is_revoked(tx, after):
                return False
            grants.add(tx, new)
            if sweep:
                grants.sweep(tx, before)
            return True

        return await self.store.write(write)

    async def find_client_secret(
        self, account: str, remote: str, secret: str, kept: Sequence[str]
    ) -> int | None:
        """As `find_right`; but a secret that was right before is known at once.

        So nobody can lock an application out by sending wrong secrets in its name from where it is, and an
        application that asks for many tokens does not cost a hash each time.  A kept hash that is gone is unknown.
        """
        digests = [self._digest(secret, value) for value in kept]
        for index, digest in enumerate(digests):
            if digest in self.known:
                return index
        index_or_none = await self.find_right(account, remote, secret, kept)
        if index_or_none is not None:
            while len(self.known) >= _KNOWN:
                del self.known[next(iter(self.known))]
            self.known[digests[index_or_none]] = None
        return index_or_none

    def _digest(self, secret: str, value: str) -> bytes:
        return hmac.digest(self.key, f"{value} {secret}".encode("utf-8", "surrogatepass"), "sha256")

    async def find_right(self, account: str, remote: str, secret: str, kept: Sequence[str]) -> int | None:
        """Which of the kept hashes a secret has; hashing is off the event loop, a few at a time.

        OAuthError (LOCKED) when too many were wrong; asked when it is this one's turn, so that a burst of guesses is
        not looked at all at once.
        """
        async with self.hashing:
            if await self.guesses.is_blocked(account, remote):
                raise OAuthError(LOCKED)
            for index, value in enumerate(kept):
                if await asyncio.to_thread(is_password, secret, value):
                    await self.guesses.succeeded(account, remote)
                    return index
            await self.guesses.failed(account, remote)
            return None

    async def sign_in(self, request: IssuerRequest, username: str, password: str) -> Mailbox:
        """The user of that name and password, which come with a request.

        OAuthError: the same, after the same time, for an unknown user and a wrong password.  Whether an account is
        disabled is told only to who knows its password.
        """
        trail, remote = request.trail, request.remote
        user = trail.user = self.directory().find_address(username.strip())
        mailbox_id = user.mailbox_id if user else 0
        kept = await self.store.read(lambda tx: accounts.password_of(tx, mailbox_id))
        account = account_of(user, username)
        if await self.find_right(account, remote, password, [kept]) is None or user is None:
            raise OAuthError(WRONG_PASSWORD)
        trail.has_user_proof = True
        if not user.can_sign_in:
            raise OAuthError(USER_DISABLED)
        return user
