"""Filters evaluated in memory."""

import pytest

from graphpost.odata.errors import ODataError
from graphpost.odata.filter import parse_filter
from graphpost.odata.matching import matches, paths

PERSON = {
    "mail": "Adele@contoso.test",
    "addresses": ["SMTP:Adele@contoso.test", "smtp:av@contoso.test"],
    "none": None,
    "enabled": True,
    "size": 3,
}


def read(path):
    if path.segments[0] not in PERSON:
        raise ODataError("no such property")
    return PERSON[path.segments[0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail eq 'adele@CONTOSO.test'", True),
        ("mail ne 'adele@CONTOSO.test'", False),
        ("startswith(mail,'ade')", True),
        ("startswith(mail,'ade') eq false", False),
        ("endswith(tolower(mail),'.TEST')", True),
        ("contains(mail,'z')", False),
        ("length(mail) eq 18", True),
        ("addresses/any(x:x eq 'smtp:AV@contoso.test')", True),
        ("addresses/any(x:x eq 'smtp:no@contoso.test')", False),
        ("addresses/any()", True),
        ("addresses/all(x:startswith(x,'smtp:'))", True),
        ("none eq null and mail ne null", True),
        ("none eq 'x' or none gt 'x' or contains(none,'x')", False),
        ("not (none gt 'x')", True),
        ("enabled", True),
        ("size gt 2 and size le 3 and size lt 3.5 and size ge 3", True),
        ("mail gt 'a' and mail lt 'b'", True),
    ],
)
def test_a_condition_holds_or_does_not(text, expected):
    assert matches(parse_filter(text), read) is expected


@pytest.mark.parametrize(
    "text", ["missing eq 1", "mail gt 5", "mail/any()", "indexof(mail,'x') eq 1", "contains(size,'x')"]
)
def test_what_cannot_be_asked_is_an_odata_error(text):
    with pytest.raises(ODataError):
        matches(parse_filter(text), read)


def test_the_properties_of_a_condition_are_known_without_asking():
    text = "not (a eq b/c) and contains(tolower(d),'x') or e/any(v:v eq f and v/x eq 1) or g"
    found = {"/".join(path.segments) for path in paths(parse_filter(text))}
    assert found == {"a", "b/c", "d", "e", "f", "g"}
