"""Every wrong request is refused with its exact status and code, and leaves nothing behind."""

from __future__ import annotations

from tests.graph.desk import Desk, error_of, make_request
from tests.graph.wrong_requests import WRONG, Refusal, Wrong, check


def test_wrong_requests_are_refused_exactly_and_nothing_is_submitted() -> None:
    desk = Desk()

    def send(wrong: Wrong) -> Refusal:
        reply = desk.send(
            make_request(wrong.method, wrong.path, wrong.body, wrong.token, wrong.content_type, wrong.query)
        )
        assert reply.content_type == "application/json", wrong.rule
        return Refusal(*error_of(reply))

    assert check(send) == []
    assert desk.outbox.submissions == []


def test_the_table_is_long_and_names_each_rule_once() -> None:
    assert len(WRONG) >= 80
    assert len({wrong.rule for wrong in WRONG}) == len(WRONG)
