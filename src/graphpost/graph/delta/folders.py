"""Delta queries on mail folders: all of them first, then rounds of changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from graphpost.graph.call import Call, Reply
from graphpost.graph.delta.messages import begin_enumerating, begin_round, check_options, end_round, removed
from graphpost.graph.delta.tokens import SyncState, link, read_token, remembered
from graphpost.graph.envelope import DEFAULT_PAGE
from graphpost.graph.folders.reading import FolderForm, folder_form
from graphpost.graph.prefer import read_preferences
from graphpost.graph.queries.selection import check_expand, read_options
from graphpost.graph.render import folder_id
from graphpost.mail.mailbox import ROOT, Folder
from graphpost.store.mailbox import changes, folders
from graphpost.store.mailbox.changes import Mark
from graphpost.store.store import Tx

TYPE: Final = "#microsoft.graph.mailFolder"
_REFUSED: Final = ("$filter", "$orderby")


@dataclass(frozen=True, slots=True)
class Page:
    """What one answer tells, and where the next one begins."""

    entries: list[dict[str, Any]]
    state: SyncState
    is_last: bool


async def folder_delta(call: Call) -> Reply:
    """GET …/mailFolders/delta."""
    state = read_token(call, "folders", ROOT) or _beginning(call)
    asked = replace(call, query=state.query)
    options = read_options(asked)
    check_expand(options.expand)
    form = folder_form(asked, options)
    top = read_preferences(call.headers).page_size or options.top or DEFAULT_PAGE
    page = await call.services.store.read(lambda tx: _page(tx, call, state, form, top))
    body = {
        "@odata.context": f"{call.base}/$metadata#Collection(mailFolder)",
        **link(call, page.state, is_last=page.is_last),
        "value": page.entries,
    }
    return Reply(body=body)


def _beginning(call: Call) -> SyncState:
    check_options(call, *_REFUSED)
    owner = call.box.object_id.lower()
    return SyncState("folders", owner, ROOT, -1, 0, True, (0, 0), remembered(call.query))


def _page(tx: Tx, call: Call, state: SyncState, form: FolderForm, top: int) -> Page:
    read = _enumerate if state.is_enumerating else _follow
    found, state, is_last = read(tx, call, state, top)
    entries = [
        removed(TYPE, folder_id(call.box.object_id.lower(), number))
        if folder is None
        else {"@odata.type": TYPE, **form.entity(tx, folder)}
        for number, folder in found
        if folder is None or (folder.folder_id != ROOT and (form.hidden or not folder.is_hidden))
    ]
    return Page(entries, end_round(state) if is_last else state, is_last)


Found = Sequence[tuple[int, Folder | None]]


def _enumerate(tx: Tx, call: Call, state: SyncState, top: int) -> tuple[Found, SyncState, bool]:
    state = begin_enumerating(tx, state)
    found = folders.listed(tx, call.box.mailbox_id, state.at[1], top + 1)
    shown = [(folder.folder_id, folder) for folder in found[:top]]
    if shown:
        state = replace(state, at=(0, shown[-1][0]))
    return shown, state, len(found) <= top


def _follow(tx: Tx, call: Call, state: SyncState, top: int) -> tuple[Found, SyncState, bool]:
    state = begin_round(tx, state)
    found = changes.folders_since(tx, call.box.mailbox_id, Mark(*state.at), state.until, top + 1)
    shown = found[:top]
    if shown:
        state = replace(state, at=tuple(shown[-1].mark))
    return [(change.folder_id, change.folder) for change in shown], state, len(found) <= top
