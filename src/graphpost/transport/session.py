"""From a host's name to a connection ready for MAIL: EHLO, STARTTLS, AUTH.

RFC 5321 §3.1-3.2, RFC 3207, RFC 4954.

TLS by policy: `none` never starts it; `opportunistic` uses it, with any certificate, where it is offered, and goes on
in clear text where it is not or where the handshake fails (on a new connection); `required` insists on it, with any
certificate; `verified` insists on a certificate for the host.  A password or token leaves only under TLS, or where the
policy is `none`.  A token that is refused is replaced by another one once (on a new connection).  Where
`looks_at_certificate` says so, any certificate is one that could not be verified: that is tried first, so that the
connection's Security tells which it was, at the price of another connection when it was not.

Raises SessionError, whose outcome says why: always Deferred, for it says nothing about any message.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address
from typing import Final

from msgspec import Struct, structs

from graphpost.config import Mechanism, TlsPolicy
from graphpost.transport.connection import Connection
from graphpost.transport.courier import Deferred, Reply
from graphpost.transport.failure import Phase, outcome_of_error, reply_of
from graphpost.transport.lookup import look_up
from graphpost.transport.sasl import BY_PASSWORD, BY_TOKEN, auth_lines, choose, concession
from graphpost.transport.security import Security, client_context
from graphpost.transport.tokens import TokenError, TokenSource
from graphpost.transport.wire import Extensions, command, one_line, parse_extensions

ADDRESSES: Final = 5  # of a host that are tried


@dataclass(frozen=True, slots=True)
class SmtpTarget:
    """Where mail goes and how; `hostname` is ours, for EHLO ('' is the machine's).

    `address` is where `host` is, when that is known already, and `source` our own address that it sees ('' is any).
    `auth` '' is the best of PLAIN and LOGIN, and with `tokens`, which are instead of a password, of OAUTHBEARER and
    XOAUTH2.  `connections` is how many there may be at once; `patience_seconds` is how
    long a message waits to follow another one before it gets one of them for itself.
    """

    host: str
    port: int = 25
    hostname: str = "localhost"
    implicit_tls: bool = False
    tls: TlsPolicy = "opportunistic"
    ca_file: str = ""
    username: str = ""
    password: str = ""
    auth: Mechanism = ""
    connect_seconds: float = 30.0
    reply_seconds: float = 300.0
    idle_seconds: float = 15.0
    messages_per_connection: int = 100
    connections: int = 20
    patience_seconds: float = 0.01
    address: str = ""
    source: str = ""
    pipelining: bool = True  # whether it is used when it is offered
    tokens: TokenSource | None = None
    certificate: str = ""  # PEM files: ours, for a host that asks for one, and its key
    key: str = ""  # '' is in the same file
    looks_at_certificate: bool = False

    def __repr__(self) -> str:
        return f"SmtpTarget({self.host!r}, {self.port}, tls={self.tls!r})"


class SessionError(Exception):
    """There is no conversation with the host now; the outcome is every recipient's."""

    def __init__(self, outcome: Deferred) -> None:
        super().__init__(outcome.reply.text)
        self.outcome = outcome


class Contexts(Struct, frozen=True):
    """TLS with a target: `first` is tried first (None: no TLS), and `otherwise` where that trusts no certificate."""

    first: ssl.SSLContext | None = None
    otherwise: ssl.SSLContext | None = None
    flaw: str = ""  # what was found wrong with the certificate

    def lenient(self, flaw: str) -> Contexts:
        """When it is known what is wrong with the host's certificate."""
        return self if self.otherwise is None else Contexts(self.otherwise, None, flaw)


def tls_contexts(target: SmtpTarget) -> Contexts:
    """What TLS with the target needs; ConfigurationError when one of its files cannot be used."""
    if target.tls == "none" and not target.implicit_tls:
        return Contexts()
    strict = partial(
        client_context,
        is_verifying=True,
        ca_file=target.ca_file,
        certificate=target.certificate,
        key=target.key,
    )
    if target.tls == "verified":
        return Contexts(strict())
    lenient = client_context(is_verifying=False, certificate=target.certificate, key=target.key)
    return Contexts(strict(), lenient) if target.looks_at_certificate else Contexts(lenient)


async def open_session(
    target: SmtpTarget, contexts: Contexts, when_lost: Callable[[Connection], None]
) -> Connection:
    """A connection ready for MAIL; raises SessionError."""
    opening = _Opening(target, contexts, when_lost)
    try:
        return await opening.run()
    except SessionError as error:
        if opening.has_stale_token:
            return await _Opening(target, contexts, when_lost).run()
        flaw = error.outcome.reply.text
        if contexts.otherwise is not None and isinstance(error.__cause__, ssl.SSLCertVerificationError):
            less = Contexts(contexts.otherwise, None, flaw)
        elif opening.phase is Phase.TLS and contexts.first is not None and _is_optional(target):
            less = Contexts(flaw=flaw)
        else:
            error.outcome = structs.replace(error.outcome, lacks_tls=opening.phase is Phase.TLS)
            raise
    return await open_session(target, less, when_lost)


def _is_optional(target: SmtpTarget) -> bool:
    return target.tls == "opportunistic" and not target.implicit_tls and not target.username


async def _addresses(target: SmtpTarget) -> Sequence[str]:
    """Where it is, in the order of RFC 6724; of the family of our own address, where that is given."""
    if target.address or _is_address(target.host):
        return [target.address or target.host]
    source = target.source
    family = socket.AF_UNSPEC if not source else socket.AF_INET6 if ":" in source else socket.AF_INET
    async with asyncio.timeout(target.connect_seconds):
        return (await look_up(target.host, target.port, family))[:ADDRESSES]


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class _Opening:
    """One attempt; `phase` says how far it came.  Without a context TLS is not started."""

    def __init__(
        self, target: SmtpTarget, contexts: Contexts, when_lost: Callable[[Connection], None]
    ) -> None:
        self.phase = Phase.CONNECT
        self.has_stale_token = False
        self._target = target
        self._context = contexts.first
        self._flaw = contexts.flaw
        self._when_lost = when_lost
        self._connection: Connection | None = None

    async def run(self) -> Connection:
        try:
            connection = self._connection = await self._connect()
            await self._expect_success(Phase.GREETING, b"")
            await self._greet(connection)
            await self._secure(connection)
            await self._authenticate(connection)
        except TokenError as error:
            self._leave()
            text = f"{error}; it is needed for {self._target.host}"
            raise self._refuse(Phase.AUTH, "4.7.0", text) from error
        except (OSError, ValueError) as error:  # ValueError: WireError, and names that are none
            self._leave()
            raise SessionError(outcome_of_error(self.phase, error, self._target.host)) from error
        except BaseException:
            self._leave()
            raise
        return connection

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.abort()

    async def _connect(self) -> Connection:
        """To the first address that answers, each having its time; what the last one says is raised."""
        *others, last = await _addresses(self._target)
        for address in others:
            try:
                return await self._connect_to(address)
            except ssl.SSLError:
                raise
            except OSError:
                continue
        return await self._connect_to(last)

    async def _connect_to(self, address: str) -> Connection:
        target = self._target
        loop = asyncio.get_running_loop()
        implicit = target.implicit_tls
        async with asyncio.timeout(target.connect_seconds):
            _, connection = await loop.create_connection(
                lambda: Connection(loop, self._when_lost),
                address,
                target.port,
                local_addr=(target.source, 0) if target.source else None,
                ssl=self._context if implicit else None,
                server_hostname=target.host if implicit else None,
            )
        if implicit:
            connection.note_security(self._flaw)
        return connection

    async def _greet(self, connection: Connection) -> None:
        name = self._target.hostname or socket.gethostname()
        code, text = await self._ask(Phase.EHLO, command(f"EHLO {name}"))
        if 500 <= code < 600 and not connection.is_secure:
            await self._expect_success(Phase.EHLO, command(f"HELO {name}"))
            connection.extensions = Extensions()
            return
        self._check(code, text)
        offered = parse_extensions(text)
        connection.extensions = offered if self._target.pipelining else replace(offered, pipelining=False)

    async def _secure(self, connection: Connection) -> None:
        target = self._target
        if connection.is_secure or target.tls == "none":
            return
        if self._context is None:
            connection.security = Security(flaw=self._flaw)
            return
        must = target.tls in ("required", "verified")
        if not connection.extensions.starttls:
            if must:
                raise self._refuse(
                    Phase.TLS, "4.7.4", f"TLS is required and {target.host} does not offer STARTTLS"
                )
            connection.security = Security(flaw=f"{target.host} does not offer STARTTLS")
            return
        code, text = await self._ask(Phase.TLS, b"STARTTLS\r\n")
        if code != 220:
            if must or not 400 <= code < 600:
                self._check(code, text, (220,))
            connection.security = Security(flaw=one_line(f"{target.host} answered STARTTLS with {code}"))
            return
        await connection.start_tls(self._context, target.host, target.connect_seconds, self._flaw)
        await self._greet(connection)

    async def _authenticate(self, connection: Connection) -> None:
        target = self._target
        if not target.username:
            return
        if not connection.is_secure and target.tls != "none":
            raise self._refuse(
                Phase.AUTH, "4.7.11", f"a password is not sent without TLS, and {target.host} offers none"
            )
        candidates = BY_PASSWORD if target.tokens is None else BY_TOKEN
        mechanism = choose(target.auth, connection.extensions.auth, candidates)
        if mechanism is None:
            wanted = " or ".join(each.upper() for each in ([target.auth] if target.auth else candidates))
            raise self._refuse(Phase.AUTH, "4.7.0", f"{target.host} does not offer AUTH {wanted}")
        secret = target.password if target.tokens is None else await target.tokens.get()
        for line in auth_lines(mechanism, target.username, secret, target.host, target.port):
            code, text = await self._ask(Phase.AUTH, line)
            if code != 334:
                break
        if code == 334:  # an error challenge
            code, text = await self._ask(Phase.AUTH, concession(mechanism))
        if code == 535 and target.tokens is not None:
            self.has_stale_token = target.tokens.refuse(secret)
        self._check(code, text)

    async def _expect_success(self, phase: Phase, line: bytes) -> None:
        self._check(*await self._ask(phase, line))

    async def _ask(self, phase: Phase, line: bytes) -> tuple[int, bytes]:
        self.phase = phase
        assert self._connection is not None
        return await self._connection.ask(line, self._target.reply_seconds)

    def _check(self, code: int, text: bytes, wanted: range | tuple[int, ...] = range(200, 300)) -> None:
        if code not in wanted:
            reply = reply_of(self.phase, code, text, self._target.host)
            raise SessionError(Deferred(reply, whole_destination=True))

    def _refuse(self, phase: Phase, status: str, text: str) -> SessionError:
        """Our own refusal to go on with this host; not for the fallback to clear text."""
        self.phase = phase
        return SessionError(Deferred(Reply(0, status, one_line(text)), whole_destination=True))
