"""Whatever a body says of settings, rules, categories, overrides and mentions, it is read or refused."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.graph.desk import ADELE, NOW

from graphpost.config import LimitSettings
from graphpost.errors import BadRequest, NotFound
from graphpost.graph.bodies.mentions import read_mentions
from graphpost.graph.bodies.reading import Reading
from graphpost.graph.bodies.values import fold
from graphpost.graph.call import Call
from graphpost.graph.settings.categories import CATEGORIES
from graphpost.graph.settings.kept import Kept
from graphpost.graph.settings.overrides import OVERRIDES
from graphpost.graph.settings.rule_schema import ACTIONS, PREDICATES, RULE
from graphpost.graph.settings.rules import RULES
from graphpost.graph.settings.settings_in import read_settings
from graphpost.ids import Numbers
from graphpost.mail.message import Message
from graphpost.mail.preferences import PersonalSettings
from graphpost.mail.rules import Actions, Rule, verdict
from graphpost.mail.traits import Traits

REFUSALS = (BadRequest, NotFound)
LIMITS = LimitSettings()
CALL = cast(Call, SimpleNamespace(box=ADELE, services=SimpleNamespace(limits=LIMITS)))
OLD = {
    RULES.kind: Rule(name="r", sequence=1, actions=Actions(delete=True)),
    CATEGORIES.kind: None,
    OVERRIDES.kind: None,
}
SETTINGS = (
    *("archiveFolder", "automaticRepliesSetting", "dateFormat", "delegateMeetingMessageDeliveryOptions", "language"),
    *("timeFormat", "timeZone", "userPurpose", "workingHours", "locale", "daysOfWeek", "startTime", "endTime", "name"),
    *("status", "externalAudience", "scheduledStartDateTime", "scheduledEndDateTime", "dateTime"),
)  # fmt: skip
NAMES = st.sampled_from(
    sorted(
        {each.name for table in (RULE, PREDICATES, ACTIONS) for each in table.properties.values()}
        | {"color", "displayName", "classifyAs", "senderEmailAddress", "emailAddress", "address", "name"}
        | {"minimumSize", "maximumSize", "mentioned", "mentionText", "@odata.type", *SETTINGS}
    )
)
WORDS = st.sampled_from(
    [
        "",
        "a@x.test",
        "high",
        "inbox",
        "UTC",
        "Europe/Berlin",
        "de-DE",
        "scheduled",
        "08:00:00",
        "preset3",
        "other",
        "2026-01-01T00:00:00",
        "0001-01-01T00:00:00",
        "monday",
        "String",
        "true",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)
BODIES = st.dictionaries(NAMES, VALUES, max_size=8)


def try_(kept: Kept[Any], body: dict[str, Any]) -> Any:
    with suppress(*REFUSALS):
        return kept.read(CALL, fold(body), OLD[kept.kind])
    return None


@settings(max_examples=300)
@given(BODIES)
def test_a_rule_is_read_or_refused_and_what_is_read_can_be_followed(body: dict[str, Any]) -> None:
    rule = try_(RULES, body)
    if rule is not None:
        assert rule.name
        assert rule.sequence > 0
        verdict([rule], Traits(Message(), 0, ()))


@settings(max_examples=150)
@given(BODIES)
def test_categories_and_overrides_are_read_or_refused(body: dict[str, Any]) -> None:
    try_(CATEGORIES, body)
    try_(OVERRIDES, body)


@settings(max_examples=300)
@given(BODIES)
def test_settings_are_read_or_refused(body: dict[str, Any]) -> None:
    with suppress(*REFUSALS):
        read_settings(fold(body), PersonalSettings())


@settings(max_examples=150)
@given(VALUES)
def test_mentions_are_read_or_refused(value: Any) -> None:
    with suppress(*REFUSALS):
        read_mentions(value, Reading(LIMITS, Numbers(lambda: NOW, 1), NOW))
