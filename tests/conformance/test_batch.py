"""Batches and the metadata over the wire."""

from __future__ import annotations

import json
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from tests.conformance.targets import ADELE, OwnTarget, Target
from tests.conformance.wire import Answer


def post(target: Target, *parts: dict[str, Any]) -> Answer:
    token = target.token(ADELE)
    if token is None:
        pytest.skip("no token for it was given")
    fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return target.wire.request("POST", "/v1.0/$batch", fields, json.dumps({"requests": parts}).encode())


def test_a_draft_is_made_and_found_in_one_batch(target: Target) -> None:
    typed = {"Content-Type": "application/json"}
    draft = {"subject": "Made in a batch", "toRecipients": [{"emailAddress": {"address": ADELE}}]}
    answer = post(
        target,
        {"id": "1", "method": "POST", "url": "/me/messages", "headers": typed, "body": draft},
        {
            "id": "2",
            "method": "GET",
            "url": "/me/messages?$filter=subject eq 'Made in a batch'&$select=subject",
            "dependsOn": ["1"],
        },
        {"id": "3", "method": "GET", "url": "/me/mailFolders/inbox/messages/$count"},
        {"id": "4", "method": "GET", "url": "/me/messages/none"},
        {"id": "5", "method": "GET", "url": "/me", "dependsOn": ["4"]},
    )
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"].startswith("application/json")
    seen = {each["id"]: each for each in answer.json["responses"]}
    assert {name: each["status"] for name, each in seen.items()} == {
        "1": 201,
        "2": 200,
        "3": 200,
        "4": 400,
        "5": 424,
    }
    assert [each["subject"] for each in seen["2"]["body"]["value"]] == ["Made in a batch"]
    assert isinstance(seen["3"]["body"], str)
    assert seen["4"]["body"]["error"]["code"] == "ErrorInvalidIdMalformed"
    made = {"url": f"/me/messages/{seen['1']['body']['id']}/permanentDelete", "method": "POST"}
    (gone,) = post(target, {"id": "1", **made}).json["responses"]
    assert (gone["status"], gone["body"]) == (204, None)


def test_each_refused_part_has_a_line_in_the_log(own: OwnTarget) -> None:
    answer = post(
        own,
        {"id": "1", "method": "GET", "url": "/me/messages/none?$select=subject"},
        {"id": "2", "method": "GET", "url": "/me"},
        {"id": "3", "method": "DELETE", "url": "/me/nowhere"},
    )
    request = answer.headers["request-id"]
    own.server.server.log.flush()
    lines = [line for line in own.server.output.getvalue().splitlines() if f"request={request}" in line]
    assert [line.partition(" ")[2] for line in lines] == [
        f"refused method=GET path=/me/messages/none status=400 code=ErrorInvalidIdMalformed request={request}",
        f"refused method=DELETE path=/me/nowhere status=400 code=BadRequest request={request}",
    ]


@pytest.mark.parametrize("version", ["v1.0", "beta"])
def test_the_metadata_is_there_for_everybody(target: Target, version: str) -> None:
    answer = target.wire.request("GET", f"/{version}/$metadata", {})
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/xml")
    assert fromstring(answer.body).tag.endswith("}Edmx")
