"""Every wrong request is refused over the wire with its exact status and code, and leaves nothing behind."""

from __future__ import annotations

import pytest
from tests.conformance.targets import OwnTarget, Target
from tests.conformance.wire import Answer
from tests.graph.wrong_requests import WRONG, Wrong


def ask(target: Target, wrong: Wrong, token: str) -> Answer:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if wrong.content_type is not None:
        headers["Content-Type"] = wrong.content_type
    return target.wire.request(
        wrong.method, wrong.path + (f"?{wrong.query}" if wrong.query else ""), headers, wrong.body
    )


@pytest.fixture(scope="session")
def answers(target: Target) -> dict[str, Answer]:
    """What each was answered, and under '' what was stored meanwhile (on our own server)."""
    own = target if isinstance(target, OwnTarget) else None
    before = own.stored_at_rest() if own else {}
    found = {}
    for wrong in WRONG:
        token = target.token(wrong.token) if wrong.token else ""
        if token is not None:
            found[wrong.rule] = ask(target, wrong, token)
    if own is not None:
        after = own.stored_at_rest()
        assert after == before, "something was stored"
    return found


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.rule)
def test_a_wrong_request_is_refused_exactly(answers: dict[str, Answer], wrong: Wrong) -> None:
    if wrong.rule not in answers:
        pytest.skip(f"no token {wrong.token!r} was given")
    answer = answers[wrong.rule]
    status, code, message = answer.error
    assert (status, code) == (wrong.status, wrong.code), message
    assert wrong.message is None or message == wrong.message
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["request-id"]


def test_the_wrong_tokens_are_wrong_in_one_thing_only(own: OwnTarget) -> None:
    assert own.get("/v1.0/me/sendMail", "control").error[:2] == (405, "BadRequest")


def test_wrong_requests_leave_nothing_in_sent_items_nor_in_the_queue(
    own: OwnTarget, answers: dict[str, Answer]
) -> None:
    sent = {
        "all is well with this one",  # the subject of the table's right message
    }
    for address in own.object_ids:
        found = own.get(f"/v1.0/users/{address}/mailFolders/sentitems/messages?$select=subject&$top=100")
        assert not sent & {message["subject"] for message in found.json["value"]}
    assert not sent & {entry["subject"] for entry in own.administer("/admin/queue?limit=10000")["value"]}
