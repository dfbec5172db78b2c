"""The parts of a message by byte offsets: header fields and multipart boundaries.

Nothing is decoded or copied.  Lenient as mail is: bare LF, empty values, values after a fold, a line that is
no field (the body begins there), a multipart whose boundary never comes (a leaf), one that is never closed.
Time is linear in the data for each level of nesting, and the levels are limited.  Raises MimeError for what
exceeds a limit, and for no message at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from mmap import mmap
from typing import Final

from graphpost.errors import MimeError
from graphpost.mail.charset import decode_unlabelled
from graphpost.mail.contenttype import Parametrised, is_media_type, parse_parametrised

Buffer = bytes | mmap

_FIELD: Final = re.compile(r"([!-9;-~]+)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*)(?:\n|\Z)")
_LONGEST_BOUNDARY: Final = 256
_FALSE_BOUNDARIES: Final = 100_000  # lines that only look like boundaries, in all levels together
_TEXT: Final = Parametrised("text/plain", {})
_DIGESTED: Final = Parametrised("message/rfc822", {})


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """What a message may have at most: levels of multiparts, parts, octets in one header."""

    depth: int = 30
    parts: int = 1000
    header_bytes: int = 262_144


@dataclass(slots=True)
class Node:
    """A part: its fields (unfolded, not decoded) and where its content is.  A leaf has no children."""

    fields: list[tuple[str, str]]
    first: dict[str, str]  # by lower-case name, the first field of it
    content_type: Parametrised
    start: int
    end: int
    children: list[Node] = field(default_factory=list)


def scan(data: Buffer, limits: ParseLimits) -> Node:
    """The message's tree of parts."""
    scanner = _Scanner(data, limits)
    root = scanner.part(message_start(data), len(data), 0, _TEXT)
    if not root.fields:
        raise MimeError("there is no header field")
    return root


def message_start(data: Buffer) -> int:
    """Where the header begins: after blank lines and an mbox `From ` line."""
    start = 0
    while start < 1024 and data[start : start + 1] in (b"\r", b"\n"):
        start += 1
    if data[start : start + 5] in (b"From ", b">From"):
        start = data.find(b"\n", start, start + 1000) + 1 or start
    return start


def read_fields(data: Buffer, start: int, end: int, limit: int) -> tuple[list[tuple[str, str]], int]:
    """The header fields from `start` on, values unfolded, and where the body begins."""
    text, body = header_block(data, start, end, limit)
    fields: list[tuple[str, str]] = []
    position = 0
    size = len(text)
    while position < size:
        match = _FIELD.match(text, position)
        if match is None:
            return fields, start + position
        position = match.end()
        fields.append((match[1], _unfolded(match[2])))
    if body < 0:
        if start + size < end:
            raise MimeError(f"a header is longer than {limit} bytes")
        body = end
    return fields, body


def header_block(data: Buffer, start: int, end: int, limit: int) -> tuple[str, int]:
    """(the header's octets as Latin-1 without the empty line, where the body begins or -1: no empty line)."""
    if data[start : start + 1] == b"\n":
        return "", start + 1
    if data[start : start + 2] == b"\r\n":
        return "", start + 2
    stop = min(end, start + limit + 4)
    crlf = data.find(b"\n\r\n", start, stop)
    bare = data.find(b"\n\n", start, stop if crlf < 0 else crlf + 2)
    if bare >= 0 and (crlf < 0 or bare < crlf):
        return data[start : bare + 1].decode("latin-1"), bare + 2
    if crlf >= 0:
        return data[start : crlf + 1].decode("latin-1"), crlf + 3
    return data[start:stop].decode("latin-1"), -1


def _unfolded(value: str) -> str:
    """One line, without NUL; octets that are not ASCII read as UTF-8 or Windows-1252."""
    value = value.strip(" \t\r\n")
    if "\n" in value:
        value = value.replace("\r\n", "").replace("\n", "")
    if "\r" in value:
        value = value.replace("\r", " ")
    if not value.isascii():
        value = decode_unlabelled(value.encode("latin-1"))
    return value.replace("\0", "") if "\0" in value else value


class _Scanner:
    def __init__(self, data: Buffer, limits: ParseLimits) -> None:
        self.data = data
        self.limits = limits
        self.parts = 0
        self.false_boundaries = 0

    def part(self, start: int, end: int, depth: int, default: Parametrised) -> Node:
        self.parts += 1
        if self.parts > self.limits.parts:
            raise MimeError(f"there are more than {self.limits.parts} parts")
        fields, body = read_fields(self.data, start, end, self.limits.header_bytes)
        first: dict[str, str] = {}
        for name, value in fields:
            first.setdefault(name.lower(), value)
        given = first.get("content-type")
        content_type = parse_parametrised(given) if given else default
        if not is_media_type(content_type.value):
            content_type = default  # RFC 2045 5.2
        node = Node(fields, first, content_type, min(body, end), end)
        if content_type.value.startswith("multipart/"):
            self._add_children(node, depth + 1)
        return node

    def _add_children(self, node: Node, depth: int) -> None:
        boundary = node.content_type.parameters.get("boundary", "").rstrip().encode("utf-8", "replace")
        if not 0 < len(boundary) <= _LONGEST_BOUNDARY:
            return
        spans = self._split(node.start, node.end, b"--" + boundary)
        if spans and depth > self.limits.depth:
            raise MimeError(f"parts are nested deeper than {self.limits.depth} levels")
        default = _DIGESTED if node.content_type.value == "multipart/digest" else _TEXT
        node.children = [self.part(start, end, depth, default) for start, end in spans]

    def _split(self, start: int, end: int, delimiter: bytes) -> list[tuple[int, int]]:
        """Where the parts between the delimiters are; what stands before the first is nothing."""
        spans: list[tuple[int, int]] = []
        opened = -1
        position = start
        line_start = (
            start
            if self.data[start : start + len(delimiter)] == delimiter
            else self._next(start, end, delimiter)
        )
        while line_start >= 0:
            position = line_start + len(delimiter)
            line_end = self.data.find(b"\n", position, min(end, position + 1000))
            after = end if line_end < 0 else line_end + 1
            rest = self.data[position : min(after, position + 1000)].strip(b" \t\r\n")
            if rest in (b"", b"--"):
                if opened >= 0:
                    spans.append((opened, max(opened, self._before_line_end(line_start))))
                    if len(spans) > self.limits.parts:
                        raise MimeError(f"there are more than {self.limits.parts} parts")
                opened = after
                if rest:
                    return spans
            else:
                self._count_false_boundary()
            line_start = self._next(max(start, position - 1), end, delimiter)
        if opened >= 0:
            spans.append((opened, end))
        return spans

    def _next(self, position: int, end: int, delimiter: bytes) -> int:
        """Where the next line that begins with the delimiter begins; -1 when there is none."""
        found = self.data.find(b"\n" + delimiter, position, end)
        return found + 1 if found >= 0 else -1

    def _before_line_end(self, line_start: int) -> int:
        """The line end before a delimiter is part of it."""
        end = line_start - 1
        return end - 1 if self.data[end - 1 : end] == b"\r" else end

    def _count_false_boundary(self) -> None:
        self.false_boundaries += 1
        if self.false_boundaries > _FALSE_BOUNDARIES:
            raise MimeError("there are too many lines that look like boundaries")
