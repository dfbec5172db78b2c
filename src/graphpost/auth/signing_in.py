"""Signing in with a mailbox's password where there is no browser: SMTP AUTH.

Wrong ones are slowed down together with those at the issuer: so many for an account and from an address.  An unknown name takes as long as a
wrong password, and is told the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from graphpost.auth.guesses import Guesses
from graphpost.auth.throttle import account_of
from graphpost.auth.trail import Note, nobody
from graphpost.errors import GraphpostError
from graphpost.mail.mailbox import Directory, Mailbox
from graphpost.store.audit import SMTP_AUTH, Actor, Kind
from graphpost.store.directory import accounts
from graphpost.store.directory.passwords import is_password
from graphpost.store.store import Store


class Locked(GraphpostError):
    """There were too many wrong passwords."""


class SigningIn:
    """Compares passwords for one store, a few at a time: each takes 16 MB and a core."""

    def __init__(
        self, store: Store, guesses: Guesses, directory: Callable[[], Directory], note: Note = nobody
    ) -> None:
        """`guesses` are the issuer's too; `note` is told of every sign-in, in SMTP's codes."""
        self._store = store
        self._note = note
        self._directory = directory
        self._guesses = guesses
        self._hashing = asyncio.Semaphore(2)

    async def sign_in(self, username: str, password: str, remote: str) -> Mailbox | None:
        """Whose name and password these are; None when they are nobody's.  Raises Locked, StoreError."""
        user = self._directory().find_address(username.strip())
        mailbox_id = user.mailbox_id if user else 0
        kept = await self._store.read(lambda tx: accounts.password_of(tx, mailbox_id))
        account = account_of(user, username)
        async with self._hashing:
            if await self._guesses.is_blocked(account, remote):
                self._note(_actor("nobody", user, remote), 454, "4.7.0")
                raise Locked
            is_right = await asyncio.to_thread(is_password, password, kept)
            if not is_right or user is None:
                await self._guesses.failed(account, remote)
                self._note(_actor("nobody", user, remote), 535, "5.7.8")
                return None
            await self._guesses.succeeded(account, remote)
        if not user.can_sign_in:
            self._note(_actor("user", user, remote), 535, "5.7.8")
            return None
        self._note(_actor("user", user, remote), 235, "")
        return user

    def refused(self, user: Mailbox, remote: str, code: int, status: str) -> None:
        """Who signed in wanted what they have no right to: in somebody else's name."""
        self._note(_actor("user", user, remote), code, status)


def _actor(kind: Kind, user: Mailbox | None, remote: str) -> Actor:
    """A name that is nobody's is not said: it may be a password."""
    if user is None:
        return Actor(kind, remote=remote, action=SMTP_AUTH)
    return Actor(kind, object_id=user.object_id, person=user.address, remote=remote, action=SMTP_AUTH)
