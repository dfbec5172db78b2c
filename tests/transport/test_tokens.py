"""Access tokens: how long they are kept, where they come from, and what is never said about them."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.client import eventually
from tests.transport.token_endpoint import Endpoint

from graphpost.testing.clock import JumpingClock
from graphpost.transport.token_command import TokenCommand, parse_output
from graphpost.transport.token_endpoint import fetch
from graphpost.transport.tokens import EARLY_SECONDS, LONGEST, NEW_SECONDS, CachedTokens, Granted, TokenError

pytestmark = pytest.mark.anyio


class Fetcher:
    """Gives t1, t2, …"""

    def __init__(self, seconds: float = 0.0) -> None:
        self.asked = 0
        self.seconds = seconds

    async def __call__(self) -> Granted:
        await asyncio.sleep(0)
        self.asked += 1
        return Granted(f"t{self.asked}", self.seconds)


async def test_a_token_is_kept_until_shortly_before_it_ends() -> None:
    clock, fetcher = JumpingClock(), Fetcher(3600)
    tokens = CachedTokens(fetcher, 300, clock.now)
    assert await tokens.get() == await tokens.get() == "t1"
    await clock.advance(3600 - EARLY_SECONDS - 1)
    assert await tokens.get() == "t1"
    await clock.advance(1)
    assert await tokens.get() == "t2"


async def test_a_token_that_does_not_say_how_long_it_lasts_is_kept_as_long_as_was_settled() -> None:
    clock, fetcher = JumpingClock(), Fetcher()
    tokens = CachedTokens(fetcher, 300, clock.now)
    await tokens.get()
    await clock.advance(299)
    assert await tokens.get() == "t1"
    await clock.advance(1)
    assert await tokens.get() == "t2"


async def test_a_token_that_lasts_for_seconds_is_used_for_half_of_them() -> None:
    clock = JumpingClock()
    tokens = CachedTokens(Fetcher(10), 300, clock.now)
    await tokens.get()
    await clock.advance(4)
    assert await tokens.get() == "t1"
    await clock.advance(1)
    assert await tokens.get() == "t2"


async def test_many_who_want_a_token_at_once_wait_for_one() -> None:
    fetcher = Fetcher()
    tokens = CachedTokens(fetcher, 300, JumpingClock().now)
    assert set(await asyncio.gather(*(tokens.get() for _ in range(50)))) == {"t1"}
    assert fetcher.asked == 1


async def test_many_who_want_a_token_at_once_fail_together() -> None:
    asked = 0

    async def fail() -> Granted:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        raise TokenError("no token today")

    tokens = CachedTokens(fail, 300, JumpingClock().now)
    results = await asyncio.gather(*(tokens.get() for _ in range(20)), return_exceptions=True)
    assert {str(result) for result in results} == {"no token today"}
    assert asked == 1
    with pytest.raises(TokenError):
        await tokens.get()
    assert asked == 2


async def test_a_refused_token_is_replaced_unless_it_is_new() -> None:
    clock = JumpingClock()
    tokens = CachedTokens(Fetcher(3600), 300, clock.now)
    assert not tokens.refuse(await tokens.get())
    assert await tokens.get() == "t1"
    await clock.advance(NEW_SECONDS)
    assert tokens.refuse("t1")
    assert await tokens.get() == "t2"
    assert tokens.refuse("t1"), "another connection learned of it later: there is a new one to try"
    assert await tokens.get() == "t2"


@pytest.mark.parametrize("token", ["", "two words", "a\r\nb", "ü", "x" * (LONGEST + 1), "=", "a\0b"])
async def test_what_is_no_token_is_not_used(token: str) -> None:
    async def fetch_it() -> Granted:
        return Granted(token)

    with pytest.raises(TokenError, match="is none"):
        await CachedTokens(fetch_it, 300, JumpingClock().now).get()


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(Granted("secret", 5))


@pytest.mark.parametrize(
    ("output", "granted"),
    [
        (b"abc.def\n", Granted("abc.def")),
        (b'{"access_token": "abc", "expires_in": 3599, "token_type": "Bearer"}', Granted("abc", 3599)),
        (b'{"access_token": "abc", "expires_in": "3599"}', Granted("abc", 3599)),
        (b'{"access_token": "abc"}', Granted("abc")),
        (b'{"access_token": "abc", "expires_in": -5}', Granted("abc")),
        (b'{"access_token": "abc", "expires_in": 1e300}', Granted("abc")),
    ],
)
def test_a_command_prints_a_token_or_json(output: bytes, granted: Granted) -> None:
    assert parse_output(output) == granted


@pytest.mark.parametrize(
    "output", [b"{}", b"{", b'{"access_token": 5}', b'{"access_token": "a", "expires_in": "x"}']
)
def test_json_without_a_token_is_refused(output: bytes) -> None:
    with pytest.raises(TokenError):
        parse_output(output)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


async def test_a_command_is_run_without_a_shell() -> None:
    assert await TokenCommand(["echo", "$HOME;x"])() == Granted("$HOME;x")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["/no/such/command"], "the token command cannot be run: No such file or directory"),
        (python("print('s3cret'); raise SystemExit(3)"), "the token command ended with status 3"),
        (python("print('s3cret' * 20000)"), "the token command prints too much"),
        (python("import sys; sys.stdout.write('s3cret'); sys.stdout.flush(); input = sys.stdin.read()"), ""),
    ],
)
async def test_a_command_that_fails_says_why_and_nothing_of_its_output(command: list[str], said: str) -> None:
    if not said:  # it has nothing to read: no terminal, no secret of ours
        assert await TokenCommand(command)() == Granted("s3cret")
        return
    with pytest.raises(TokenError) as caught:
        await TokenCommand(command)()
    assert str(caught.value) == said


async def test_a_command_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(TokenError, match="took too long"):
        await TokenCommand(["sleep", "600"], 0.01)()


async def test_a_command_that_nobody_waits_for_is_killed_with_what_it_started(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    asking = asyncio.create_task(TokenCommand(["sh", "-c", f"sleep 600 & echo $! >'{fifo}'; wait"])())
    child = await asyncio.to_thread(fifo.read_text)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.to_thread(eventually, lambda: is_dead(int(child)))


def is_dead(pid: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as made:
        yield made


FIELDS = {"grant_type": "client_credentials", "client_id": "us", "client_secret": "s&cret=", "scope": "a b"}


async def test_client_credentials_are_posted_and_a_token_comes_back(endpoint: Endpoint) -> None:
    assert await fetch(endpoint.url(), FIELDS) == Granted("abc", 3599)
    assert endpoint.asked == [{name: [value] for name, value in FIELDS.items()}]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            (401, {"error": "invalid_client", "error_description": "s3cret"}),
            "no token from 127.0.0.1: 401 invalid_client",
        ),
        ((400, {"error": "s3cret and more"}), "no token from 127.0.0.1: 400"),
        ((500, b"s3cret"), "no token from 127.0.0.1: 500"),
        ((302, b""), "no token from 127.0.0.1: 302"),
        ((200, b"<html>"), "the answer has no access_token"),
        ((200, b'{"a":' * 3000), "the answer has no access_token"),
        ((400, b'{"a":' * 3000), "no token from 127.0.0.1: 400"),
        ((200, b" " * 70_000), "127.0.0.1 answers too much"),
    ],
)
async def test_an_endpoint_that_gives_none_is_told_of_without_secrets(
    endpoint: Endpoint, answer: tuple[int, Any], said: str
) -> None:
    endpoint.answer = answer
    with pytest.raises(TokenError) as caught:
        await fetch(endpoint.url(), FIELDS)
    assert str(caught.value) == said
    assert len(endpoint.asked) == 1


async def test_an_endpoint_that_cannot_be_reached_is_told_of() -> None:
    with pytest.raises(TokenError, match=r"no token from 127\.0\.0\.1: ConnectError"):
        await fetch("http://127.0.0.1:1/token", FIELDS)


async def test_the_certificate_of_an_endpoint_is_verified(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    endpoint.server.socket = context.wrap_socket(endpoint.server.socket, server_side=True)
    with pytest.raises(TokenError, match="ConnectError"):
        await fetch(endpoint.url("https"), FIELDS)
    assert endpoint.asked == []
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert await fetch(endpoint.url("https"), FIELDS) == Granted("abc", 3599)
