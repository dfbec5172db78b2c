"""The ASGI application: one request id, one body reader, and four mounts in one visible list.

    /v1.0 /beta                     the Graph API
    /healthz /readyz /metrics /admin   the administrator's surface
    everything else                 the embedded issuer's endpoints, or 404

Errors that arise here (a body too large, a wrong Host) have Graph's shape too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from graphpost.admin.http import AdminHttp
from graphpost.auth.issuer import Issuer, IssuerRequest
from graphpost.config import LimitSettings
from graphpost.errors import BadRequest, GraphError, NotFound
from graphpost.graph.api import GraphApi
from graphpost.graph.call import Reply, Request
from graphpost.graph.errors import error_reply
from graphpost.ids import new_guid
from graphpost.maillog import MailLog
from graphpost.web.body import Disconnected, Receive, read_body

Scope = MutableMapping[str, Any]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

ADMIN_PREFIXES: Final = ("/healthz", "/readyz", "/metrics", "/admin")
GRAPH_PREFIXES: Final = ("/v1.0", "/beta")


class Application:
    """Everything the server answers over HTTP.  `hosts` are the accepted Host names without port; None: any."""

    def __init__(
        self,
        *,
        graph: GraphApi,
        issuer: Issuer | None,
        admin: AdminHttp,
        limits: LimitSettings,
        log: MailLog,
        hosts: frozenset[str] | None,
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
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        request_id = new_guid()
        try:
            reply = await self._answer(scope, headers, receive, request_id)
        except Disconnected:
            return
        except GraphError as error:
            reply = error_reply(error, request_id, headers.get("client-request-id", ""))
            self._log.refused(scope["method"], scope["path"], reply.status, error.code, request_id)
        await _respond(send, reply, scope["method"] == "HEAD")

    async def _answer(self, scope: Scope, headers: dict[str, str], receive: Receive, request_id: str) -> Reply:
        host = headers.get("host", "")
        if self._hosts is not None and host_name(host) not in self._hosts:
            raise BadRequest("Bad Request - Invalid Hostname", "BadRequest")
        path: str = scope["raw_path"].decode("latin-1")
        body = await read_body(receive, headers, self._limits)
        origin = f"{scope['scheme']}://{host}"
        if path.startswith(GRAPH_PREFIXES):
            return await self._graph.handle(
                Request(
                    method=scope["method"],
                    path=path,
                    query_string=scope["query_string"].decode("latin-1"),
                    headers=headers,
                    body=body,
                    origin=origin,
                    request_id=request_id,
                )
            )
        if path.startswith(ADMIN_PREFIXES):
            status, extra, data = await self._admin.handle(
                scope["method"], path, dict(parse_qsl(scope["query_string"].decode("latin-1"))), headers, body
            )
            return Reply(status, data, extra.pop("content-type", ""), extra)
        return await self._issued(scope, headers, body, origin, path)

    async def _issued(self, scope: Scope, headers: dict[str, str], body: bytes, origin: str, path: str) -> Reply:
        """The issuer's answer; its pages and tokens have their own shapes."""
        if self._issuer is not None:
            form = body if "x-www-form-urlencoded" in headers.get("content-type", "") else b""
            answer = await self._issuer.handle(
                IssuerRequest(
                    method=scope["method"],
                    path=unquote(path),
                    query=_pairs(scope["query_string"]),
                    form=_pairs(form),
                    headers=headers,
                    origin=origin,
                    remote=scope["client"][0] if scope.get("client") else "",
                )
            )
            if answer is not None:
                return Reply(answer.status, answer.body, answer.content_type, dict(answer.headers))
        raise NotFound("Resource could not be discovered.", "ResourceNotFound")


def _pairs(encoded: bytes) -> dict[str, str]:
    return dict(parse_qsl(encoded.decode("utf-8", "replace"), keep_blank_values=True))


def host_name(host: str) -> str:
    """The Host header's name without its port, lower case, IPv6 brackets kept off."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()


async def _respond(send: Send, reply: Reply, is_head: bool) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
    body = reply.body
    if reply.content_type:
        headers.append((b"content-type", reply.content_type.encode("latin-1")))
    if isinstance(body, AsyncIterator):
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        async for chunk in body:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    data: bytes = body or b""
    if reply.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(data)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_head else data})
