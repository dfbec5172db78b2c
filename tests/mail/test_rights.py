"""Rights between mailboxes, and what entries of scopes stand for, in the directory."""

from __future__ import annotations

import pytest

from graphpost.mail.mailbox import Application, Directory, Group, Mailbox
from graphpost.mail.rights import Given

ADELE = Mailbox(mailbox_id=1, object_id="aaaa", address="adele@contoso.test", aliases=("a@bücher.test",))
ALEX = Mailbox(mailbox_id=2, object_id="bbbb", address="alex@Contoso.test")
INFO = Mailbox(mailbox_id=3, object_id="cccc", address="info@else.test")
SALES = Group(name="Sales", address="sales@contoso.test", members=frozenset({"adele@contoso.test", "cccc"}))


def directory(*given: Given, scope: tuple[str, ...] = ()) -> Directory:
    app = Application(client_id="APP", object_id="sp", mailbox_scope=scope)
    return Directory.of([ADELE, ALEX, INFO], [app], [SALES], given)


def given(holder: str, *rights: str, mailbox: Mailbox = INFO) -> Given:
    return Given(mailbox_id=mailbox.mailbox_id, holder=holder, rights=frozenset(rights))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ("ADELE@contoso.test", {1}),
        ("a@xn--bcher-kva.test", {1}),
        ("BBBB", {2}),
        ("group:sales", {1, 3}),
        ("GROUP:Sales", {1, 3}),
        ("group:sales@contoso.test", {1, 3}),
        ("sales@contoso.test", {1, 3}),
        ("group:nobody", set()),
        ("domain:contoso.test", {1, 2}),
        ("domain:CONTOSO.test", {1, 2}),
        ("domain:test", set()),
        ("domain:xn--bcher-kva.test", set()),
        ("nobody@contoso.test", set()),
        ("sales", {1, 3}),
        ("", set()),
    ],
)
def test_an_entry_stands_for_mailboxes(entry: str, named: set[int]) -> None:
    assert directory().named(entry) == named
    assert directory(scope=(entry,)).scopes == {"app": named}


def test_an_application_without_a_scope_is_not_among_the_scopes() -> None:
    assert directory().scopes == {}


def test_rights_add_up_and_are_of_one_mailbox() -> None:
    found = directory(given("adele@contoso.test", "SendAs"), given("group:sales", "FullAccess"))
    assert found.rights_of(ADELE, INFO) == {"SendAs", "FullAccess"}
    assert found.rights_of(ADELE, ALEX) == found.rights_of(ALEX, INFO) == set()
    assert found.rights_of(INFO, INFO) == set()


def test_who_has_no_mailbox_has_no_rights() -> None:
    found = directory(given("later@contoso.test", "SendAs"))
    assert found.rights == {}
    later = Mailbox(mailbox_id=4, object_id="dddd", address="later@contoso.test")
    again = Directory.of([INFO, later], (), (), [given("later@contoso.test", "SendAs")])
    assert again.rights_of(later, INFO) == {"SendAs"}
