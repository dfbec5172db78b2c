"""The courier that speaks SMTP to one host.

Every envelope is a transaction.  There are at most `connections` connections, reused newest first, closed after
`messages_per_connection` messages or `idle_seconds` without one, or sooner when too many are idle everywhere.  Envelopes beyond that wait here in their order.  A
peer with PIPELINING gets the commands of the next one that waits together with the content before it, which is what
makes twice as many deliveries under way as connections the best use of them.  So envelopes wait for as long as
`patience_seconds`, two for each connection under way, before they get a connection of their own.

A connection that turns out to be dead before the peer said anything about an envelope is replaced once, without the
caller noticing.  An envelope whose content was sent and not answered is never sent again here.

SMTPUTF8, DSN, SIZE, 8BITMIME, PIPELINING and STARTTLS are used as the peer offers them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from graphpost.transport.connection import Connection
from graphpost.transport.courier import Deferred, Envelope, Outcome, Reply
from graphpost.transport.idling import QUIT_SECONDS, IdleConnections
from graphpost.transport.security import IN_CLEAR, Security, TlsLevel
from graphpost.transport.session import Contexts, SessionError, SmtpTarget, open_session, tls_contexts
from graphpost.transport.transaction import Transaction

__all__ = ["SmtpCourier", "SmtpTarget"]

_LENIENT_SECONDS = 3600.0
_COMPANY = 2  # envelopes that may wait for one connection
_CLOSING = Deferred(Reply(0, "4.3.2", "we are closing"))


class SmtpCourier:
    """Delivers to `target`; one event loop.  ConfigurationError when one of the target's files cannot be used.

    `security` is that of the connection opened last.  `when_secured` is told of each connection under TLS.

    Places for connections: a delivery takes one (`_opening`) before it opens a connection, and the connection has it
    (`_connections`) until it is lost.
    """

    def __init__(
        self,
        target: SmtpTarget,
        when_secured: Callable[[SmtpTarget, Security], None] = lambda *_: None,
        idling: IdleConnections | None = None,
    ) -> None:
        self._target = target
        self._idling = IdleConnections(target.connections) if idling is None else idling
        self._contexts = tls_contexts(target)
        self._when_secured = when_secured
        self._lenient_until = 0.0
        self.security = IN_CLEAR
        self._waiting: deque[Transaction] = deque()
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        self._opening = 0
        self._is_closed = False
        self._follows = False  # whether the peer takes commands behind a content
        self._alarm: asyncio.TimerHandle | None = None
        self._seen: Transaction | None = None  # who was the first to wait when the alarm was set
        self._late: Transaction | None = None  # who was so, and the alarm rang

    async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
        """One outcome per recipient, in their order; raises only what reading the content raises."""
        transaction = self._transaction(envelope)
        self._waiting.append(transaction)
        self._serve()
        try:
            outcomes = await transaction.result
        except asyncio.CancelledError:
            self._cancel(transaction)
            raise
        if outcomes is not None:
            return outcomes
        return await self._deliver_freshly(envelope)

    async def close(self) -> None:
        """Say QUIT on every idle connection; returns when all are closed, in a few seconds at most.

        Deliveries that are not finished are deferred, and so are those that come later.
        """
        self._is_closed = True
        self._settle_waiting(_CLOSING)
        if self._alarm is not None:
            self._alarm.cancel()
        idle, self._idle = self._idle, []
        connections = list(self._connections)
        for connection in connections:
            if connection in idle:
                connection.quit(QUIT_SECONDS)
            else:
                connection.fail(ConnectionAbortedError("we are closing"))
        if connections:
            await asyncio.wait([connection.lost for connection in connections], timeout=2 * QUIT_SECONDS)

    @property
    def is_idle(self) -> bool:
        """Whether nobody would miss it: no delivery, and no connection."""
        return not (self._waiting or self._connections or self._opening)

    # What transactions ask for

    @property
    def has_waiting(self) -> bool:
        """Whether anybody waits for a connection."""
        return bool(self._waiting)

    def next_for(self, connection: Connection) -> Transaction | None:
        """The first that waits and has something to say to this peer; None when the connection had its share."""
        if connection.messages >= self._target.messages_per_connection:
            return None
        while self._waiting:
            transaction = self._waiting.popleft()
            if not transaction.result.done() and transaction.suits(connection):
                return transaction
        return None

    def release(self, connection: Connection) -> None:
        """Keep it for another message, or let it go."""
        if not connection.is_open:
            return
        if connection.messages >= self._target.messages_per_connection:
            connection.quit(QUIT_SECONDS)
            return
        connection.expect(self._target.idle_seconds)
        self._keep(connection)
        if self._waiting:
            # Not now: were there another reply in this segment, it would pass for one to the next message.
            connection.loop.call_soon(self._serve)

    def retry(self, transaction: Transaction) -> None:
        """Let its delivery open a connection of its own, whose place is taken from now."""
        if self._is_closed:
            transaction.settle(_CLOSING)
        elif not transaction.result.done():
            self._opening += 1
            transaction.result.set_result(None)

    # Connections

    def _serve(self) -> None:
        """Give those who wait the idle connections, and then the places for new ones."""
        while self._waiting:
            if self._is_closed:
                self._settle_waiting(_CLOSING)
            elif self._is_worth_waiting():
                self._set_alarm()
                return
            elif (connection := self._find_idle()) is not None:
                transaction = self.next_for(connection)
                if transaction is None:
                    self._keep(connection)
                else:
                    transaction.start()
            elif self._opening + len(self._connections) < self._target.connections:
                self.retry(self._waiting.popleft())
            else:
                return

    def _is_worth_waiting(self) -> bool:
        """Whether all who wait may soon follow another one, and the first of them has not waited long."""
        under_way = len(self._connections) - len(self._idle)
        return (
            self._follows
            and len(self._waiting) <= _COMPANY * under_way
            and self._waiting[0] is not self._late
        )

    def _set_alarm(self) -> None:
        if self._alarm is None:
            self._seen = self._waiting[0]
            self._alarm = asyncio.get_running_loop().call_later(self._target.patience_seconds, self._on_alarm)

    def _on_alarm(self) -> None:
        self._alarm = None
        self._late = self._seen
        self._serve()

    async def _deliver_freshly(self, envelope: Envelope) -> tuple[Outcome, ...]:
        """On a new connection, whose place is taken."""
        try:
            connection = await open_session(self._target, self._usual_contexts(), self._forget)
        except SessionError as refusal:
            self._opening -= 1
            self._on_refusal(refusal.outcome)
            return (refusal.outcome,) * len(envelope.recipients)
        except BaseException:
            self._give_place()
            raise
        self._opening -= 1
        self._connections.add(connection)
        self._note(connection.security)
        self._follows = connection.extensions.pipelining
        if self._is_closed:
            connection.quit(QUIT_SECONDS)
            return (_CLOSING,) * len(envelope.recipients)
        transaction = self._transaction(envelope)
        if transaction.suits(connection):
            transaction.start()
        else:
            self.release(connection)
        try:
            outcomes = await transaction.result
        except asyncio.CancelledError:
            self._cancel(transaction)
            raise
        assert outcomes is not None, "a first transaction is not stale"
        return outcomes

    def _usual_contexts(self) -> Contexts:
        """Whether the host's certificate has become valid is not tried with every connection."""
        if self._is_lenient():
            return self._contexts.lenient(self.security.flaw)
        return self._contexts

    def _is_lenient(self) -> bool:
        return asyncio.get_running_loop().time() < self._lenient_until

    def _note(self, security: Security) -> None:
        if security.level is TlsLevel.ENCRYPTED and security.flaw and not self._is_lenient():
            self._lenient_until = asyncio.get_running_loop().time() + _LENIENT_SECONDS
        self.security = security
        if security.level is not TlsLevel.PLAIN:
            self._when_secured(self._target, security)

    def _on_refusal(self, outcome: Outcome) -> None:
        """No connection was to be had.  Those who wait may get one that there is; otherwise they need not try."""
        if not self._connections and not self._opening:
            self._settle_waiting(outcome)

    def _settle_waiting(self, outcome: Outcome) -> None:
        while self._waiting:
            self._waiting.popleft().settle(outcome)

    def _cancel(self, transaction: Transaction) -> None:
        """The delivery was cancelled: waiting, under way, or with a place for a connection in its hand."""
        if transaction.result.cancelled():
            transaction.cancel()
        elif transaction.result.exception() is None and transaction.result.result() is None:
            self._give_place()

    def _give_place(self) -> None:
        self._opening -= 1
        self._serve()

    def _keep(self, connection: Connection) -> None:
        self._idle.append(connection)
        self._idling.add(connection)

    def _find_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            self._idling.discard(connection)
            if connection.is_open:
                return connection
        return None

    def _forget(self, connection: Connection) -> None:
        if connection not in self._connections:
            return  # it never got as far as to be of use
        self._connections.remove(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._idling.discard(connection)
        self._serve()

    def _transaction(self, envelope: Envelope) -> Transaction:
        target = self._target
        return Transaction(envelope, self, target.host, target.reply_seconds, asyncio.get_running_loop())
