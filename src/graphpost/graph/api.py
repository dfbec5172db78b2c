"""One Graph request from its token to its answer, step by step.

Token, path, permission, mailbox, handler: in this order, so that nobody without a token learns which paths exist, and
nobody without a permission which mailboxes do.  `handle` never raises: every fault becomes an OData error body, and an
unexpected one is logged with the request id that the client is given.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from graphpost.auth.access import (
    Principal,
    check_permission,
    check_principal,
    confined,
    find_mailbox,
    in_anothers,
)
from graphpost.clock import to_text
from graphpost.errors import (
    AccessDenied,
    BadRequest,
    GraphError,
    MethodNotAllowed,
    NotFound,
    StoreError,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from graphpost.graph.audited import actor_of, is_recorded_already, message_of, stranger
from graphpost.graph.bodies.values import clip
from graphpost.graph.call import Call, Reply, Request, Services
from graphpost.graph.routes import ROUTES, VERSIONS, Node, Route, build_tree, find_node
from graphpost.graph.streaming import JSON_TYPE, Followed
from graphpost.mail.mailbox import Mailbox
from graphpost.odata.errors import ODataError
from graphpost.odata.path import PathError, parse_path
from graphpost.odata.query import split_query
from graphpost.store.audit import Actor
from graphpost.throttling.throttle import NO_MAILBOX, Throttle

ERROR_TYPE: Final = "application/json"
RETRY_SECONDS: Final = 5

NOBODY: Final = Principal(
    kind="application", tenant_id="", object_id="", client_id="", permissions=frozenset()
)

_METHODS: Final = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE"})
_REMEMBERED: Final = 4096  # resolved paths
_REMEMBERED_LENGTH: Final = 1024  # characters of a path worth remembering
_NO_QUERY: Final[Mapping[str, str]] = {}
_DIAGNOSTIC: Final = '{"ServerInfo":{"DataCenter":"Graphpost","Slice":"E","Ring":"1","ScaleUnit":"001","RoleInstance":"graphpost"}}'
_log: Final = logging.getLogger(__name__)
_encode: Final = msgspec.json.Encoder().encode


class Place(msgspec.Struct, frozen=True):
    """What a path and a method name."""

    route: Route
    captures: Mapping[str, str]
    user_key: str  # '' on routes that are not below a user
    version: str
    root: str  # the version as the client wrote it, such as /v1.0
    path: str  # below it


class GraphApi:
    """Answers Graph requests."""

    def __init__(self, services: Services, routes: Iterable[Route] = ROUTES) -> None:
        self._services = services
        rows = tuple(routes)
        self._trees: dict[str, Node] = {version: build_tree(rows, version) for version in VERSIONS}
        opened = [route for route in rows if route.is_open]
        self._open: dict[str, Node] = {version: build_tree(opened, version) for version in VERSIONS}
        self._places: dict[tuple[str, str], Place] = {}

    async def handle(self, request: Request, principal: Principal | None = None) -> Reply:
        """The answer; its body is bytes, an iterator of bytes, or None.

        A principal comes with the requests of a batch, whose token was looked at when the batch came.
        """
        headers, verifier = _standard_headers(request), self._services.verifier
        place: Place | None = None
        call: Call | None = None
        try:
            place = self._places.get((request.method, request.path))
            api = self if principal is None else None
            if principal is None:
                if place is None and request.method == "GET":
                    place = self._find_open(request)
                is_open = place is not None and place.route.is_open
                token = "" if is_open else _bearer(request.headers)
                principal = NOBODY if is_open else verifier.find_cached(token) or await verifier.admit(token)
            place = place or self._find_place(request)
            call = self._call(request, principal, place, api)
            throttle = self._services.throttle
            handled = (
                place.route.handler(call) if throttle is None else throttled(throttle, call, place.route)
            )
            reply = await handled
            if call.actor is not None and not is_recorded_already(reply):
                self._note(call.actor, call, reply)
            return _finished(reply, headers)
        except GraphError as refusal:
            error = refusal if call is not None else self._counted(principal, refusal)
            if self._services.auditor is not None and not isinstance(error, TooManyRequests):
                self._note_refusal(request, principal, place, call, error)
            if principal is None:
                await (
                    self._services.store.join()
                )  # strangers are answered with the others (docs/performance.md)
            return self._refused(error, headers)
        except StoreError as error:
            _log.error("request %s: the store did not answer: %s", request.request_id, error)
            return self._refused(unavailable(), headers)
        except MemoryError:
            _log.error("request %s: out of memory", request.request_id)
            return self._refused(unavailable(), headers)
        except Exception:
            _log.exception("request %s: unexpected", request.request_id)
            return self._refused(unexpected(), headers)

    async def stranger(self, headers: Mapping[str, str]) -> GraphError | None:
        """Why a request with these headers is nobody's; None when it is somebody's."""
        verifier = self._services.verifier
        try:
            token = _bearer(headers)
            if verifier.find_cached(token) is None:
                await verifier.admit(token)
        except GraphError as error:
            return error
        return None

    def _call(self, request: Request, principal: Principal, place: Place, api: GraphApi | None) -> Call:
        permission = place.route.permission
        if permission is not None:
            check_permission(principal, permission)
        mailbox = self._mailbox(principal, place)
        if mailbox is not None:
            if principal.kind == "application":
                if (directory := self._services.directory()).permission_scopes:
                    principal = confined(principal, directory, mailbox)
            elif mailbox.object_id != principal.object_id:
                principal = in_anothers(principal)
        auditor, actor = self._services.auditor, None
        if auditor is not None and (auditor.reads or request.method != "GET") and not place.route.is_open:
            actor = actor_of(request, principal, place.route, mailbox, self._services.directory())
        return Call(
            method=request.method,
            version=place.version,
            base=request.origin + place.root,
            path=place.path,
            captures=place.captures,
            query=read_query(request.query_string, place.version) if request.query_string else _NO_QUERY,
            headers=request.headers,
            body=request.body,
            principal=principal,
            mailbox=mailbox,
            user_key=place.user_key,
            request_id=request.request_id,
            services=self._services,
            api=api,
            is_gone=request.is_gone,
            remote=request.remote,
            actor=actor,
        )

    def _counted(self, principal: Principal | None, error: GraphError) -> GraphError:
        """A request that leads nowhere is one of its application's too: what it is told when there were too many."""
        throttle = self._services.throttle
        if throttle is None or principal is None:
            return error
        if principal.client_id.casefold() not in self._services.directory().applications:
            return error  # of strangers nothing is remembered
        return throttle.refuse(principal.client_id) or error

    def _note(self, actor: Actor, call: Call, reply: Reply) -> None:
        box, auditor = call.mailbox, self._services.auditor
        assert auditor is not None
        auditor.note(
            actor,
            mailbox_id=0 if box is None else box.mailbox_id,
            mailbox="" if box is None else box.address,
            message_id=message_of(call, reply),
            status=reply.status,
            code=reply.code,
        )

    def _note_refusal(
        self,
        request: Request,
        principal: Principal | None,
        place: Place | None,
        call: Call | None,
        error: GraphError,
    ) -> None:
        """Everything but reads that were in order is worth a record; reads are when nobody had a right to them.

        Who comes too often is told so, and comes again: of that there is none.
        """
        auditor = self._services.auditor
        assert auditor is not None
        if call is not None and call.actor is not None:
            self._note(call.actor, call, Reply(error.status, code=error.code))
        elif principal is None or place is None:
            if error.status == Unauthenticated.status:
                auditor.note(stranger(request), status=error.status, code=error.code)
        elif request.method != "GET" or error.status in (Unauthenticated.status, AccessDenied.status):
            actor = actor_of(request, principal, place.route, None, self._services.directory())
            auditor.note(actor, mailbox=clip(place.user_key), status=error.status, code=error.code)

    def _mailbox(self, principal: Principal, place: Place) -> Mailbox | None:
        directory, permission = self._services.directory(), place.route.permission
        named = "user" in place.captures
        if place.route.is_open:
            return None
        if not place.user_key or (named and permission is not None and permission.directory):
            check_principal(principal, directory)
            return None
        if named and place.user_key.lower() == "me":  # /users/me names nobody
            raise NotFound(f"The requested user '{clip(place.user_key)}' is invalid.", "ErrorInvalidUser")
        return find_mailbox(principal, directory, place.user_key, permission)

    def _find_open(self, request: Request) -> Place | None:
        """The place when it is one that is open to everybody: the only ones looked for before there is a token."""
        try:
            return find_place(self._open, request.method, request.path)
        except GraphError:
            return None

    def _find_place(self, request: Request) -> Place:
        place = find_place(self._trees, request.method, request.path)
        if len(request.path) <= _REMEMBERED_LENGTH:
            if len(self._places) >= _REMEMBERED:
                self._places.clear()
            self._places[request.method, request.path] = place
        return place

    def finish(self, request: Request, reply: Reply) -> Reply:
        """A reply that was made elsewhere, with the headers that every answer has."""
        return _finished(reply, _standard_headers(request))

    def refuse(self, request: Request, error: GraphError) -> Reply:
        """The answer to a request that failed before it came here."""
        return self._refused(error, _standard_headers(request))

    def turn_away(self, request: Request, error: GraphError) -> Reply:
        """The same for a request that nobody has looked at yet: a stranger's has a record."""
        if self._services.auditor is not None and isinstance(error, Unauthenticated):
            self._services.auditor.note(stranger(request), status=error.status, code=error.code)
        return self.refuse(request, error)

    def _refused(self, error: GraphError, headers: dict[str, str]) -> Reply:
        inner = {
            **error.inner,
            "date": to_text(self._services.clock.now()).removesuffix("Z"),
            "request-id": headers["request-id"],
            "client-request-id": headers["client-request-id"],
        }
        body = {"error": {"code": error.code, "message": error.message, "innerError": inner}}
        return Reply(error.status, _encode(body), ERROR_TYPE, {**headers, **error.headers}, error.code)


async def throttled(throttle: Throttle, call: Call, route: Route) -> Reply:
    """The reply of a route within the limits; TooManyRequests, before anything is done, beyond them.

    A request whose answer is streamed is under way until the last of it is sent.
    """
    box = call.mailbox
    meter = throttle.meter(call.principal.client_id, NO_MAILBOX if box is None else box.mailbox_id)
    if not throttle.try_enter(meter, len(call.body)):
        await throttle.enter(meter, len(call.body))
    try:
        reply = await route.handler(call)
    except BaseException:
        meter.running -= 1
        raise
    body: Any = reply.body
    if hasattr(body, "__anext__"):
        return msgspec.structs.replace(reply, body=Followed(body, meter.leave))
    meter.running -= 1
    return reply


def find_place(trees: Mapping[str, Node], method: str, path: str) -> Place:
    """What a method and an undecoded path name; BadRequest or MethodNotAllowed when they name nothing."""
    root, slash, rest = path[1:].partition("/")
    rest = rest.removeprefix("/")  # msgraph-sdk for Python by its default base URL: /v1.0//users
    version = root.lower()
    if version not in trees:
        raise BadRequest(f"Invalid version: '{clip(root)}'.")
    try:
        segments = parse_path(slash + rest)
        node, captures = find_node(trees[version], segments)
    except (PathError, LookupError) as error:
        raise _no_resource(error.segment if isinstance(error, PathError) else str(error.args[0])) from error
    if not node.routes:
        raise _no_resource(segments[-1].text if segments else "")
    route = node.routes.get(method)
    if route is None or method not in _METHODS:
        raise MethodNotAllowed(
            "Specified HTTP method is not allowed for the request target.",
            headers={"Allow": ", ".join(sorted(node.routes))},
        )
    first = segments[0].name if segments else ""
    return Place(route, captures, _user_key(first, captures), version, f"/{root}", slash + rest)


def read_query(query_string: str, version: str) -> dict[str, str]:
    """The query by lower-case name; on beta OData's options may be written without their `$`."""
    try:
        return split_query(query_string, bare_names=version == "beta")
    except ODataError as error:
        raise BadRequest(error.message) from error


def _user_key(first: str, captures: Mapping[str, str]) -> str:
    # A route may pass through one user to another (managedDevices/…/users/…): the last one is whose mailbox it is.
    return captures.get("user") or ("me" if first.lower() == "me" else "")


def _bearer(headers: Mapping[str, str]) -> str:
    """The token; '' when there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme == "Bearer" or scheme.lower() == "bearer" else ""


def _standard_headers(request: Request) -> dict[str, str]:
    given = request.headers.get("client-request-id", "")
    if not (0 < len(given) <= 128 and given.isascii() and given.isprintable()):
        given = request.request_id
    return {
        "request-id": request.request_id,
        "client-request-id": given,
        "x-ms-ags-diagnostic": _DIAGNOSTIC,
        "Cache-Control": "private",
    }


def _finished(reply: Reply, headers: dict[str, str]) -> Reply:
    """The reply with its JSON written and the headers that every answer has."""
    body, content_type = reply.body, reply.content_type
    if isinstance(body, (dict, list)):
        body, content_type = _encode(body), content_type or JSON_TYPE
    if content_type == JSON_TYPE:
        headers["OData-Version"] = "4.0"
    if reply.headers:
        headers.update(reply.headers)
    return Reply(reply.status, body, content_type, headers, refusals=reply.refusals)


def _no_resource(segment: str) -> BadRequest:
    return BadRequest(f"Resource not found for the segment '{clip(segment)}'.")


def unavailable() -> Unavailable:
    """What the client is told when the store does not answer, or there is no memory left."""
    return Unavailable(
        "The service is temporarily unavailable. Please try again later.",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


def unexpected() -> GraphError:
    """What the client is told of a defect of ours."""
    return GraphError("An unexpected error occurred while processing the request.")
