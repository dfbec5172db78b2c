"""Drafts that wait, in the model as on the server, where chance takes long to get: copies, and answers that meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.model.machine import MailboxMachine
from tests.model.mailbox import Kept, recipient
from tests.model.place import Place
from tests.store.conftest import open_store, postgres_url  # noqa: F401

from graphpost.store.store import Store

ADDRESSED = {"subject": "Lunch", "toRecipients": [recipient("zoe@one.test")]}


@pytest.fixture
def machine(open_store: Callable[[], Store], tmp_path: Path) -> Iterator[MailboxMachine]:  # noqa: F811
    def begin() -> Place:
        return Place(open_store, tmp_path)

    machine = type("Machine", (MailboxMachine,), {"opened": staticmethod(begin)})()
    machine.begin()
    try:
        yield machine
    finally:
        machine.teardown()


def picked(machine: MailboxMachine, kept: Kept) -> int:
    return next(pick for pick in range(1000) if machine.message(0, pick) is kept)


def created(machine: MailboxMachine) -> Kept:
    machine.create(0, dict(ADDRESSED), [], None, True)
    return machine.boxes[0].messages[-1]


def test_a_copy_of_a_draft_asks_for_the_same_time(machine: MailboxMachine) -> None:
    draft = created(machine)
    machine.ask_for_a_later_time(0, picked(machine, draft), 0)
    machine.copy(0, picked(machine, draft), 0, 0)
    copy = machine.boxes[0].messages[-1]
    assert not copy.waits
    machine.ask_for_a_later_time(0, picked(machine, copy), 0)
    assert copy.waits
    machine.the_time_comes()
    assert not draft.is_draft
    assert not copy.is_draft


def test_an_answer_is_sent_with_the_draft_that_it_answers(machine: MailboxMachine) -> None:
    draft = created(machine)
    machine.answer(0, picked(machine, draft), 0, "Reply", [recipient("bo@two.test")], True, "")
    answer = machine.boxes[0].messages[-1]
    for each in (answer, draft):  # the answer may be the first to be sent, and mark the draft
        machine.ask_for_a_later_time(0, picked(machine, each), 0)
    machine.the_time_comes()
    assert not draft.is_draft
    assert not answer.is_draft


def test_two_answers_that_are_sent_at_one_moment(machine: MailboxMachine) -> None:
    draft, answers = created(machine), list[Kept]()
    for manner in ("Forward", "Reply", "ReplyAll"):
        machine.answer(0, picked(machine, draft), 0, manner, [recipient("bo@two.test")], True, "")
        answers.append(machine.boxes[0].messages[-1])
    for each in reversed(answers):
        machine.ask_for_a_later_time(0, picked(machine, each), 0)
    machine.the_time_comes()
    assert draft.is_draft
    assert not any(each.is_draft for each in answers)
