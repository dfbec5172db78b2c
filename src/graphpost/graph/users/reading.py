"""Reading users: the token's own, one by key, and the directory with a filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from graphpost.auth.access import Permission, find_mailbox
from graphpost.errors import AccessDenied, BadRequest, NotFound
from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import context, page
from graphpost.graph.queries.inmemory import matching, sorted_by
from graphpost.graph.queries.selection import check_expand, read_options, select_names
from graphpost.graph.render import time_value
from graphpost.graph.schema import EntityType, Kind, Property, Shown, entity
from graphpost.graph.settings.mailbox_settings import settings_value
from graphpost.mail.mailbox import Mailbox

_MAX_TOP: Final = 999
_DEFAULT_TOP: Final = 100

USER: Final[EntityType] = entity(
    "microsoft.graph.user",
    Property("businessPhones", Kind.STRING, collection=True, basic=False),
    Property("displayName", Kind.STRING),
    Property("givenName", Kind.STRING),
    Property("jobTitle", Kind.STRING, basic=False),
    Property("mail", Kind.STRING),
    Property("mobilePhone", Kind.STRING, basic=False),
    Property("officeLocation", Kind.STRING, basic=False),
    Property("preferredLanguage", Kind.STRING, basic=False),
    Property("surname", Kind.STRING),
    Property("userPrincipalName", Kind.STRING),
    Property("id", Kind.STRING, nullable=False),
    Property("accountEnabled", Kind.BOOLEAN, shown=Shown.SELECT, basic=False),
    Property("createdDateTime", Kind.DATETIME, shown=Shown.SELECT, basic=False),
    Property("mailNickname", Kind.STRING, shown=Shown.SELECT, basic=False),
    Property("otherMails", Kind.STRING, shown=Shown.SELECT, collection=True, basic=False),
    Property("proxyAddresses", Kind.STRING, shown=Shown.SELECT, collection=True, basic=False),
    Property("mailboxSettings", Kind.COMPLEX, shown=Shown.SELECT, edm="microsoft.graph.mailboxSettings"),
    Property("userType", Kind.STRING, shown=Shown.SELECT, basic=False),
)
_GETTERS: Final[dict[str, Callable[[Mailbox], Any]]] = {
    "businessPhones": lambda box: [],
    "displayName": lambda box: box.name or box.address,
    "givenName": lambda box: _name_parts(box)[0],
    "jobTitle": lambda box: None,
    "mail": lambda box: box.address,
    "mobilePhone": lambda box: None,
    "officeLocation": lambda box: None,
    "preferredLanguage": lambda box: None,
    "surname": lambda box: _name_parts(box)[1],
    "userPrincipalName": lambda box: box.address,
    "id": lambda box: box.object_id,
    "accountEnabled": lambda box: box.can_sign_in,
    "createdDateTime": lambda box: time_value(box.created_at),
    "mailNickname": lambda box: box.address.partition("@")[0],
    "otherMails": lambda box: [],
    "proxyAddresses": lambda box: [f"SMTP:{box.address}", *(f"smtp:{alias}" for alias in box.aliases)],
    "mailboxSettings": lambda box: None,  # in the store, and put in where one user is read
    "userType": lambda box: "Member",
}
_READS_OTHERS: Final = frozenset(
    {"User.ReadBasic.All", "User.Read.All", "User.ReadWrite.All", "Directory.Read.All"}
)
_READS_SETTINGS: Final = frozenset({"MailboxSettings.Read", "MailboxSettings.ReadWrite"})
_OWN_SETTINGS: Final = Permission((), tuple(_READS_SETTINGS))
_SETTINGS: Final = "mailboxSettings"
_READS_ALL: Final = _READS_OTHERS - {"User.ReadBasic.All"}


def user_entity(box: Mailbox, names: tuple[str, ...] = (), *, basic: bool = False) -> dict[str, Any]:
    """The entity without `@odata.context`; with `basic`, what User.ReadBasic.All may not see is null."""
    return {
        each.name: _value(box, each.name, basic=basic)
        for each in USER.properties.values()
        if (each.name in names if names else each.shown is Shown.DEFAULT)
    }


async def get_me(call: Call) -> Reply:
    """GET /me."""
    return await _single(call, call.box)


async def get_user(call: Call) -> Reply:
    """GET /users/{user}: by object id or userPrincipalName; the directory's own words when there is none."""
    key = call.captures["user"]
    box = call.services.directory().find(key)
    if not _may_read_others(call) and (box is None or not _is_self(call, box)):
        raise _denied()
    if box is None:
        raise NotFound(
            f"Resource '{key[:320]}' does not exist or one of its queried reference-property objects are not present.",
            "Request_ResourceNotFound",
        )
    return await _single(call, box)


async def list_users(call: Call) -> Reply:
    """GET /users."""
    if not _may_read_others(call):
        raise _denied()
    options = read_options(call, max_top=_MAX_TOP)
    check_expand(options.expand)
    beta = call.version == "beta"
    names = select_names(USER, options.select, beta=beta)
    if _SETTINGS in names:
        raise BadRequest("The mailboxSettings of users are read one by one.", "ErrorInvalidUrlQuery")
    boxes = sorted(
        call.services.directory().by_id.values(), key=lambda box: (box.name.casefold(), box.mailbox_id)
    )

    def value(box: Mailbox, name: str) -> Any:
        found = _value(box, name, basic=_is_basic(call, box))
        return box.created_at if found and name == "createdDateTime" else found

    boxes = sorted_by(matching(boxes, options, USER, value, beta=beta), options, USER, value, beta=beta)
    top = options.top or _DEFAULT_TOP
    shown = boxes[options.skip : options.skip + top]
    entities = [user_entity(box, names, basic=_is_basic(call, box)) for box in shown]
    where = context(call, "users", select=names)
    return Reply(body=page(call, where, entities, len(boxes), options, top))


async def _single(call: Call, box: Mailbox) -> Reply:
    options = read_options(call)
    check_expand(options.expand)
    names = select_names(USER, options.select, beta=call.version == "beta")
    where = context(call, "users", select=names, single=True)
    entity = user_entity(box, names, basic=_is_basic(call, box))
    if _SETTINGS in names:
        _check_settings(call, box)
        entity[_SETTINGS] = await settings_value(call, box)
    return Reply(body={"@odata.context": where, **entity})


def _check_settings(call: Call, box: Mailbox) -> None:
    """They are the mailbox's: reading the directory is not enough."""
    if _READS_SETTINGS.isdisjoint(call.principal.permissions):
        raise AccessDenied
    find_mailbox(call.principal, call.services.directory(), box.object_id, _OWN_SETTINGS)


def _value(box: Mailbox, name: str, *, basic: bool) -> Any:
    return None if basic and not USER.properties[name.lower()].basic else _GETTERS[name](box)


def _is_self(call: Call, box: Mailbox) -> bool:
    return call.principal.kind == "user" and call.principal.object_id.lower() == box.object_id.lower()


def _may_read_others(call: Call) -> bool:
    return not _READS_OTHERS.isdisjoint(call.principal.permissions)


def _is_basic(call: Call, box: Mailbox) -> bool:
    return not _is_self(call, box) and _READS_ALL.isdisjoint(call.principal.permissions)


def _denied() -> AccessDenied:
    return AccessDenied("Insufficient privileges to complete the operation.", "Authorization_RequestDenied")


def _name_parts(box: Mailbox) -> tuple[str | None, str | None]:
    """Given name and surname, as far as a display name of two words tells them."""
    words = box.name.split()
    return (words[0], words[1]) if len(words) == 2 else (None, None)
