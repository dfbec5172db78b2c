"""A message handed to the running server; what is large by upload sessions."""

from __future__ import annotations

import mimetypes
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import click

from graphpost.cli.output import one_line, size_text
from graphpost.errors import GraphpostError

if TYPE_CHECKING:
    import httpx2

    from graphpost.config import Config

_CHUNK: Final = 65_536
_SLICE: Final = 4 * 1024 * 1024
_LARGE: Final = 262_144  # bytes from which progress is shown
_ROOM: Final = 65_536  # for what stands around an attachment in a request
_WRITING: Final = ("Mail.Send", "Mail.ReadWrite")
Advance = Callable[[int], None]


def post(config: Config, sender: str, message: dict[str, Any], files: Sequence[Path]) -> str:
    """Send; the id by which the queue knows the message.

    What does not fit one request needs an application that may write drafts.  A draft that is not sent is deleted.
    """
    import msgspec

    size = sum(_encoded(file) for file in files)
    limit = config.limits.request_bytes
    if size <= limit:
        message = {**message, "attachments": [_attachment(file) for file in files]}
        body = msgspec.json.encode({"message": message, "saveToSentItems": True})
        if len(body) <= limit:
            return _post_at_once(config, sender, body)
    return _post_draft(config, sender, message, files)


def _post_at_once(config: Config, sender: str, body: bytes) -> str:
    with _client(config, ("Mail.Send",)) as client, _progress(len(body)) as advance:
        headers = {"content-type": "application/json", "content-length": str(len(body))}
        content = _chunks(body, advance)
        answer = _answered(client.post(f"{_box(sender)}/sendMail", headers=headers, content=content))
    return str(answer.headers["x-graphpost-message-id"])


def _post_draft(config: Config, sender: str, message: dict[str, Any], files: Sequence[Path]) -> str:
    why = f"; what is larger than {size_text(config.limits.request_bytes)} is sent as a draft"
    with _client(config, _WRITING, why) as client, _progress(sum(_size(file) for file in files)) as advance:
        draft = _answered(client.post(f"{_box(sender)}/messages", json=message)).json()["id"]
        path = f"{_box(sender)}/messages/{quote(draft, safe='')}"
        try:
            for file in files:
                if _encoded(file) + _ROOM <= min(config.limits.request_bytes, _SLICE):
                    _answered(client.post(f"{path}/attachments", json=_attachment(file)))
                    advance(_size(file))
                else:
                    _upload(client, path, file, min(_SLICE, config.limits.upload_slice_bytes), advance)
            answer = _answered(client.post(f"{path}/send"))
        except BaseException:
            with suppress(Exception):
                client.delete(path)
            raise
    return str(answer.headers["x-graphpost-message-id"])


def _upload(client: httpx2.Client, draft: str, file: Path, most: int, advance: Advance) -> None:
    size = _size(file)
    item = {"attachmentType": "file", "name": file.name, "size": size, "contentType": _kind(file)}
    session = _answered(
        client.post(f"{draft}/attachments/createUploadSession", json={"AttachmentItem": item})
    )
    url = urlsplit(session.json()["uploadUrl"])
    with file.open("rb") as stream:
        for start in range(0, size, most):
            part = stream.read(min(most, size - start))
            span = f"bytes {start}-{start + len(part) - 1}/{size}"
            headers = {"content-range": span, "content-type": "application/octet-stream"}
            _answered(client.put(f"{url.path}?{url.query}", headers=headers, content=part))
            advance(len(part))


@contextmanager
def _client(config: Config, permissions: Sequence[str], why: str = "") -> Iterator[httpx2.Client]:
    """A client with a token of an application that has the permissions."""
    import httpx2

    from graphpost.cli.reaching import UnreachableError, get_running, http_client
    from graphpost.cli.token import app_token, choose_application

    running = get_running(config)
    application = choose_application(config, permissions=permissions, why=why)
    token = app_token(config, running, application)
    try:
        with http_client(config, running) as client:
            client.headers["authorization"] = f"Bearer {token}"
            yield client
    except httpx2.HTTPError as error:
        raise UnreachableError(f"{running.url} does not answer: {error}") from error


@contextmanager
def _progress(size: int) -> Iterator[Advance]:
    """A progress bar on standard error when there is much to send."""
    if size < _LARGE:
        yield lambda count: None
        return
    with click.progressbar(length=size, label="Sending", file=sys.stderr) as bar:
        yield bar.update


def _chunks(body: bytes, advance: Advance) -> Iterator[bytes]:
    for start in range(0, len(body), _CHUNK):
        piece = body[start : start + _CHUNK]
        yield piece
        advance(len(piece))


def _attachment(file: Path) -> dict[str, Any]:
    return {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": file.name,
        "contentType": _kind(file),
        "contentBytes": b64encode(file.read_bytes()).decode(),
    }


def _kind(file: Path) -> str:
    return mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def _size(file: Path) -> int:
    return file.stat().st_size


def _encoded(file: Path) -> int:
    """Base64 makes four bytes of three."""
    return -(-_size(file) // 3) * 4


def _box(sender: str) -> str:
    return f"/v1.0/users/{quote(sender, safe='@')}"


def _answered(answer: httpx2.Response) -> httpx2.Response:
    """The answer; raises with Graph's words when it is a refusal."""
    if answer.is_success:
        return answer
    try:
        error = answer.json()["error"]
        raise GraphpostError(one_line(f"{answer.status_code} {error['code']}: {error['message']}"))
    except (ValueError, KeyError, TypeError):
        words = f"the server answered {answer.status_code} {answer.reason_phrase}"
        raise GraphpostError(words) from None
