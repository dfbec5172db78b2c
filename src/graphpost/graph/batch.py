"""`$batch`: up to 20 requests in one, each answered as if it had come alone.

The parts go through the API's own handling with the token of the batch: no second look at the token, and every look at
permission and mailbox.  Four run at a time; one that depends on others waits for them, and is 424 when one of them failed.
"""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import msgspec

from graphpost.errors import BadRequest, GraphError, TooLarge, UnsupportedMedia
from graphpost.graph.batch_in import Part, locate, part_body, read_batch
from graphpost.graph.bodies.payload import LARGE, media_kind
from graphpost.graph.bodies.values import READ, clip
from graphpost.graph.call import PART, Api, Call, Refusal, Reply, Request

TOGETHER: Final = 4  # parts that run at a time, as in Graph for one mailbox
ANSWER_BYTES: Final = 32 * 1024 * 1024  # of all parts together, in memory until the last one is done

_LOGGED: Final = 500  # characters of a part's path
_UNWRITTEN: Final = frozenset({"x-ms-ags-diagnostic"})
_log: Final = logging.getLogger(__name__)


class FailedDependency(GraphError):
    """A request that this one waits for has failed."""

    status: ClassVar[int] = 424
    default_code: ClassVar[str] = "FailedDependency"


async def run_batch(call: Call) -> Reply:
    """POST /$batch: 200 with an answer for every part, in the order of the requests' dependencies."""
    if call.api is None:
        raise BadRequest("A batch cannot be a request of a batch.")
    if media_kind(call.headers.get("content-type"), call.body) != "json":
        raise UnsupportedMedia("A batch must be of the type 'application/json'.", READ)
    is_large = len(call.body) > LARGE
    parts = await asyncio.to_thread(read_batch, call.body) if is_large else read_batch(call.body)
    batch = _Batch(call, call.api)
    responses = await batch.run(parts)
    body = {"responses": responses}
    return Reply(body=body, content_type="application/json", refusals=tuple(batch.refusals))


class _Batch:
    def __init__(self, call: Call, api: Api) -> None:
        self._call = call
        self._api = api
        self._places = asyncio.Semaphore(TOGETHER)
        self._room = ANSWER_BYTES
        self.refusals: list[Refusal] = []

    async def run(self, parts: Sequence[Part]) -> list[dict[str, Any]]:
        """The answers; `parts` have each one after those it depends on."""
        tasks: dict[str, asyncio.Task[dict[str, Any]]] = {}
        async with asyncio.TaskGroup() as group:
            for part in parts:
                needed = {part_id: tasks[part_id] for part_id in part.depends_on}
                tasks[part.part_id] = group.create_task(self._answer(part, needed))
        return [task.result() for task in tasks.values()]

    async def _answer(self, part: Part, needed: Mapping[str, asyncio.Task[dict[str, Any]]]) -> dict[str, Any]:
        for part_id, task in needed.items():
            if (await task)["status"] >= 400:
                error = FailedDependency(f"The request depends on request '{clip(part_id)}', which failed.")
                return await self._written(part, self._refused(part, error))
        async with self._places:
            return await self._written(part, await self._reply(part))

    async def _reply(self, part: Part) -> Reply:
        try:
            path, query = locate(part.url, self._call.base)
            body, headers = part_body(part)
        except GraphError as error:
            return self._refused(part, error)
        return await self._api.handle(self._request(part, path, query, body, headers), self._call.principal)

    def _request(self, part: Part, path: str, query: str, body: bytes, headers: Mapping[str, str]) -> Request:
        call = self._call
        given = {"client-request-id": call.headers.get("client-request-id", ""), PART: part.part_id}
        if "client-request-id" in part.headers:
            del given[PART]
        return Request(
            method=part.method,
            path=path,
            query_string=query,
            headers={**given, **headers},
            body=body,
            origin=call.base.rpartition("/")[0],
            request_id=call.request_id,
            is_gone=call.is_gone,
            remote=call.remote,
        )

    def _refused(self, part: Part, error: GraphError) -> Reply:
        return self._api.refuse(self._request(part, "", "", b"", part.headers), error)

    async def _written(self, part: Part, reply: Reply) -> dict[str, Any]:
        try:
            data = await self._collected(reply, is_read=part.method == "GET")
        except GraphError as error:
            return await self._written(part, self._refused(part, error))
        except Exception:
            _log.exception("request %s: an answer broke off", self._call.request_id)
            broken = GraphError("An unexpected error occurred while processing the request.")
            return await self._written(part, self._refused(part, broken))
        if reply.status >= 400:
            path = part.url.partition("?")[0][:_LOGGED]
            self.refusals.append(Refusal(part.method, path, reply.status, reply.code))
        headers = {name: value for name, value in reply.headers.items() if name not in _UNWRITTEN}
        if reply.content_type:
            headers["Content-Type"] = reply.content_type
        body = await _body_value(data, reply.content_type)
        return {"id": part.part_id, "status": reply.status, "headers": headers, "body": body}

    async def _collected(self, reply: Reply, *, is_read: bool) -> bytes:
        """The body's bytes.  What only reads is refused when the answers together become too large."""
        body = reply.body
        if body is None:
            return b""
        if isinstance(body, bytes):
            if is_read and reply.status < 400:
                self._take(len(body))
            return body
        chunks: list[bytes] = []
        try:
            async for chunk in body:
                self._take(len(chunk))
                chunks.append(chunk)
        except BaseException:
            self._room += sum(map(len, chunks))
            raise
        finally:
            if (close := getattr(body, "aclose", None)) is not None:
                await close()
        return b"".join(chunks)

    def _take(self, size: int) -> None:
        if size > self._room:
            raise TooLarge("The answer is too large for a batch. Send this request alone.")
        self._room -= size


async def _body_value(data: bytes, content_type: str) -> Any:
    if not data:
        return None
    if content_type.startswith("application/json"):
        return msgspec.Raw(data)
    encoded = await asyncio.to_thread(b64encode, data) if len(data) > LARGE else b64encode(data)
    return encoded.decode()
