"""What a subscription is to be, out of a JSON body.

Resources are paths as they are requested, with or without a leading slash or version: the messages of a mailbox or of
one of its folders.  `$filter` and `$select` may follow; the latter says nothing, because notifications hold no data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from graphpost.auth.access import Principal, confined, find_mailbox
from graphpost.clock import SECOND, Instant
from graphpost.errors import BadRequest
from graphpost.graph.bodies.values import (
    READ,
    cannot_convert,
    clip,
    read_boolean,
    read_string,
    read_word,
    unexpected,
)
from graphpost.graph.call import Call
from graphpost.graph.keys import folder_number
from graphpost.graph.queries.filtering import Filter, message_filter
from graphpost.graph.queries.selection import find_property
from graphpost.graph.schema import MESSAGE
from graphpost.graph.standing import OWN_LIST
from graphpost.mail.mailbox import Mailbox
from graphpost.notifications.handshake import INVALID
from graphpost.odata.errors import ODataError
from graphpost.odata.filter import parse_filter
from graphpost.odata.path import PathError, Segment, parse_path
from graphpost.odata.query import parse_options, split_query
from graphpost.odata.tokens import parse_instant

CHANGES: Final = ("created", "updated", "deleted")
TLS: Final = ("v1_2", "v1_3")
MAX_STATE: Final = 128
LEAST_SECONDS: Final = 45 * 60  # what is asked for less is given so much, as Graph does
MAX_RESOURCE: Final = 4096
_RICH: Final = (
    "encryptioncertificate",
    "encryptioncertificateid",
    "notificationqueryoptions",
    "notificationurlappid",
)
_REQUIRED: Final = (
    ("changetype", "changeType"),
    ("notificationurl", "notificationUrl"),
    ("resource", "resource"),
    ("expirationdatetime", "expirationDateTime"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a subscription's filter stands, as a Call is where a request's does."""

    version: str
    box: Mailbox
    principal: Principal


@dataclass(frozen=True, slots=True)
class Target:
    """What a resource names; `folder_id` 0 is the whole mailbox."""

    box: Mailbox
    folder_id: int
    filter: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a body asks for."""

    changes: tuple[str, ...]
    url: str
    lifecycle_url: str
    resource: str
    client_state: str
    tls: str
    expires_at: Instant


def read_wanted(call: Call, members: dict[str, Any]) -> Wanted:
    """The folded members of a new subscription; 400 in Graph's words for what it cannot be."""
    missing = [shown for name, shown in _REQUIRED if not members.get(name)]
    if missing:
        raise BadRequest(f"{missing[0]} is a required property for subscription creation.", INVALID)
    _refuse_rich(members)
    state = read_string(members.get("clientstate"), "clientState")
    if len(state) > MAX_STATE:
        raise BadRequest(f"The clientState has more than {MAX_STATE} characters.", INVALID)
    resource = read_string(members["resource"], "resource")
    if len(resource) > MAX_RESOURCE:
        raise BadRequest("The resource is too long.", INVALID)
    tls = read_word(members.get("latestsupportedtlsversion"), "latestSupportedTlsVersion", TLS, "Edm.String")
    return Wanted(
        changes=_changes(read_string(members["changetype"], "changeType")),
        url=read_string(members["notificationurl"], "notificationUrl"),
        lifecycle_url=read_string(members.get("lifecyclenotificationurl"), "lifecycleNotificationUrl"),
        resource=resource,
        client_state=state,
        tls=tls or TLS[0],
        expires_at=read_expiry(call, members["expirationdatetime"]),
    )


def read_expiry(call: Call, value: Any) -> Instant:
    """When it shall end: in the future, and not too far."""
    name = "expirationDateTime"
    if not isinstance(value, str):
        raise unexpected(value, name, "PrimitiveValue") if value is not None else _no_expiry()
    instant = parse_instant(value)
    if instant is None:
        raise cannot_convert(value, "Edm.DateTimeOffset")
    services = call.services
    now, minutes = services.clock.now(), services.notifier.settings.subscription_minutes
    if instant <= now:
        raise BadRequest("Subscription expiration must be in the future.", INVALID)
    if instant > now + minutes * 60 * SECOND:
        raise BadRequest(f"Subscription expiration can only be {minutes} minutes in the future.", INVALID)
    return max(instant, min(now + LEAST_SECONDS * SECOND, now + minutes * 60 * SECOND))


def read_target(call: Call, resource: str) -> Target:
    """The mailbox and folder of a resource, when the caller may act there; its filter is one that can be asked."""
    path, _, query = resource.partition("?")
    user, folder = _place(path, resource)
    directory = call.services.directory()
    box = find_mailbox(call.principal, directory, user, OWN_LIST)
    principal = confined(call.principal, directory, box)
    number = 0 if folder is None else folder_number(box, folder)
    return Target(box, number, _filter(query, Place(call.version, box, principal), resource))


def filter_of(text: str, place: Place) -> Filter:
    """The filter of a resource, '' for none; 400 or ODataError when it cannot be asked."""
    return message_filter(parse_filter(text) if text else None, place)


def _changes(text: str) -> tuple[str, ...]:
    words = {word.strip().lower() for word in text.split(",")}
    if not words <= set(CHANGES):
        raise BadRequest(f"Invalid 'changeType' attribute: '{clip(text)}'.", INVALID)
    return tuple(word for word in CHANGES if word in words)


def _refuse_rich(members: dict[str, Any]) -> None:
    if read_boolean(members.get("includeresourcedata"), "includeResourceData") or any(
        map(members.get, _RICH)
    ):
        raise BadRequest(
            "Notifications with resource data (includeResourceData) are not supported by this server.",
            INVALID,
        )


def _place(path: str, resource: str) -> tuple[str, str | None]:
    """User key and folder key of a path."""
    try:
        segments = iter(parse_path("/" + path.strip().strip("/")))
    except PathError as error:
        raise _unsupported(resource) from error
    first = next(segments, None)
    if first is not None and first.text.lower() in ("v1.0", "beta"):
        first = next(segments, None)
    user = _user(first, segments)
    names = list(_steps(segments))
    folder = None
    while names and names[0][0] == ("mailfolders" if folder is None else "childfolders"):
        folder = names.pop(0)[1]
        if not folder:
            raise _unsupported(resource)
    if not user or names != [("messages", None)]:
        raise _unsupported(resource)
    return user, folder


def _user(first: Segment | None, segments: Iterator[Segment]) -> str:
    if first is None:
        return ""
    if first.text.lower() == "me":
        return "me"
    if first.name.lower() != "users":
        return ""
    key = first.key if first.key is not None else (following := next(segments, None)) and following.text
    return "" if not key or key.lower() == "me" else key


def _steps(segments: Iterator[Segment]) -> Iterator[tuple[str, str | None]]:
    """Names and keys of what follows the user; a folder's key may be a segment of its own."""
    for segment in segments:
        name, key = segment.name.lower(), segment.key
        if name in ("mailfolders", "childfolders") and key is None:
            following = next(segments, None)
            key = following.text if following else ""
        yield name, key


def _filter(query: str, scope: Place, resource: str) -> str:
    try:
        given = split_query(query.replace("+", "%2B") if " " in query else query)
        options = parse_options(given)
        for name in options.select:
            find_property(MESSAGE, name.split("/")[0], beta=scope.version == "beta")
    except ODataError as error:
        raise BadRequest(
            f"The resource '{clip(resource)}' cannot be subscribed to: {error.message}", INVALID
        ) from error
    if given.keys() - {"$filter", "$select"}:
        raise _unsupported(resource)
    message_filter(options.filter, scope)
    return given.get("$filter", "").strip()


def _unsupported(resource: str) -> BadRequest:
    return BadRequest(
        f"Resource '{clip(unquote(resource))}' is not supported for change notifications.", INVALID
    )


def _no_expiry() -> BadRequest:
    return BadRequest("expirationDateTime is a required property.", READ)
