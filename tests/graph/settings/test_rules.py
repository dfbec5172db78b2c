"""Message rules over the API: kept in full, shown as they are, and nothing kept that could not be followed."""

from __future__ import annotations

from typing import Any

import pytest
from tests.graph.desk import ADELE, ALEX
from tests.graph.study import Study, anyio_backend, open_store, postgres_url, study, to

from graphpost.graph.schema import Kind
from graphpost.graph.settings.rule_schema import ACTIONS, PREDICATES
from graphpost.ids import folder_id_text
from graphpost.mail.mailbox import DELETED_ITEMS

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
PLACE = "mailFolders/inbox/messageRules"
RULE: dict[str, Any] = {
    "displayName": "From partner",
    "sequence": 2,
    "isEnabled": True,
    "conditions": {"senderContains": ["adele"]},
    "actions": {"markAsRead": True, "stopProcessingRules": True},
}


def person(address: str) -> dict[str, Any]:
    return {"emailAddress": {"name": address, "address": address}}


def every_part(table: Any, folder: str) -> dict[str, Any]:
    """A value for each property."""
    values: dict[str, Any] = {}
    for row in table.properties.values():
        match row.kind, row.collection:
            case Kind.BOOLEAN, _:
                values[row.name] = True
            case Kind.ENUM, _:
                values[row.name] = row.words[-1]
            case Kind.RECIPIENT, _:
                values[row.name] = [person("a@one.test"), person("b@one.test")]
            case Kind.STRING, True:
                values[row.name] = ["one", "two"]
            case Kind.STRING, False:
                values[row.name] = folder
            case _:
                values[row.name] = {"minimumSize": 1, "maximumSize": 20}
    return values


async def test_a_rule_goes_through_its_life(study: Study) -> None:
    answer = await study.post(PLACE, RULE)
    assert answer.status == 201, answer
    found = answer.json
    context = f"/$metadata#users('{ADELE.object_id}')/mailFolders('inbox')/messageRules/$entity"
    assert found.pop("@odata.context").endswith(context)
    assert found == {**RULE, "id": found["id"], "hasError": False, "isReadOnly": False}
    one = f"{PLACE}/{found['id']}"
    changed = await study.patch(one, {"displayName": "Important", "actions": {"markImportance": "High"}})
    assert changed.status == 200
    assert changed.json["actions"] == {"markImportance": "high"}
    assert changed.json["conditions"] == RULE["conditions"]
    assert (await study.get(one)).json == changed.json
    assert (await study.get(f"/v1.0/me/mailFolders('Inbox')/messageRules('{found['id']}')")).status == 200
    assert (await study.delete(one)).status == 204
    assert (await study.get(one)).error == (404, "ErrorItemNotFound")
    assert (await study.delete(one)).error == (404, "ErrorItemNotFound")


async def test_every_predicate_and_action_comes_back_as_it_was_set(study: Study) -> None:
    folder = (await study.post("mailFolders", {"displayName": "Partners"})).id
    parts = {
        "conditions": every_part(PREDICATES, folder),
        "exceptions": every_part(PREDICATES, folder),
        "actions": every_part(ACTIONS, folder),
    }
    answer = await study.post(PLACE, {**RULE, **parts})
    assert answer.status == 201, answer
    for name, part in parts.items():
        assert answer.json[name] == part, name


async def test_rules_are_listed_in_the_order_of_their_sequence(study: Study) -> None:
    for name, sequence in (("c", 30), ("a", 10), ("b", 20)):
        await study.post(PLACE, {**RULE, "displayName": name, "sequence": sequence})
    found = (await study.get(PLACE, query="$count=true")).json
    assert [each["displayName"] for each in found["value"]] == ["a", "b", "c"]
    assert found["@odata.count"] == 3
    found = (
        await study.get(PLACE, query="$filter=sequence gt 10 and isEnabled eq true&$select=sequence")
    ).json
    assert [each["sequence"] for each in found["value"]] == [20, 30]


async def test_a_rule_that_does_not_say_that_it_is_enabled_is_not(study: Study) -> None:
    body = {name: value for name, value in RULE.items() if name != "isEnabled"}
    assert (await study.post(PLACE, body)).json["isEnabled"] is False


async def test_folders_may_be_named_as_they_are_everywhere(study: Study) -> None:
    answer = await study.post(PLACE, {**RULE, "actions": {"moveToFolder": "DeletedItems"}})
    assert answer.json["actions"]["moveToFolder"] == folder_id_text(ADELE.object_id, DELETED_ITEMS)


async def test_a_rule_whose_folder_is_gone_has_an_error(study: Study) -> None:
    folder = (await study.post("mailFolders", {"displayName": "Partners"})).id
    rule = f"{PLACE}/{(await study.post(PLACE, {**RULE, 'actions': {'copyToFolder': folder}})).id}"
    assert (await study.get(rule)).json["hasError"] is False
    assert (await study.post(f"mailFolders/{folder}/permanentDelete")).status == 204
    assert (await study.get(rule)).json["hasError"] is True
    assert (await study.patch(rule, {"isEnabled": False})).error == (404, "ErrorItemNotFound")
    assert (await study.patch(rule, {"actions": {"delete": True}})).json["hasError"] is False


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"displayName": ""}, "ErrorInvalidValue"),
        ({"displayName": None}, "ErrorInvalidValue"),
        ({"displayName": "x" * 257}, "ErrorInvalidValue"),
        ({"sequence": 0}, "ErrorInvalidValue"),
        ({"sequence": None}, "ErrorInvalidValue"),
        ({"sequence": -1}, "ErrorInvalidValue"),
        ({"sequence": 2**31}, "ErrorInvalidValue"),
        ({"sequence": "1"}, "RequestBodyRead"),
        ({"sequence": True}, "RequestBodyRead"),
        ({"isEnabled": "perhaps"}, "RequestBodyRead"),
        ({"actions": {}}, "ErrorInvalidValue"),
        ({"actions": None}, "ErrorInvalidValue"),
        ({"actions": {"delete": False, "forwardTo": []}}, "ErrorInvalidValue"),
        ({"actions": {"sing": True}}, "RequestBodyRead"),
        ({"actions": {"moveToFolder": "nowhere"}}, "ErrorInvalidIdMalformed"),
        ({"actions": {"forwardTo": [person("nobody")]}}, "ErrorInvalidRecipients"),
        ({"actions": {"forwardTo": to(*(f"a{n}@one.test" for n in range(201)))}}, "ErrorInvalidValue"),
        ({"actions": {"markImportance": "grave"}}, "RequestBodyRead"),
        ({"conditions": {"subjectContains": "x"}}, "RequestBodyRead"),
        ({"conditions": {"subjectContains": ["x" * 513]}}, "ErrorInvalidValue"),
        ({"conditions": {"subjectContains": [str(n) for n in range(201)]}}, "ErrorInvalidValue"),
        ({"conditions": {"withinSizeRange": {"minimumSize": 5, "maximumSize": 4}}}, "ErrorInvalidValue"),
        ({"conditions": {"withinSizeRange": {"minimumSize": -5}}}, "ErrorInvalidValue"),
        ({"conditions": {"withinSizeRange": {"minimumSize": 1.5}}}, "RequestBodyRead"),
        ({"conditions": {"moonIsFull": True}}, "RequestBodyRead"),
        ({"exceptions": {"sensitivity": "touchy"}}, "RequestBodyRead"),
        ({"mood": "good"}, "RequestBodyRead"),
    ],
)
async def test_what_no_rule_can_be_is_refused(study: Study, change: Any, code: str) -> None:
    assert (await study.post(PLACE, {**RULE, **change})).error == (400, code)
    assert (await study.get(PLACE)).json["value"] == []


async def test_a_folder_that_there_is_not_is_not_found(study: Study) -> None:
    for number, owner in ((12345, ADELE), (DELETED_ITEMS, ALEX)):
        folder = folder_id_text(owner.object_id, number)
        refused = await study.post(PLACE, {**RULE, "actions": {"moveToFolder": folder}})
        assert refused.error == (404, "ErrorItemNotFound")


async def test_what_an_entity_says_of_itself_is_no_trouble_when_it_is_sent_back(study: Study) -> None:
    made = (await study.post(PLACE, RULE)).json
    assert (await study.patch(f"{PLACE}/{made['id']}", {**made, "hasError": True})).json == made


async def test_only_the_inbox_has_rules(study: Study) -> None:
    folder = (await study.post("mailFolders", {"displayName": "Partners"})).id
    for name in ("sentitems", folder):
        for method, body in (("GET", None), ("POST", RULE)):
            answer = await study.ask(method, f"mailFolders/{name}/messageRules", body)
            assert answer.error == (400, "ErrorInvalidRequest")
        answer = await study.get(f"mailFolders/{name}/messageRules/AAAA")
        assert answer.error == (400, "ErrorInvalidRequest")


async def test_rules_together_send_on_to_no_more_people_than_a_message_may_have(study: Study) -> None:
    def rule(number: int, action: str = "redirectTo", letter: str = "a") -> dict[str, Any]:
        return {**RULE, "actions": {action: to(*(f"{letter}{n}@one.test" for n in range(number)))}}

    assert (await study.post(PLACE, rule(200))).status == 201
    second = f"{PLACE}/{(await study.post(PLACE, rule(200, 'forwardTo', 'b'))).id}"
    assert (await study.post(PLACE, rule(101, letter="c"))).error == (400, "ErrorExceededLimit")
    assert (await study.post(PLACE, rule(100, letter="c"))).status == 201
    assert (await study.patch(second, {"sequence": 3})).status == 200
    assert (await study.post(PLACE, RULE)).status == 201


async def test_there_are_at_most_so_many(study: Study) -> None:
    big = {"bodyContains": ["x" * 500 + str(n) for n in range(200)]}
    statuses = [(await study.post(PLACE, {**RULE, "conditions": big})).status for _ in range(3)]
    assert statuses == [201, 201, 400]
    rule = (await study.get(PLACE)).json["value"][0]["id"]
    grown = await study.patch(f"{PLACE}/{rule}", {"exceptions": big})
    assert grown.error == (400, "ErrorExceededLimit")
    assert "exceptions" not in (await study.get(f"{PLACE}/{rule}")).json


async def test_the_wrong_token_opens_none(study: Study) -> None:
    rule = f"{PLACE}/{(await study.post(PLACE, RULE)).id}"
    assert (await study.get(rule, token="user-with-settings")).status == 200
    assert (await study.delete(rule, token="user-with-settings")).error == (403, "ErrorAccessDenied")
    other = f"/v1.0/users/{ALEX.object_id}/{rule}"
    assert (await study.get(other)).error == (403, "ErrorAccessDenied")
    assert (await study.get(other, token="app-with-everything")).error == (404, "ErrorItemNotFound")
