"""The courier that speaks SMTP to one host, through a pool of connections.

How many deliveries run at once is the caller's matter; there are as many connections as that, reused newest first,
closed after `messages_per_connection` messages or `idle_seconds` without one.  A connection that turns out to be
dead before the peer said anything about an envelope is replaced once, without the caller noticing.

SMTPUTF8, DSN, SIZE, 8BITMIME, PIPELINING and STARTTLS are used as the peer offers them.
"""

from __future__ import annotations

import asyncio

from graphpost.transport.connection import Connection
from graphpost.transport.courier import Envelope, Outcome
from graphpost.transport.session import SessionError, SmtpTarget, open_session, tls_context
from graphpost.transport.transaction import StaleError, Transaction, find_obstacle

__all__ = ["SmtpCourier", "SmtpTarget"]

_QUIT_SECONDS = 2.0


class SmtpCourier:
    """Delivers to `target`; one event loop.  ConfigurationError when the target's ca_file cannot be read."""

    def __init__(self, target: SmtpTarget) -> None:
        self._target = target
        self._context = tls_context(target)
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()

    async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
        """One outcome per recipient, in their order; raises only what reading the content raises."""
        connection = self._find_idle()
        try:
            if connection is not None:
                return await self._send(connection, envelope)
        except StaleError:
            pass
        try:
            connection = await open_session(self._target, self._context, self._forget)
        except SessionError as refusal:
            return (refusal.outcome,) * len(envelope.recipients)
        self._connections.add(connection)
        return await self._send(connection, envelope)

    async def close(self) -> None:
        """Say QUIT on every idle connection; returns when all are closed, in a few seconds at most."""
        idle, self._idle = self._idle, []
        connections = list(self._connections)
        for connection in connections:
            if connection in idle:
                connection.quit(_QUIT_SECONDS)
            else:
                connection.fail(ConnectionAbortedError("we are closing"))
        if connections:
            await asyncio.wait([connection.lost for connection in connections], timeout=2 * _QUIT_SECONDS)

    async def _send(self, connection: Connection, envelope: Envelope) -> tuple[Outcome, ...]:
        target = self._target
        obstacle = find_obstacle(envelope, connection.extensions, target.host)
        if obstacle is not None:
            self._keep(connection)
            return (obstacle,) * len(envelope.recipients)
        transaction = Transaction(connection, envelope, target.host, target.reply_seconds)
        try:
            transaction.start()
            outcomes = await transaction.result
        except BaseException:
            connection.abort()
            raise
        self._keep(connection)
        return outcomes

    def _find_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    def _keep(self, connection: Connection) -> None:
        if not connection.is_open:
            return
        if connection.messages >= self._target.messages_per_connection:
            connection.quit(_QUIT_SECONDS)
        else:
            connection.expect(self._target.idle_seconds)
            self._idle.append(connection)

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
