"""Tokens from a command of the operator's.

It is run without a shell, for a limited time, and of its output no more is read than a token needs.  It prints a token, or the JSON answer of a token endpoint (RFC 6749, 5.1).  It has our environment and our standard
error output; what it prints goes nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence

from graphpost.transport.tokens import OUTPUT_LIMIT, SECONDS, Granted, TokenError, parse_grant


class TokenCommand:
    """Call it for a token; raises TokenError."""

    def __init__(self, command: Sequence[str], seconds: float = SECONDS) -> None:
        self._command = command
        self._seconds = seconds

    async def __call__(self) -> Granted:
        try:
            process = await _start(self._command)
        except OSError as error:
            raise TokenError(f"the token command cannot be run: {error.strerror}") from error
        try:
            async with asyncio.timeout(self._seconds):
                output = await _read(process)
                status = await process.wait()
        except TimeoutError as error:
            raise TokenError("the token command took too long") from error
        finally:
            await _end(process)
        if status:
            raise TokenError(f"the token command ended with status {status}")
        return parse_output(output)


def parse_output(output: bytes) -> Granted:
    """What a command printed: a token alone, or JSON."""
    text = output.strip()
    return parse_grant(text) if text.startswith(b"{") else Granted(text.decode("ascii", "replace"))


async def _start(command: Sequence[str]) -> Process:
    """The process; who is cancelled while it begins leaves none behind."""
    beginning = asyncio.ensure_future(
        asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, start_new_session=True)
    )
    try:
        return await asyncio.shield(beginning)
    except asyncio.CancelledError:
        await _end(await beginning)
        raise


async def _read(process: Process) -> bytes:
    assert process.stdout is not None
    output = bytearray()
    while block := await process.stdout.read(OUTPUT_LIMIT):
        output += block
        if len(output) > OUTPUT_LIMIT:
            raise TokenError("the token command prints too much")
    return bytes(output)


async def _end(process: Process) -> None:
    """Leave nothing of it: neither the command nor what it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
