"""Long attachments are lifted out of a body, and nothing else is touched."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpost.errors import BadRequest
from graphpost.graph.bodies.lifting import SHORTEST, LongText, lift, put_back
from graphpost.graph.bodies.payload import read_base64, read_json

LONG = b64encode(bytes(range(256)) * 1200).decode()
BYTES = bytes(range(256)) * 1200


def body(**members: Any) -> bytes:
    return json.dumps({"message": {"attachments": [members]}}).encode()


def attachment(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = read_json(data, 64)["message"]["attachments"][0]
    return found


def test_a_long_value_is_lifted_and_reads_the_same() -> None:
    text = attachment(body(name="a", contentBytes=LONG))["contentBytes"]
    assert isinstance(text, LongText)
    assert read_base64(text) == BYTES


@pytest.mark.parametrize("name", ["ContentBytes", "contentbytes", "CONTENTBYTES"])
def test_letter_case_and_spacing_do_not_matter(name: str) -> None:
    data = body(contentBytes=LONG).replace(b'"contentBytes": "', f'"{name}"\n\t :\r\n "'.encode())
    assert read_base64(attachment(data)[name]) == BYTES


def test_a_bare_line_break_in_the_value_is_refused_and_a_blank_is_not() -> None:
    broken, blank = (
        attachment(body(contentBytes=LONG).replace(LONG[:80].encode(), LONG[:80].encode() + space))
        for space in (b"\n", b" ")
    )
    assert read_base64(broken["contentBytes"]) is None
    assert read_base64(blank["contentBytes"]) == BYTES


@pytest.mark.parametrize(
    ("mend", "is_lifted"),
    [
        (lambda text: text + '\\"', False),  # the first quotation mark is an escaped one
        (lambda text: text[: SHORTEST - 4], False),  # too short
        (lambda text: text, True),
    ],
)
def test_what_is_lifted(mend: Any, is_lifted: bool) -> None:
    data = b'{"message":{"attachments":[{"contentBytes":"' + mend(LONG).encode() + b'"}]}}'
    assert isinstance(attachment(data)["contentBytes"], LongText) == is_lifted


def test_escapes_inside_are_what_json_says() -> None:
    data = body(contentBytes=LONG).replace(b"/", b"\\/").replace(b"A", b"\\u0041", 3)
    assert read_base64(attachment(data)["contentBytes"]) == BYTES


def test_several_values_and_their_neighbours_stay_in_order() -> None:
    members = [
        {"name": str(n), "contentBytes": LONG[: len(LONG) - 4 * n], "isInline": False} for n in range(4)
    ]
    found = read_json(json.dumps({"message": {"attachments": members}}).encode(), 64)["message"][
        "attachments"
    ]
    assert [bytes(entry["contentBytes"].characters).decode() for entry in found] == [
        m["contentBytes"] for m in members
    ]
    assert [entry["name"] for entry in found] == ["0", "1", "2", "3"]


def test_a_name_inside_a_string_is_not_a_name() -> None:
    trap = '"contentBytes": "' + LONG
    found = read_json(json.dumps({"message": {"subject": trap, "contentBytes": LONG}}).encode(), 64)[
        "message"
    ]
    assert found["subject"] == trap
    assert read_base64(found["contentBytes"]) == BYTES


@pytest.mark.parametrize(
    "bad", [LONG[:-1], LONG[:400_000] + "=" + LONG[400_001:], LONG + "ü", "!" * SHORTEST * 2]
)
def test_a_long_value_that_is_no_base64_is_none(bad: str) -> None:
    data = json.dumps({"contentBytes": bad}, ensure_ascii=False).encode()
    assert read_base64(read_json(data, 64)["contentBytes"]) is None


def test_an_unfinished_body_is_refused() -> None:
    with pytest.raises(BadRequest):
        read_json(body(contentBytes=LONG)[:-10], 64)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text(max_size=20)
    | st.sampled_from([LONG, f'"contentBytes":"{LONG}', "\\"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["contentBytes", "ContentBytes", "subject", 'a"contentBytes":"', "\\"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@given(JSON)
def test_lifting_never_changes_what_a_body_says(value: Any) -> None:
    data = json.dumps({"x": value}).encode()
    without, lifted = lift(data)
    found = put_back(msgspec.json.decode(without), lifted)
    assert whole(found) == {"x": value}


def whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    return json.loads(b'"' + bytes(value.characters) + b'"') if isinstance(value, LongText) else value
