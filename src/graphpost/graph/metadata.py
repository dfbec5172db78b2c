"""`$metadata` and the service document, from the property tables and the routes.

Both are public, as Graph's are: they say what Graphpost can do and nothing of whom it is for.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from itertools import count
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from graphpost.graph.attachments.attached import ATTACHMENT
from graphpost.graph.call import Call, Reply
from graphpost.graph.folders.reading import FOLDER
from graphpost.graph.model import (
    ACTIONS,
    COMPLEX,
    ENUMS,
    FILE,
    FIRST_VALUES,
    FLAGS,
    FUNCTIONS,
    MENTION,
    NAVIGATION,
    OUTLOOK_ITEM,
    REFERENCE,
    SUBSCRIPTION,
    UNTABLED,
    Members,
)
from graphpost.graph.schema import MESSAGE, EntityType, Kind, Property, Shown
from graphpost.graph.settings.categories import CATEGORY
from graphpost.graph.settings.overrides import OVERRIDE
from graphpost.graph.settings.rule_schema import ACTIONS as RULE_ACTIONS
from graphpost.graph.settings.rule_schema import PREDICATES, RULE
from graphpost.graph.users.reading import USER

XML_TYPE: Final = "application/xml"

_EDM: Final = "http://docs.oasis-open.org/odata/ns/edm"
_EDMX: Final = "http://docs.oasis-open.org/odata/ns/edmx"
_NAMED: Final = re.compile(r"graph\.(\w+)")
_PRIMITIVES: Final = {
    Kind.STRING: "Edm.String",
    Kind.BOOLEAN: "Edm.Boolean",
    Kind.INT32: "Edm.Int32",
    Kind.DATETIME: "Edm.DateTimeOffset",
    Kind.BINARY: "Edm.Binary",
}
_OWNERS: Final = (  # of a bound operation: the end of its template, and what it is bound to
    ("/outlook", "graph.outlookUser"),
    ("/users/{user}", "graph.user"),
    ("U", "graph.user"),
    ("M", "graph.message"),
    ("F", "graph.mailFolder"),
    ("/messages", "Collection(graph.message)"),
    ("Folders", "Collection(graph.mailFolder)"),
    ("/attachments", "Collection(graph.attachment)"),
    ("/users", "Collection(graph.user)"),
    ("/subscriptions/{subscription}", "graph.subscription"),
)
Operations = Callable[[str], frozenset[tuple[str, str]]]


async def get_service_document(call: Call) -> Reply:
    """GET / of a version: the names that paths begin with."""
    users = {"name": "users", "kind": "EntitySet", "url": "users"}
    subscriptions = {"name": "subscriptions", "kind": "EntitySet", "url": "subscriptions"}
    me = {"name": "me", "kind": "Singleton", "url": "me"}
    return Reply(body={"@odata.context": f"{call.base}/$metadata", "value": [users, subscriptions, me]})


def metadata_handler(operations: Operations) -> Callable[[Call], Awaitable[Reply]]:
    """GET /$metadata; `operations` gives a version's bound operations, each with the template of what it is bound to."""

    async def get_metadata(call: Call) -> Reply:
        body = write_metadata(call.version == "beta", operations(call.version))
        return Reply(body=body, content_type=XML_TYPE, headers={"OData-Version": "4.0"})

    return get_metadata


@cache
def write_metadata(beta: bool, operations: frozenset[tuple[str, str]]) -> bytes:
    """The CSDL document, XML in UTF-8."""
    root = Element("edmx:Edmx", {"xmlns:edmx": _EDMX, "xmlns": _EDM, "Version": "4.0"})
    services = SubElement(root, "edmx:DataServices")
    schema = SubElement(services, "Schema", {"Namespace": "microsoft.graph", "Alias": "graph"})
    described = [*_entities(beta), *_operations(operations)]
    schema.extend([*_others(described), *described])
    container = SubElement(schema, "EntityContainer", Name="GraphService")
    SubElement(container, "EntitySet", Name="users", EntityType="microsoft.graph.user")
    SubElement(container, "EntitySet", Name="subscriptions", EntityType="microsoft.graph.subscription")
    SubElement(container, "Singleton", Name="me", Type="microsoft.graph.user")
    indent(root)
    written: bytes = tostring(root, "utf-8", xml_declaration=True)
    return written


def _entities(beta: bool) -> list[Element]:
    entity = Element("EntityType", Name="entity", Abstract="true")
    SubElement(SubElement(entity, "Key"), "PropertyRef", Name="id")
    SubElement(entity, "Property", Name="id", Type="Edm.String", Nullable="false")
    item = _members(MESSAGE, beta)
    attachment = _members(ATTACHMENT, beta)
    special = {*FILE, *REFERENCE}
    extended = {"singleValueLegacyExtendedProperty": "Edm.String"}
    extended["multiValueLegacyExtendedProperty"] = "Collection(Edm.String)"
    return [
        entity,
        _type("directoryObject", "entity", (), Abstract="true"),
        _type("outlookItem", "entity", _chosen(item, OUTLOOK_ITEM), Abstract="true"),
        _type("user", "directoryObject", _members(USER, beta), OpenType="true"),
        _type("mailFolder", "entity", _members(FOLDER, beta)),
        _type("message", "outlookItem", _without(item, OUTLOOK_ITEM), OpenType="true", HasStream="true"),
        _type("attachment", "entity", _without(attachment, special), Abstract="true"),
        _type("fileAttachment", "attachment", _chosen(attachment, FILE), HasStream="true"),
        _type("itemAttachment", "attachment", ()),
        _type("referenceAttachment", "attachment", _chosen(attachment, REFERENCE)),
        _type("outlookUser", "entity", ()),
        _type("outlookCategory", "entity", _members(CATEGORY, beta)),
        _type("inferenceClassification", "entity", ()),
        _type("inferenceClassificationOverride", "entity", _members(OVERRIDE, beta)),
        _type("messageRule", "entity", _members(RULE, beta)),
        _type("extension", "entity", (), Abstract="true", OpenType="true"),
        *([_type("mention", "entity", (_property(*member) for member in MENTION))] if beta else ()),
        _type(
            "openTypeExtension",
            "extension",
            [_property("extensionName", "Edm.String", nullable=False)],
            OpenType="true",
        ),
        _type("subscription", "entity", [_property(*member) for member in SUBSCRIPTION]),
        *(_type(name, "entity", [_property("value", type_)]) for name, type_ in extended.items()),
    ]


def _type(name: str, base: str, members: Iterable[Element], **attributes: str) -> Element:
    made = Element("EntityType", {"Name": name, "BaseType": f"graph.{base}", **attributes})
    made.extend(members)
    made.extend(_navigation(*member) for member in NAVIGATION.get(name, ()))
    return made


def _members(table: EntityType, beta: bool) -> list[Element]:
    """The properties of a table but for `id`, which the base has."""
    return [
        _navigation(each.name, _type_of(each))
        if each.shown is Shown.EXPAND
        else _property(each.name, _type_of(each), each.nullable)
        for each in table.properties.values()
        if each.name != "id" and (beta or not each.beta)
    ]


def _chosen(members: Iterable[Element], names: Iterable[str]) -> list[Element]:
    return [member for member in members if member.attrib["Name"] in names]


def _without(members: Iterable[Element], names: Iterable[str]) -> list[Element]:
    return [member for member in members if member.attrib["Name"] not in names]


def _type_of(each: Property) -> str:
    name = each.edm.replace("microsoft.graph.", "graph.") or UNTABLED.get(each.name) or _PRIMITIVES[each.kind]
    return f"Collection({name})" if each.collection else name


def _property(name: str, type_: str, nullable: bool = True) -> Element:
    return Element("Property", {"Name": name, "Type": type_, **({} if nullable else {"Nullable": "false"})})


def _navigation(name: str, type_: str) -> Element:
    return Element("NavigationProperty", Name=name, Type=type_, ContainsTarget="true")


def _operations(operations: Iterable[tuple[str, str]]) -> list[Element]:
    found = {(name, owner_type(owner)) for name, owner in operations}
    return [_operation(name, owner) for name, owner in sorted(found)]


def owner_type(owner: str) -> str:
    """The type that a template's end names; ValueError when it names none."""
    for end, name in _OWNERS:
        if owner == end or (len(end) > 1 and owner.endswith(end)):
            return name
    raise ValueError(f"nothing is known at {owner}")


def _operation(name: str, owner: str) -> Element:
    takes, gives = ACTIONS.get(name, ((), "")) if name not in FUNCTIONS else ((), FUNCTIONS[name])
    made = Element("Function" if name in FUNCTIONS else "Action", Name=name, IsBound="true")
    if gives == "=":
        made.set("EntitySetPath", "bindingParameter")
    for parameter, type_ in (("bindingParameter", owner), *takes):
        SubElement(made, "Parameter", Name=parameter, Type=type_)
    if gives:
        SubElement(made, "ReturnType", Type=owner if gives == "=" else gives)
    return made


def _others(described: Iterable[Element]) -> list[Element]:
    """The enumerations and complex types that are spoken of, by name."""
    words = {**ENUMS, **{_NAMED.findall(_type_of(each))[0]: each.words for each in _worded()}}
    parts = {**COMPLEX, **{_last(table.name): _described(table) for table in (PREDICATES, RULE_ACTIONS)}}
    waiting = {name for made in described for member in made for name in _spoken_of(member.get("Type", ""))}
    done = dict[str, Element]()
    while waiting:
        name = waiting.pop()
        if name in done:
            continue
        if name in words:
            done[name] = _enumeration(name, words[name])
        elif name in parts:
            done[name] = _complex(name, parts[name])
            waiting.update(spoken for _, type_ in parts[name] for spoken in _spoken_of(type_))
    return [done[name] for name in sorted(done, key=lambda name: (name in parts, name))]


def _worded() -> list[Property]:
    tables = (MESSAGE, CATEGORY, PREDICATES, RULE_ACTIONS)
    return [each for table in tables for each in table.properties.values() if each.words]


def _described(table: EntityType) -> Members:
    return tuple((each.name, _type_of(each)) for each in table.properties.values())


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _spoken_of(type_: str) -> list[str]:
    return _NAMED.findall(type_)


def _enumeration(name: str, words: Iterable[str]) -> Element:
    made = Element("EnumType", {"Name": name, **({"IsFlags": "true"} if name in FLAGS else {})})
    for value, word in zip(FLAGS.get(name) or count(FIRST_VALUES.get(name, 0)), words, strict=False):
        SubElement(made, "Member", Name=word, Value=str(value))
    return made


def _complex(name: str, members: Members) -> Element:
    made = Element("ComplexType", Name=name)
    made.extend(_property(*member) for member in members)
    return made
