"""The web application: one request id, one body reader, four mounts in a list.

    /v1.0 /beta                        the Graph API
    /upload                            the slices of upload sessions, whose bodies are read while they come
    /healthz /readyz /metrics /admin   the administrator's surface
    everything else                    the embedded issuer's endpoints, a page at / for browsers, or 404

Errors that arise here (a body too large, a wrong Host) have Graph's shape too.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from functools import lru_cache
from time import perf_counter
from typing import Final
from urllib.parse import parse_qsl, unquote

from graphpost.admin.http import AdminApi
from graphpost.auth.issuer.issuer import Issuer, IssuerRequest, is_shared
from graphpost.config import LimitSettings
from graphpost.errors import BadRequest, GraphError, NotFound, StoreError
from graphpost.graph.api import GraphApi, unavailable, unexpected
from graphpost.graph.attachments.uploading import UPLOAD_PATH, Uploads
from graphpost.graph.call import Reply, Request
from graphpost.ids import new_guid
from graphpost.maillog import MailLog
from graphpost.web.body import BodyReader, BodyStream, TooLong
from graphpost.web.exchange import Disconnected, Exchange
from graphpost.web.front import HEADERS, front_page
from graphpost.web.sharing import PREFLIGHT, SHARED_MOUNTS, SHOWN, is_preflight

ADMIN_PATHS: Final = ("/healthz", "/readyz", "/metrics", "/admin")
GRAPH_PATHS: Final = ("/v1.0", "/beta")
GRAPH_MOUNTS: Final = ("graph", "sendMail")
FORM_TYPE: Final = "application/x-www-form-urlencoded"
FORM_FIELDS: Final = 100
STRANGERS_BYTES: Final = 65_536  # of a body whose sender is not known yet
HOST: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[\w.-]+))(?::\d{0,5})?", re.ASCII)
SINGLE: Final = frozenset({"host", "authorization", "content-type", "content-encoding", "cookie"})


class Answer:
    """What goes back: a status, headers in order, and a body at once or in chunks."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self, status: int, headers: Iterable[tuple[str, str]], body: bytes | AsyncIterator[bytes] | None
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body


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

    async def __call__(self, exchange: Exchange) -> None:
        """Answer a request; never raises for what is wrong with it, or with us."""
        try:
            await self._serve(exchange)
        except Disconnected:
            pass
        except Exception as error:  # an answer that broke off; the client sees that from the connection's end
            self._log.problem(f"answer to {exchange.method} {exchange.target}", error)
        finally:
            if not exchange.is_over:
                exchange.abandon()

    async def _serve(self, exchange: Exchange) -> None:
        started = perf_counter()
        headers = exchange.headers
        body, fault = b"", None
        stream: BodyStream | None = None
        try:
            if host_name(headers.get("host", "")) not in self._hosts:
                raise BadRequest("Bad Request - Invalid Hostname")
            if not SINGLE.isdisjoint(exchange.repeated):
                raise BadRequest("The request has a header field more than once.")
            if exchange.target.startswith(UPLOAD_PATH):
                stream = self._bodies.stream(exchange)
            else:
                body = await self._body(exchange)
        except GraphError as error:
            fault = error
        path = exchange.target
        mount = _mount(path)
        is_for_pages = "origin" in headers and mount in SHARED_MOUNTS
        request = Request(
            method=exchange.method,
            path=path,
            query_string=exchange.query,
            headers=headers,
            body=body,
            origin=f"{exchange.scheme}://{headers.get('host', '')}",
            request_id=new_guid(),
            is_gone=lambda: exchange.is_gone,
            remote=exchange.client,
        )
        if fault is not None:
            answer = self._refusal(request, fault, self._graph.turn_away(request, fault))
        elif is_for_pages and is_preflight(request.method, headers):
            answer = Answer(204, PREFLIGHT, None)
        elif mount in GRAPH_MOUNTS:
            answer = self._graph_answer(request, await self._graph.handle(request))
        else:
            answer = await self._answer(request, exchange.client, stream)
        if is_for_pages and answer.headers is not PREFLIGHT:
            answer.headers = [*answer.headers, *SHOWN]
        seconds = perf_counter() - started
        self._log.request(request.method, request.path, answer.status, seconds, request.request_id, mount)
        found = answer.body
        if not exchange.is_whole:  # what is left of the body is not read
            exchange.keeps = False
        if found is not None and not isinstance(found, bytes):
            await exchange.stream(answer.status, answer.headers, found)
        else:
            exchange.answer(answer.status, answer.headers, found or b"")

    async def _body(self, exchange: Exchange) -> bytes:
        """The body of a request that is not an upload; of one that is still to come a stranger's is not kept."""
        if exchange.is_whole:
            return await self._bodies.read(exchange)
        is_graph = _mount(exchange.target) in GRAPH_MOUNTS
        stranger = await self._graph.stranger(exchange.headers) if is_graph else None
        if is_graph and stranger is None:
            return await self._bodies.read(exchange)
        try:
            return await self._bodies.read(exchange, STRANGERS_BYTES)
        except TooLong:
            if stranger is None:
                raise
            raise stranger from None

    async def _answer(self, request: Request, client: str, stream: BodyStream | None) -> Answer:
        try:
            if stream is not None:
                return await self._upload_answer(request, stream)
            if request.path.startswith(ADMIN_PATHS):
                status, extra, data = await self.admin.handle(
                    request.method, request.path, request.query_string, request.headers, request.body, client
                )
                return Answer(status, extra.items(), data)
            return await self._issuer_answer(request, client)
        except GraphError as error:
            return self._refused(request, error)
        except (StoreError, MemoryError) as error:
            self._log.problem(f"request {request.request_id}", error)
            return self._refused(request, unavailable())
        except Disconnected:
            raise
        except (
            Exception
        ) as error:  # a defect of ours: the client is told so in the shape it knows, the log what it is
            self._log.problem(f"request {request.request_id}", error)
            return self._refused(request, unexpected())

    async def _upload_answer(self, request: Request, stream: BodyStream) -> Answer:
        reply = await self._uploads.handle(request, stream)
        return self._graph_answer(request, self._graph.finish(request, reply))

    def _graph_answer(self, request: Request, reply: Reply) -> Answer:
        if reply.status >= 400:
            self._log.refused(request.method, request.path, reply.status, reply.code, request.request_id)
        for part in reply.refusals:
            self._log.refused(part.method, part.path, part.status, part.code, request.request_id)
        headers: Iterable[tuple[str, str]] = reply.headers.items()
        if reply.content_type:
            headers = [*headers, ("content-type", reply.content_type)]
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
                    request_id=request.request_id,
                )
            )
            if reply is not None:
                headers = list(reply.headers)
                if reply.content_type:
                    headers.append(("content-type", reply.content_type))
                return Answer(reply.status, headers, reply.body)
        page = front_page(request.method, request.path, request.headers.get("accept", ""))
        if page is not None:
            return Answer(200, HEADERS, page)
        raise NotFound("Resource could not be discovered.", "ResourceNotFound")

    def _refused(self, request: Request, error: GraphError) -> Answer:
        return self._refusal(request, error, self._graph.refuse(request, error))

    def _refusal(self, request: Request, error: GraphError, reply: Reply) -> Answer:
        answer = self._graph_answer(request, reply)
        is_issuers = self._issuer is not None and _mount(request.path) == "issuer"
        if is_issuers and is_shared(unquote(request.path)):
            answer.headers = [*answer.headers, *SHOWN]
        return answer


def _mount(path: str) -> str:
    """Which mount a path belongs to: the label of the latency histogram, so that it has few values."""
    if path[:5].lower().startswith(GRAPH_PATHS):
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
