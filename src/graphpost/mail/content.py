"""A parsed message's body, and its attachments as slices of the data.

The body is the HTML of an alternative if there is one, else the text; further texts beside a text body go on
with it, up to MOST_TEXT octets. Everything else is attached, so that nothing is lost; attached messages are not opened.  Nothing here
raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from graphpost.clock import Instant
from graphpost.errors import MimeError
from graphpost.mail.charset import decode_text
from graphpost.mail.contenttype import is_media_type, parse_parametrised
from graphpost.mail.encoding import decode, decoded_size
from graphpost.mail.message import Attachment, Body, BodyKind, ContentRef
from graphpost.mail.scan import Buffer, Node, read_fields
from graphpost.mail.word import decode_words

MOST_TEXT: Final = 8 * 1024 * 1024  # octets of a body, which is in memory whole; what is more is attached
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_CHUNK: Final = 65_536
_META: Final = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_TOKEN: Final = re.compile(r"[a-z0-9-]+")
_ENCODINGS: Final = {
    "base64": "base64",
    "quoted-printable": "quoted-printable",
    "x-uuencode": "uuencode",
    "x-uue": "uuencode",
    "uuencode": "uuencode",
}
_EXTENSIONS: Final = {
    "text/plain": "txt",
    "text/html": "htm",
    "text/calendar": "ics",
    "message/delivery-status": "txt",
    "message/disposition-notification": "txt",
    "text/rfc822-headers": "txt",
    "message/global-headers": "txt",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "application/pdf": "pdf",
}
_OTHER_TEXTS: Final = frozenset({"text/enriched", "text/richtext", "text/x-amp-html", "text/watch-html"})
_BODY_TYPES: Final[dict[str, BodyKind]] = {"text/plain": "text", "text/html": "html"}


class Content:
    """Sorts the parts into the body and the attachments."""

    def __init__(self, data: Buffer, date: Instant) -> None:
        self.data = data
        self.date = date
        self.texts: list[str] = []
        self.text_bytes = 0
        self.kind: BodyKind = "text"
        self.attachments: list[Attachment] = []

    @property
    def body(self) -> Body:
        return Body("\r\n".join(self.texts), self.kind)

    def collect(self, node: Node, *, related: bool) -> None:
        kind = node.content_type.value
        if not node.children:
            if not self._take_body(node, related):
                self._attach(node, related)
        elif kind == "multipart/alternative":
            self._alternative(node, related)
        elif kind == "multipart/related":
            root = _related_root(node)
            self.collect(root, related=related)
            for child in node.children:
                if child is not root:
                    self.collect(child, related=True)
        else:
            for child in node.children:
                self.collect(child, related=related)

    def _alternative(self, node: Node, related: bool) -> None:
        """The richest alternative counts; of the others only what is no text is kept (a calendar, say)."""
        ranks = [_rank(child) for child in node.children]
        best = max(ranks)
        chosen = len(ranks) - 1 - ranks[::-1].index(best)
        self.collect(node.children[chosen], related=related)
        for place, child in enumerate(node.children):
            if place != chosen:
                self._keep_others(child, related)

    def _keep_others(self, node: Node, related: bool) -> None:
        for child in node.children:
            self._keep_others(child, related)
        if not node.children and not _is_text(node) and node.content_type.value not in _OTHER_TEXTS:
            self._attach(node, related)

    def _take_body(self, node: Node, related: bool) -> bool:
        """Text is the body, or goes on with it: footers that lists add, text around pictures."""
        if not _is_text(node) and not node.content_type.value.startswith("multipart/"):
            return False
        kind = _BODY_TYPES.get(node.content_type.value, "text")
        if self.texts and (related or kind != "text" or self.kind != "text"):
            return False
        self.text_bytes += node.end - node.start
        if self.text_bytes > MOST_TEXT:
            return False
        self.kind = kind
        self.texts.append(self._text(node))
        return True

    def _text(self, node: Node) -> str:
        content = b"".join(decode(self._chunks(node.start, node.end), _encoding(node)))
        charset = node.content_type.parameters.get("charset", "")
        if not charset and node.content_type.value == "text/html":
            declared = _META.search(content, 0, 2048)
            charset = declared[1].decode("ascii") if declared else ""
        return decode_text(content, charset)

    def _chunks(self, start: int, end: int) -> Iterator[bytes]:
        for position in range(start, end, _CHUNK):
            yield self.data[position : min(position + _CHUNK, end)]

    def _attach(self, node: Node, related: bool) -> None:
        number = len(self.attachments) + 1
        encoding = _encoding(node)
        media_type = node.content_type.value
        is_message = media_type in ("message/rfc822", "message/global")
        content_id = node.first.get("content-id", "").strip("<> \t")
        disposition = _disposition(node)
        self.attachments.append(
            Attachment(
                attachment_id=number,
                kind="item" if is_message else "file",
                name=_file_name(node)
                or (self._subject(node) if is_message else _made_up_name(number, media_type)),
                content_type=media_type if is_media_type(media_type) else "application/octet-stream",
                size=decoded_size(self._chunks(node.start, node.end), encoding),
                is_inline=bool(content_id)
                and (disposition == "inline" or (related and disposition != "attachment")),
                content_id=content_id,
                content_location=node.first.get("content-location", ""),
                modified_at=self.date,
                content=ContentRef(0, node.start, node.end - node.start, encoding),
            )
        )

    def _subject(self, node: Node) -> str:
        """What an attached message is called: its subject."""
        try:
            fields, _ = read_fields(self.data, node.start, node.end, 65_536)
        except MimeError:
            return ""
        subjects = (decode_words(value) for name, value in fields if name.lower() == "subject")
        return _CONTROLS.sub(" ", next(subjects, ""))


def _related_root(node: Node) -> Node:
    start = node.content_type.parameters.get("start", "")
    if start:
        for child in node.children:
            if child.first.get("content-id", "") == start:
                return child
    return node.children[0]


def _rank(node: Node) -> int:
    """How much of a body a part has: 2 HTML, 1 text, 0 none."""
    if node.children:
        return max(map(_rank, node.children))
    return (2 if node.content_type.value == "text/html" else 1) if _is_text(node) else 0


def _is_text(node: Node) -> bool:
    """Whether a leaf is text to be read, not to be saved."""
    return (
        node.content_type.value in _BODY_TYPES and _disposition(node) != "attachment" and not _file_name(node)
    )


def _disposition(node: Node) -> str:
    value = node.first.get("content-disposition", "")
    return parse_parametrised(value).value if value else ""


def _encoding(node: Node) -> str:
    value = node.first.get("content-transfer-encoding")
    if not value:
        return ""
    token = _TOKEN.search(value.lower())
    return _ENCODINGS.get(token[0], "") if token else ""


def _file_name(node: Node) -> str:
    """The name without any path: from the disposition, else from the type; RFC 2047 there is wrong but common."""
    disposition = node.first.get("content-disposition")
    given = parse_parametrised(disposition).parameters.get("filename", "") if disposition else ""
    given = given or node.content_type.parameters.get("name", "")
    if not given:
        return ""
    name = _CONTROLS.sub("", decode_words(given)).replace("\\", "/").rpartition("/")[2].strip()
    return "" if name in (".", "..") else name


def _made_up_name(number: int, media_type: str) -> str:
    return f"ATT{number:05d}.{_EXTENSIONS.get(media_type, 'bin')}"
