"""`$filter` text to tree."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.odata.printing import printed

from graphpost.odata.filter import (
    And,
    Comparison,
    Function,
    Lambda,
    Literal,
    Not,
    ODataError,
    Or,
    Path,
    parse_filter,
)

IS_READ = Path(("isRead",))
READ = Comparison("eq", IS_READ, Literal(True, "boolean"))
SUBJECT = Path(("subject",))


def eq(path: str, value: str) -> Comparison:
    return Comparison("eq", Path(tuple(path.split("/"))), Literal(value, "string"))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("isRead eq true", READ),
        ("isRead eq True", READ),
        ("  isRead\teq  true ", READ),
        ("isRead", IS_READ),
        ("not isRead", Not(IS_READ)),
        ("NOT isRead EQ true", Not(READ)),
        ("not(isRead eq true)", Not(READ)),
        ("subject eq 'it''s'", eq("subject", "it's")),
        ("subject eq ''", eq("subject", "")),
        ("subject eq ''''", eq("subject", "'")),
        ("subject eq 'a and (b'", eq("subject", "a and (b")),
        ("from/emailAddress/address eq 'a@b.c'", eq("from/emailAddress/address", "a@b.c")),
        ("(from/emailAddress/address) eq 'a@b.c'", eq("from/emailAddress/address", "a@b.c")),
        ("'x' eq subject", Comparison("eq", Literal("x", "string"), SUBJECT)),
        ("a eq 1 or b eq 2 and c eq 3", "a eq 1 or (b eq 2 and c eq 3)"),
        ("(a eq 1 or b eq 2) and c eq 3", "((a eq 1) or (b eq 2)) and (c eq 3)"),
        ("not a eq 1 and b eq 2", "(not (a eq 1)) and (b eq 2)"),
        ("importance in ('low','high')", Or(eq("importance", "low"), eq("importance", "high"))),
        ("importance in('low')", eq("importance", "low")),
        (
            "startswith(subject,'x')",
            Function("startswith", (SUBJECT, Literal("x", "string"))),
        ),
        (
            "Contains( tolower( subject ) , 'x' ) eq true",
            Comparison(
                "eq",
                Function("contains", (Function("tolower", (SUBJECT,)), Literal("x", "string"))),
                Literal(True, "boolean"),
            ),
        ),
        ("length(subject) gt 5", Comparison("gt", Function("length", (SUBJECT,)), Literal(5, "number"))),
        ("categories/any(c:c eq 'x')", Lambda("any", Path(("categories",)), "c", eq("c", "x"))),
        ("categories/Any( c : c eq 'x' )", Lambda("any", Path(("categories",)), "c", eq("c", "x"))),
        ("categories/any()", Lambda("any", Path(("categories",)), "", None)),
        (
            "toRecipients/all(r:r/emailAddress/address ne 'x')",
            Lambda(
                "all",
                Path(("toRecipients",)),
                "r",
                Comparison("ne", Path(("r", "emailAddress", "address")), Literal("x", "string")),
            ),
        ),
    ],
)
def test_an_expression_becomes_its_tree(text, tree):
    assert parse_filter(text) == (parse_filter(tree) if isinstance(tree, str) else tree)


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("5", 5, "number"),
        ("-5", -5, "number"),
        ("1.5", 1.5, "number"),
        ("-1e3", -1000.0, "number"),
        ("9223372036854775807", 2**63 - 1, "number"),
        ("null", None, "null"),
        ("false", False, "boolean"),
        ("1970-01-02", 86_400_000_000, "datetime"),
        ("1970-01-01T00:00:01Z", 1_000_000, "datetime"),
        ("1970-01-01T00:00:01z", 1_000_000, "datetime"),
        ("1970-01-01T00:01Z", 60_000_000, "datetime"),
        ("1970-01-01T00:00:01", 1_000_000, "datetime"),
        ("1970-01-01T00:00:00.5Z", 500_000, "datetime"),
        ("1970-01-01T00:00:00.123456789Z", 123_456, "datetime"),
        ("1970-01-01T02:00:00+02:00", 0, "datetime"),
        ("1970-01-01T02:00:00 02:00", 0, "datetime"),  # an unescaped + of a query string
        ("1969-12-31T22:00:00-02:00", 0, "datetime"),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000, "datetime"),
        ("6B29FC40-CA47-1067-B31D-00DD010662DA", "6b29fc40-ca47-1067-b31d-00dd010662da", "guid"),
        ("a29bfc40-ca47-1067-b31d-00dd010662da", "a29bfc40-ca47-1067-b31d-00dd010662da", "guid"),
    ],
)
def test_a_literal_has_its_value(text, value, kind):
    assert parse_filter(f"x eq {text}") == Comparison("eq", Path(("x",)), Literal(value, kind))


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("subject eq", 10),
        ("subject eq 'x", 11),
        ("subject eq x y", 13),
        ("subject = 'x'", 8),
        ("eq 'x'", 0),
        ("(subject eq 'x'", 15),
        ("subject eq 'x')", 14),
        ("subject eq 'x' and", 18),
        ("subject eq 'x' and and", 19),
        ("foo(subject)", 0),
        ("contains(subject)", 0),
        ("tolower(subject)", 0),
        ("'x'", 0),
        ("a in ()", 6),
        ("a in 'x'", 5),
        ("a eq (b eq c)", 5),
        ("(a eq b) eq true", 0),
        ("a eq b/any(c:c eq 1)", 5),
        ("a/any(c)", 7),
        ("a/any('x':c)", 6),
        ("a/any(c:a/any(d:d eq 1))", 14),
        ("a/any(c:b/any())", 14),
        ("a/any(c:c/x/any(d:c/x/any(e:e eq 1)))", 26),
        ("a/", 2),
        ("a//b eq 1", 2),
        ("a eq 2026-02-30T00:00:00Z", 5),
        ("a eq 2026-13-01", 5),
        ("a eq 2026-01-01T24:00:00Z", 5),
        ("a eq 9223372036854775808", 5),
        ("a eq 1e999", 5),
        ("a eq 1x", 5),
        ("\u00e9 eq 1", 0),
        ("a eq 1 \x00", 7),
        ("(" * 65 + "a" + ")" * 65, 64),
        ("not " * 100 + "a", None),
        ("a eq '" + "x" * 16_384 + "'", 16_384),
    ],
)
def test_a_fault_is_reported_where_it_is(text, position):
    with pytest.raises(ODataError) as caught:
        parse_filter(text)
    assert caught.value.option == "$filter"
    if position is not None:
        assert caught.value.position == position


def test_a_long_chain_is_a_shallow_tree():
    node = parse_filter(" or ".join(f"a eq {n}" for n in range(1000)))
    depth = 0
    while isinstance(node, Or):
        node, depth = node.left, depth + 1
    assert depth == 10


def test_an_in_list_of_thousands_is_a_shallow_tree():
    assert isinstance(parse_filter(f"a in ({','.join(['1'] * 8000)})"), Or)


names = st.sampled_from(["a", "subject", "isRead", "x1", "any", "all", "contains"])
paths = st.lists(names, min_size=1, max_size=3).map(lambda parts: Path(tuple(parts)))
literals = st.one_of(
    st.text(max_size=12).map(lambda text: Literal(text, "string")),
    st.integers(-(2**63), 2**63 - 1).map(lambda n: Literal(n, "number")),
    st.booleans().map(lambda b: Literal(b, "boolean")),
    st.just(Literal(None, "null")),
    st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999).map(lambda n: Literal(n, "datetime")),
    st.uuids().map(lambda u: Literal(str(u), "guid")),
)
operands = st.recursive(
    paths | literals,
    lambda inner: (
        st.tuples(st.sampled_from(["tolower", "length"]), inner).map(lambda f: Function(f[0], (f[1],)))
        | st.tuples(inner, inner).map(lambda pair: Function("contains", pair))
    ),
    max_leaves=4,
)
comparisons = st.builds(Comparison, st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"]), operands, operands)
kinds = st.sampled_from(["any", "all"])
plain = comparisons | paths | st.tuples(operands, operands).map(lambda pair: Function("startswith", pair))
inner_lambdas = st.builds(
    Lambda, kinds, paths.map(lambda path: Path(("v", *path.segments))), st.just("v"), plain
)


def joined(first):
    return st.recursive(
        first,
        lambda inner: st.one_of(
            st.builds(And, inner, inner), st.builds(Or, inner, inner), st.builds(Not, inner)
        ),
        max_leaves=6,
    )


conditions = joined(plain | st.builds(Lambda, kinds, paths, st.just("v"), joined(plain | inner_lambdas)))


@pytest.mark.slow
@given(conditions)
def test_what_is_printed_parses_to_the_same_tree(node):
    assert parse_filter(printed(node)) == node


WORDS = [
    "a",
    "eq",
    "and",
    "or",
    "not",
    "in",
    "any",
    "(",
    ")",
    "'",
    ",",
    "/",
    ":",
    "1",
    "-",
    "null",
    "contains",
    " ",
    "T",
]


@given(
    st.text() | st.lists(st.sampled_from(WORDS)).map("".join) | st.lists(st.sampled_from(WORDS)).map(" ".join)
)
def test_no_text_raises_anything_but_an_odata_error(text):
    with contextlib.suppress(ODataError):
        parse_filter(text)
