"""The dialogues in tests/dialogues: the courier against a peer that follows a transcript to the letter.

A file has a title, the envelope and target (`key: value`), the transcript (`S:` the peer says, `C:` the courier must
say, `S: !drop` the peer hangs up) and the outcomes (`->`), with `*` for anything.  Each is played with the peer's
lines in one segment and byte by byte.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path

import msgspec
import pytest
from tests.transport.letters import HELLO, content

from graphpost.mail.dsn import Dsn
from graphpost.transport.courier import Deferred, Delivered, Envelope, Failed, Outcome
from graphpost.transport.smtp import SmtpCourier, SmtpTarget

FILES = sorted((Path(__file__).parent.parent / "dialogues").glob("*.smtp"))
TARGET = ("tls", "username", "password", "auth")


@dataclass
class Dialogue:
    settings: dict[str, str] = field(default_factory=dict)
    lines: list[tuple[str, str]] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)


def read(path: Path) -> Dialogue:
    dialogue = Dialogue()
    for line in path.read_text().splitlines():
        if line.startswith("-> "):
            dialogue.outcomes.append(line[3:])
        elif line[:2] in ("S:", "C:"):
            dialogue.lines.append((line[0], line[3:]))
        elif line and not line.startswith("#"):
            key, _, value = line.partition(":")
            dialogue.settings[key] = value.strip()
    return dialogue


class Actor:
    """Plays the peer's part; `said` is what the courier said beyond or beside the transcript."""

    def __init__(self, dialogue: Dialogue, segment: int) -> None:
        self._lines = dialogue.lines
        self._segment = segment
        self.wrong: list[str] = []

    async def play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for who, group in groupby(self._lines, key=lambda line: line[0]):
            texts = [text for _, text in group]
            if who == "C":
                await self._hear(reader, texts)
            else:
                await self._say(writer, texts)
        rest = b"" if writer.transport.is_closing() else await reader.readline()
        if rest not in (b"", b"QUIT\r\n") and not rest.startswith(b"\x16"):
            self.wrong.append(f"beyond the transcript: {rest!r}")
        writer.transport.abort()

    async def _hear(self, reader: asyncio.StreamReader, texts: list[str]) -> None:
        for text in texts:
            said = await reader.readline()
            if said != text.encode() + b"\r\n":
                self.wrong.append(f"{said!r} instead of {text!r}")

    async def _say(self, writer: asyncio.StreamWriter, texts: list[str]) -> None:
        said = [text for text in texts if text != "!drop"]
        data = b"".join(text.encode().decode("unicode_escape").encode("latin-1") + b"\r\n" for text in said)
        for start in range(0, len(data), self._segment):
            writer.write(data[start : start + self._segment])
            await writer.drain()
        if "!drop" in texts:
            writer.transport.abort()


@asynccontextmanager
async def on_stage(actor: Actor) -> AsyncIterator[int]:
    played = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await actor.play(reader, writer)
        except OSError:
            pass  # the courier hung up
        finally:
            writer.transport.abort()
            played.set()

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
        await played.wait()
    finally:
        server.close()


def shown(outcome: Outcome) -> str:
    match outcome:
        case Delivered(speaks_dsn=speaks_dsn):
            kind = "delivered+dsn" if speaks_dsn else "delivered"
        case Deferred(whole_destination=whole):
            kind = "held" if whole else "deferred"
        case Failed():
            kind = "failed"
    return f"{kind} {outcome.reply.code} {outcome.reply.status} {outcome.reply.text}"


def make_envelope(settings: dict[str, str]) -> Envelope:
    data = settings["data"].encode() + b"\r\n" if "data" in settings else HELLO
    return Envelope(
        settings.get("sender", "adele@example.test"),
        tuple(settings["to"].split()),
        content(data),
        settings.get("envelope_id", ""),
        wants_success_report=settings.get("wants_success_report") == "yes",
        dsn=msgspec.json.decode(settings["dsn"], type=Dsn) if "dsn" in settings else None,
    )


@pytest.mark.anyio
@pytest.mark.parametrize("segment", [1, 1 << 20], ids=["bytes", "whole"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_dialogue(path: Path, segment: int) -> None:
    dialogue = read(path)
    actor = Actor(dialogue, segment)
    async with on_stage(actor) as port:
        settings = {"tls": "none"} | {
            key: dialogue.settings[key] for key in TARGET if key in dialogue.settings
        }
        courier = SmtpCourier(SmtpTarget("127.0.0.1", port, "client.test", **settings))  # type: ignore[arg-type]
        outcomes = [shown(outcome) for outcome in await courier.deliver(make_envelope(dialogue.settings))]
        await courier.close()
    assert actor.wrong == []
    assert len(outcomes) == len(dialogue.outcomes)
    for outcome, pattern in zip(outcomes, dialogue.outcomes, strict=True):
        assert fnmatchcase(outcome, pattern), (outcome, pattern)
