"""Open extensions of messages: made with the message or added, read by name or id, changed, deleted."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.graph.study import (
    Answer,
    Study,
    anyio_backend,
    open_store,
    postgres_url,
    study,
    to,
)

from graphpost.errors import BadRequest, Conflict
from graphpost.graph.bodies.extensions import MOST, PREFIX, extension_value, read_extension

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
NAME = "Com.Contoso.Referral"
TYPE = "#microsoft.graph.openTypeExtension"
DATA: dict[str, Any] = {
    "companyName": "Wingtip Toys",
    "dealValue": 500050,
    "rate": 1.5,
    "isWon": True,
    "topPicks": ["a", "b"],
    "numbers": [1, 2],
    "none": [],
    "expirationDate": "2015-12-03T10:00:00.000Z",
}


def body(name: str | None = NAME, **data: Any) -> dict[str, Any]:
    named = {} if name is None else {"extensionName": name}
    return {"@odata.type": "microsoft.graph.openTypeExtension", **named, **data}


def shown(**data: Any) -> dict[str, Any]:
    return {"@odata.type": TYPE, "id": PREFIX + NAME, "extensionName": NAME, **data}


async def added(study: Study, **data: Any) -> tuple[str, Answer]:
    made = await study.draft()
    answer = await study.post(f"messages/{made.id}/extensions", body(**data))
    assert answer.status == 201, answer
    return f"messages/{made.id}", answer


async def test_one_is_added_and_answered_with_its_id(study: Study) -> None:
    path, answer = await added(study, **DATA)
    made = answer.json
    assert unquote(made.pop("@odata.context")).endswith(
        f"/messages('{path.partition('/')[2]}')/extensions/$entity"
    )
    assert made == shown(**DATA)
    assert answer.headers["Location"].endswith(f"/extensions('{PREFIX}{NAME}')")
    found = (await study.get(f"{path}/extensions")).json
    assert found["value"] == [shown(**DATA)]


@pytest.mark.parametrize(
    "key",
    [
        NAME,
        NAME.lower(),
        PREFIX + NAME,
        "microsoft.graph.openTypeExtension." + NAME,
        PREFIX.upper() + NAME.upper(),
    ],
)
async def test_it_is_known_by_name_and_id_in_any_case(study: Study, key: str) -> None:
    path, _ = await added(study, a=1)
    for place in (f"{path}/extensions/{key}", f"{path}/extensions('{key}')"):
        found = await study.get(place)
        assert (found.status, found.json["id"], found.json["a"]) == (200, PREFIX + NAME, 1)
    number = path.partition("/")[2]
    in_folder = f"mailFolders/drafts/messages/{number}/extensions/{key}"
    assert (await study.patch(in_folder, {"a": 2})).json["a"] == 2
    assert (await study.delete(in_folder)).status == 204
    assert (await study.get(in_folder)).error == (404, "ErrorItemNotFound")


async def test_a_message_is_made_with_extensions_and_answered_with_them(study: Study) -> None:
    made = await study.draft(extensions=[body(**DATA), body("Com.Contoso.Other", x=1)])
    assert [each["extensionName"] for each in made.json["extensions"]] == [NAME, "Com.Contoso.Other"]
    assert made.json["extensions"][0] == shown(**DATA)
    plain = (await study.get(f"messages/{made.id}")).json
    assert "extensions" not in plain
    assert (plain["changeKey"], plain["@odata.etag"]) == (made.json["changeKey"], made.json["@odata.etag"])


async def test_they_stay_with_the_copy_that_is_sent(study: Study) -> None:
    message = {"subject": "Hi", "toRecipients": to("zoe@one.test"), "extensions": [body(a=1)]}
    assert (await study.post("sendMail", {"message": message})).status == 202
    query = f"$expand=extensions($filter=id eq '{NAME}')"
    (sent,) = (await study.get("mailFolders/sentitems/messages", query=query)).json["value"]
    assert sent["extensions"] == [shown(a=1)]
    assert (await study.patch(f"messages/{sent['id']}/extensions/{NAME}", {"a": None, "b": 2})).status == 200
    assert (await study.get(f"messages/{sent['id']}/extensions")).json["value"] == [shown(b=2)]
    made = await study.draft(extensions=[body(a=1)])
    copied = await study.post(f"messages/{made.id}/copy", {"destinationId": "archive"})
    assert (await study.get(f"messages/{copied.id}/extensions")).json["value"] == [shown(a=1)]


async def test_what_is_not_named_stays_and_null_takes_away(study: Study) -> None:
    path, _ = await added(study, a=1, b="x", c=[1])
    before = (await study.get(path)).json
    change = body(a=2, c=None, d="2015-10-29T11:00:00.000Z", id="ignored")
    changed = await study.patch(f"{path}/extensions/{NAME}", change)
    assert changed.status == 200
    assert {name: changed.json.get(name) for name in "abcd"} == {
        "a": 2,
        "b": "x",
        "c": None,
        "d": "2015-10-29T11:00:00.000Z",
    }
    assert "c" not in changed.json
    assert (await study.get(path)).json["changeKey"] != before["changeKey"]


async def test_the_types_of_values_are_kept_beside_them(study: Study) -> None:
    data = {"big": "9007199254740993", "big@odata.type": "#Int64", "lost@odata.type": "#Int64"}
    path, answer = await added(study, **data)
    assert answer.json["big@odata.type"] == "#Int64"
    assert "lost@odata.type" not in answer.json
    gone = await study.patch(f"{path}/extensions/{NAME}", {"big": None})
    assert gone.json.keys() == {"@odata.context", "@odata.type", "id", "extensionName"}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("$expand=extensions", [NAME, "Com.Contoso.Other"]),
        (f"$expand=extensions($filter=id eq '{NAME}')", [NAME]),
        (f"$expand=Extensions($filter=Id eq '{PREFIX}{NAME}')", [NAME]),
        (
            f"$expand=extensions($filter=id eq '{NAME}' or id eq 'com.contoso.other')",
            [NAME, "Com.Contoso.Other"],
        ),
        ("$expand=extensions($filter=id eq 'Com.Contoso.None')", []),
    ],
)
async def test_they_are_expanded_by_id(study: Study, query: str, names: list[str]) -> None:
    made = await study.draft(extensions=[body(a=1), body("Com.Contoso.Other")])
    one = (await study.get(f"messages/{made.id}", query=query)).json
    (listed,) = (await study.get("messages", query=query)).json["value"]
    for entity in (one, listed):
        assert [each["extensionName"] for each in entity["extensions"]] == names


@pytest.mark.parametrize(
    ("condition", "is_met"),
    [
        (f"Extensions/any(f:f/id eq '{NAME}')", True),
        (f"extensions/any(e:e/id eq '{PREFIX}{NAME.lower()}') and isDraft", True),
        ("extensions/any(e:startswith(e/extensionName,'com.contoso'))", True),
        (f"not extensions/any(e:e/id eq '{NAME}')", False),
        ("extensions/any(e:e/id eq 'Com.Contoso.None')", False),
    ],
)
async def test_messages_are_found_by_the_names_of_theirs(study: Study, condition: str, is_met: bool) -> None:
    path, _ = await added(study, **DATA)
    answer = await study.get("messages", query=f"$filter={condition}&$top=1000&$select=id")
    assert answer.status == 200, answer
    found = [f"messages/{each['id']}" for each in answer.json["value"]]
    assert (path in found) is is_met


@pytest.mark.parametrize(
    "condition", ["extensions/any(e:e/companyName eq 'x')", "extensions/any(e:e/id eq 5)"]
)
async def test_messages_are_found_by_nothing_else_of_theirs(study: Study, condition: str) -> None:
    answer = await study.get("messages", query=f"$filter={condition}")
    assert answer.error == (400, "ErrorInvalidUrlQueryFilter")


@pytest.mark.parametrize(
    "query", ["$expand=extensions($filter=extensionName eq 'x')", "$expand=extensions($filter=a eq 1)"]
)
async def test_they_are_expanded_by_nothing_else(study: Study, query: str) -> None:
    made = await study.draft()
    assert (await study.get(f"messages/{made.id}", query=query)).error == (400, "ErrorInvalidUrlQueryFilter")


WRONG: list[tuple[str, Any, tuple[int, str]]] = [
    ("no name", body(None), (400, "ErrorRequiredPropertyMissing")),
    ("an empty name", body(" "), (400, "ErrorRequiredPropertyMissing")),
    ("a name that is none", body("a b"), (400, "ErrorInvalidParameter")),
    ("a name with a slash", body("a/b"), (400, "ErrorInvalidParameter")),
    ("a name with a quote", body("a'b"), (400, "ErrorInvalidParameter")),
    ("a name that begins with a digit", body("1a"), (400, "ErrorInvalidParameter")),
    ("a name that ends with a dot", body("a."), (400, "ErrorInvalidParameter")),
    ("a long name", body("a" * 129), (400, "ErrorInvalidParameter")),
    ("a name that is not a text", body(extensionName={}), (400, "RequestBodyRead")),
    ("the vendor's name", body("com.microsoft.x"), (400, "ErrorInvalidParameter")),
    ("the vendor's other name", body("Com.OnMicrosoft"), (400, "ErrorInvalidParameter")),
    ("another type", {**body(), "@odata.type": "#microsoft.graph.message"}, (400, "RequestBodyRead")),
    ("an object", body(a={"b": 1}), (400, "RequestBodyRead")),
    ("an array of objects", body(a=[{}]), (400, "RequestBodyRead")),
    ("an array of arrays", body(a=[[1]]), (400, "RequestBodyRead")),
    ("an array with null", body(a=[None]), (400, "RequestBodyRead")),
    ("a property name that is none", body(**{"a-b": 1}), (400, "RequestBodyRead")),
    ("a type that is none", body(**{"a": 1, "a@odata.type": "#x\r\ny"}), (400, "RequestBodyRead")),
    ("too much", body(a="x" * 40_000), (400, "ErrorInvalidRequest")),
    ("far too much", body(contentBytes="A" * 300_000), (400, "ErrorInvalidRequest")),
    ("an array", [body()], (400, "UnableToDeserializePostBody")),
    ("no JSON", b"{", (400, "BadRequest")),
    ("nothing", None, (400, "BadRequest")),
]


@pytest.mark.parametrize(("what", "wrong", "error"), WRONG, ids=[row[0] for row in WRONG])
async def test_what_is_wrong_is_refused_and_nothing_kept(
    study: Study, what: str, wrong: Any, error: tuple[int, str]
) -> None:
    made = await study.draft()
    assert (await study.post(f"messages/{made.id}/extensions", wrong)).error == error
    if isinstance(wrong, dict):
        assert (await study.post("messages", {"extensions": [wrong]})).error == error
    assert (await study.get(f"messages/{made.id}/extensions")).json["value"] == []
    assert (await study.counts("drafts")) == (1, 0)


async def test_a_name_is_taken_once(study: Study) -> None:
    path, _ = await added(study, a=1)
    again = await study.post(f"{path}/extensions", body(NAME.upper(), a=2))
    assert again.error == (409, "nameAlreadyExists")
    assert (await study.post("messages", {"extensions": [body(), body()]})).error == (
        409,
        "nameAlreadyExists",
    )
    assert (await study.get(f"{path}/extensions/{NAME}")).json["a"] == 1


async def test_it_cannot_be_renamed_or_changed_where_it_is_not(study: Study) -> None:
    path, _ = await added(study, a=1)
    renamed = await study.patch(f"{path}/extensions/{NAME}", body("Com.Contoso.Other"))
    assert renamed.error == (400, "ErrorInvalidRequest")
    for method in ("GET", "PATCH", "DELETE"):
        missing = await study.ask(
            method, f"{path}/extensions/Com.None", {"a": 1} if method == "PATCH" else None
        )
        assert missing.error == (404, "ErrorItemNotFound")


async def test_a_message_has_a_bounded_number(study: Study) -> None:
    made = await study.draft(extensions=[body(f"Com.Contoso.N{n}") for n in range(MOST)])
    more = await study.post(f"messages/{made.id}/extensions", body())
    assert more.error == (400, "ErrorInvalidRequest")
    many = [body(f"Com.Contoso.N{n}") for n in range(MOST + 1)]
    assert (await study.post("messages", {"extensions": many})).error == (400, "ErrorInvalidRequest")


async def test_those_that_come_together_are_all_there(study: Study) -> None:
    made = await study.draft()
    names = [f"Com.Contoso.N{n}" for n in range(8)]
    path = f"messages/{made.id}/extensions"
    answers = await asyncio.gather(*(study.post(path, body(name)) for name in names))
    assert {answer.status for answer in answers} == {201}
    found = (await study.get(path)).json["value"]
    assert sorted(each["extensionName"] for each in found) == names


async def test_if_match_is_looked_at(study: Study) -> None:
    path, _ = await added(study, a=1)
    tag = (await study.get(path)).json["@odata.etag"]
    place = f"{path}/extensions/{NAME}"
    assert (await study.patch(place, {"a": 2}, **{"if-match": tag})).status == 200
    assert (await study.patch(place, {"a": 3}, **{"if-match": tag})).error[0] == 412
    assert (await study.delete(place, **{"if-match": tag})).error[0] == 412


@pytest.mark.parametrize("token", ["user", "user-without-permission", "user-with-nothing"])
async def test_reading_and_writing_need_their_permissions(study: Study, token: str) -> None:
    path, _ = await added(study, a=1)
    allowed = token == "user-without-permission"  # Mail.ReadWrite, and not Mail.Send
    found = await study.get(f"{path}/extensions", token=token)
    assert found.status == (200 if allowed else 403)
    for method in ("PATCH", "DELETE"):
        answer = await study.ask(method, f"{path}/extensions/{NAME}", {"a": 2}, token=token)
        assert (answer.status in (200, 204)) is allowed


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200)
@given(st.dictionaries(st.text(max_size=12), VALUES, max_size=6))
def test_any_object_is_an_extension_or_refused_in_graphs_words(members: dict[str, Any]) -> None:
    try:
        made = read_extension({"extensionName": NAME, **members})
    except (BadRequest, Conflict):
        return
    value = extension_value(made)
    assert json.loads(json.dumps(value)) == value
    for name, given_value in members.items():
        if "@" not in name and name.lower() not in ("id", "extensionname") and given_value is not None:
            assert value[name] == given_value
