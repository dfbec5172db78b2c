"""Reading mail folders: the top level, one by id or well-known name, and child folders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import DEFAULT_PAGE, context, keyed, page, user_context
from graphpost.graph.inmemory import matching, sorted_by
from graphpost.graph.keys import folder_at, folder_key
from graphpost.graph.prefer import read_preferences
from graphpost.graph.render import etag, folder_id
from graphpost.graph.schema import EntityType, Kind, Property, entity
from graphpost.graph.selection import flag_option, read_options, select_names
from graphpost.mail.mailbox import ROOT, Folder
from graphpost.store import folders
from graphpost.store.store import Tx

FOLDER: Final[EntityType] = entity(
    "microsoft.graph.mailFolder",
    Property("id", Kind.STRING, nullable=False),
    Property("displayName", Kind.STRING),
    Property("parentFolderId", Kind.STRING),
    Property("childFolderCount", Kind.INT32),
    Property("unreadItemCount", Kind.INT32),
    Property("totalItemCount", Kind.INT32),
    Property("isHidden", Kind.BOOLEAN),
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
    beta = call.version == "beta"
    names = select_names(FOLDER, options.select, beta=beta)
    folder = await call.services.store.read(lambda tx: folder_at(tx, call.box, number))
    where = context(call, user_context(call), "mailFolders", select=names, single=True)
    return Reply(
        body={"@odata.context": where, **folder_entity(folder, call.box.object_id.lower(), names, beta=beta)}
    )


async def _list(call: Call, parent: int, place: tuple[str, ...]) -> Reply:
    options, hidden = read_options(call), flag_option(call, "includeHiddenFolders")
    beta, mailbox = call.version == "beta", call.box.object_id.lower()
    names = select_names(FOLDER, options.select, beta=beta)

    def fetch(tx: Tx) -> list[Folder]:
        folder_at(tx, call.box, parent)
        return folders.children(tx, call.box.mailbox_id, parent, hidden)

    def value(folder: Folder, name: str) -> Any:
        return _GETTERS[name](folder, mailbox)

    found = matching(await call.services.store.read(fetch), options, FOLDER, value, call)
    found = sorted_by(found, options, FOLDER, value, call)
    entities = [folder_entity(folder, mailbox, names, beta=beta) for folder in found]
    top = options.top or read_preferences(call.headers).page_size or DEFAULT_PAGE
    where = context(call, *place, select=names)
    return Reply(body=page(call, where, entities, options.skip, top, count=options.count))
