"""Whatever a client writes into a query option, it gets an answer or a 400."""

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.graph.shelf import Shelf

from graphpost.errors import BadRequest
from graphpost.graph.folders.reading import list_folders
from graphpost.graph.messages.reading import list_messages
from graphpost.graph.schema import MESSAGE
from graphpost.graph.users.reading import USER, list_users


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    opened = Shelf(tmp_path_factory.mktemp("shelf"))
    yield opened
    opened.close()


names = st.sampled_from(
    [each.name for each in (*MESSAGE.properties.values(), *USER.properties.values())]
    + [
        "from/emailAddress/address",
        "flag/flagStatus",
        "body/content",
        "subject/x",
        "displayName",
        "totalItemCount",
    ]
)
values = st.sampled_from(
    [
        "'x'",
        "''",
        "'high'",
        "'a%b_c'",
        "true",
        "null",
        "5",
        "-1.5",
        "2026-01-01",
        "2026-01-01T00:00:00.1234567Z",
        "isRead",
    ]
)
operators = st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le", "in", "has"])
functions = st.sampled_from(
    ["contains", "startswith", "endswith", "length", "tolower", "indexof", "year", "nosuch"]
)
atoms = st.one_of(
    st.builds("{} {} {}".format, names, operators, values),
    st.builds("{} in ({},{})".format, names, values, values),
    st.builds("{}({},{})".format, functions, names, values),
    st.builds("{}({}) {} {}".format, functions, names, operators, values),
    st.builds("{}/any(c:c {} {})".format, names, operators, values),
    st.builds("{}/all(c:{}(c,{}))".format, names, functions, values),
    names,
)
filters = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=4,
)


@pytest.mark.slow
@settings(max_examples=150)
@given(handler=st.sampled_from([list_messages, list_users, list_folders]), text=filters, order=names)
def test_a_query_is_answered_or_refused(shelf, handler, text, order):
    for query in (f"$filter={quote(text)}", f"$orderby={quote(order)}", f"$select={quote(order)}"):
        try:
            answer = shelf.call(handler, query + "&$top=3&$count=true")
        except BadRequest:
            continue
        assert len(answer.values) == min(3, answer.json["@odata.count"])
