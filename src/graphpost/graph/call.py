"""A Call is one authenticated, addressed request; a Reply is its answer.

Handlers are `async def handler(call: Call) -> Reply`, or raise a GraphError.  They never see HTTP's connections.  These are Structs
because one of each is made for every request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct

from graphpost.config import IdempotencySettings, LimitSettings
from graphpost.delivery.queue.share import Share
from graphpost.errors import ClientGone

if TYPE_CHECKING:
    from graphpost.auditing.auditor import Auditor
    from graphpost.auth.access import Principal
    from graphpost.auth.verification.tokens import TokenVerifier
    from graphpost.clock import Clock, Instant
    from graphpost.delivery.acceptance.submit import Submitter
    from graphpost.delivery.quotas import Quotas
    from graphpost.delivery.responses.receipts import ReceiptOf
    from graphpost.errors import GraphError
    from graphpost.ids import Numbers
    from graphpost.mail.mailbox import Directory, Mailbox
    from graphpost.mail.message import Item
    from graphpost.mail.receipt import Disposition
    from graphpost.notifications.notifier import Notifier
    from graphpost.store.audit import Actor
    from graphpost.store.blobs import Blobs
    from graphpost.store.repeats import Once
    from graphpost.store.store import Store
    from graphpost.throttling.throttle import Throttle

LIGHT: Final = 2 * 1024 * 1024  # bytes of messages that every page may have, however many are under way
HEAVY: Final = 64 * 1024 * 1024  # that all larger pages under way may have together
PART: Final = "x-graphpost-part"  # of a request of a batch that has the batch's id: its own id there
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


def _stays() -> bool:
    return False


def _no_receipt(mailbox: Mailbox, item: Item, disposition: Disposition, now: Instant) -> None:
    return None


@dataclass(slots=True, frozen=True)
class Services:
    """What handlers work with; built once by the server."""

    store: Store
    blobs: Blobs
    directory: Callable[[], Directory]  # the present snapshot
    verifier: TokenVerifier
    submitter: Submitter
    numbers: Numbers
    clock: Clock
    limits: LimitSettings
    tenant_id: str
    notifier: Notifier
    quotas: Quotas
    searched: Callable[[int], None] = lambda mailbox_id: None  # told of each mailbox that was searched
    receipt_of: ReceiptOf = _no_receipt
    auditor: Auditor | None = None
    idempotency: IdempotencySettings = field(default_factory=IdempotencySettings)
    inline_limit: int = 65_536  # contents up to this size are kept in the database
    pages: Share = field(default_factory=lambda: Share(HEAVY, LIGHT))  # what large pages may hold in memory
    throttle: Throttle | None = None  # None: nobody is held back


class Request(Struct, frozen=True):
    """An HTTP request as the web layer hands it over: body read, expanded and within the limit.

    `path` is as received (percent-encoded, beginning with /v1.0 or /beta), `query_string` without its `?`; `headers`
    have lower-case names; `origin` is scheme and authority as the client sees them, such as `https://localhost:8443`.
    """

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes
    origin: str
    request_id: str
    is_gone: Callable[[], bool] = _stays  # whether the client has given up
    remote: str = ""  # the address it came from


class Call(Struct, frozen=True):
    """One request.

    `captures` are the path's keys by the name in the route (`message`, `folder`, `attachment`, …), percent-decoded.
    `query` has lower-case names with `$` where OData has one.  `headers` has
    lower-case names.  `base` is the service root as the client wrote it, such as `https://localhost:8443/v1.0`.
    """

    method: str
    version: str  # v1.0 | beta
    base: str
    path: str  # below the version, as received, for logs and nextLink
    captures: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    principal: Principal
    mailbox: Mailbox | None  # None on routes that are not below a user
    user_key: str  # how the path wrote the user: 'me', a GUID or a userPrincipalName
    request_id: str
    services: Services
    api: Api | None = None  # for the requests of a batch; None for those requests themselves
    is_gone: Callable[[], bool] = _stays
    remote: str = ""
    actor: Actor | None = None  # for the audit log, when there is one
    once: Once | None = None  # when it is to be done once, however often it is asked for

    @property
    def box(self) -> Mailbox:
        """The mailbox of a route below a user."""
        assert self.mailbox is not None
        return self.mailbox

    def check_client(self) -> None:
        """Raise ClientGone when the client has given up: for what reads in many steps."""
        if self.is_gone():
            raise ClientGone("The client has closed the request.")


class Refusal(Struct, frozen=True):
    """A part of a batch that was answered with an error; the path is as the part wrote it, without its query."""

    method: str
    path: str
    status: int
    code: str


class Reply(Struct, frozen=True):
    """`body`: an object to be written as JSON, bytes as they are, an async iterator of bytes, or None for nothing.

    A Reply without a body has no Content-Type (clients parse an empty JSON answer and fail).  What `GraphApi.handle`
    returns has its JSON written already: bytes, an iterator or None.
    """

    status: int = 200
    body: Any | bytes | AsyncIterator[bytes] | None = None
    content_type: str = ""
    headers: Mapping[str, str] = _NO_HEADERS
    code: str = ""  # of the error that the body tells of, for the log
    refusals: tuple[Refusal, ...] = ()  # of a batch's parts, for the log


class Api(Protocol):
    """What answers requests, as a batch sees it."""

    async def handle(self, request: Request, principal: Principal | None = None) -> Reply:
        """The answer; with a principal, no token is asked for."""
        ...

    def refuse(self, request: Request, error: GraphError) -> Reply:
        """The answer to a request that failed before it came here."""
        ...
