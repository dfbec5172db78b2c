"""The hashes of declared passwords and secrets, made before their transaction.

Hashing takes long on purpose, and a transaction keeps others waiting.  So what is kept is read first and compared in
threads, as many as there are cores; then the transaction asks for what was found out, and is told when what is kept has
changed since (`Outdated`): then it is all done again, but for what is known by now.

Who declares hundreds waits for them once: all of them together, with what is kept of them, are one more secret, whose
hash (the seal) tells the next start that nothing changed.  To guess one by it takes the same time, and all the others.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from graphpost.store.directory.passwords import hash_password, is_password
from graphpost.store.store import Tx

_AT_ONCE: Final = min(os.cpu_count() or 1, 4)  # each takes 16 MB


class Outdated(Exception):
    """What is kept is not what was compared."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What somebody's secrets are to be, and the hashes that are kept."""

    owner: str
    secrets: tuple[str, ...]
    kept: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Found:
    """The hash of a secret among those that were `compared`, or a new one."""

    compared: frozenset[str]
    same: str
    new: str


class Hashes:
    """What was found out about declared secrets."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], _Found] = {}
        self._sealed: dict[str, frozenset[str]] = {}

    async def find_out(self, declared: Sequence[Declared], seal: str) -> None:
        """Compare or hash what is not known yet."""
        self._sealed = {}
        if await _is_seal(seal, declared):
            self._sealed = {each.owner: each.kept for each in declared}
            return
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(each: Declared, secret: str) -> None:
            async with limit:
                self._found[each.owner, secret] = await asyncio.to_thread(_look, secret, each.kept)

        unknown = [(d, s) for d in declared for s in d.secrets if self._answer(d.owner, s, d.kept) is None]
        await asyncio.gather(*(one(*each) for each in unknown))

    def are_as_sealed(self, owner: str, kept: Collection[str]) -> bool:
        """Whether what is kept is what the last start left, and that is what is declared."""
        return self._sealed.get(owner) == frozenset(kept)

    def same(self, owner: str, secret: str, kept: Collection[str]) -> str:
        """Which of the hashes that are kept is that of the secret; '' for none.  Raises Outdated."""
        return self._get(owner, secret, kept)[0]

    def new(self, owner: str, secret: str, kept: Collection[str]) -> str:
        """A hash of a secret that none of them is of.  Raises Outdated."""
        return self._get(owner, secret, kept)[1]

    async def seal(self, declared: Sequence[Declared]) -> str:
        """A seal of what is declared and kept; '' when the one that is there is right."""
        if not declared or self._sealed:
            return ""
        return await asyncio.to_thread(hash_password, _together(declared))

    def _get(self, owner: str, secret: str, kept: Collection[str]) -> tuple[str, str]:
        answer = self._answer(owner, secret, frozenset(kept))
        if answer is None:
            raise Outdated
        return answer

    def _answer(self, owner: str, secret: str, kept: frozenset[str]) -> tuple[str, str] | None:
        found = self._found.get((owner, secret))
        if found is None:
            return None
        if found.same in kept:
            return found.same, ""
        return ("", found.new) if found.new and kept <= found.compared else None


def seal_of(tx: Tx) -> str:
    """The present seal; '' for none."""
    row = tx.one("SELECT hash FROM seal WHERE one = 1")
    return str(row[0]) if row else ""


def put_seal(tx: Tx, seal: str) -> None:
    """Keep a new seal."""
    tx.execute("UPDATE seal SET hash = ? WHERE one = 1", (seal,))


def _together(declared: Sequence[Declared]) -> str:
    """All of them as one secret, short enough for a password."""
    text = json.dumps([(each.owner, each.secrets, sorted(each.kept)) for each in declared])
    return sha256(text.encode()).hexdigest()


async def _is_seal(seal: str, declared: Sequence[Declared]) -> bool:
    return bool(seal) and await asyncio.to_thread(is_password, _together(declared), seal)


def _look(secret: str, kept: frozenset[str]) -> _Found:
    for each in kept:
        if is_password(secret, each):
            return _Found(kept, each, "")
    return _Found(kept, "", hash_password(secret))
