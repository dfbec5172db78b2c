"""PATCH of a message: which properties may be set, and what the message is then.

Who may set what follows from the property table: `Write.ALWAYS` on any message, `Write.DRAFT` on drafts, nothing else.
Absent properties keep their value, collections are replaced as a whole, null clears, and an enum's '' says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from graphpost.auth.access import find_author
from graphpost.clock import Instant
from graphpost.errors import AccessDenied, BadRequest
from graphpost.graph.bodies.flags import NOT_FLAGGED, merge_flag
from graphpost.graph.bodies.message import read_property, thread_fields
from graphpost.graph.bodies.reading import Reading
from graphpost.graph.bodies.values import read_object, read_string, read_word, unknown_property
from graphpost.graph.call import Call
from graphpost.graph.schema import BODY_KIND, MESSAGE, Kind, Property, Write
from graphpost.graph.sending.outgoing import check_header_size, check_marks_size
from graphpost.graph.writing import json_members
from graphpost.mail.compose import anew, writes_property
from graphpost.mail.deferral import merged
from graphpost.mail.message import Address, Body, Item, Message, marks_size
from graphpost.mail.text import preview

Edit = Callable[[Any], Any]

ADVANCED: Final = frozenset(
    {"Mail-Advanced.ReadWrite", "Mail-Advanced.ReadWrite.Shared", "Mail-Advanced.ReadWrite.All"}
)
"""Permissions of which one lets a token change the content of messages that are no drafts."""

_EMPTY: Final = Message()
_UNCLEARED: Final = frozenset({"isRead", "internetMessageId"})  # null has no meaning for these
_NEVER_AFTER: Final = frozenset({"from", "sender"})  # who wrote a message is not changed once it is sent
_MARKS: Final = ("extended", "categories")
_WRITTEN: Final = tuple(  # fields that are in the MIME
    each.field
    for each in MESSAGE.properties.values()
    if each.write is Write.DRAFT or each.field.startswith("is_") or each.field == "importance"
    if each.field in Message.__struct_fields__
)


@dataclass(frozen=True, slots=True)
class Patch:
    """What a PATCH sets: an edit for each field of Message (`is_read`: of Item), and the drafts' properties among them.

    `previews` are ready for the bodies that it may lead to: making them may take long.
    """

    edits: Mapping[str, Edit]
    protected: tuple[str, ...]
    previews: Mapping[Body, str]
    most_marks: int  # characters of what is added to a message from time to time

    def apply(self, item: Item, now: Instant) -> Item:
        """The item as it is to be; the same object when nothing changes.  Raises when it gets more than it may have."""
        before = item.message
        fields = {name: edit(getattr(before, name)) for name, edit in self.edits.items() if name != "is_read"}
        is_read = self.edits["is_read"](item.is_read) if "is_read" in self.edits else item.is_read
        if "extended" in fields:
            fields.update(thread_fields(fields["extended"]))
        message = replace(before, **fields)
        if message == before and is_read == item.is_read:
            return item
        if message.body != before.body:
            ready = self.previews.get(message.body)
            message = replace(message, preview=preview(message.body) if ready is None else ready)
        if message.raw is not None and (item.is_draft or self.protected) and is_rewritten(before, message):
            message = anew(message)
        if not self.edits.keys().isdisjoint(_MARKS) and marks_size(message) > marks_size(before):
            check_marks_size(message, self.most_marks)
        size = max(0, item.size + _weight(message) - _weight(before))
        return replace(item, message=message, is_read=is_read, size=size, modified_at=now)


def read_patch(call: Call) -> Patch:
    """What the body sets; 400 for a property that cannot be, 403 for an author that may not."""
    limits = call.services.limits
    reading = Reading(limits, call.services.numbers, call.services.clock.now())
    edits: dict[str, Edit] = {}
    protected: list[str] = []
    previews: dict[Body, str] = {}
    for name, value in json_members(call).items():
        if "@" in name:  # annotations
            continue
        row = _settable(name)
        edit = _edit(row, value, reading, previews)
        if row.write is Write.DRAFT:
            protected.append(row.name)
        if edit is not None:
            edits[row.field] = _both(edits[row.field], edit) if row.field in edits else edit
    _check_authors(call, edits)
    if len(call.body) > limits.header_bytes:
        new = {name: edit(getattr(_EMPTY, name)) for name, edit in edits.items() if name in _WRITTEN}
        check_header_size(replace(_EMPTY, **new), limits.header_bytes)
    return Patch(edits, tuple(protected), previews, limits.header_bytes)


def _weight(message: Message) -> int:
    return len(message.body.content) + marks_size(message)


def check_patch(patch: Patch, item: Item, permissions: frozenset[str]) -> None:
    """Raise when it sets what only a draft lets be set.  The content of others is for tokens that may do more."""
    if item.is_draft or not patch.protected:
        return
    if not _NEVER_AFTER.isdisjoint(patch.protected):
        raise BadRequest("Message is not draft.", "ErrorInvalidPropertySet")
    if permissions.isdisjoint(ADVANCED):
        raise AccessDenied


def is_rewritten(before: Message, after: Message) -> bool:
    """Whether the MIME of a message would be another."""
    if any(getattr(before, name) != getattr(after, name) for name in _WRITTEN):
        return True
    changed = set(after.extended) - set(before.extended)
    return any(writes_property(each.property_id) for each in changed)


def _settable(name: str) -> Property:
    row = MESSAGE.find(name)
    if row is None:
        raise unknown_property(name, MESSAGE.name)
    if row.write in (Write.NEVER, Write.CREATE):
        raise BadRequest("Set action is invalid for property.", "ErrorInvalidPropertySet")
    return row


def _edit(row: Property, value: Any, reading: Reading, previews: dict[Body, str]) -> Edit | None:
    """What one property does to its field; None when it says nothing."""
    if row.kind is Kind.BODY:
        return _body(value, previews)
    if row.kind is Kind.FLAG:
        return _flag(value, row.name)
    read = read_property(row, value, reading)
    if row.kind is Kind.EXTENDED:
        return lambda old: merged(old, read)
    if value is None and row.name not in _UNCLEARED:
        read = getattr(_EMPTY, row.field)
    elif read is None and row.kind is not Kind.RECIPIENT:
        return None
    return lambda old: read


def _body(value: Any, previews: dict[Body, str]) -> Edit:
    members = read_object(value, "body")
    if members is None:
        return lambda old: Body()
    kind = read_word(members.get("contenttype"), "contentType", BODY_KIND, "microsoft.graph.bodyType")
    if "content" not in members:
        return lambda old: Body(old.content, kind or old.kind)  # type: ignore[arg-type]  # one of BODY_KIND
    content = read_string(members["content"], "content")
    for each in (kind,) if kind else BODY_KIND:
        body = Body(content, each)  # type: ignore[arg-type]
        previews[body] = preview(body)
    return lambda old: Body(content, kind or old.kind)  # type: ignore[arg-type]


def _flag(value: Any, name: str) -> Edit:
    members = read_object(value, name)
    if members is None:
        return lambda old: NOT_FLAGGED
    merge_flag(NOT_FLAGGED, members, checked=False)  # its faults are found before anything is stored
    return lambda old: merge_flag(old, members)


def _both(first: Edit, second: Edit) -> Edit:
    return lambda old: second(first(old))


def _check_authors(call: Call, edits: dict[str, Edit]) -> None:
    """A new author is one the principal may send as, and sender too unless another is given."""
    for field in ("from_", "sender"):
        author = edits[field](None) if field in edits else None
        if isinstance(author, Address):
            find_author(call.principal, call.services.directory(), call.box, author.address)
    if "from_" in edits:
        edits.setdefault("sender", edits["from_"])
