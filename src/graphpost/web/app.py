"""The ASGI application: one request id, one body reader, and three mounts in one visible list.

    /v1.0 /beta                        the Graph API
    /healthz /readyz /metrics /admin   the administrator's surface
    everything else                    the embedded issuer's endpoints, or 404

Errors that arise here (a body too large, a wrong Host) have Graph's shape too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from time import perf_counter
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from graphpost.admin.http import AdminApi
from graphpost.auth.issuer import Issuer, IssuerRequest
from graphpost.config import LimitSettings
from graphpost.errors import BadRequest, GraphError, NotFound, StoreError, Unavailable
from graphpost.graph.api import GraphApi
from graphpost.graph.call import Request
from graphpost.ids import new_guid
from graphpost.maillog import MailLog
from graphpost.web.body import Disconnected, Receive, read_body

Scope = MutableMapping[str, Any]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

ADMIN_PATHS: Final = ("/healthz", "/readyz", "/metrics", "/admin")
GRAPH_PATHS: Final = ("/v1.0", "/beta")
FORM_TYPE: Final = "application/x-www-form-urlencoded"
FORM_FIELDS: Final = 100


class Answer:
    """What goes back: a status, headers in order, and a body at once or in chunks."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self, status: int, headers: Iterable[tuple[str, str]], body: bytes | AsyncIterator[bytes] | None
    ) -> None:
        self.status = status
        self.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self.body = body


class Application:
    """Everything the server answers over HTTP.  `hosts` are the accepted Host names, lower case, without port."""

    def __init__(
        self,
        *,
        graph: GraphApi,
        issuer: Issuer | None,
        admin: AdminApi,
        limits: LimitSettings,
        log: MailLog,
        hosts: frozenset[str],
    ) -> None:
        self._graph = graph
        self._issuer = issuer
        self._admin = admin
        self._limits = limits
        self._log = log
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = perf_counter()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        request = Request(
            method=scope["method"],
            path=scope["raw_path"].decode("latin-1"),
            query_string=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=b"",
            origin=f"{scope['scheme']}://{headers.get('host', '')}",
            request_id=new_guid(),
        )
        try:
            answer = await self._answer(scope, request, receive)
        except Disconnected:
            return
        except GraphError as error:
            answer = self._refusal(request, error)
        except StoreError as error:
            self._log.problem(f"request {request.request_id}", error)
            answer = self._refusal(
                request,
                Unavailable("The service is temporarily unavailable. Please try again later.", headers=RETRY),
            )
        seconds = perf_counter() - started
        self._log.request(
            request.method, request.path, answer.status, seconds, request.request_id, _mount(request.path)
        )
        await _respond(send, answer, is_head=request.method == "HEAD")

    async def _answer(self, scope: Scope, request: Request, receive: Receive) -> Answer:
        if host_name(request.headers.get("host", "")) not in self._hosts:
            raise BadRequest("Bad Request - Invalid Hostname")
        path = request.path
        body = await read_body(receive, request.headers, self._limits)
        if path.startswith(GRAPH_PATHS):
            return await self._graph_answer(request, body)
        if path.startswith(ADMIN_PATHS):
            status, extra, data = await self._admin.handle(
                request.method, path, request.query_string, request.headers, body
            )
            return Answer(status, extra.items(), data)
        client = scope.get("client")
        return await self._issuer_answer(request, body, client[0] if client else "")

    async def _graph_answer(self, request: Request, body: bytes) -> Answer:
        reply = await self._graph.handle(_with_body(request, body) if body else request)
        if reply.status >= 400:
            self._log.refused(request.method, request.path, reply.status, "", request.request_id)
        headers = list(reply.headers.items())
        if reply.content_type:
            headers.append(("content-type", reply.content_type))
        return Answer(reply.status, headers, reply.body)

    async def _issuer_answer(self, request: Request, body: bytes, remote: str) -> Answer:
        """The issuer's answer; its pages and tokens have their own shapes."""
        if self._issuer is not None:
            is_form = request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM_TYPE
            reply = await self._issuer.handle(
                IssuerRequest(
                    method=request.method,
                    path=unquote(request.path),
                    query=_pairs(request.query_string),
                    form=_pairs(body.decode("utf-8", "replace")) if is_form else {},
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

    def _refusal(self, request: Request, error: GraphError) -> Answer:
        reply = self._graph.refuse(request, error)
        self._log.refused(request.method, request.path, reply.status, error.code, request.request_id)
        headers = [*reply.headers.items(), ("content-type", reply.content_type)]
        if error.status in (408, 413):
            headers.append(("connection", "close"))  # what is left of the body is not read
        return Answer(reply.status, headers, reply.body)


RETRY: Final = {"Retry-After": "5"}


def _with_body(request: Request, body: bytes) -> Request:
    return Request(
        method=request.method,
        path=request.path,
        query_string=request.query_string,
        headers=request.headers,
        body=body,
        origin=request.origin,
        request_id=request.request_id,
    )


def _mount(path: str) -> str:
    """Which mount a path belongs to: the label of the latency histogram, so that it has few values."""
    if path.startswith(GRAPH_PATHS):
        return "sendMail" if path[-9:].lower() == "/sendmail" else "graph"
    return "admin" if path.startswith(ADMIN_PATHS) else "issuer"


def _pairs(encoded: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(encoded, keep_blank_values=True, max_num_fields=FORM_FIELDS))
    except ValueError as error:
        raise BadRequest("The request has too many fields.") from error


def host_name(host: str) -> str:
    """The Host header's name without its port and IPv6 brackets, lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


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
