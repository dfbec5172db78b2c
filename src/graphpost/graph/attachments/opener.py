"""What the audit log is told of requests to an upload URL: who opened the session.

Nobody is known by the URL itself, so the record has whose session it is, and from where the request came.  Slices and
questions have no record, the last slice and the end of a session have.
"""

from __future__ import annotations

from typing import Final

from graphpost.errors import AccessDenied, GraphError, TooManyRequests, Unauthenticated, WrongRange
from graphpost.graph.call import Request
from graphpost.mail.mailbox import Directory
from graphpost.mail.rights import FULL_ACCESS
from graphpost.store.audit import Actor
from graphpost.store.mailbox.uploads import Upload

_ACTION: Final = "upload"
_LONGEST: Final = 128  # characters of what clients give


def opener_of(upload: Upload, request: Request, directory: Directory) -> Actor:
    """Who opened the session, and the request that was made to its URL."""
    who, box = upload.requester, directory.by_id.get(upload.mailbox_id)
    is_user = who.kind == "user"
    person = directory.find(who.object_id) if is_user else None
    return Actor(
        who.kind,
        upload.client_id,
        who.object_id if is_user else "",
        "" if person is None else person.address,
        remote=request.remote,
        right="application" if not is_user else "owner" if person is box else FULL_ACCESS,
        action=f"{request.method} {_ACTION}",
        request_id=request.request_id,
        client_request_id=request.headers.get("client-request-id", "")[:_LONGEST],
    )


def is_worth_a_record(request: Request, error: GraphError) -> bool:
    """Whether a refusal is: not of who is to come back, or to go on elsewhere; of a question when there was no right to it."""
    if isinstance(error, (TooManyRequests, WrongRange)):
        return False
    return request.method != "GET" or isinstance(error, (AccessDenied, Unauthenticated))
