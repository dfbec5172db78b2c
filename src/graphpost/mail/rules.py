"""Inbox rules: what they ask of a message that arrives, and what is done with it.

Pure: rules and a message's traits in, a Verdict out; `delivery` carries it out.  A rule applies when all that its
conditions name holds and nothing of what its exceptions name does; of a list of texts or addresses one is enough, and a
rule without conditions applies to everything.  A false condition asks nothing, as in Exchange.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Final, Literal

from msgspec import Struct

from graphpost.mail.mailbox import DELETED_ITEMS
from graphpost.mail.message import Address, Importance
from graphpost.mail.traits import Traits

Sensitivity = Literal["normal", "personal", "private", "confidential"]
ActionFlag = Literal[
    "any",
    "call",
    "doNotForward",
    "followUp",
    "fyi",
    "forward",
    "noResponseNecessary",
    "read",
    "reply",
    "replyToAll",
    "review",
]
Texts = tuple[str, ...]
People = tuple[Address, ...]
_KILOBYTE: Final = 1024


class SizeRange(Struct, frozen=True, omit_defaults=True):
    """In kilobytes, both ends included; None: no end."""

    minimum: int | None = None
    maximum: int | None = None


class Predicates(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is asked; None and () ask nothing."""

    body_contains: Texts = ()
    body_or_subject_contains: Texts = ()
    categories: Texts = ()
    from_addresses: People = ()
    has_attachments: bool | None = None
    header_contains: Texts = ()
    importance: Importance | None = None
    is_approval_request: bool | None = None
    is_automatic_forward: bool | None = None
    is_automatic_reply: bool | None = None
    is_encrypted: bool | None = None
    is_meeting_request: bool | None = None
    is_meeting_response: bool | None = None
    is_non_delivery_report: bool | None = None
    is_permission_controlled: bool | None = None
    is_read_receipt: bool | None = None
    is_signed: bool | None = None
    is_voicemail: bool | None = None
    message_action_flag: ActionFlag | None = None
    not_sent_to_me: bool | None = None
    recipient_contains: Texts = ()
    sender_contains: Texts = ()
    sensitivity: Sensitivity | None = None
    sent_cc_me: bool | None = None
    sent_only_to_me: bool | None = None
    sent_to_addresses: People = ()
    sent_to_me: bool | None = None
    sent_to_or_cc_me: bool | None = None
    subject_contains: Texts = ()
    within_size_range: SizeRange | None = None


class Actions(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is done.  Folders are numbers."""

    assign_categories: Texts = ()
    copy_to_folder: int | None = None
    delete: bool | None = None
    forward_as_attachment_to: People = ()
    forward_to: People = ()
    mark_as_read: bool | None = None
    mark_importance: Importance | None = None
    move_to_folder: int | None = None
    permanent_delete: bool | None = None
    redirect_to: People = ()
    stop_processing: bool | None = None

    @property
    def folders(self) -> tuple[int, ...]:
        """The folders that these need."""
        return tuple(each for each in (self.copy_to_folder, self.move_to_folder) if each is not None)

    @property
    def recipients(self) -> People:
        """To whom these send on."""
        return self.forward_to + self.forward_as_attachment_to + self.redirect_to


class Rule(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Rules are looked at in the order of `sequence`."""

    name: str
    sequence: int
    is_enabled: bool = False
    conditions: Predicates | None = None
    exceptions: Predicates | None = None
    actions: Actions = Actions()


class Verdict(Struct, frozen=True, kw_only=True):
    """What all the rules together make of a message.  `folder` None leaves it where it arrived."""

    folder: int | None = None
    is_gone: bool = False
    is_read: bool = False
    importance: Importance | None = None
    categories: Texts = ()
    copies: tuple[int, ...] = ()
    forwards: People = ()
    attached: People = ()
    redirects: People = ()


Test = Callable[[Traits, Any], bool]


def verdict(rules: Iterable[Rule], traits: Traits) -> Verdict:
    """What is to be done; the first rule that says where the message goes decides that, the last how important it is."""
    applied: list[Actions] = []
    for rule in sorted(rules, key=attrgetter("sequence")):
        if rule.is_enabled and applies(rule, traits):
            applied.append(rule.actions)
            if rule.actions.stop_processing:
                break
    places = [place for each in applied if (place := _place(each)) is not None]
    marks = [each.mark_importance for each in applied if each.mark_importance is not None]
    return Verdict(
        folder=places[0] if places else None,
        is_gone=any(each.permanent_delete for each in applied),
        is_read=any(each.mark_as_read for each in applied),
        importance=marks[-1] if marks else None,
        categories=_all(applied, "assign_categories"),
        copies=tuple(dict.fromkeys(e.copy_to_folder for e in applied if e.copy_to_folder is not None)),
        forwards=_all(applied, "forward_to"),
        attached=_all(applied, "forward_as_attachment_to"),
        redirects=_all(applied, "redirect_to"),
    )


def applies(rule: Rule, traits: Traits) -> bool:
    """Whether the rule, if it is enabled, is for this message."""
    asked = _asked(rule.conditions)
    if not all(_TESTS[name](traits, value) for name, value in asked):
        return False
    return not any(_TESTS[name](traits, value) for name, value in _asked(rule.exceptions))


def _asked(predicates: Predicates | None) -> list[tuple[str, Any]]:
    """The names of what is asked, with what it is asked for."""
    if predicates is None:
        return []
    found = ((name, getattr(predicates, name)) for name in Predicates.__struct_fields__)
    return [(name, value) for name, value in found if value not in (None, False, ())]


def _place(actions: Actions) -> int | None:
    return DELETED_ITEMS if actions.delete else actions.move_to_folder


def _all(applied: Iterable[Actions], name: str) -> tuple[Any, ...]:
    """What a list of each rule has, each once, in the order of the rules."""
    return tuple(dict.fromkeys(value for actions in applied for value in getattr(actions, name)))


def _contains(where: Callable[[Traits], str]) -> Test:
    return lambda traits, texts: any(text.casefold() in where(traits) for text in texts)


def _is(trait: str) -> Test:
    return lambda traits, value: bool(getattr(traits, trait))


def _is_flagged(traits: Traits, wanted: str) -> bool:
    return traits.action_flag == wanted or (wanted == "any" and bool(traits.action_flag))


def _has_category(traits: Traits, names: Texts) -> bool:
    own = {each.casefold() for each in traits.message.categories}
    return any(name.casefold() in own for name in names)


def _is_within(traits: Traits, sizes: SizeRange) -> bool:
    least = (sizes.minimum or 0) * _KILOBYTE
    return least <= traits.size and (sizes.maximum is None or traits.size <= sizes.maximum * _KILOBYTE)


_BODY_CONTAINS: Final = _contains(lambda traits: traits.body)
_SUBJECT_CONTAINS: Final = _contains(lambda traits: traits.subject)
_TESTS: Final[Mapping[str, Test]] = {
    "body_contains": _BODY_CONTAINS,
    "body_or_subject_contains": lambda traits, texts: (
        _SUBJECT_CONTAINS(traits, texts) or _BODY_CONTAINS(traits, texts)
    ),
    "categories": _has_category,
    "from_addresses": lambda traits, people: traits.is_from(people),
    "has_attachments": lambda traits, value: traits.message.has_attachments,
    "header_contains": _contains(lambda traits: traits.header),
    "importance": lambda traits, value: traits.message.importance == value,
    "is_approval_request": lambda traits, value: (
        False
    ),  # there are none: Exchange's own, and never sent outside
    "is_automatic_forward": _is("is_automatic_forward"),
    "is_automatic_reply": _is("is_automatic_reply"),
    "is_encrypted": _is("is_encrypted"),
    "is_meeting_request": _is("is_meeting_request"),
    "is_meeting_response": _is("is_meeting_response"),
    "is_non_delivery_report": _is("is_non_delivery_report"),
    "is_permission_controlled": _is("is_permission_controlled"),
    "is_read_receipt": _is("is_read_receipt"),
    "is_signed": _is("is_signed"),
    "is_voicemail": _is("is_voicemail"),
    "message_action_flag": _is_flagged,
    "not_sent_to_me": lambda traits, value: not (traits.is_to_me or traits.is_cc_me),
    "recipient_contains": _contains(lambda traits: traits.recipients),
    "sender_contains": _contains(lambda traits: traits.sender),
    "sensitivity": lambda traits, value: traits.sensitivity == value,
    "sent_cc_me": _is("is_cc_me"),
    "sent_only_to_me": _is("is_only_to_me"),
    "sent_to_addresses": lambda traits, people: traits.is_sent_to(people),
    "sent_to_me": _is("is_to_me"),
    "sent_to_or_cc_me": lambda traits, value: traits.is_to_me or traits.is_cc_me,
    "subject_contains": _SUBJECT_CONTAINS,
    "within_size_range": _is_within,
}
