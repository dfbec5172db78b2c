"""Who may do what to which mailbox."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from graphpost.auth.access import Permission, Principal, check_permission, find_author, find_mailbox
from graphpost.errors import GraphError
from graphpost.mail.mailbox import Application, Directory, Mailbox

ADELE = Mailbox(
    mailbox_id=1, object_id="aaaa", address="AdeleV@contoso.test", aliases=("adele@contoso.test",)
)
ALEX = Mailbox(mailbox_id=2, object_id="bbbb", address="alex@contoso.test")
GONE = Mailbox(mailbox_id=3, object_id="cccc", address="gone@contoso.test", enabled=False)
SALES = Mailbox(mailbox_id=4, object_id="dddd", address="sales@contoso.test", kind="shared")
APP = Application(client_id="app", object_id="sp")
SCOPED = Application(client_id="scoped", object_id="sp2", mailbox_scope=("ADELE@contoso.test", "BBBB"))
OFF = Application(client_id="off", object_id="sp3", enabled=False)
DIRECTORY = Directory.of([ADELE, ALEX, GONE, SALES], [APP, SCOPED, OFF])
SEND = Permission(delegated=("Mail.Send",), application=("Mail.Send",))


def principal(
    kind: Literal["user", "application"] = "user",
    object_id: str = "aaaa",
    client_id: str = "app",
    *names: str,
) -> Principal:
    return Principal(
        kind=kind,
        tenant_id="t",
        object_id=object_id,
        client_id=client_id,
        permissions=frozenset(names or ("Mail.Send",)),
    )


def application(client_id: str = "app") -> Principal:
    return principal("application", "sp", client_id)


@pytest.mark.parametrize("key", ["me", "aaaa", "AAAA", "adelev@CONTOSO.test"])
def test_a_user_acts_in_the_own_mailbox(key: str) -> None:
    assert find_mailbox(principal(), DIRECTORY, key) is ADELE


@pytest.mark.parametrize("key", ["aaaa", "AdeleV@contoso.test", "alex@contoso.test"])
def test_an_application_acts_in_every_mailbox(key: str) -> None:
    assert find_mailbox(application(), DIRECTORY, key) in (ADELE, ALEX)


def test_a_shared_mailbox_is_an_applications_and_nobody_speaks_for_it() -> None:
    assert find_mailbox(application(), DIRECTORY, "dddd") is SALES
    with pytest.raises(GraphError, match="disabled or does not exist") as refused:
        find_mailbox(principal(object_id="dddd"), DIRECTORY, "me")
    assert refused.value.status == 401


def test_a_scope_names_addresses_or_object_ids() -> None:
    assert find_mailbox(application("scoped"), DIRECTORY, "aaaa") is ADELE
    assert find_mailbox(application("scoped"), DIRECTORY, "bbbb") is ALEX


@pytest.mark.parametrize(
    ("who", "key", "status", "code", "text"),
    [
        (
            application(),
            "me",
            400,
            "BadRequest",
            "/me request is only valid with delegated authentication flow.",
        ),
        (
            application(),
            "ME",
            400,
            "BadRequest",
            "/me request is only valid with delegated authentication flow.",
        ),
        (
            application(),
            "nobody@x.test",
            404,
            "ErrorInvalidUser",
            "The requested user 'nobody@x.test' is invalid.",
        ),
        (application(), "adele@contoso.test", 404, "ErrorInvalidUser", "'adele@contoso.test'"),
        (application(), "", 404, "ErrorInvalidUser", "''"),
        (principal(), "nobody@x.test", 404, "ErrorInvalidUser", "'nobody@x.test'"),
        (principal(), "bbbb", 403, "ErrorAccessDenied", "Access is denied. Check credentials and try again."),
        (principal(), "cccc", 403, "ErrorAccessDenied", "Access is denied."),
        (application("scoped"), "cccc", 403, "ErrorAccessDenied", "[RAOP] : Blocked by tenant"),
        (application(), "cccc", 404, "MailboxNotEnabledForRESTAPI", "The mailbox is either inactive"),
        (application("off"), "aaaa", 401, "InvalidAuthenticationToken", "Application is disabled"),
        (application("unknown"), "aaaa", 401, "InvalidAuthenticationToken", "Application is disabled"),
        (principal(client_id="off"), "me", 401, "InvalidAuthenticationToken", "Application is disabled"),
        (principal(object_id="cccc"), "me", 401, "InvalidAuthenticationToken", "User account is disabled"),
        (principal(object_id="dddd"), "me", 401, "InvalidAuthenticationToken", "User account is disabled"),
    ],
)
def test_everything_else_is_refused(who: Principal, key: str, status: int, code: str, text: str) -> None:
    with pytest.raises(GraphError) as caught:
        find_mailbox(who, DIRECTORY, key)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert text in caught.value.message


def test_one_of_the_names_is_enough() -> None:
    wide = Permission(delegated=("Mail.Read", "Mail.Send"), application=())
    check_permission(principal(), wide)
    with pytest.raises(GraphError, match="Access is denied"):
        check_permission(application(), wide)


@pytest.mark.parametrize(
    ("names", "directory", "code"),
    [
        (("User.Read",), False, "ErrorAccessDenied"),
        (("mail.send",), False, "ErrorAccessDenied"),
        (("User.Read",), True, "Authorization_RequestDenied"),
        ((), False, "NoPermissionsInAccessToken"),
    ],
)
def test_without_the_permission_it_is_403(names: tuple[str, ...], directory: bool, code: str) -> None:
    who = msgspec.structs.replace(principal(), permissions=frozenset(names))
    with pytest.raises(GraphError) as caught:
        check_permission(who, msgspec.structs.replace(SEND, directory=directory))
    assert (caught.value.status, caught.value.code) == (403, code)


def test_own_addresses_may_be_the_author() -> None:
    assert find_author(principal(), DIRECTORY, ADELE, "adelev@contoso.TEST") == (ADELE, None)
    assert find_author(principal(), DIRECTORY, ADELE, "adele@contoso.test") == (ADELE, None)
    for who in (principal(), application()):
        with pytest.raises(GraphError) as caught:
            find_author(who, DIRECTORY, ADELE, "alex@contoso.test")
        assert (caught.value.status, caught.value.code) == (403, "ErrorSendAsDenied")
