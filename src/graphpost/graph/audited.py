"""What the audit log is told of a request: who, by which right, which end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from graphpost.graph.call import Call, Reply, Request
from graphpost.graph.sending.once import QUEUE_ID, REPEATED
from graphpost.ids import parse_item_id
from graphpost.mail.rights import FULL_ACCESS
from graphpost.store.audit import Actor

if TYPE_CHECKING:
    from graphpost.auth.access import Principal
    from graphpost.graph.routes import Route
    from graphpost.mail.mailbox import Directory, Mailbox

_LONGEST: Final = 128  # characters of what clients give


def actor_of(
    request: Request, principal: Principal, route: Route, mailbox: Mailbox | None, directory: Directory
) -> Actor:
    """Who asks; the mailbox is theirs, or open to them, or an application may act in it."""
    is_user, permission = principal.kind == "user", route.permission
    accepted = () if permission is None else permission.delegated if is_user else permission.application
    person = directory.find(principal.object_id) if is_user else None
    return Actor(
        principal.kind,
        principal.client_id,
        principal.object_id if is_user else "",
        "" if person is None else person.address,
        principal.token_id,
        request.remote,
        next((name for name in accepted if name in principal.permissions), ""),
        _right(mailbox, person, is_user=is_user),
        f"{request.method} {route.template}",
        request.request_id,
        request.headers.get("client-request-id", "")[:_LONGEST],
    )


def _right(mailbox: Mailbox | None, person: Mailbox | None, *, is_user: bool) -> str:
    if mailbox is None:
        return ""
    return "application" if not is_user else "owner" if mailbox is person else FULL_ACCESS


def stranger(request: Request) -> Actor:
    """Who asks without a token that is right."""
    return Actor("nobody", remote=request.remote, action=request.method, request_id=request.request_id)


def is_recorded_already(reply: Reply) -> bool:
    """Whether the answer is to what was sent just now: that has its record."""
    return QUEUE_ID in reply.headers and REPEATED not in reply.headers


def message_of(call: Call, reply: Reply) -> int:
    """The number of the message that a request was about, or made; 0 when there is none."""
    named = reply.headers.get(QUEUE_ID)
    if named:
        return int(named, 16)
    text = call.captures.get("message") or (reply.body.get("id") if isinstance(reply.body, dict) else None)
    try:
        return parse_item_id(text).message_id if isinstance(text, str) else 0
    except ValueError:
        return 0
