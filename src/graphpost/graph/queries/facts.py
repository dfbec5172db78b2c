"""What a `$filter` can ask beside columns: recipients, body, extensions and so on.

These are read from the message itself, so they are answered in memory.  Nothing here has a column (`store.mailbox.where`), but
for categories, of which the columns answer only what they can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from graphpost.errors import AccessDenied
from graphpost.graph.bodies.extended import normalise_property_id
from graphpost.graph.bodies.extensions import id_of, normal_id
from graphpost.graph.queries.selection import Scope, find_property, is_basic
from graphpost.graph.schema import MESSAGE
from graphpost.mail.message import (
    Address,
    Attachment,
    Body,
    ExtendedProperty,
    Extension,
    Header,
    Message,
)
from graphpost.odata.errors import ODataError
from graphpost.odata.matching import Element, Value, matches, paths
from graphpost.odata.tree import And, Comparison, Lambda, Literal, Node, Not, Operand, Or, Path

_EXTENDED: Final = ("singlevalueextendedproperties", "multivalueextendedproperties")
_IDS: Final[
    dict[str, Callable[[str], str]]
] = {  # how ids in a collection are stored; ValueError when one is none
    **dict.fromkeys(_EXTENDED, normalise_property_id),
    "extensions": normal_id,
}
_ADDRESS: Final = Address("a@example.test", "A")
_SAMPLE: Final = Message(  # has one of everything: what cannot be asked of it cannot be asked
    body=Body("x", "text"),
    preview="x",
    sender=_ADDRESS,
    to=(_ADDRESS,),
    cc=(_ADDRESS,),
    bcc=(_ADDRESS,),
    reply_to=(_ADDRESS,),
    categories=("x",),
    headers=(Header("x", "x"),),
    is_delivery_receipt_requested=True,
    attachments=(Attachment(attachment_id=1, name="x"),),
    extended=(ExtendedProperty("String 0x1", "1"), ExtendedProperty("StringArray 0x1", ("1",))),
    extensions=(Extension("x", "{}"),),
)


def fact(message: Message, path: Path) -> Value:
    """A message's value; ODataError when there is no such."""
    name = _name(path)
    if name not in _FACTS:
        raise ODataError(f"no filter on {name[:80]}")
    return _FACTS[name](message)


def checked(node: Node, scope: Scope) -> Node:
    """A condition that no columns answer, made ready to be put to messages.

    ODataError when it cannot be put to them; 403 when the token may not know the answer.
    """
    for path in paths(node):
        found = find_property(MESSAGE, _name(path).partition("/")[0], beta=scope.version == "beta")
        if not found.basic and is_basic(scope):
            raise AccessDenied
    node = with_stored_ids(node)
    for part in _parts(node):
        matches(part, lambda path: fact(_SAMPLE, path))
    return node


def _parts(node: Node) -> Iterator[Node]:
    """The single conditions of a condition: some of them a message may spare the rest."""
    match node:
        case And() | Or():
            yield from _parts(node.left)
            yield from _parts(node.right)
        case Not():
            yield from _parts(node.operand)
        case Lambda():
            for part in () if node.condition is None else _parts(node.condition):
                yield Lambda("any", node.path, node.variable, part)
            if node.condition is None:
                yield node
        case _:
            yield node


def with_stored_ids(node: Node) -> Node:
    """The condition with the ids of extensions and extended properties as they are stored; ODataError when one is none."""
    return _normalised(node, ("", ""))


def _normalised(node: Node, of: tuple[str, str]) -> Node:
    """`of` is the variable that stands for an extension or property, and their collection."""
    match node:
        case And():
            return And(_normalised(node.left, of), _normalised(node.right, of))
        case Or():
            return Or(_normalised(node.left, of), _normalised(node.right, of))
        case Not():
            return Not(_normalised(node.operand, of))
        case Lambda() if node.condition is not None:
            inner = (node.variable, _name(node.path)) if _name(node.path) in _IDS else of
            return Lambda(node.kind, node.path, node.variable, _normalised(node.condition, inner))
        case Comparison() if _is_id(node.left, of[0]):
            return Comparison(node.operator, node.left, _normal_id(node.right, of[1]))
        case Comparison() if _is_id(node.right, of[0]):
            return Comparison(node.operator, _normal_id(node.left, of[1]), node.right)
        case _:
            return node


def _is_id(operand: Operand, variable: str) -> bool:
    return isinstance(operand, Path) and operand.segments[0] == variable and _name(operand).endswith("/id")


def _normal_id(operand: Operand, collection: str) -> Operand:
    if not isinstance(operand, Literal) or not isinstance(operand.value, str):
        raise ODataError("an id is a text")
    try:
        return Literal(_IDS[collection](operand.value), "string")
    except ValueError as error:
        raise ODataError("not the id of an extended property") from error


def _name(path: Path) -> str:
    segments = path.segments[1:] if len(path.segments) > 1 and "." in path.segments[0] else path.segments
    return "/".join(segments).lower()


def _people(addresses: Iterable[Address]) -> list[Element]:
    return [
        {"emailaddress": {"name": each.name or each.address, "address": each.address}} for each in addresses
    ]


def _attachment(each: Attachment) -> Element:
    return {
        "name": each.name,
        "contenttype": each.content_type,
        "size": each.size,
        "isinline": each.is_inline,
    }


def _extended(each: ExtendedProperty) -> Element:
    return {"id": each.property_id, "value": each.value}


def _sender_name(message: Message) -> str | None:
    return None if message.sender is None else message.sender.name or message.sender.address


_FACTS: Final[dict[str, Callable[[Message], Value]]] = {
    "bodypreview": lambda message: message.preview,
    "body/content": lambda message: message.body.content,
    "body/contenttype": lambda message: message.body.kind,
    "categories": lambda message: message.categories,
    "torecipients": lambda message: _people(message.to),
    "ccrecipients": lambda message: _people(message.cc),
    "bccrecipients": lambda message: _people(message.bcc),
    "replyto": lambda message: _people(message.reply_to),
    "sender/emailaddress/name": _sender_name,
    "isdeliveryreceiptrequested": lambda message: message.is_delivery_receipt_requested,
    "isreadreceiptrequested": lambda message: message.is_read_receipt_requested,
    "internetmessageheaders": lambda message: [{"name": h.name, "value": h.value} for h in message.headers],
    "attachments": lambda message: [_attachment(each) for each in message.attachments],
    "extensions": lambda message: [{"id": id_of(e), "extensionname": e.name} for e in message.extensions],
    _EXTENDED[0]: lambda message: [_extended(p) for p in message.extended if isinstance(p.value, str)],
    _EXTENDED[1]: lambda message: [_extended(p) for p in message.extended if not isinstance(p.value, str)],
}
