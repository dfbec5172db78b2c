"""A scripted SMTP peer: takes mail as told, remembers it, misbehaves by rules.

    with SmtpPeer() as peer:
        peer.rule("RCPT", "550 5.1.1 no such user", match="bob@*")
        peer.rule("content", "451 4.3.0 later", times=1)
        ...                                   # deliver to peer.host:peer.port
        [message] = peer.wait_for_messages(1)

It runs in a thread with a loop of its own, so that it serves synchronous tests, asynchronous ones and other
processes alike.  Rules are tried in their order, the first that matches acts; without one the peer says yes.

Steps: connect, EHLO, HELO, STARTTLS, AUTH, MAIL, RCPT, DATA, body (before the content is read), content (after its
last dot), RSET, QUIT.  `match` is a pattern (fnmatch) for the address of MAIL and RCPT, for the first recipient at body
and content, and for the rest of the line elsewhere.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Self

from graphpost.testing.smtp_lines import Lines, Segments, address_of, bearer_of, parameters_of

EXTENSIONS = ("PIPELINING", "SIZE 200000000", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")


@dataclass(frozen=True)
class Say:
    """Answer so; text is given CRLF line ends, bytes go out as they are."""

    text: str | bytes


@dataclass(frozen=True)
class Drop:
    """Reset the connection; after saying something, if given, and all that was said before."""

    text: str | bytes = b""


@dataclass(frozen=True)
class Hang:
    """Say nothing more, and keep the connection."""


class Gate:
    """A closed door for `Hold`; `open()` from any thread.  `reached` is set when somebody stands before it."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._lock = threading.Lock()
        self._is_open = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def open(self) -> None:
        with self._lock:
            self._is_open = True
            for loop, event in self._waiting:
                loop.call_soon_threadsafe(event.set)
            self._waiting.clear()

    async def passed(self) -> None:
        event = asyncio.Event()
        with self._lock:
            if self._is_open:
                event.set()
            else:
                self._waiting.append((asyncio.get_running_loop(), event))
        self.reached.set()
        await event.wait()


@dataclass(frozen=True)
class Hold:
    """Wait for the gate, then answer as usual (or so, if given)."""

    gate: Gate
    text: str | bytes = b""


Action = Say | Drop | Hang | Hold


@dataclass
class Rule:
    """`times` 0 is always."""

    step: str
    action: Action
    match: str = "*"
    times: int = 0
    used: int = 0


@dataclass(frozen=True)
class Received:
    """A message the peer took: `data` is exact, without dot-stuffing; `recipients` are the accepted ones."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    size: int
    parameters: tuple[str, ...]  # of MAIL
    recipient_parameters: tuple[tuple[str, ...], ...]
    connection: int  # the how manieth, from 1
    is_tls: bool
    username: str
    is_followed: bool  # more had come behind its last dot


@dataclass
class _State:
    """What the peer knows about one connection."""

    number: int
    is_tls: bool = False
    username: str = ""
    sender: str | None = None
    parameters: tuple[str, ...] = ()
    recipients: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def forget(self) -> None:
        self.sender = None
        self.parameters = ()
        self.recipients = []


class _HangupError(Exception):
    """The conversation is over."""


class SmtpPeer:
    """`users` (name: password) are for AUTH; a `tls` context makes it offer STARTTLS, or begin with TLS at once.
    `needs_recipients`: DATA is refused when every recipient was.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        extensions: Sequence[str] = EXTENSIONS,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        users: dict[str, str] | None = None,
        segments: Segments = "reply",
        keep_content: bool = True,
        needs_recipients: bool = True,
    ) -> None:
        self.host = host
        self.port = port
        self.extensions = tuple(extensions)
        self.messages: list[Received] = []
        self.commands: list[str] = []
        self.connections = 0
        self.octets = 0  # of content, read so far
        self._rules: list[Rule] = []
        self._tls = tls
        self._implicit_tls = implicit_tls
        self._users = users or {}
        self._segments = segments
        self._keep_content = keep_content
        self._needs_recipients = needs_recipients
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def rule(self, step: str, action: Action | str | bytes, *, match: str = "*", times: int = 0) -> Rule:
        """From now on, do this at that step; text is short for Say."""
        rule = Rule(step, Say(action) if isinstance(action, str | bytes) else action, match, times)
        self._rules.append(rule)
        return rule

    def clear_rules(self) -> None:
        self._rules.clear()

    def wait_for_messages(self, number: int, seconds: float = 60.0) -> list[Received]:
        """The messages, once there are so many; TimeoutError when there are not in that time."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.messages) >= number, seconds):
                raise TimeoutError(f"{len(self.messages)} of {number} messages came")
            return list(self.messages)

    # Life

    def start(self) -> Self:
        ready: threading.Event = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def stop(self) -> None:
        """Drop every connection and end."""
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *details: object) -> None:
        self.stop()

    async def _run(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        context = self._tls if self._implicit_tls else None
        server = await asyncio.start_server(self._serve, self.host, self.port, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        state = _State(self.connections, is_tls=self._implicit_tls)
        lines = Lines(reader, writer, self._segments)
        try:
            await self._converse(lines, state)
        except (_HangupError, OSError, EOFError, ValueError, asyncio.CancelledError):
            pass  # the end of this conversation, not of the peer
        finally:
            lines.abort()
            self._tasks.discard(task)

    # Conversation

    async def _converse(self, lines: Lines, state: _State) -> None:
        await self._answer(lines, "connect", "", "220 peer.test ESMTP")
        while True:
            line = await lines.read_line()
            self.commands.append(line)
            verb, _, rest = line.partition(" ")
            await self._obey(lines, state, verb.upper(), rest)

    async def _obey(self, lines: Lines, state: _State, verb: str, rest: str) -> None:
        match verb:
            case "EHLO":
                offered = "\n".join(["peer.test", *self._offered(state)]).split("\n")
                text = "\n".join([*(f"250-{line}" for line in offered[:-1]), f"250 {offered[-1]}"])
                await self._answer(lines, verb, rest, text)
            case "STARTTLS":
                usual = "502 5.5.1 not known here" if self._tls is None else "220 2.0.0 go ahead"
                if await self._answer(lines, verb, rest, usual) and self._tls is not None:
                    await lines.start_tls(self._tls)
                    state.is_tls = True
            case "AUTH":
                await self._authenticate(lines, state, rest)
            case "MAIL" | "RCPT" | "DATA":
                await self._take(lines, state, verb, rest)
            case "RSET":
                if await self._answer(lines, verb, rest, "250 2.0.0 forgotten"):
                    state.forget()
            case "QUIT":
                await self._answer(lines, verb, rest, "221 2.0.0 bye")
                await lines.flush()
                raise _HangupError
            case "HELO" | "NOOP":
                await self._answer(lines, verb, rest, "250 peer.test")
            case _:
                await lines.write("502 5.5.1 not known here")

    def _offered(self, state: _State) -> list[str]:
        starttls = ["STARTTLS"] if self._tls is not None and not state.is_tls else []
        auth = ["AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER"] if self._users else []
        return [*self.extensions, *starttls, *auth]

    async def _take(self, lines: Lines, state: _State, verb: str, rest: str) -> None:
        address = address_of(rest)
        if verb == "MAIL":
            if state.sender is not None:
                await lines.write("503 5.5.1 nested MAIL")
            elif await self._answer(lines, verb, address, "250 2.1.0 fine"):
                state.sender, state.parameters = address, parameters_of(rest)
        elif state.sender is None or (verb == "DATA" and self._needs_recipients and not state.recipients):
            await lines.write("503 5.5.1 not now")
        elif verb == "RCPT":
            if await self._answer(lines, verb, address, "250 2.1.5 fine"):
                state.recipients.append((address, parameters_of(rest)))
        elif await self._answer(lines, verb, rest, "354 go on"):
            await self._take_content(lines, state)

    async def _take_content(self, lines: Lines, state: _State) -> None:
        first = state.recipients[0][0] if state.recipients else ""
        await self._act(lines, self._find_rule("body", first))
        data, size = await lines.read_content(self._keep_content, self._count)
        message = Received(
            state.sender or "",
            tuple(address for address, _ in state.recipients),
            data,
            size,
            state.parameters,
            tuple(parameters for _, parameters in state.recipients),
            state.number,
            state.is_tls,
            state.username,
            lines.has_more,
        )
        state.forget()
        if (rule := self._find_rule("content", first)) is not None and not _is_yes(rule.action):
            await self._act(lines, rule)
            return
        if rule is not None and isinstance(rule.action, Hold):
            await self._act(lines, rule)
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()
        if rule is not None and isinstance(rule.action, Say):
            await self._act(lines, rule)
        else:
            await lines.write("250 2.0.0 taken")

    def _count(self, octets: int) -> None:
        self.octets += octets

    async def _authenticate(self, lines: Lines, state: _State, rest: str) -> None:
        if not await self._answer(lines, "AUTH", rest, ""):
            return
        mechanism, _, initial = rest.partition(" ")
        if mechanism.upper() == "LOGIN":
            username = (
                b64decode(initial).decode() if initial else await self._challenge(lines, "VXNlcm5hbWU6")
            )
            password = await self._challenge(lines, "UGFzc3dvcmQ6")
        elif mechanism.upper() in ("XOAUTH2", "OAUTHBEARER"):
            given = b64decode(initial).decode() if initial else await self._challenge(lines, "")
            username, password = bearer_of(given)
        else:
            given = b64decode(initial).decode() if initial else await self._challenge(lines, "")
            _, username, password = given.split("\0")
        if self._users.get(username) == password:
            state.username = username
            await lines.write("235 2.7.0 welcome")
            return
        if mechanism.upper() in ("XOAUTH2", "OAUTHBEARER"):
            await self._challenge(lines, "eyJzdGF0dXMiOiI0MDEifQ==")
        await lines.write("535 5.7.8 wrong name or password")

    async def _challenge(self, lines: Lines, text: str) -> str:
        await lines.write(f"334 {text}")
        return b64decode(await lines.read_line()).decode()

    # Rules

    async def _answer(self, lines: Lines, step: str, argument: str, usual: str) -> bool:
        """Act by the rules, else say the usual; whether it was a yes."""
        rule = self._find_rule(step, argument)
        await self._act(lines, rule)
        if rule is None or (isinstance(rule.action, Hold) and not rule.action.text):
            if usual:
                await lines.write(usual)
            return True
        return _is_yes(rule.action)

    def _find_rule(self, step: str, argument: str) -> Rule | None:
        for rule in list(self._rules):
            fits = rule.step == step and fnmatchcase(argument, rule.match)
            if fits and (not rule.times or rule.used < rule.times):
                rule.used += 1
                return rule
        return None

    async def _act(self, lines: Lines, rule: Rule | None) -> None:
        match rule.action if rule is not None else None:
            case Say(text=text):
                await lines.write(text)
            case Hold(gate=gate, text=text):
                await gate.passed()
                if text:
                    await lines.write(text)
            case Drop(text=text):
                if text:
                    await lines.write(text)
                await lines.flush()
                raise _HangupError
            case Hang():
                await lines.flush()
                await asyncio.get_running_loop().create_future()


def _is_yes(action: Action) -> bool:
    if isinstance(action, Drop | Hang):
        return False
    text = action.text if isinstance(action.text, str) else action.text.decode("latin-1")
    return not text or text[:1] in "23"
