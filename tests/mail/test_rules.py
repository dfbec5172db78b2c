"""Rules: when they apply, and what they together make of a message."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphpost.mail.mailbox import DELETED_ITEMS
from graphpost.mail.message import Address, Attachment, Body, Header, Message
from graphpost.mail.rules import Actions, Predicates, Rule, SizeRange, Verdict, applies, verdict
from graphpost.mail.traits import Traits

ME = ("adele@contoso.test",)
MESSAGE = Message(
    subject="Invoice 7",
    body=Body("Please pay by Friday."),
    from_=Address("bo@x.test", "Bo"),
    sender=Address("secretary@x.test"),
    to=(Address("adele@contoso.test", "Adele"), Address("cy@x.test")),
    cc=(Address("di@x.test", "Diana"),),
    importance="high",
    categories=("Red",),
    headers=(
        Header("X-Spam", "no"),
        Header("Content-Type", "multipart/signed; boundary=b"),
        Header("X-Message-Flag", "Follow up"),
    ),
    attachments=(Attachment(attachment_id=1),),
)
TRAITS = Traits(MESSAGE, 5000, ME)
BO, NOBODY = (Address("BO@x.test"),), (Address("eve@x.test"),)


def rule(name: str = "r", sequence: int = 1, *, asked: dict[str, Any] | None = None, **done: Any) -> Rule:
    conditions = None if asked is None else Predicates(**asked)
    actions = Actions(**(done or {"mark_as_read": True}))
    return Rule(name=name, sequence=sequence, is_enabled=True, conditions=conditions, actions=actions)


ASKED: list[
    tuple[str, Any, Any]
] = [  # predicate, a value that holds, one that does not (None: there is none)
    ("body_contains", ("friday", "x"), ("monday",)),
    ("body_or_subject_contains", ("INVOICE",), ("monday",)),
    ("body_or_subject_contains", ("pay by",), ("monday",)),
    ("categories", ("red",), ("blue",)),
    ("from_addresses", BO, NOBODY),
    ("has_attachments", True, None),
    ("header_contains", ("x-spam: no",), ("x-spam: yes",)),
    ("importance", "high", "low"),
    ("message_action_flag", "followUp", "call"),
    ("message_action_flag", "any", "reply"),
    ("is_signed", True, None),
    ("recipient_contains", ("diana",), ("eve",)),
    ("recipient_contains", ("cy@",), ("eve",)),
    ("sender_contains", ("bo@x",), ("secretary",)),
    ("sensitivity", "normal", "private"),
    ("sent_to_addresses", (Address("Di@x.test"),), NOBODY),
    ("sent_to_me", True, None),
    ("sent_to_or_cc_me", True, None),
    ("subject_contains", ("other", "invoice"), ("bill",)),
    ("within_size_range", SizeRange(4, 5), SizeRange(5, None)),
    ("within_size_range", SizeRange(None, 5), SizeRange(None, 4)),
]
FALSE_HERE = (
    "is_approval_request", "is_automatic_forward", "is_automatic_reply", "is_encrypted", "is_meeting_request",
    "is_meeting_response", "is_non_delivery_report", "is_permission_controlled", "is_read_receipt", "is_voicemail",
    "not_sent_to_me", "sent_cc_me", "sent_only_to_me",
)  # fmt: skip


def test_every_predicate_is_in_these_tables() -> None:
    assert {name for name, _, _ in ASKED} | set(FALSE_HERE) == set(Predicates.__struct_fields__)


@pytest.mark.parametrize(("name", "holds", "fails"), ASKED)
def test_a_condition_that_holds_lets_a_rule_apply_and_an_exception_does_not(
    name: str, holds: Any, fails: Any
) -> None:
    assert applies(rule(asked={name: holds}), TRAITS)
    excepted = Rule(name="r", sequence=1, exceptions=Predicates(**{name: holds}))
    assert not applies(excepted, TRAITS)
    if fails is not None:
        assert not applies(rule(asked={name: fails}), TRAITS)
        assert applies(Rule(name="r", sequence=1, exceptions=Predicates(**{name: fails})), TRAITS)


@pytest.mark.parametrize("name", FALSE_HERE)
def test_what_does_not_hold_of_this_message_keeps_the_rule_from_it(name: str) -> None:
    assert not applies(rule(asked={name: True}), TRAITS)
    assert applies(rule(asked={name: False}), TRAITS), "false asks nothing"
    assert applies(Rule(name="r", sequence=1, exceptions=Predicates(**{name: True})), TRAITS)


def test_all_conditions_have_to_hold_and_one_exception_is_enough() -> None:
    both = {"subject_contains": ("invoice",), "importance": "high"}
    assert applies(rule(asked=both), TRAITS)
    assert not applies(rule(asked={**both, "importance": "low"}), TRAITS)
    excepted = Predicates(subject_contains=("nothing",), has_attachments=True)
    assert not applies(Rule(name="r", sequence=1, exceptions=excepted), TRAITS)


def test_without_conditions_a_rule_is_for_everything() -> None:
    assert applies(rule(), TRAITS)
    assert applies(rule(asked={}), Traits(Message(), 0, ()))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], Verdict()),
        ([Rule(name="off", sequence=1, actions=Actions(delete=True))], Verdict()),
        ([rule(move_to_folder=20)], Verdict(folder=20)),
        ([rule(delete=True)], Verdict(folder=DELETED_ITEMS)),
        ([rule(delete=True, move_to_folder=20)], Verdict(folder=DELETED_ITEMS)),
        ([rule(permanent_delete=True, copy_to_folder=20)], Verdict(is_gone=True, copies=(20,))),
        ([rule(sequence=2, move_to_folder=20), rule(sequence=1, move_to_folder=10)], Verdict(folder=10)),
        (
            [rule(copy_to_folder=10), rule(copy_to_folder=20), rule(copy_to_folder=10)],
            Verdict(copies=(10, 20)),
        ),
        ([rule(mark_importance="low"), rule(mark_importance="high")], Verdict(importance="high")),
        (
            [rule(assign_categories=("a", "b")), rule(assign_categories=("b", "c"), mark_as_read=True)],
            Verdict(categories=("a", "b", "c"), is_read=True),
        ),
        (
            [
                rule(forward_to=BO, redirect_to=NOBODY),
                rule(forward_to=BO + NOBODY, forward_as_attachment_to=BO),
            ],
            Verdict(forwards=BO + NOBODY, redirects=NOBODY, attached=BO),
        ),
        (
            [rule(sequence=1, mark_as_read=True, stop_processing=True), rule(sequence=2, delete=True)],
            Verdict(is_read=True),
        ),
        (
            [
                rule(sequence=1, asked={"importance": "low"}, stop_processing=True),
                rule(sequence=2, delete=True),
            ],
            Verdict(folder=DELETED_ITEMS),
        ),
    ],
)
def test_the_rules_that_apply_are_followed_together(rules: list[Rule], expected: Verdict) -> None:
    assert verdict(rules, TRAITS) == expected


TEXTS = st.lists(st.text(max_size=8), max_size=3).map(tuple)
ADDRESSES = st.lists(st.sampled_from(["bo@x.test", "adele@contoso.test", "é@ü.test", ""]), max_size=3).map(
    lambda found: tuple(map(Address, found))
)
BOOLEANS = st.none() | st.booleans()


def strategy(name: str) -> st.SearchStrategy[Any]:
    default = getattr(Predicates(), name)
    if name in ("from_addresses", "sent_to_addresses"):
        return ADDRESSES
    if default == ():
        return TEXTS
    words = {
        "importance": ["low", "normal", "high"],
        "message_action_flag": ["any", "call", "followUp"],
        "sensitivity": ["normal", "private"],
    }
    if name in words:
        return st.none() | st.sampled_from(words[name])
    if name == "within_size_range":
        return st.none() | st.builds(SizeRange, st.none() | st.integers(0, 9), st.none() | st.integers(0, 9))
    return BOOLEANS


PREDICATES = st.builds(Predicates, **{name: strategy(name) for name in Predicates.__struct_fields__})
MESSAGES = st.builds(
    Message,
    subject=st.text(max_size=8),
    body=st.builds(Body, st.text(max_size=20), st.sampled_from(["text", "html"])),
    from_=st.none() | st.builds(Address, st.text(max_size=8), st.text(max_size=8)),
    to=ADDRESSES,
    cc=ADDRESSES,
    headers=st.lists(
        st.builds(
            Header, st.sampled_from(["content-type", "x-message-flag", "received", "X"]), st.text(max_size=20)
        ),
        max_size=4,
    ).map(tuple),
)


@settings(max_examples=150)
@given(PREDICATES, PREDICATES, MESSAGES, st.integers(0, 20_000))
def test_whatever_arrives_is_judged_and_exceptions_only_take_away(
    asked: Predicates, excepted: Predicates, message: Message, size: int
) -> None:
    traits = Traits(message, size, ME)
    free = Rule(name="r", sequence=1, conditions=asked)
    bound = Rule(name="r", sequence=1, conditions=asked, exceptions=excepted)
    assert applies(free, traits) or not applies(bound, traits)
    every_one = [
        applies(Rule(name="r", sequence=1, conditions=Predicates(**{name: getattr(asked, name)})), traits)
        for name in Predicates.__struct_fields__
    ]
    assert applies(free, traits) is all(every_one)


@settings(max_examples=150)
@given(st.lists(st.builds(
    Rule,
    name=st.just("r"),
    sequence=st.integers(1, 9),
    is_enabled=st.booleans(),
    actions=st.builds(
        Actions,
        move_to_folder=st.none() | st.integers(1, 3),
        copy_to_folder=st.none() | st.integers(1, 3),
        delete=BOOLEANS,
        stop_processing=BOOLEANS,
        forward_to=ADDRESSES,
    ),
), max_size=6))  # fmt: skip
def test_rules_behind_a_stop_count_for_nothing(rules: list[Rule]) -> None:
    ordered = sorted(rules, key=lambda each: each.sequence)
    stops = [n for n, each in enumerate(ordered) if each.is_enabled and each.actions.stop_processing]
    counted = ordered[: stops[0] + 1] if stops else ordered
    assert verdict(rules, TRAITS) == verdict(counted, TRAITS)
    assert set(verdict(rules, TRAITS).forwards) <= {a for each in counted for a in each.actions.forward_to}
