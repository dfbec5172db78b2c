"""The upload URL: slices of one attachment, durable before they are acknowledged.

    PUT     the next slice: 200 and what is still expected, or 201 with the attachment's address when it was the last
    GET     how far it is
    DELETE  give it up

A slice that came before is acknowledged again, and so is the last one, as often as a client asks: SDKs repeat it.  A slice
that does not arrive whole counts for nothing.  Once every byte is durable the session says so, then the file becomes a blob
and the draft's attachment; a crash between these steps is made good by the next request.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from msgspec.structs import replace

from graphpost.errors import (
    BadRequest,
    GraphError,
    MethodNotAllowed,
    NotFound,
    StoreBusy,
    Unavailable,
    WrongRange,
)
from graphpost.graph.attachments.attaching import attach, check_room
from graphpost.graph.attachments.opener import is_worth_a_record, opener_of
from graphpost.graph.attachments.uploads import Place, progress, read_place
from graphpost.graph.call import Reply, Request, Services
from graphpost.graph.standing import MAIL_WRITE, still_standing
from graphpost.ids import attachment_id_text
from graphpost.mail.mailbox import NO_FOLDER
from graphpost.store.blobs import Blob
from graphpost.store.contents import Content
from graphpost.store.mailbox import messages, uploads
from graphpost.store.mailbox.deferrals import NOBODY
from graphpost.store.mailbox.uploads import Upload, part_name
from graphpost.store.parts import Part
from graphpost.store.store import Tx

UPLOAD_PATH: Final = "/upload/"
_WRITTEN: Final = 512 * 1024  # bytes handed to a thread at once
_RANGE: Final = re.compile(r"\s*bytes\s*[ =]\s*(\d{1,18})\s*-\s*(\d{1,18})\s*/\s*(\d{1,18})\s*", re.ASCII)
_MISMATCH: Final = "The Content-Range header length does not match the provided number of bytes."


@dataclass(frozen=True, slots=True)
class Span:
    """A Content-Range: the first byte and the one after the last; and the Content-Length if there is one."""

    start: int
    end: int
    length: int | None


class Uploads:
    """Answers requests to upload URLs."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def handle(self, request: Request, body: AsyncIterator[bytes]) -> Reply:
        """The answer; raises GraphError and StoreError, and what reading the body raises.

        The body may not have been read to its end when the answer is an error.
        """
        place = read_place(request.path, request.query_string)
        if request.method not in ("DELETE", "GET", "PUT"):
            raise MethodNotAllowed(
                "Specified HTTP method is not allowed for the request target.",
                headers={"Allow": "DELETE, GET, PUT"},
            )
        upload = await self._get(place)  # from strangers no body is taken
        try:
            self._check_standing(upload)
            reply = await self._entered(request, place, upload, body)
        except GraphError as error:
            if is_worth_a_record(request, error):
                self._note(request, upload, error.status, error.code)
            raise
        if reply.status == 204 or (reply.status == 201 and not upload.is_attached):
            self._note(request, upload, reply.status)
        return reply

    async def _entered(
        self, request: Request, place: Place, upload: Upload, body: AsyncIterator[bytes]
    ) -> Reply:
        span = _read_span(request.headers, upload) if request.method == "PUT" else None
        throttle = self._services.throttle
        if throttle is None:
            return await self._answer(request, place, upload, span, body)
        meter = throttle.meter(upload.client_id, upload.mailbox_id)
        await throttle.enter(meter, span.end - span.start if span else 0)
        try:
            return await self._answer(request, place, upload, span, body)
        finally:
            meter.running -= 1

    async def _answer(
        self, request: Request, place: Place, upload: Upload, span: Span | None, body: AsyncIterator[bytes]
    ) -> Reply:
        if span is not None:
            return await self._put_slice(request, place, upload, span, body)
        await _ignore(body)
        return await (self._status if request.method == "GET" else self._delete)(place)

    async def _put_slice(
        self, request: Request, place: Place, upload: Upload, span: Span, body: AsyncIterator[bytes]
    ) -> Reply:
        async with self._alone(upload):
            upload, received = await self._take(place, span, body)
            if not upload.sha256:
                return Reply(200, progress(upload, received))
            self._check_standing(upload)  # the slice may have taken its time
            upload = await self._attached(upload)
        return Reply(201, headers={"Location": await self._location(request, place, upload)})

    async def _status(self, place: Place) -> Reply:
        upload = await self._find(place)
        if upload.sha256 and not upload.is_attached:
            async with self._alone(upload):
                upload = await self._attached(await self._find(place))
        received = upload.received
        if not upload.sha256:
            held = await asyncio.to_thread(self._services.blobs.parts.size, part_name(upload.upload_id))
            received = min(received, held)
        return Reply(200, progress(upload, received))

    async def _delete(self, place: Place) -> Reply:
        upload = await self._find(place)
        await self._services.store.write(lambda tx: uploads.remove(tx, upload.mailbox_id, upload.upload_id))
        await self._remove_part(upload)
        return Reply(204)

    def _note(self, request: Request, upload: Upload, status: int, code: str = "") -> None:
        services = self._services
        if services.auditor is None:
            return
        box = services.directory().by_id.get(upload.mailbox_id)
        services.auditor.note(
            opener_of(upload, request, services.directory()),
            mailbox_id=upload.mailbox_id,
            mailbox="" if box is None else box.address,
            message_id=upload.message_id,
            status=status,
            code=code,
        )

    async def _find(self, place: Place) -> Upload:
        """The session, whose opener must still be one who may: AccessDenied or Unauthenticated when not."""
        upload = await self._get(place)
        self._check_standing(upload)
        return upload

    def _check_standing(self, upload: Upload) -> None:
        if upload.requester != NOBODY:
            still_standing(upload.requester, self._services.directory(), upload.mailbox_id, MAIL_WRITE)

    async def _get(self, place: Place) -> Upload:
        """The session.  Unknown, over, and not opened by this token are the same to who asks."""
        mailbox = self._services.directory().find(place.user)
        if mailbox is None or not mailbox.enabled:
            raise NotFound
        number, now = mailbox.mailbox_id, self._services.clock.now()
        upload = await self._services.store.read(lambda tx: uploads.get(tx, number, place.upload_id))
        if upload is None or not place.opens(upload) or upload.expires_at <= now:
            raise NotFound
        return upload

    def _alone(self, upload: Upload) -> asyncio.Lock:
        """Held by one request at a time: a client that repeats a slice waits for its first try to end."""
        return self._locks.setdefault(upload.upload_id, asyncio.Lock())

    async def _take(self, place: Place, span: Span, body: AsyncIterator[bytes]) -> tuple[Upload, int]:
        """The session after this slice, and how many bytes it has."""
        upload = await self._find(place)
        if upload.sha256:
            await _ignore(body)
            return upload, upload.received
        try:
            part = await asyncio.to_thread(self._services.blobs.parts.open, part_name(upload.upload_id))
        except StoreBusy as error:  # another process has it
            raise Unavailable(
                "The upload session is in use by another request.", headers={"Retry-After": "1"}
            ) from error
        try:
            # Looked up again, because only from here on nobody else takes a slice.
            upload = await self._find(place)
            if not upload.sha256:
                await asyncio.to_thread(part.rewind, upload.received)
            if upload.sha256 or span.end <= part.size:
                await _ignore(body)
                return upload, part.size
            return await self._append(upload, part, span, body), part.size
        finally:
            part.close()

    async def _append(self, upload: Upload, part: Part, span: Span, body: AsyncIterator[bytes]) -> Upload:
        """The session with the next slice: durable, and noted."""
        if span.start != part.size:
            raise WrongRange(f"The next expected range is {part.size}-{upload.total - 1}.")
        if span.length is not None and span.length != span.end - span.start:
            raise BadRequest(_MISMATCH, "ErrorInvalidRequest")
        await _receive(part, span, body)
        complete = part.size == upload.total
        after = replace(upload, received=part.size, sha256=part.sha256 if complete else "")
        if not await self._services.store.write(lambda tx: uploads.advance(tx, upload, after)):
            raise NotFound  # given up meanwhile
        self._services.blobs.parts.remember(part_name(upload.upload_id), part)
        return after

    async def _attached(self, upload: Upload) -> Upload:
        """From every byte there to attached."""
        if upload.is_attached:
            return upload
        content = await asyncio.to_thread(self._content, upload)
        after = await self._services.store.write(lambda tx: self._attach(tx, upload, content))
        if isinstance(after, GraphError):
            raise after
        await self._remove_part(upload)
        return after

    def _content(self, upload: Upload) -> Content:
        """The file as a content: out of a small one its bytes, a large one is given its name as a blob."""
        reference, blobs, name = upload.attachment.content, self._services.blobs, part_name(upload.upload_id)
        assert reference is not None
        if upload.total <= self._services.inline_limit:
            return Content(reference.content_id, upload.total, upload.sha256, blobs.parts.read(name))
        blobs.adopt(name, Blob(upload.sha256, upload.total))
        return Content(reference.content_id, upload.total, upload.sha256)

    def _attach(self, tx: Tx, upload: Upload, content: Content) -> Upload | GraphError:
        """The attached upload; errors are returned, because raising one costs everybody who shares the commit."""
        current = uploads.get(tx, upload.mailbox_id, upload.upload_id)
        if current is None or current.is_attached:
            return current or NotFound()
        item = messages.get(tx, upload.mailbox_id, upload.message_id)
        if item is None or item.folder_id == NO_FOLDER or not item.is_draft:
            return NotFound()  # deleted, or sent: there is no draft to attach it to
        try:
            check_room(item.message, upload.total, self._services.limits)
            box = self._services.directory().by_id.get(upload.mailbox_id)
            if box is not None:  # other sessions were as small when this one was begun
                self._services.quotas.check_growth(tx, box, upload.total)
        except GraphError as error:
            return error
        now = self._services.clock.now()
        attach(tx, item, replace(upload.attachment, modified_at=now), [content], now)
        after = replace(current, is_attached=True)
        uploads.advance(tx, current, after)
        return after

    async def _remove_part(self, upload: Upload) -> None:
        await asyncio.to_thread(self._services.blobs.parts.remove, part_name(upload.upload_id))

    async def _location(self, request: Request, place: Place, upload: Upload) -> str:
        """The attachment's address, with its id as a list of the message's attachments shows it."""
        item = await self._services.store.read(
            lambda tx: messages.get(tx, upload.mailbox_id, upload.message_id)
        )
        moves = item.moves if item else 0
        key = attachment_id_text(
            place.user.lower(), upload.message_id, moves, upload.attachment.attachment_id
        )
        return f"{request.origin}/v1.0{place.message_path}/Attachments('{key}')"


def _read_span(headers: Mapping[str, str], upload: Upload) -> Span:
    found = _RANGE.fullmatch(headers.get("content-range", ""))
    if found is None:
        raise BadRequest(
            "The request must have a Content-Range header: bytes {start}-{end}/{size}.", "ErrorInvalidRequest"
        )
    start, last, total = map(int, found.groups())
    if total != upload.total:
        raise BadRequest(
            f"The Content-Range header says that the file has {total} bytes; the session is for {upload.total}.",
            "ErrorInvalidRequest",
        )
    if last < start or last >= total:
        raise WrongRange("The range in the Content-Range header is not one of the file.")
    length = headers.get("content-length")
    return Span(start, last + 1, None if length is None else int(length))


async def _receive(part: Part, span: Span, body: AsyncIterator[bytes]) -> None:
    """Append the body, which must be the span exactly; durable on return."""
    held: list[bytes] = []
    size, left = 0, span.end - span.start
    async for chunk in body:
        held.append(chunk)
        size, left = size + len(chunk), left - len(chunk)
        if left < 0:
            break
        if size >= _WRITTEN:
            await asyncio.to_thread(part.append, held)
            held, size = [], 0
    if left:
        raise BadRequest(_MISMATCH, "ErrorInvalidRequest")
    await asyncio.to_thread(_end, part, held)


def _end(part: Part, held: list[bytes]) -> None:
    part.append(held)
    part.sync()


async def _ignore(body: AsyncIterator[bytes]) -> None:
    async for _ in body:
        pass
