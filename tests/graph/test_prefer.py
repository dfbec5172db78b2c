"""The Prefer header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpost.graph.prefer import Preferences, read_preferences, time_zone_asked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Preferences()),
        ('IdType="ImmutableId"', Preferences(immutable_ids=True)),
        ("idtype=immutableid", Preferences(immutable_ids=True)),
        (
            'outlook.timezone="UTC", IdType = "ImmutableId"',
            Preferences(immutable_ids=True, time_zone="UTC"),
        ),
        ('outlook.timezone="Pacific Standard Time"', Preferences(time_zone="Pacific Standard Time")),
        ("outlook.timezone=Europe/Berlin", Preferences(time_zone="Europe/Berlin")),
        ('outlook.timezone="../etc/passwd"', Preferences()),
        ('outlook.timezone="Mars/Olympus"', Preferences()),
        ('outlook.body-content-type="text"', Preferences(body_kind="text")),
        ("outlook.body-content-type=HTML; x=y", Preferences(body_kind="html")),
        ('outlook.body-content-type="pdf"', Preferences()),
        ('outlook.timezone="IdType=ImmutableId"', Preferences()),
        ("outlook.allow-unsafe-html", Preferences(unsafe_html=True)),
        ('Outlook.Allow-Unsafe-Html="true", IdType="x"', Preferences(unsafe_html=True)),
        ("outlook.allow-unsafe-html=false", Preferences()),
        ("odata.maxpagesize=50", Preferences(page_size=50)),
        ("odata.maxpagesize=5000", Preferences(page_size=1000)),
        ("odata.maxpagesize=-1, odata.maxpagesize", Preferences()),
    ],
)
def test_preferences_are_read(text, expected):
    assert read_preferences({"prefer": text}) == expected


def test_what_was_done_is_said():
    assert Preferences().applied() == {}
    assert Preferences(time_zone="UTC").applied() == {"Preference-Applied": 'outlook.timezone="UTC"'}
    assert Preferences(page_size=5).page_applied(None) == {"Preference-Applied": "odata.maxpagesize=5"}
    assert Preferences(page_size=5).page_applied(7) == Preferences().page_applied(None) == {}
    assert Preferences(True, "text").applied() == {
        "Preference-Applied": 'outlook.body-content-type="text", IdType="ImmutableId"'
    }


@given(st.text())
def test_no_header_does_any_harm(text):
    assert read_preferences({"prefer": text}).page_size <= 1000


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("", ""),
        ("respond-async", ""),
        ('outlook.timezone="Pacific Standard Time"', "Pacific Standard Time"),
        ("Outlook.TimeZone=Europe/Berlin; x=y", "Europe/Berlin"),
        ('IdType="ImmutableId", outlook.timezone="Tonga Standard Time"', "Tonga Standard Time"),
        ("outlook.timezone", ""),
    ],
)
def test_the_time_zone_is_as_it_is_spelt(text, zone):
    assert time_zone_asked({"prefer": text}) == zone
