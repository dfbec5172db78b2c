"""The SMTP courier against servers that others wrote: aiosmtpd, and Postfix's smtp-sink."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # aiosmtpd's own use of what is deprecated
    from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.transport.letters import content, envelope

from graphpost.testing.ports import free_port
from graphpost.transport.courier import Deferred, Delivered, Envelope, Failed
from graphpost.transport.smtp import SmtpCourier

pytestmark = pytest.mark.anyio

MakeCourier = Callable[..., SmtpCourier]


class Keeper:
    """aiosmtpd's handler: keeps what came, and refuses nobody."""

    def __init__(self) -> None:
        self.came: list[tuple[str, list[str], bytes, list[str], bool]] = []

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        data = envelope.original_content
        self.came.append(
            (envelope.mail_from, envelope.rcpt_tos, data, envelope.mail_options, session.ssl is not None)
        )
        return "250 2.0.0 kept"


class Sink:
    """aiosmtpd in a thread of its own."""

    def __init__(self, *, implicit: ssl.SSLContext | None = None, **settings: Any) -> None:
        self.keeper = Keeper()
        self.port = 0
        self._implicit = implicit
        self._settings = settings
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        server = await self._loop.create_server(self._make, "127.0.0.1", 0, ssl=self._implicit)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        server.close()

    def _make(self) -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # aiosmtpd's own advice
            return SMTP(self.keeper, enable_SMTPUTF8=True, data_size_limit=2_000_000, **self._settings)


@pytest.fixture
def sink() -> Iterator[Callable[..., Sink]]:
    started: list[Sink] = []

    def start(**settings: Any) -> Sink:
        one = Sink(**settings)
        one.start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.stop()


BODIES = {
    "plain": b"Subject: x\r\n\r\nbody\r\n",
    "dots": b"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\na.\r\n...\r\n",
    "long line": b"Subject: long\r\n\r\n" + b"x" * 990 + b"\r\n" + b"y" * 998 + b"\r\n",
    "8-bit": "Subject: grüße\r\n\r\nübel\r\n".encode() + b"\x80\xff\x00\r\n",
    "no last line end": b"Subject: x\r\n\r\nbody",
    "empty": b"",
    "empty lines": b"\r\n\r\n\r\n",
    "header only": b"Subject: x\r\n",
    "bytes": bytes(b for b in range(256) if b not in (10, 13)) + b"\r\n",
    "large": b".line of a large message\r\n" * 40_000,
}


@pytest.mark.parametrize("name", BODIES)
async def test_content_arrives_exactly(sink: Callable[..., Sink], courier: MakeCourier, name: str) -> None:
    peer = sink()
    data = BODIES[name]
    wanted = data if data.endswith(b"\r\n") or not data else data + b"\r\n"
    for chunk in (0, 7 if len(data) < 10_000 else 7000):
        [outcome] = await courier(peer.port).deliver(Envelope("", ("a@x.test",), content(data, chunk=chunk)))
        assert isinstance(outcome, Delivered)
        assert outcome.reply.text == "kept"
    assert [came[2] for came in peer.keeper.came] == [wanted, wanted]


async def test_one_of_three_is_refused(sink: Callable[..., Sink], courier: MakeCourier) -> None:
    peer = sink()
    outcomes = await courier(peer.port).deliver(envelope("a@x.test", "nobody@x.test", "c@x.test"))
    assert [type(outcome) for outcome in outcomes] == [Delivered, Failed, Delivered]
    assert (outcomes[1].reply.code, outcomes[1].reply.status) == (550, "5.1.1")
    assert peer.keeper.came[0][1] == ["a@x.test", "c@x.test"]


async def test_international_addresses(sink: Callable[..., Sink], courier: MakeCourier) -> None:
    peer = sink()
    data = "Subject: grüße\r\n\r\nübel\r\n".encode()
    [outcome] = await courier(peer.port).deliver(envelope("jürgen@bücher.test", data=data))
    assert isinstance(outcome, Delivered)
    [(_, recipients, came, options, _)] = peer.keeper.came
    assert (recipients, came) == (["jürgen@bücher.test"], data)
    assert set(options) == {f"SIZE={len(data)}", "BODY=8BITMIME", "SMTPUTF8"}


async def test_the_announced_size_is_kept(sink: Callable[..., Sink], courier: MakeCourier) -> None:
    [outcome] = await courier(sink().port).deliver(envelope(data=b"x" * 2_000_001))
    assert isinstance(outcome, Failed)
    assert outcome.reply.status == "5.3.4"


@pytest.mark.parametrize("implicit", [True, False])
async def test_mail_goes_under_verified_tls(
    sink: Callable[..., Sink], courier: MakeCourier, tls: ssl.SSLContext, ca_file: Path, implicit: bool
) -> None:
    peer = sink(implicit=tls) if implicit else sink(tls_context=tls, require_starttls=True)
    one = courier(peer.port, tls="verified", implicit_tls=implicit, ca_file=str(ca_file))
    for _ in range(2):
        assert isinstance((await one.deliver(envelope()))[0], Delivered)
    assert len(peer.keeper.came) == 2


async def test_a_server_that_demands_tls_holds_the_destination(
    sink: Callable[..., Sink], courier: MakeCourier, tls: ssl.SSLContext
) -> None:
    peer = sink(tls_context=tls, require_starttls=True)
    [outcome] = await courier(peer.port, tls="none").deliver(envelope())
    assert isinstance(outcome, Deferred)
    assert (outcome.reply.code, outcome.whole_destination) == (530, True)


def check_password(server: Any, session: Any, envelope: Any, mechanism: str, details: Any) -> AuthResult:
    good = isinstance(details, LoginPassword) and (details.login, details.password) == (b"adele", b"secret")
    return AuthResult(success=good, handled=False)


@pytest.mark.parametrize("mechanism", ["", "plain", "login"])
@pytest.mark.parametrize("password", ["secret", "wrong"])
async def test_a_password_is_given_under_tls(
    sink: Callable[..., Sink], courier: MakeCourier, tls: ssl.SSLContext, mechanism: str, password: str
) -> None:
    peer = sink(tls_context=tls, require_starttls=True, auth_required=True, authenticator=check_password)
    one = courier(peer.port, tls="required", username="adele", password=password, auth=mechanism)
    [outcome] = await one.deliver(envelope())
    if password == "secret":
        assert isinstance(outcome, Delivered)
    else:
        assert isinstance(outcome, Deferred)
        assert (outcome.reply.code, outcome.whole_destination) == (535, True)
        assert peer.keeper.came == []


# smtp-sink

SMTP_SINK = shutil.which("smtp-sink", path=os.environ.get("PATH", "") + ":/usr/sbin")
needs_sink = pytest.mark.skipif(SMTP_SINK is None, reason="smtp-sink is not installed (Debian: postfix)")


@pytest.fixture
def smtp_sink() -> Iterator[Callable[..., int]]:
    """Starts smtp-sink with options; gives its port, which is open."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> int:
        port = free_port()
        as_user = ["-u", "nobody"] if os.getuid() == 0 else []
        assert SMTP_SINK is not None
        running.append(subprocess.Popen([SMTP_SINK, *as_user, *options, f"127.0.0.1:{port}", "100"]))
        while running[-1].poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return port
        raise RuntimeError("smtp-sink did not start")

    yield start
    for process in running:
        process.terminate()
        process.wait()


@needs_sink
@pytest.mark.parametrize("options", [(), ("-p",), ("-e",), ("-8",), ("-a",)])
async def test_smtp_sink_takes_mail(
    smtp_sink: Callable[..., int], courier: MakeCourier, options: tuple[str]
) -> None:
    one = courier(smtp_sink(*options))
    deliveries = [one.deliver(envelope("a@x.test", "b@x.test")) for _ in range(50)]
    for outcomes in await asyncio.gather(*deliveries):
        assert [type(outcome) for outcome in outcomes] == [Delivered, Delivered]


@needs_sink
@pytest.mark.parametrize(
    ("options", "kind", "code"),
    [
        (("-r", "MAIL"), Deferred, 450),
        (("-f", "MAIL"), Failed, 500),
        (("-r", "RCPT"), Deferred, 450),
        (("-f", "RCPT"), Failed, 500),
        (("-r", "DATA"), Deferred, 450),
        (("-f", "DATA"), Failed, 500),
        (("-r", "."), Deferred, 450),
        (("-f", "."), Failed, 500),
        (("-q", "RCPT"), Deferred, 0),
        (("-q", "."), Deferred, 0),
        (("-f", "CONNECT"), Deferred, 500),
    ],
)
async def test_smtp_sink_refuses(
    smtp_sink: Callable[..., int], courier: MakeCourier, options: tuple[str, ...], kind: type, code: int
) -> None:
    one = courier(smtp_sink(*options), connections=1)
    outcomes = [await one.deliver(envelope()) for _ in range(2)]
    outcomes += await asyncio.gather(*(one.deliver(envelope()) for _ in range(6)))  # they follow each other
    for (outcome,) in outcomes:
        assert isinstance(outcome, kind), outcome
        assert outcome.reply.code == code
