"""Delta queries on messages: all of a folder first, then rounds of changes.

A round has an end that was fixed when it began, so it ends however much changes meanwhile; what changes later comes in
the next one.  Enumerating is the first round's beginning: pages by time, the newest first, that neither repeat nor
leave out what stays in the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.errors import BadRequest, Gone
from graphpost.graph.attachments.attached import Stored
from graphpost.graph.call import Call, Reply
from graphpost.graph.delta.tokens import SyncState, link, read_token, remembered
from graphpost.graph.envelope import DEFAULT_PAGE
from graphpost.graph.keys import folder_at, folder_key
from graphpost.graph.messages.reading import Reading, page_reply, read_messages
from graphpost.graph.queries.holding import Entities, read_page, size_of
from graphpost.ids import message_id_text
from graphpost.mail.message import Item
from graphpost.odata.query import Options
from graphpost.odata.tree import Comparison, Literal, Node, Path
from graphpost.store.mailbox import changes
from graphpost.store.mailbox.changes import Change, Mark
from graphpost.store.store import Tx

TYPE: Final = "#microsoft.graph.message"
_KINDS: Final = ("created", "updated", "deleted")
_REFUSED: Final = ("$search", "$skip", "$count")
_MOST_LOOKED_AT: Final = 1000  # changes in one request of which few are wanted
_NEWEST: Final = (2**62, 0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which changes a client wants: of which kinds, and of messages received when."""

    kinds: frozenset[str]
    oldest: Instant

    def has(self, change: Change) -> bool:
        """Departures are told whenever the message came: nothing else is known of it any more."""
        if change.kind not in self.kinds:
            return False
        return change.item is None or change.item.received_at >= self.oldest


@dataclass(frozen=True, slots=True)
class Page:
    """What one answer tells, and where the next one begins."""

    changes: Sequence[Change]
    stored: Sequence[Stored]
    state: SyncState
    is_last: bool
    is_cut: bool  # it is shorter than it was asked for: for its size, or because little was wanted

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        return size_of(change.item for change in self.changes) + sum(each.held for each in self.stored)


async def message_delta(call: Call) -> Reply:
    """GET …/mailFolders/{folder}/messages/delta."""
    folder = folder_key(call)
    assert folder is not None
    state = read_token(call, "messages", folder) or _beginning(call, folder)
    asked = replace(call, query=state.query)
    reading = read_messages(asked)
    wanted = Wanted(_kinds(asked), _oldest(reading.options))
    top = reading.preferences.page_size or reading.options.top or DEFAULT_PAGE
    fetch = _fetching(asked, state, reading, wanted, top)
    page, held = await read_page(call, fetch)
    entities: Entities = [
        (change.item, partial(_entry, change, stored, reading))
        for change, stored in zip(page.changes, page.stored, strict=True)
    ]
    envelope = {
        "@odata.context": f"{call.base}/$metadata#Collection(message)",
        **link(call, page.state, is_last=page.is_last),
    }
    del page  # a large one is forgotten as it is written
    return await page_reply(call, reading, envelope, entities, held)


async def refuse_delta(call: Call) -> Reply:
    """GET …/messages/delta: changes are tracked by folder."""
    raise BadRequest(
        "Unsupported request: Change tracking is not supported against 'microsoft.graph.message'."
    )


def check_options(call: Call, *more: str) -> None:
    """400 for query options that make no sense for changes, and for more of them."""
    for name in (*_REFUSED, *more):
        if name in call.query:
            raise BadRequest(f"The query option '{name}' is not supported with change tracking.")


def begin_round(tx: Tx, state: SyncState) -> SyncState:
    """The state with the end of its round; 410 when what happened since is not known any more."""
    latest = _check_age(tx, state)
    if state.until:
        return state
    return replace(state, until=latest, at=tuple(changes.after(state.since)))


def begin_enumerating(tx: Tx, state: SyncState) -> SyncState:
    """The state of an enumeration, whose first page is the end of its round: what changes from then on comes later."""
    if state.since >= 0:
        _check_age(tx, state)
        return state
    latest = changes.latest(tx)
    return replace(state, since=latest, until=latest)


def end_round(state: SyncState) -> SyncState:
    """What the next round begins with."""
    return replace(state, since=state.until, until=0, is_enumerating=False, at=(0, 0))


def removed(type_: str, id_: str) -> dict[str, Any]:
    """The entry of what is gone.  The reason is the same for what went to another folder, as Graph has it."""
    return {"@odata.type": type_, "id": id_, "@removed": {"reason": "deleted"}}


def _check_age(tx: Tx, state: SyncState) -> int:
    """The latest number; 410 when the state is older than what is known, or newer, as after a restored backup."""
    latest = changes.latest(tx)
    if not (changes.forgotten(tx) <= state.since <= latest and state.until <= latest):
        raise Gone
    return latest


def _beginning(call: Call, folder: int) -> SyncState:
    check_options(call)
    owner = call.box.object_id.lower()
    return SyncState("messages", owner, folder, -1, 0, True, _NEWEST, remembered(call.query))


def _fetching(
    call: Call, state: SyncState, reading: Reading, wanted: Wanted, top: int
) -> Callable[[Tx, int], Page]:
    def fetch(tx: Tx, portion: int) -> Page:
        folder_at(tx, call.box, state.folder)
        read = _enumerate if state.is_enumerating else _follow
        found, after, is_last = read(tx, call, state, wanted, top, portion)
        if reading.view.immutable:
            found = _without_returned(tx, call, state.folder, found)
        stored = _stored(tx, call, reading, found, portion)
        if len(stored) < len(found):
            found, is_last = found[: len(stored)], False
            after = replace(after, at=_place(state, found[-1]))
        return Page(
            found, stored, end_round(after) if is_last else after, is_last, not is_last and len(found) < top
        )

    return fetch


def _stored(tx: Tx, call: Call, reading: Reading, found: list[Change], portion: int) -> list[Stored]:
    """What the first of them have stored, as far as that is within the portion."""
    stored: list[Stored] = []
    held, blobs = 0, call.services.blobs
    for change in found:
        if held > portion:
            break
        item = change.item
        stored.append(Stored(blobs, {}) if item is None else reading.stored(tx, item, blobs))
        held += stored[-1].held
    return stored


def _place(state: SyncState, change: Change) -> tuple[int, int]:
    """Where what comes behind a change begins."""
    if state.is_enumerating and change.item is not None:
        return change.item.received_at, change.message_id
    return change.mark.changed, change.message_id


def _enumerate(
    tx: Tx, call: Call, state: SyncState, wanted: Wanted, top: int, portion: int
) -> tuple[list[Change], SyncState, bool]:
    state = begin_enumerating(tx, state)
    if "created" not in wanted.kinds:
        return [], state, True
    found, is_cut = changes.present(
        tx, call.box.mailbox_id, state.folder, state.at, wanted.oldest, top + 1, portion=portion
    )
    shown = found[:top]
    if shown:
        state = replace(state, at=(shown[-1].received_at, shown[-1].message_id))
    return [_arrived(item) for item in shown], state, not is_cut and len(found) <= top


def _follow(
    tx: Tx, call: Call, state: SyncState, wanted: Wanted, top: int, portion: int
) -> tuple[list[Change], SyncState, bool]:
    """The next changes of a round."""
    state = begin_round(tx, state)
    chosen: list[Change] = []
    looked_at = 0
    while True:
        room = top - len(chosen)
        found, is_cut = changes.messages_since(
            tx,
            call.box.mailbox_id,
            state.folder,
            Mark(*state.at),
            state.until,
            room + 1,
            since=state.since,
            portion=portion,
        )
        page = _first(found, room)
        chosen += [change for change in page if wanted.has(change)]
        looked_at += len(page)
        if page:
            state = replace(state, at=tuple(page[-1].mark))
        is_last = not is_cut and len(found) <= room
        if is_last or is_cut or len(chosen) >= top or looked_at >= _MOST_LOOKED_AT:
            return chosen, state, is_last


def _first(found: list[Change], room: int) -> list[Change]:
    """The first of them, and all that have the last one's mark: the next page begins behind it."""
    return [change for change in found if len(found) <= room or change.mark <= found[room - 1].mark]


def _without_returned(tx: Tx, call: Call, folder: int, found: list[Change]) -> list[Change]:
    """Without the departures of what came back: an immutable id is the same in its new place."""
    gone = [change.message_id for change in found if change.item is None]
    back = changes.among(tx, call.box.mailbox_id, folder, gone) if gone else set()
    return [change for change in found if change.item is not None or change.message_id not in back]


def _arrived(item: Item) -> Change:
    return Change(Mark(0, item.message_id), "created", item.folder_id, item.message_id, item.moves, item)


def _entry(change: Change, stored: Stored, reading: Reading) -> dict[str, Any]:
    if change.item is not None:
        return {"@odata.type": TYPE, **reading.entity(change.item, stored)}
    view = reading.view
    old = message_id_text(view.mailbox, change.message_id, change.moves, immutable=view.immutable)
    return removed(TYPE, old)


def _kinds(call: Call) -> frozenset[str]:
    text = call.query.get("changetype")
    if text is None:
        return frozenset(_KINDS)
    if text.strip().lower() not in _KINDS:
        raise BadRequest(
            f"Invalid value for the query parameter 'changeType'. It must be one of {', '.join(_KINDS)}."
        )
    return frozenset({text.strip().lower()})


def _oldest(options: Options) -> Instant:
    """Since when messages were received that are wanted; 400 for other conditions and orders."""
    order = [("/".join(each.path).lower(), each.descending) for each in options.order]
    if order not in ([], [("receiveddatetime", True)]):
        raise BadRequest(
            "With change tracking $orderby may be receivedDateTime desc only.", "ErrorInvalidUrlQuery"
        )
    return 0 if options.filter is None else _bound(options.filter)


def _bound(node: Node) -> Instant:
    match node:
        case Comparison("ge" | "gt" as operator, Path((name,)), Literal(int(instant), "datetime")) if (
            name.lower() == "receiveddatetime"
        ):
            return instant + (operator == "gt")
    raise BadRequest(
        "With change tracking $filter may compare receivedDateTime by ge or gt only.",
        "ErrorInvalidUrlQueryFilter",
    )
