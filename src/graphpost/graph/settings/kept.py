"""Entities that a mailbox keeps beside its mail: all read and written in one way.

A `Kept` is such a collection.  What it is made of (`create`, `change`) and how it is shown (`shown`) it is told; what is
the same for all is here: options of the query, contexts, limits, names that are taken, and that writes of one mailbox
come one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from msgspec.structs import replace

from graphpost.errors import BadRequest, Conflict, NotFound
from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import context, keyed, page, selected_names, user_context
from graphpost.graph.queries.inmemory import matching, sorted_by
from graphpost.graph.queries.selection import check_expand, read_options, select_names
from graphpost.graph.schema import EntityType
from graphpost.graph.writing import json_members
from graphpost.store.mailbox import preferences
from graphpost.store.mailbox.preferences import Entry, Kind
from graphpost.store.store import Tx

T = TypeVar("T")
Get = Callable[[Entry, str], Any]  # a property of an entry, by its own name
DEFAULT_PAGE: Final = 100
_ID: Final = re.compile(r"[A-Za-z0-9_=-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """One collection.  `capture` is its key's name in the routes; `path` is where it is below the user."""

    kind: Kind
    entity: EntityType
    path: tuple[str, ...]
    capture: str
    new_id: Callable[[Call], str]
    read: Callable[[Call, Mapping[str, Any], T | None], T]  # of a body, over an old value when there is one
    key_of: Callable[[str, T], str]  # what is unique, of an id and a value
    shown: Callable[[Tx, Call], Get]
    check: Callable[[Tx, Call, T], None]  # of a value that is about to be written
    order: Callable[[Entry], Any]  # in which they are listed
    most: int  # entries, and bytes of their values
    most_bytes: int = 1_048_576
    taken: str = ""  # the message of the refusal when the key is taken; '': what has it is overwritten

    async def list_all(self, call: Call) -> Reply:
        """GET of the collection."""
        options = read_options(call)
        check_expand(options.expand)
        beta, box = call.version == "beta", call.box.mailbox_id
        names = select_names(self.entity, options.select, beta=beta)
        top = options.top or DEFAULT_PAGE

        def fetch(tx: Tx) -> tuple[list[dict[str, Any]], int]:
            get = self.shown(tx, call)
            found = sorted(preferences.entries(tx, box, self.kind), key=self.order)
            found = matching(found, options, self.entity, get, beta=beta)
            found = sorted_by(found, options, self.entity, get, beta=beta)
            part = found[options.skip : options.skip + top]
            return [self._entity(each, get, names) for each in part], len(found)

        entities, total = await call.services.store.read(fetch)
        where = context(call, user_context(call), *self.path, select=selected_names(names, ()))
        return Reply(body=page(call, where, entities, total, options, top))

    async def get_one(self, call: Call) -> Reply:
        """GET of one of them."""
        options = read_options(call)
        check_expand(options.expand)
        names = select_names(self.entity, options.select, beta=call.version == "beta")

        def fetch(tx: Tx) -> dict[str, Any]:
            return self._entity(self._found(tx, call), self.shown(tx, call), names)

        return self._reply(call, await call.services.store.read(fetch), 200, names)

    async def create(self, call: Call) -> Reply:
        """POST to the collection: 201 with what was made."""
        value = self.read(call, json_members(call), None)
        entry_id, box = self.new_id(call), call.box.mailbox_id
        entry = Entry(entry_id, self.key_of(entry_id, value), value)

        def make(tx: Tx) -> dict[str, Any]:
            preferences.hold(tx, box)
            self.check(tx, call, value)
            there = preferences.find(tx, box, self.kind, entry.key)
            if there is not None and self.taken:
                raise Conflict(self.taken, "nameAlreadyExists")
            made = entry if there is None else replace(entry, entry_id=there.entry_id)
            (preferences.add if there is None else preferences.change)(tx, box, self.kind, made)
            self._check_usage(tx, box)
            return self._entity(made, self.shown(tx, call), ())

        return self._reply(call, await call.services.store.write(make), 201)

    async def update(self, call: Call) -> Reply:
        """PATCH of one of them: 200 with what it now is."""
        members, box = json_members(call), call.box.mailbox_id

        def change(tx: Tx) -> dict[str, Any]:
            preferences.hold(tx, box)
            old = self._found(tx, call)
            entry = Entry(old.entry_id, old.key, self.read(call, members, old.value))
            self.check(tx, call, entry.value)
            preferences.change(tx, box, self.kind, entry)
            self._check_usage(tx, box)
            return self._entity(entry, self.shown(tx, call), ())

        return self._reply(call, await call.services.store.write(change), 200)

    async def delete(self, call: Call) -> Reply:
        """DELETE of one of them."""
        entry_id, box = self._key(call), call.box.mailbox_id
        if not await call.services.store.write(lambda tx: preferences.remove(tx, box, self.kind, entry_id)):
            raise NotFound
        return Reply(204)

    def _check_usage(self, tx: Tx, mailbox_id: int) -> None:
        count, size = preferences.usage(tx, mailbox_id, self.kind)
        if count > self.most or size > self.most_bytes:
            raise BadRequest(f"A mailbox has at most {self.most} of these.", "ErrorExceededLimit")

    def _found(self, tx: Tx, call: Call) -> Entry:
        found = preferences.get(tx, call.box.mailbox_id, self.kind, self._key(call))
        if found is None:
            raise NotFound
        return found

    def _key(self, call: Call) -> str:
        """The id in the path; what could be none is not found either."""
        text = call.captures[self.capture]
        if not _ID.fullmatch(text):
            raise NotFound
        return text

    def _entity(self, entry: Entry, get: Get, names: tuple[str, ...]) -> dict[str, Any]:
        """What there is of it: nothing here is null."""
        shown = {
            each.name: get(entry, each.name)
            for each in self.entity.properties.values()
            if not names or each.name in names or each.name == "id"
        }
        return {name: value for name, value in shown.items() if value is not None}

    def _reply(self, call: Call, entity: dict[str, Any], status: int, names: tuple[str, ...] = ()) -> Reply:
        where = context(call, user_context(call), *self.path, select=names, single=True)
        headers = {}
        if status == 201:
            place = "/".join((*self.path[:-1], keyed(self.path[-1], entity["id"])))
            headers["Location"] = f"{call.base}/{user_context(call)}/{place}"
        return Reply(status, {"@odata.context": where, **entity}, headers=headers)
