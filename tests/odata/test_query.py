"""Query strings and query options."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpost.odata.errors import ODataError
from graphpost.odata.query import Expand, Options, Order, parse_boolean, parse_options, split_query
from graphpost.odata.tree import Comparison, Literal, Path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("$top=3", {"$top": "3"}),
        ("%24top=3&", {"$top": "3"}),
        ("$Select=Subject,From", {"$select": "Subject,From"}),
        ("$filter=isRead+eq%20true", {"$filter": "isRead eq true"}),
        ("$filter=a eq 'b%2Bc'", {"$filter": "a eq 'b+c'"}),
        ("$filter=a eq 'x=y'", {"$filter": "a eq 'x=y'"}),
        ("includeHiddenFolders=true", {"includehiddenfolders": "true"}),
        ("x=1&x=2", {"x": "2"}),
        ("top=3", {"top": "3"}),
        ("flag", {"flag": ""}),
    ],
)
def test_a_query_string_is_split_and_decoded(text, expected):
    assert split_query(text) == expected


def test_beta_takes_options_without_the_dollar():
    assert split_query("top=3&Filter=a&other=1", bare_names=True) == {
        "$top": "3",
        "$filter": "a",
        "other": "1",
    }


@pytest.mark.parametrize("text", ["$top=1&%24top=2", "$foo=1", "$=1", "x=%FF", "&".join(["a=1"] * 201)])
def test_a_query_string_is_refused(text):
    with pytest.raises(ODataError):
        split_query(text)


def test_beta_refuses_an_option_given_with_and_without_the_dollar():
    with pytest.raises(ODataError):
        split_query("$top=1&top=2", bare_names=True)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, Options()),
        ({"$select": "subject, from,subject"}, Options(select=("subject", "from"))),
        ({"$select": "*"}, Options()),
        ({"$select": " "}, Options()),
        ({"$orderby": "a"}, Options(order=(Order(("a",)),))),
        ({"$orderby": "a,b desc,A desc,b,a"}, Options(order=(Order(("a",)), Order(("b",), True)))),
        ({"$orderby": "a/b desc, c ASC"}, Options(order=(Order(("a", "b"), True), Order(("c",))))),
        ({"$top": "1000", "$skip": "0"}, Options(top=1000)),
        ({"$top": " 1 "}, Options(top=1)),
        ({"$skip": "20"}, Options(skip=20)),
        ({"$count": "TRUE"}, Options(count=True)),
        ({"$count": "false"}, Options()),
        ({"$search": ' "x" '}, Options(search='"x"')),
        ({"$filter": "a eq 1"}, Options(filter=Comparison("eq", Path(("a",)), Literal(1, "number")))),
        ({"$expand": "attachments"}, Options(expand=(Expand(("attachments",)),))),
        (
            {"$expand": "attachments($select=id,name;$top=2), microsoft.graph.itemAttachment/item"},
            Options(
                expand=(
                    Expand(("attachments",), Options(select=("id", "name"), top=2)),
                    Expand(("microsoft.graph.itemAttachment", "item")),
                )
            ),
        ),
        (
            {"$expand": "singleValueExtendedProperties($filter=id eq 'a;),b')"},
            Options(
                expand=(
                    Expand(
                        ("singleValueExtendedProperties",),
                        Options(filter=Comparison("eq", Path(("id",)), Literal("a;),b", "string"))),
                    ),
                )
            ),
        ),
        ({"$expand": "a(expand=b(select=c))"}, Options(expand=(Expand(("a",), Options(expand=(Expand(("b",), Options(select=("c",))),))),))),
    ],
)  # fmt: skip
def test_options_have_their_values(query, expected):
    assert parse_options(query) == expected


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("$top", ["0", "1001", "-1", "", "x", "1.5", "١", "9" * 5000, "+1"]),
        ("$skip", ["-1", "", "x", "9" * 20]),
        ("$count", ["yes", "1"]),
        ("$select", ["a,,b", ",", "a,"]),
        ("$orderby", ["a b", "a desc b", ",", "a,", "a//b"]),
        (
            "$expand",
            [
                "a(",
                "a)",
                "a(select)",
                "a($foo=1)",
                "a(top=1;$top=2)",
                ",",
                "a/",
                "('",
                "a($top=0)",
                "a(x)(y)",
            ],
        ),
        ("$filter", ["a eq"]),
    ],
)
def test_bad_values_are_refused(option, values):
    for value in values:
        with pytest.raises(ODataError):
            parse_options({option: value})


def test_nested_expansion_is_limited():
    with pytest.raises(ODataError):
        parse_options({"$expand": "a(expand=" * 50 + "b" + ")" * 50})


def test_the_limit_of_top_can_be_another():
    with pytest.raises(ODataError):
        parse_options({"$top": "1000"}, max_top=999)


@pytest.mark.parametrize(("text", "value"), [("true", True), (" FALSE", False), ("1", None), ("", None)])
def test_booleans_are_words(text, value):
    assert parse_boolean(text) is value


@given(st.text(), st.booleans())
def test_no_query_string_raises_anything_but_an_odata_error(text, beta):
    with contextlib.suppress(ODataError):
        split_query(text, bare_names=beta)


@given(
    st.dictionaries(
        st.sampled_from(["$select", "$orderby", "$top", "$skip", "$count", "$expand", "$filter"]),
        st.text() | st.text(alphabet="a(),;=$'/ 1"),
    )
)
def test_no_option_raises_anything_but_an_odata_error(query):
    with contextlib.suppress(ODataError):
        parse_options(query)
