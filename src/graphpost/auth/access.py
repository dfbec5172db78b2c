"""Who may do what: the Principal of a token, and the rules for mailboxes.

A user acts in the own mailbox, and with Full Access and a permission that is `.Shared` in another's.  An application acts
in any mailbox of the tenant, or in those of its scope when it has one, which may be another for each permission.  In whose name a message may be sent is a matter
of the rights that who acts has to that mailbox.  Everything else is 403, with the code and text Graph has for it.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from graphpost.errors import AccessDenied, BadRequest, NotFound, Unauthenticated
from graphpost.mail.mailbox import Application, Directory, Mailbox
from graphpost.mail.rights import FULL_ACCESS, SEND_AS, SEND_ON_BEHALF, Right

SEND_SHARED: Final = "Mail.Send.Shared"
_SHARED: Final = ".Shared"
_SEND_AS_DENIED: Final = (
    "The user account which was used to submit this request does not have the right to send mail on behalf of the "
    "specified sending account., Cannot submit message."
)
_OUTSIDE_SCOPE: Final = (
    "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings."
)


class Principal(Struct, frozen=True, kw_only=True):
    """Whom a verified token speaks for.

    `permissions` are Graph names: a user's delegated scopes, or an application's roles.  `object_id` is the user's, or
    the application's service principal.
    """

    kind: Literal["user", "application"]
    tenant_id: str
    object_id: str
    client_id: str
    permissions: frozenset[str]
    token_id: str = ""
    is_foreign: bool = False  # another issuer decided on the permissions


class Permission(Struct, frozen=True):
    """What a route asks for: the names that open it, least privileged first; () closes it to that kind of token.

    `directory` routes (users) are refused in the directory's words instead of the mailbox's.
    """

    delegated: tuple[str, ...]
    application: tuple[str, ...]
    directory: bool = False


def check_permission(principal: Principal, permission: Permission) -> None:
    """Raise AccessDenied unless the token has one of the names."""
    if not principal.permissions:
        raise AccessDenied(
            "The token contains no permissions, or permissions can not be understood.",
            "NoPermissionsInAccessToken",
        )
    accepted = permission.delegated if principal.kind == "user" else permission.application
    if principal.permissions.isdisjoint(accepted):
        if permission.directory:
            raise AccessDenied(
                "Insufficient privileges to complete the operation.", "Authorization_RequestDenied"
            )
        raise AccessDenied


def check_principal(principal: Principal, directory: Directory) -> Application:
    """The token's application; Unauthenticated when it, or the token's user, is disabled or gone since."""
    application = directory.applications.get(principal.client_id.casefold())
    if application is None or not application.enabled:
        raise Unauthenticated("Access token validation failure. Application is disabled or does not exist.")
    if principal.kind == "user":
        user = directory.find(principal.object_id)
        if user is None or not user.can_sign_in:
            raise Unauthenticated(
                "Access token validation failure. User account is disabled or does not exist."
            )
    return application


def find_mailbox(
    principal: Principal, directory: Directory, user_key: str, permission: Permission | None = None
) -> Mailbox:
    """The mailbox a path names ('me', an object id or a userPrincipalName), when the principal may act in it.

    `permission` is what is asked of the token there; without one, other people's mailboxes are closed to users.
    """
    application = check_principal(principal, directory)
    if user_key.casefold() == "me":
        if principal.kind == "application":
            raise BadRequest("/me request is only valid with delegated authentication flow.")
        user_key = principal.object_id
    mailbox = directory.find(user_key)
    if mailbox is None:
        raise NotFound(f"The requested user '{user_key}' is invalid.", "ErrorInvalidUser")
    if principal.kind == "user" and mailbox.object_id != principal.object_id:
        _check_full_access(principal, directory, mailbox, permission)
    if principal.kind == "application" and (application.mailbox_scope or application.permission_scopes):
        usable = directory.usable(application, mailbox, principal.permissions)
        if not usable or (permission is not None and usable.isdisjoint(permission.application)):
            raise AccessDenied(_OUTSIDE_SCOPE)
    if not mailbox.enabled:
        raise NotFound(
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
            "MailboxNotEnabledForRESTAPI",
        )
    return mailbox


def in_anothers(principal: Principal) -> Principal:
    """A user's principal as it counts in somebody else's mailbox: what is not `.Shared` opens nothing there."""
    shared = frozenset(name for name in principal.permissions if name.endswith(_SHARED))
    return replace(principal, permissions=shared)


def confined(principal: Principal, directory: Directory, mailbox: Mailbox) -> Principal:
    """An application's principal as it counts in a mailbox: permissions with another scope open nothing there."""
    application = directory.applications[principal.client_id.casefold()]
    if principal.kind == "user" or not application.permission_scopes:
        return principal
    return replace(principal, permissions=directory.usable(application, mailbox, principal.permissions))


def acting_mailbox(principal: Principal, directory: Directory, mailbox: Mailbox) -> Mailbox:
    """Whose rights count: the user's; of an application, those of the mailbox that it acts in."""
    own = directory.find(principal.object_id) if principal.kind == "user" else None
    return own or mailbox


def find_author(
    principal: Principal, directory: Directory, mailbox: Mailbox, address: str
) -> tuple[Mailbox, Right | None]:
    """Whose address it is, and the right to send in their name; none is needed in the own.

    Raises AccessDenied: ErrorSendAsDenied without a right, ErrorAccessDenied when the token lacks Mail.Send.Shared.
    """
    if mailbox.owns(address):
        return mailbox, None
    author = directory.find_address(address)
    actor = acting_mailbox(principal, directory, mailbox)
    if author is None or not author.enabled:
        raise send_as_denied()
    if author is actor:
        return author, None
    rights = directory.rights_of(actor, author)
    if rights.isdisjoint((SEND_AS, SEND_ON_BEHALF)):
        raise send_as_denied()
    if principal.kind == "user" and SEND_SHARED not in principal.permissions:
        raise AccessDenied
    return author, SEND_AS if SEND_AS in rights else SEND_ON_BEHALF


def send_as_denied() -> AccessDenied:
    """The refusal of an address that is not the principal's to send from."""
    return AccessDenied(_SEND_AS_DENIED, "ErrorSendAsDenied")


def _check_full_access(
    principal: Principal, directory: Directory, mailbox: Mailbox, permission: Permission | None
) -> None:
    user = directory.find(principal.object_id)
    accepted = () if permission is None else permission.delegated
    if (
        user is None
        or not any(name.endswith(_SHARED) and name in principal.permissions for name in accepted)
        or FULL_ACCESS not in directory.rights_of(user, mailbox)
    ):
        raise AccessDenied
