"""Whether who asked for something that takes time may still have it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.graph.desk import ADELE, ALEX, APP

from graphpost.auth.access import Principal
from graphpost.errors import GraphError
from graphpost.graph.standing import MAIL_SEND, requester_of, still_standing
from graphpost.mail.mailbox import Application, Directory
from graphpost.mail.rights import Given

USER = Principal(
    kind="user",
    tenant_id="t",
    object_id=ADELE.object_id,
    client_id=APP.client_id,
    permissions=frozenset({"Mail.Send", "Mail.Send.Shared"}),
)
RIGHT = Given(mailbox_id=ALEX.mailbox_id, holder=ADELE.address, rights=frozenset({"FullAccess"}))


def status(app: Application, who: Principal = USER, mailbox_id: int = ADELE.mailbox_id, *given: Given) -> int:
    directory = Directory.of([ADELE, ALEX], [app], (), given)
    try:
        still_standing(requester_of(who), directory, mailbox_id, MAIL_SEND)
    except GraphError as error:
        return error.status
    return 200


def test_what_the_application_is_registered_for_today_counts() -> None:
    assert status(APP) == 200
    assert status(replace(APP, delegated_permissions=("Mail.Read",))) == 403
    assert status(replace(APP, enabled=False)) == 401


def test_what_another_issuer_gave_it_stays_as_it_was() -> None:
    none = replace(APP, delegated_permissions=(), application_permissions=())
    assert status(none) == 403
    assert status(none, replace(USER, is_foreign=True)) == 200
    assert status(none, replace(USER, is_foreign=True, permissions=frozenset({"Mail.Read"}))) == 403


def test_another_persons_mailbox_needs_right_and_permission() -> None:
    shared = replace(APP, delegated_permissions=("Mail.Send.Shared",))
    assert status(shared, USER, ALEX.mailbox_id, RIGHT) == 200
    assert status(shared, USER, ALEX.mailbox_id) == 403
    assert status(APP, USER, ALEX.mailbox_id, RIGHT) == 403
    assert status(shared, USER, 99, RIGHT) == 404


@pytest.mark.parametrize(("scope", "wanted"), [((), 200), ((ADELE.address,), 200), (("group:none",), 403)])
def test_an_application_is_held_to_its_scope_of_today(scope: tuple[str, ...], wanted: int) -> None:
    who = replace(USER, kind="application", object_id=APP.object_id)
    assert status(replace(APP, mailbox_scope=scope), who) == wanted
