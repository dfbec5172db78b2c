"""SMTP on the wire: replies in, command lines and dot-stuffed content out; no I/O.

RFC 5321 §4, with RFC 2034 (enhanced status codes), RFC 3461 §4 (xtext) and RFC 6533 §3 (the UTF-8 form).

Guarantees: nothing that leaves has a bare CR, a bare LF or a NUL in it; a hostile peer costs bounded memory.
Raises WireError for a reply that is none, and for a command line that must not be sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from graphpost.mail.encoding import Base64Lines

LINE_KEPT: Final = 1000  # octets of one reply line that are kept; the rest of the line is dropped
LINES_KEPT: Final = 100
REPLY_LIMIT: Final = 1 << 20  # octets of one reply, kept or not

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BREAKING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # what some reader of a log takes for a line end
_STATUS = re.compile(rb"([245])\.(\d{1,3})\.(\d{1,3})(?:[ \t]+|$)", re.MULTILINE)
# A quoted string may hold anything printable; outside of one, nothing that ends the path or the line.
_PATH = re.compile(
    r'(?:[^"\\<>\s\x00-\x1f\x7f\ud800-\udfff]++'
    r'|"(?:[^"\\\x00-\x1f\x7f\ud800-\udfff]|\\[^\x00-\x1f\x7f\ud800-\udfff])*")+'
)
# How the last line of a reply begins, and its code: `250 text`, `250` CR LF, `250` LF.
_LAST_LINES: Final = {
    str(code).encode() + separator: code for code in range(100, 600) for separator in (b" ", b"\r", b"")
}
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_ENCODED = re.compile(r"(?:\+[0-9A-F]{2})+")
_NOT_XTEXT = re.compile(r"[^!-*,-<>-~]")
_NOT_UNITEXT = re.compile(r"[\x00-\x20+=\\\x7f]")


class WireError(ValueError):
    """What the peer sent is not SMTP, or what we were to send would not be."""


@dataclass(frozen=True, slots=True)
class Extensions:
    """What an EHLO reply offers.  `size` is the announced limit in octets, 0 when there is none."""

    pipelining: bool = False
    starttls: bool = False
    eight_bit: bool = False
    smtputf8: bool = False
    dsn: bool = False
    takes_size: bool = False
    size: int = 0
    auth: frozenset[str] = frozenset()


class ReplyReader:
    """Splits what arrives into replies.

    A long line is cut and many lines are thinned, so the code of a talkative peer still counts; beyond REPLY_LIMIT
    it is a WireError.  When the lines of one reply disagree about the code, the last one is the reply's.
    """

    __slots__ = ("_is_cut", "_lines", "_octets", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._is_cut = False
        self._lines: list[bytes] = []
        self._octets = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing of an unfinished reply has arrived."""
        return not self._rest and not self._lines

    def feed(self, data: bytes, on_reply: Callable[[int, bytes], None]) -> bool:
        """Call `on_reply(code, text)` for each finished reply; the text's lines are separated by LF.

        Whether there was any.
        """
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._rest:
            lines[0] = self._rest if self._is_cut else self._rest + lines[0]
            self._rest = b""
            self._is_cut = False
        is_answered = False
        for line in lines:
            code = _LAST_LINES.get(line[:4])
            if code is not None and not self._lines:  # nearly every reply is one line
                self._octets = 0
                is_answered = True
                on_reply(code, line[4:LINE_KEPT].removesuffix(b"\r"))
            elif self._on_line(line, on_reply):
                is_answered = True
        if rest:
            self._keep(rest)
        return is_answered

    def _keep(self, data: bytes) -> None:
        self._count(len(data))
        if not self._is_cut:
            self._rest += data[: LINE_KEPT + 1]
            if len(self._rest) > LINE_KEPT:
                self._rest = self._rest[:LINE_KEPT]
                self._is_cut = True

    def _count(self, octets: int) -> None:
        self._octets += octets
        if self._octets > REPLY_LIMIT:
            raise WireError(f"a reply of more than {REPLY_LIMIT} octets")

    def _on_line(self, line: bytes, on_reply: Callable[[int, bytes], None]) -> bool:
        """A line of a longer reply, or none; whether it was the reply's last."""
        self._count(len(line))
        code = _LAST_LINES.get(line[:4])
        if code is None and (line[3:4] != b"-" or line[:3] not in _LAST_LINES):
            raise WireError(f"not an SMTP reply: {_shown(line)}")
        text = line[4:LINE_KEPT].removesuffix(b"\r")
        lines = self._lines
        if code is None:
            if len(lines) < LINES_KEPT:
                lines.append(text)
            return False
        lines.append(text)
        text = b"\n".join(lines)
        lines.clear()
        self._octets = 0
        on_reply(code, text)
        return True


def parse_extensions(text: bytes) -> Extensions:
    """The extensions in the text of an EHLO reply; the first line is the greeting."""
    offered: dict[str, list[str]] = {}
    for line in text.decode("ascii", "replace").upper().split("\n")[1:]:
        words = line.replace("AUTH=", "AUTH ", 1).split()
        if words:
            offered.setdefault(words[0], []).extend(words[1:])
    limit = "".join(offered.get("SIZE", [])[:1])
    return Extensions(
        pipelining="PIPELINING" in offered,
        starttls="STARTTLS" in offered,
        eight_bit="8BITMIME" in offered,
        smtputf8="SMTPUTF8" in offered,
        dsn="DSN" in offered,
        takes_size="SIZE" in offered,
        size=int(limit) if limit.isdecimal() and len(limit) < 20 else 0,
        auth=frozenset(offered.get("AUTH", [])),
    )


def parse_status(text: bytes) -> tuple[str, str]:
    """(enhanced status or '', the words in one line) of a reply's text; the status is taken off each line."""
    found = _STATUS.match(text)
    status = text[: found.end(3)].decode() if found else ""
    if b"\n" not in text:
        return status, one_line(text[found.end() :] if found else text)
    lines = text.split(b"\n")
    if found:
        lines = [_STATUS.sub(b"", line, count=1) if _STATUS.match(line) else line for line in lines]
    return status, one_line(b" ".join(line.strip() for line in lines))


def one_line(text: bytes | str) -> str:
    """Foreign text made safe for a log line and a bounce: UTF-8 or replaced, no control characters."""
    decoded = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    if decoded.isascii() and decoded.isprintable():
        return decoded.strip()
    return _BREAKING.sub(" ", decoded).strip()


def command(text: str) -> bytes:
    """A command line; WireError when it holds a control character (CR and LF would start another command)."""
    if _CONTROL.search(text):
        raise WireError("a control character in a command")
    return text.encode() + b"\r\n"


def is_path(address: str) -> bool:
    """Whether an address can stand between the angle brackets of MAIL and RCPT without ending them."""
    return _PATH.fullmatch(address) is not None


def xtext(text: str) -> str:
    """RFC 3461 §4: for ENVID and ORCPT; octets outside of printable ASCII, `+` and `=` as +XX."""
    if text.isascii() and text.isalnum():
        return text
    return _NOT_XTEXT.sub(lambda found: "".join(f"+{octet:02X}" for octet in found[0].encode()), text)


def from_xtext(text: str) -> str:
    """What xtext says; what it says of octets that are no text, or of controls, is `?`."""
    said = _ENCODED.sub(
        lambda found: bytes.fromhex(found[0].replace("+", "")).decode("utf-8", "replace"), text
    )
    return "".join(c if c.isprintable() else "?" for c in said)


def original_recipient(address: str) -> str:
    """The value of ORCPT: rfc822 in xtext, or RFC 6533's utf-8 form when the address is not ASCII."""
    if address.isascii():
        return f"rfc822;{xtext(address)}"
    return "utf-8;" + _NOT_UNITEXT.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", address)


class DotStuffer:
    """Content as it goes over the wire (RFC 5321 §4.5.2), chunk by chunk.

    Content that keeps the contract (CRLF line ends) arrives exactly as it is.  A bare CR or LF is made a CRLF here
    too: a server that takes it for a line end could be made to see a second message.
    """

    __slots__ = ("_at_line_start", "_held")

    def __init__(self) -> None:
        self._at_line_start = True
        self._held = b""  # a CR at the end of a chunk: its LF may be in the next

    def feed(self, chunk: bytes) -> bytes:
        if type(chunk) is Base64Lines and not self._held:
            self._at_line_start = True
            return chunk
        if self._held:
            chunk = b"\r" + chunk
            self._held = b""
        if chunk.endswith(b"\r"):
            self._held = b"\r"
            chunk = chunk[:-1]
        if not chunk:
            return b""
        ends = chunk.count(b"\r\n")
        if chunk.count(b"\n") != ends or chunk.count(b"\r") != ends:
            chunk = _BARE.sub(b"\r\n", chunk)
        starts_with_dot = self._at_line_start and chunk.startswith(b".")
        self._at_line_start = chunk.endswith(b"\n")
        if b"." in chunk and b"\n." in chunk:  # one octet is found far faster than two
            chunk = chunk.replace(b"\r\n.", b"\r\n..")
        return b"." + chunk if starts_with_dot else chunk

    def finish(self) -> bytes:
        """The end of the content: its last line end if that is missing, and the lone dot."""
        return b".\r\n" if self._at_line_start and not self._held else b"\r\n.\r\n"


def pieces(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The chunks, none larger than so many octets."""
    for chunk in chunks:
        for start in range(0, len(chunk), most):
            yield chunk[start : start + most] if len(chunk) > most else chunk


def stuffed(content: bytes) -> bytes:
    """A whole content and its end, as DotStuffer has it."""
    if _is_usual(content):
        return content + b".\r\n"
    stuffer = DotStuffer()
    return stuffer.feed(content) + stuffer.finish()


def _is_usual(content: bytes) -> bool:
    """Whether it leaves as it is: CR and LF in pairs only, one at the end, and no dot at the start of a line.

    A line ends with CR LF or with one of them alone; all are pairs when there are two of these octets a line.
    """
    if not content.endswith(b"\r\n"):
        return False
    lines = content.splitlines()
    without = content.replace(b"\r", b"").replace(b"\n", b"")
    return len(content) - len(without) == 2 * len(lines) and b"." not in [line[:1] for line in lines]


def _shown(line: bytes) -> str:
    return ascii(line[:60].decode("utf-8", "replace"))
