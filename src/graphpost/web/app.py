"""The ASGI application: one request id, one body reader, four mounts in a list.

    /v1.0 /beta                        the Graph API
    /upload                            the slices of upload sessions, whose bodies are read while they come
    /healthz /readyz /metrics /admin   the administrator's surface
    everything else                    the embedded issuer's endpoints, or 404

Errors that arise here (a body too large, a wrong Host) have Graph's shape too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import lru_cache
from time import perf_counter
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from graphpost.admin.http import AdminApi
from graphpost.auth.issuer import Issuer, IssuerRequest
from graphpost.config import LimitSettings
from graphpost.errors import BadRequest, GraphError, NotFound, StoreError
from graphpost.graph.api import GraphApi, unavailable, unexpected
from graphpost.graph.call import Reply, Request
from graphpost.graph.uploading import UPLOAD_PATH, Uploads
from graphpost.ids import new_guid
from graphpost.maillog import MailLog
from graphpost.web.body import BodyReader, BodyStream, Disconnected, Receive, Timeout, TooLong
from graphpost.web.connection import WHOLE

Scope = MutableMapping[str, Any]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

ADMIN_PATHS: Final = ("/healthz", "/readyz", "/metrics", "/admin")
GRAPH_PATHS: Final = ("/v1.0", "/beta")
UPLOAD_PREFIX: Final = UPLOAD_PATH.encode()
FORM_TYPE: Final = "application/x-www-form-urlencoded"
FORM_FIELDS: Final = 100
HOST: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[\w.-]+))(?::\d{0,5})?", re.ASCII)
SINGLE: Final = (b"host", b"authorization", b"content-type", b"content-encoding", b"cookie")


class Answer:
    """What goes back: a status, headers in order, and a body at once or in chunks."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self, status: int, headers: Iterable[tuple[str, str]], body: bytes | AsyncIterator[bytes] | None
    ) -> None:
        self.status = status
        self.headers = [(_wire_name(name), value.encode("latin-1")) for name, value in headers]
        self.body = body


@lru_cache(maxsize=256)
def _wire_name(name: str) -> bytes:
    return name.lower().encode("latin-1")


class Application:
    """Everything the server answers over HTTP.  `hosts` are the accepted Host names, lower case, without port."""

    def __init__(
        self,
        *,
        graph: GraphApi,
        uploads: Uploads,
        issuer: Issuer | None,
        admin: AdminApi,
        limits: LimitSettings,
        log: MailLog,
        hosts: frozenset[str],
    ) -> None:
        self._graph = graph
        self._uploads = uploads
        self._issuer = issuer
        self.admin = admin
        self._limits = limits
        self._log = log
        self._hosts = hosts
        self._bodies = BodyReader(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = perf_counter()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body, fault = b"", None
        stream: BodyStream | None = None
        try:
            if host_name(headers.get("host", "")) not in self._hosts:
                raise BadRequest("Bad Request - Invalid Hostname")
            if len(headers) != len(scope["headers"]):
                _check_single(scope["headers"])
            if scope["raw_path"].startswith(UPLOAD_PREFIX):
                stream = self._bodies.stream(receive, headers)
            else:
                body = await self._bodies.read(receive, headers, scope.get(WHOLE))
        except Disconnected:
            return
        except GraphError as error:
            fault = error
        request = Request(
            method=scope["method"],
            path=scope["raw_path"].decode("latin-1"),
            query_string=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=body,
            origin=f"{scope['scheme']}://{headers.get('host', '')}",
            request_id=new_guid(),
        )
        try:
            answer = self._refusal(request, fault) if fault else await self._answer(scope, request, stream)
        except Disconnected:
            return
        seconds = perf_counter() - started
        self._log.request(
            request.method, request.path, answer.status, seconds, request.request_id, _mount(request.path)
        )
        is_unread = isinstance(fault, TooLong) or (stream is not None and not stream.is_read)
        if is_unread and "expect" not in headers:
            await _respond_early(send, answer, lambda: self._bodies.discard(receive))
        else:
            await _respond(send, answer, is_head=request.method == "HEAD")

    async def _answer(self, scope: Scope, request: Request, stream: BodyStream | None) -> Answer:
        if _is_graph(request.path):
            return self._graph_answer(request, await self._graph.handle(request))
        try:
            if stream is not None:
                return await self._upload_answer(request, stream)
            if request.path.startswith(ADMIN_PATHS):
                status, extra, data = await self.admin.handle(
                    request.method, request.path, request.query_string, request.headers, request.body
                )
                return Answer(status, extra.items(), data)
            client = scope.get("client")
            return await self._issuer_answer(request, client[0] if client else "")
        except GraphError as error:
            return self._refusal(request, error, stream)
        except StoreError as error:
            self._log.problem(f"request {request.request_id}", error)
            return self._refusal(request, unavailable(), stream)
        except Disconnected:
            raise
        except (
            Exception
        ) as error:  # a defect of ours: the client is told so in the shape it knows, the log what it is
            self._log.problem(f"request {request.request_id}", error)
            return self._refusal(request, unexpected(), stream)

    async def _upload_answer(self, request: Request, stream: BodyStream) -> Answer:
        reply = await self._uploads.handle(request, stream)
        return self._graph_answer(request, self._graph.finish(request, reply))

    def _graph_answer(self, request: Request, reply: Reply) -> Answer:
        if reply.status >= 400:
            self._log.refused(request.method, request.path, reply.status, reply.code, request.request_id)
        headers = list(reply.headers.items())
        if reply.content_type:
            headers.append(("content-type", reply.content_type))
        return Answer(reply.status, headers, reply.body)

    async def _issuer_answer(self, request: Request, remote: str) -> Answer:
        """The issuer's answer; its pages and tokens have their own shapes."""
        if self._issuer is not None:
            is_form = request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM_TYPE
            reply = await self._issuer.handle(
                IssuerRequest(
                    method=request.method,
                    path=unquote(request.path),
                    query=_pairs(request.query_string),
                    form=_pairs(request.body.decode("utf-8", "replace")) if is_form else {},
                    headers=request.headers,
                    origin=request.origin,
                    remote=remote,
                )
            )
            if reply is not None:
                headers = list(reply.headers)
                if reply.content_type:
                    headers.append(("content-type", reply.content_type))
                return Answer(reply.status, headers, reply.body)
        raise NotFound("Resource could not be discovered.", "ResourceNotFound")

    def _refusal(self, request: Request, error: GraphError, stream: BodyStream | None = None) -> Answer:
        answer = self._graph_answer(request, self._graph.refuse(request, error))
        if isinstance(error, (Timeout, TooLong)) or (stream is not None and not stream.is_read):
            answer.headers.append((b"connection", b"close"))  # what is left of the body is not read
        return answer


def _is_graph(path: str) -> bool:
    return path[:5].lower().startswith(GRAPH_PATHS)


def _mount(path: str) -> str:
    """Which mount a path belongs to: the label of the latency histogram, so that it has few values."""
    if _is_graph(path):
        return "sendMail" if path[-9:].lower() == "/sendmail" else "graph"
    if path.startswith(UPLOAD_PATH):
        return "upload"
    return "admin" if path.startswith(ADMIN_PATHS) else "issuer"


def _pairs(encoded: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(encoded, keep_blank_values=True, max_num_fields=FORM_FIELDS))
    except ValueError as error:
        raise BadRequest("The request has too many fields.") from error


@lru_cache(maxsize=256)
def host_name(host: str) -> str:
    """The Host header's name without its port and IPv6 brackets, lower case; '' when it is no host (RFC 9110, 7.2)."""
    match = HOST.fullmatch(host)
    return (match["v6"] or match["name"]).lower() if match else ""


def _check_single(fields: Iterable[tuple[bytes, bytes]]) -> None:
    """Fields that decide what a request means come once: others before us may have gone by the other one."""
    found = Counter(name for name, _ in fields)
    if any(found[name] > 1 for name in SINGLE):
        raise BadRequest("The request has a header field more than once.")


async def _respond(send: Send, answer: Answer, *, is_head: bool) -> None:
    headers, body = answer.headers, answer.body
    if body is None or isinstance(body, bytes):
        data = body or b""
        if answer.status not in (204, 304) and not any(name == b"content-length" for name, _ in headers):
            headers.append((b"content-length", b"%d" % len(data)))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if is_head else data})
        return
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    async for chunk in body:
        if not is_head:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _respond_early(send: Send, answer: Answer, discard: Callable[[], Awaitable[None]]) -> None:
    """Answer a client that is still sending; the end, which closes the connection, waits for the client."""
    assert isinstance(answer.body, bytes)
    headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    await discard()
    await send({"type": "http.response.body", "body": b""})
