"""What the service says of itself is XML and JSON that is true, and that everybody may read."""

from __future__ import annotations

import json
import os
import re
from xml.etree.ElementTree import Element, fromstring, parse

import pytest
from tests.graph.desk import Desk, error_of

from graphpost.graph.metadata import owner_type
from graphpost.graph.model import ACTIONS, FUNCTIONS
from graphpost.graph.routes import ROUTES, bound_operations

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


def read(path: str, token: str = "") -> bytes:
    reply = Desk().post(path, b"", method="GET", content_type=None, token=token)
    assert reply.status == 200, reply
    assert isinstance(reply.body, bytes)
    return reply.body


def schema(version: str = "v1.0") -> Element:
    found = fromstring(read(f"/{version}/$metadata")).find(f".//{EDM}Schema")
    assert found is not None
    return found


def members(root: Element) -> dict[str, dict[str, str]]:
    """Of each type its properties and their types."""
    return {
        made.attrib["Name"]: {
            member.attrib["Name"]: member.attrib["Type"]
            for member in made
            if member.tag in (f"{EDM}Property", f"{EDM}NavigationProperty")
        }
        for made in root
        if made.tag in (f"{EDM}EntityType", f"{EDM}ComplexType")
    }


@pytest.mark.parametrize("version", ["v1.0", "beta"])
@pytest.mark.parametrize("token", ["", "garbage", "expired", "user"])
def test_everybody_may_read_it(version: str, token: str) -> None:
    assert read(f"/{version}/$metadata", token).startswith(b"<?xml")
    for path in (f"/{version}", f"/{version}/"):
        document = json.loads(read(path, token))
        assert document["@odata.context"] == f"https://localhost:8443/{version}/$metadata"
        assert [(each["name"], each["kind"], each["url"]) for each in document["value"]] == [
            ("users", "EntitySet", "users"),
            ("subscriptions", "EntitySet", "subscriptions"),
            ("me", "Singleton", "me"),
        ]


def test_its_type_is_xml() -> None:
    reply = Desk().post("/v1.0/$metadata", method="GET", content_type=None, token="")
    assert (reply.content_type, reply.headers["OData-Version"]) == ("application/xml", "4.0")


@pytest.mark.parametrize("path", ["/v1.0/$metadata", "/v1.0/", "/v1.0"])
def test_it_cannot_be_written(path: str) -> None:
    assert error_of(Desk().post(path, {}))[0] == 405
    assert error_of(Desk().post(path, {}, token=""))[0] == 401


def test_whoever_has_no_token_learns_of_no_other_path() -> None:
    for path in ("/v1.0/me", "/v1.0/nowhere", "/v1.0/$batch", "/v9/$metadata", "/v1.0/$metadata/x"):
        assert Desk().post(path, method="GET", content_type=None, token="").status == 401


@pytest.mark.parametrize("version", ["v1.0", "beta"])
def test_every_type_that_it_speaks_of_is_there(version: str) -> None:
    root = schema(version)
    there = {made.attrib["Name"] for made in root if made.tag.endswith("Type")}
    spoken = {
        name
        for each in root.iter()
        for text in each.attrib.values()
        for name in re.findall(r"graph\.(\w+)", text)
    }
    assert spoken <= there
    names = [made.attrib["Name"] for made in root if made.tag.endswith("Type")]
    assert len(names) == len(set(names))


def test_beta_has_what_v1_has_and_its_own() -> None:
    first, second = members(schema()), members(schema("beta"))
    assert all(first[name].items() <= second[name].items() for name in first)
    assert "mentionsPreview" in second["message"].keys() - first["message"].keys()
    assert second["referenceAttachment"]["providerType"] == "graph.referenceAttachmentProvider"


@pytest.mark.parametrize("version", ["v1.0", "beta"])
def test_every_bound_operation_of_the_routes_is_described(version: str) -> None:
    wanted = {(name, owner_type(owner)) for name, owner in bound_operations(ROUTES, version)}
    assert {name for name, _ in wanted} <= ACTIONS.keys() | FUNCTIONS
    described = {
        (made.attrib["Name"], made[0].attrib["Type"])
        for made in schema(version)
        if made.tag in (f"{EDM}Action", f"{EDM}Function")
    }
    assert described == wanted
    assert ("sendMail", "graph.user") in described


def test_what_an_operation_is_bound_to_is_known_by_its_template() -> None:
    assert owner_type("F/messages") == "Collection(graph.message)"
    assert owner_type("F/childFolders") == "Collection(graph.mailFolder)"
    assert owner_type("M/attachments") == "Collection(graph.attachment)"
    with pytest.raises(ValueError, match="M/nowhere"):
        owner_type("M/nowhere")


REAL = {
    "emailAddress": {"address": "Edm.String", "name": "Edm.String"},
    "outlookItem": {
        "categories": "Collection(Edm.String)",
        "changeKey": "Edm.String",
        "createdDateTime": "Edm.DateTimeOffset",
        "lastModifiedDateTime": "Edm.DateTimeOffset",
    },
    "fileAttachment": {
        "contentBytes": "Edm.Binary",
        "contentId": "Edm.String",
        "contentLocation": "Edm.String",
    },
    "itemAttachment": {"item": "graph.outlookItem"},
    "referenceAttachment": {},
    "singleValueLegacyExtendedProperty": {"value": "Edm.String"},
    "recipient": {"emailAddress": "graph.emailAddress"},
}


@pytest.mark.parametrize("name", REAL)
def test_types_are_as_in_graphs_own_document(name: str) -> None:
    assert members(schema())[name] == REAL[name]


@pytest.mark.skipif("GRAPH_CSDL" not in os.environ, reason="GRAPH_CSDL names no file with Graph's own CSDL")
def test_every_name_and_type_is_as_in_graphs_own_document() -> None:
    """Graph's document is not ours to ship: `curl https://graph.microsoft.com/v1.0/$metadata` gets it."""
    root = parse(os.environ["GRAPH_CSDL"]).getroot().find(f".//{EDM}Schema")
    assert root is not None
    real = members(root)
    unknown = {
        (name, member, type_)
        for name, found in members(schema()).items()
        for member, type_ in found.items()
        if name in real and real[name].get(member) != type_
    }
    # A document cut down to mail has less of the user, and not every complex type.
    assert {name for name, _, _ in unknown} <= {"user"}
