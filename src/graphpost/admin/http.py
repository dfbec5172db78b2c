"""The administration over HTTP: health for everybody, the rest with a token.

    GET  /healthz            200 while the process answers
    GET  /readyz             200 when it takes mail, 503 with the reason when not
    GET  /metrics            Prometheus's text format
    …    /admin/…            `Operations.ROUTES`: JSON in, JSON out, errors as {"error": {"message"}}

The token is in the data directory (`access.py`) and comes as a Bearer token, which no browser sends by itself.
"""

from __future__ import annotations

import hmac
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, get_type_hints
from urllib.parse import parse_qsl, unquote

import msgspec

from graphpost.admin.measuring import measure
from graphpost.admin.operations import Operations
from graphpost.admin.queue import OperationError
from graphpost.auditing.auditor import Auditor
from graphpost.errors import ConfigurationError, GraphpostError, StoreError
from graphpost.maillog import MailLog
from graphpost.store.audit import ADMINISTRATION, Actor
from graphpost.store.directory import accounts

Answer = tuple[int, dict[str, str], bytes]
_JSON: Final = {"content-type": "application/json", "cache-control": "no-store"}
_TEXT: Final = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
_OPEN: Final = frozenset({"/healthz", "/readyz"})
_READS: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class AdminApi:
    """`is_ready` says whether the server takes mail at present; '' or the reason why not.  So many of the
    deepest `destinations` have metrics of their own.
    """

    operations: Operations
    token: str
    log: MailLog
    why_not_ready: Callable[[], str] = lambda: ""
    destinations: int = 20
    auditor: Auditor | None = None

    async def handle(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, remote: str = ""
    ) -> Answer:
        """Answer a request; `path` as received, `query` without its `?`, header names in lower case, `remote` the
        address it came from.  Never raises for what a client does."""
        is_open, is_administrator = path in _OPEN, self._is_administrator(headers)
        answer = await self._answer(method, path, query, body, is_allowed=is_open or is_administrator)
        if self.auditor is not None and not is_open and (method not in _READS or not is_administrator):
            self.auditor.note(_actor(method, path, remote, is_administrator), status=answer[0])
        return answer

    async def _answer(self, method: str, path: str, query: str, body: bytes, *, is_allowed: bool) -> Answer:
        if not is_allowed:
            return _error(401, "the administrator's token is needed", {"www-authenticate": "Bearer"})
        try:
            if path in _OPEN or path == "/metrics":
                return await self._look(method, path)
            return await self._operate(method, path, query, body)
        except OperationError as error:
            return _error(error.status, str(error))
        except ConfigurationError as error:
            return _error(400, str(error))
        except StoreError as error:
            self.log.problem(f"admin {path}", error)
            return _error(503, str(error))
        except GraphpostError as error:
            return _error(500, str(error))

    async def metrics(self) -> bytes:
        """The metrics, with the queue as it is now (NaN while the store does not answer); for a port of its own."""
        await measure(self.operations.store, self.operations.clock, self.log, self.destinations)
        return self.log.metrics.exposition()

    def _is_administrator(self, headers: Mapping[str, str]) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self.token.encode())

    async def _look(self, method: str, path: str) -> Answer:
        if method not in ("GET", "HEAD"):
            return _error(405, "only GET", {"allow": "GET, HEAD"})
        if path == "/healthz":
            return 200, _TEXT, b"ok\n"
        if path == "/metrics":
            return (
                200,
                {**_TEXT, "content-type": "text/plain; version=0.0.4; charset=utf-8"},
                await self.metrics(),
            )
        if reason := await self._why_not_ready():
            return 503, _TEXT, f"{reason}\n".encode()
        return 200, _TEXT, b"ready\n"

    async def _why_not_ready(self) -> str:
        if reason := self.why_not_ready():
            return reason
        try:  # by the way of what is written, and nothing is: a store that can only be read takes no mail
            await self.operations.store.write(accounts.revision)
        except StoreError as error:
            self.log.problem("readyz", error)
            return "the store does not answer"
        return ""

    def _note(self, name: str, arguments: Mapping[str, Any], result: Any) -> None:
        """What an administrator did to mail is in the log."""
        if name == "cancel_message":
            self.log.cancelled(int(result["id"], 16))
        elif name == "act_on_queue" and result["deliveries"]:
            chosen = {
                key: value for key, value in arguments.items() if value and key not in ("after", "action")
            }
            self.log.intervened(arguments["action"], chosen, result["deliveries"])

    async def _operate(self, method: str, path: str, query: str, body: bytes) -> Answer:
        allowed = []
        for name, (wanted, pattern) in _routes().items():
            if match := pattern.fullmatch(path):
                if wanted == method:
                    captures = {key: unquote(value) for key, value in match.groupdict().items()}
                    arguments = _arguments(name, captures, query, body)
                    call: Callable[..., Awaitable[object]] = getattr(self.operations, name)
                    result = await call(**arguments)
                    self._note(name, arguments, result)
                    return 200, _JSON, msgspec.json.encode(result)
                allowed.append(wanted)
        if allowed:
            return _error(405, f"only {', '.join(allowed)}", {"allow": ", ".join(allowed)})
        return _error(404, f"there is no {path}")


def _actor(method: str, path: str, remote: str, is_administrator: bool) -> Actor:
    """What a stranger asks for is of no account: that somebody tries is."""
    if not is_administrator:
        return Actor("nobody", remote=remote, action=ADMINISTRATION)
    return Actor("administrator", remote=remote, action=f"{method} {unquote(path)}")


@cache
def _routes() -> dict[str, tuple[str, re.Pattern[str]]]:
    return {
        name: (method, re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))))
        for name, (method, template) in Operations.ROUTES.items()
    }


@cache
def _shape(name: str) -> type[msgspec.Struct]:
    """The arguments of an operation as a type to check them by: its signature is the only place that says them."""
    function = getattr(Operations, name)
    hints = get_type_hints(function)
    fields: list[Any] = [
        (key, hints[key]) if parameter.default is parameter.empty else (key, hints[key], parameter.default)
        for key, parameter in inspect.signature(function).parameters.items()
        if key != "self"
    ]
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, kw_only=True)


def _arguments(name: str, captures: dict[str, str], query: str, body: bytes) -> dict[str, Any]:
    given: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    try:
        if body.strip():
            read = msgspec.json.decode(body, type=dict[str, Any])
            given = {**given, **read}
        return checked_arguments(name, {**given, **captures}, strict=bool(body.strip()))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise OperationError(str(error), 400) from error


def checked_arguments(name: str, given: Mapping[str, Any], *, strict: bool = True) -> dict[str, Any]:
    """Plain values as the arguments of an operation; msgspec.MsgspecError."""
    return msgspec.structs.asdict(msgspec.convert(given, _shape(name), strict=strict))


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    return status, {**_JSON, **(headers or {})}, msgspec.json.encode({"error": {"message": message}})
