"""Everything that can go wrong and has a name, with HTTP status and Graph code.

    GraphpostError
    ├── ConfigurationError            one line that names the key; the command ends with status 2
    ├── StoreError                    the database or the disk did not do it; the client sees 503
    │   ├── StoreBusy                 somebody else holds it; trying again may help
    │   ├── Unstorable                the database does not take these values; trying again hardly helps
    │   └── ContentLost               what was stored is gone; trying again does not help
    ├── MimeError                     bytes that are not a message
    └── GraphError(status, code, message)
        ├── BadRequest 400            any 400; the code says which
        ├── Unauthenticated 401       InvalidAuthenticationToken
        ├── AccessDenied 403          ErrorAccessDenied and its kin
        ├── NotFound 404              ErrorItemNotFound and its kin
        ├── MethodNotAllowed 405
        ├── Conflict 409 / Gone 410 / PreconditionFailed 412 / TooLarge 413 / UnsupportedMedia 415
        ├── WrongRange 416            invalidRange
        ├── TooManyRequests 429       ApplicationThrottled or TooManyRequests, with Retry-After
        ├── Unavailable 503
        └── InsufficientStorage 507   ErrorQuotaExceeded

Codes and messages are Graph's own spelling: clients branch on the exact code.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar


class GraphpostError(Exception):
    """Anything of ours."""


class ConfigurationError(GraphpostError):
    """A setting that cannot be used.  `key` is its path, such as `routes[0].to`."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        self.problem = problem


class StoreError(GraphpostError):
    """The store could not do what was asked; nothing of it was done."""


class StoreBusy(StoreError):
    """Somebody else holds what is needed; trying again may help."""


class Unstorable(StoreError):
    """The database works, and refuses what it was given."""


class ContentLost(StoreError):
    """What was stored is not there any more, and trying again will not bring it back."""


class MimeError(GraphpostError):
    """The bytes cannot be read as an RFC 5322 message, or exceed a limit."""


class GraphError(GraphpostError):
    """An answer in Graph's error shape.  `message` is for the client; detail for the log goes into `__cause__`.

    `inner` is what stands in its innerError beside date and request ids.
    """

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "generalException"
    inner: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init__(
        self, message: str, code: str | None = None, *, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.headers = headers or {}


class BadRequest(GraphError):
    status = 400
    default_code = "BadRequest"


class Unauthenticated(GraphError):
    status = 401
    default_code = "InvalidAuthenticationToken"


class AccessDenied(GraphError):
    status = 403
    default_code = "ErrorAccessDenied"

    def __init__(
        self, message: str = "Access is denied. Check credentials and try again.", code: str | None = None
    ) -> None:
        super().__init__(message, code)


class NotFound(GraphError):
    status = 404
    default_code = "ErrorItemNotFound"

    def __init__(
        self, message: str = "The specified object was not found in the store.", code: str | None = None
    ) -> None:
        super().__init__(message, code)


class MethodNotAllowed(GraphError):
    status = 405
    default_code = "BadRequest"


class Conflict(GraphError):
    status = 409
    default_code = "ErrorFolderExists"


class Gone(GraphError):
    status = 410
    default_code = "syncStateNotFound"

    def __init__(
        self,
        message: str = "The sync state is not known any more. Begin again without a token.",
        code: str | None = None,
    ) -> None:
        super().__init__(message, code)


class PreconditionFailed(GraphError):
    status = 412
    default_code = "ErrorIrresolvableConflict"


class TooLarge(GraphError):
    status = 413
    default_code = "RequestEntityTooLarge"


class UnsupportedMedia(GraphError):
    status = 415
    default_code = "RequestBodyRead"


class WrongRange(GraphError):
    status = 416
    default_code = "invalidRange"


class ClientGone(GraphError):
    """Nobody waits for the answer any more; the status is for the log."""

    status = 499
    default_code = "ClientClosedRequest"


class TooManyRequests(GraphError):
    status = 429
    default_code = "ApplicationThrottled"


class Unavailable(GraphError):
    status = 503
    default_code = "ServiceUnavailable"


class InsufficientStorage(GraphError):
    status = 507
    default_code = "ErrorQuotaExceeded"
