"""Who may do what: the Principal of a token, and the rules for mailboxes.

A user acts in the own mailbox.  An application acts in any mailbox of the tenant, or in those of its scope when it has
one.  Full Access, Send As and Send on Behalf rights between mailboxes are not there yet: without them everything else
is 403, with the code and text Graph has for it.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from graphpost.errors import AccessDenied, BadRequest, NotFound, Unauthenticated
from graphpost.mail.mailbox import Application, Directory, Mailbox

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


def find_mailbox(principal: Principal, directory: Directory, user_key: str) -> Mailbox:
    """The mailbox a path names ('me', an object id or a userPrincipalName), when the principal may act in it."""
    application = check_principal(principal, directory)
    if user_key.casefold() == "me":
        if principal.kind == "application":
            raise BadRequest("/me request is only valid with delegated authentication flow.")
        user_key = principal.object_id
    mailbox = directory.find(user_key)
    if mailbox is None:
        raise NotFound(f"The requested user '{user_key}' is invalid.", "ErrorInvalidUser")
    if principal.kind == "user" and mailbox.object_id != principal.object_id:
        raise AccessDenied
    if principal.kind == "application" and not is_in_scope(application, mailbox):
        raise AccessDenied(_OUTSIDE_SCOPE)
    if not mailbox.enabled:
        raise NotFound(
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
            "MailboxNotEnabledForRESTAPI",
        )
    return mailbox


def is_in_scope(application: Application, mailbox: Mailbox) -> bool:
    """Whether an application may act in a mailbox: its scope names addresses or object ids, () means all."""
    return not application.mailbox_scope or any(
        mailbox.owns(entry) or entry.casefold() == mailbox.object_id.casefold()
        for entry in application.mailbox_scope
    )


def check_sender(principal: Principal, mailbox: Mailbox, address: str) -> None:
    """Raise AccessDenied (ErrorSendAsDenied) unless the address is the mailbox's own, primary or alias."""
    if not mailbox.owns(address):
        raise AccessDenied(_SEND_AS_DENIED, "ErrorSendAsDenied")
