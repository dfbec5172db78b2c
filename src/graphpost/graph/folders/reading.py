"""Reading mail folders: the top level, one by id or name, and child folders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from graphpost.errors import BadRequest
from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import DEFAULT_PAGE, collection, context, keyed, selected_names, user_context
from graphpost.graph.folders.properties import (
    MULTI,
    SINGLE,
    Chosen,
    add_properties,
    read_chosen,
    related_properties,
)
from graphpost.graph.keys import folder_at, folder_key
from graphpost.graph.prefer import read_preferences
from graphpost.graph.queries.facts import with_stored_ids
from graphpost.graph.queries.inmemory import matching, sort_values, sorted_by
from graphpost.graph.queries.paging import read_token, write_token
from graphpost.graph.queries.selection import (
    check_expand,
    find_property,
    flag_option,
    read_options,
    select_names,
)
from graphpost.graph.render import etag, folder_id
from graphpost.graph.schema import EntityType, Kind, Property, Write, entity
from graphpost.mail.mailbox import ROOT, Folder, Mailbox
from graphpost.odata.errors import ODataError
from graphpost.odata.query import Options
from graphpost.store.mailbox import folders
from graphpost.store.mailbox.pages import Key, place_of
from graphpost.store.store import Tx

FOLDER: Final[EntityType] = entity(
    "microsoft.graph.mailFolder",
    Property("id", Kind.STRING, nullable=False),
    Property("displayName", Kind.STRING, write=Write.ALWAYS),
    Property("parentFolderId", Kind.STRING),
    Property("childFolderCount", Kind.INT32),
    Property("unreadItemCount", Kind.INT32),
    Property("totalItemCount", Kind.INT32),
    Property("isHidden", Kind.BOOLEAN, write=Write.CREATE),
    Property("wellKnownName", Kind.STRING, beta=True),
)
_GETTERS: Final[dict[str, Callable[[Folder, str], Any]]] = {
    "id": lambda folder, mailbox: folder_id(mailbox, folder.folder_id),
    "displayName": lambda folder, mailbox: folder.name,
    "parentFolderId": lambda folder, mailbox: folder_id(mailbox, folder.parent_id or folder.folder_id),
    "childFolderCount": lambda folder, mailbox: folder.child_count,
    "unreadItemCount": lambda folder, mailbox: folder.unread_count,
    "totalItemCount": lambda folder, mailbox: folder.total_count,
    "isHidden": lambda folder, mailbox: folder.is_hidden,
    "wellKnownName": lambda folder, mailbox: folder.well_known or None,
}


def folder_entity(
    folder: Folder, mailbox: str, names: tuple[str, ...] = (), *, beta: bool = False
) -> dict[str, Any]:
    """The entity without `@odata.context`; `mailbox` is the object id, `names` () all properties."""
    value: dict[str, Any] = {"@odata.etag": etag(folder.folder_id, folder.version)}
    for each in FOLDER.properties.values():
        if (beta or not each.beta) and (not names or each.name in names or each.name == "id"):
            value[each.name] = _GETTERS[each.name](folder, mailbox)
    return value


@dataclass(frozen=True, slots=True)
class FolderForm:
    """How folders are written in one answer; `children` when their child folders are expanded, `chosen` what is of
    their extended properties."""

    box: Mailbox
    names: tuple[str, ...]
    beta: bool
    hidden: bool
    children: FolderForm | None
    chosen: Chosen = ()

    def value(self, folder: Folder, name: str) -> Any:
        return _GETTERS[name](folder, self.box.object_id.lower())

    def key(self, folder: Folder, options: Options) -> Key:
        """The folder's place: what it is sorted by, then its name."""
        values = sort_values(folder, options, FOLDER, self.value, beta=self.beta)
        return *values, folder.name.casefold(), folder.folder_id

    def entity(self, tx: Tx, folder: Folder) -> dict[str, Any]:
        value = folder_entity(folder, self.box.object_id.lower(), self.names, beta=self.beta)
        if self.children is not None:
            found = folders.children(tx, self.box.mailbox_id, folder.folder_id, self.hidden)
            value["childFolders"] = [self.children.entity(tx, child) for child in found]
        if self.chosen:
            add_properties(tx, folder, self.chosen, value)
        return value


async def list_folders(call: Call) -> Reply:
    """GET …/mailFolders: the folders of the top level, never the root itself."""
    return await _list(call, ROOT, (user_context(call), "mailFolders"))


async def list_child_folders(call: Call) -> Reply:
    """GET …/mailFolders/{folder}/childFolders."""
    number = folder_key(call)
    assert number is not None
    place = keyed("mailFolders", call.captures["folder"])
    return await _list(call, number, (user_context(call), place, "childFolders"))


async def get_folder(call: Call) -> Reply:
    """GET …/mailFolders/{folder}."""
    options, number = read_options(call), folder_key(call)
    assert number is not None
    form = folder_form(call, options)
    entity = await call.services.store.read(lambda tx: form.entity(tx, folder_at(tx, call.box, number)))
    select = selected_names(form.names, options.expand)
    where = context(call, user_context(call), "mailFolders", select=select, single=True)
    return Reply(body={"@odata.context": where, **entity})


async def _list(call: Call, parent: int, place: tuple[str, ...]) -> Reply:
    options = _with_stored_ids(read_options(call))
    form = folder_form(call, options)
    preferences = read_preferences(call.headers)
    top = options.top or preferences.page_size or DEFAULT_PAGE
    after = _after(options, form)

    def fetch(tx: Tx) -> tuple[list[dict[str, Any]], dict[str, str] | None, int]:
        found = folders.children(
            tx, call.box.mailbox_id, folder_at(tx, call.box, parent).folder_id, form.hidden
        )
        related = related_properties(tx)
        found = matching(found, options, FOLDER, form.value, beta=form.beta, related=related)
        found = sorted_by(found, options, FOLDER, form.value, beta=form.beta)
        if after is None:
            left = found[options.skip :]
        else:
            behind = place_of([*(("", item.descending) for item in options.order), ("", False)])
            left = [each for each in found if behind(form.key(each, options)) > behind(after)]
        more = None
        if len(left) > top:
            token = write_token(form.key(left[top - 1], options))
            more = {"$skip": str(options.skip + top), "$skiptoken": token}
        return [form.entity(tx, each) for each in left[:top]], more, len(found)

    entities, more, total = await call.services.store.read(fetch)
    where = context(call, *place, select=selected_names(form.names, options.expand))
    body = collection(call, where, entities, count=total if options.count else None, more=more)
    return Reply(body=body, headers=preferences.page_applied(options.top))


def _with_stored_ids(options: Options) -> Options:
    """The options with the ids of extended properties in `$filter` as they are stored."""
    if options.filter is None:
        return options
    try:
        return replace(options, filter=with_stored_ids(options.filter))
    except ODataError as error:
        raise BadRequest(f"Invalid filter clause: {error.message}") from error


def _after(options: Options, form: FolderForm) -> Key | None:
    """The place that the `$skiptoken` names."""
    if not options.skip_token:
        return None
    try:
        found = [find_property(FOLDER, item.path[0], beta=form.beta) for item in options.order]
    except ODataError as error:
        raise BadRequest(f"Invalid order by clause: {error.message}") from error
    types = [{Kind.INT32: int, Kind.BOOLEAN: bool}.get(each.kind, str) for each in found]
    return read_token(options.skip_token, [*types, str, int])


def folder_form(call: Call, options: Options) -> FolderForm:
    """How the options want folders written; child folders can be expanded to the depth that is written."""
    check_expand(options.expand, "childFolders", SINGLE, MULTI)
    beta = call.version == "beta"
    names = select_names(FOLDER, options.select, beta=beta)
    below = [each.options for each in options.expand if each.path[0].lower() == "childfolders"]
    children = folder_form(call, below[0]) if below else None
    hidden = flag_option(call, "includeHiddenFolders")
    return FolderForm(call.box, names, beta, hidden, children, read_chosen(options.expand))
