"""Pages of messages: which ones, and where the next page begins.

A page begins behind a place in the order (`$skiptoken`) or after a number of messages (`$skip`).  nextLinks have both, and
the token wins: a walk shows every message once that stays as it is, whatever comes and goes meanwhile.  A filter that the
columns answer is one statement; for any other the messages are read in chunks, each chunk in a transaction of its own and
in the store's threads.  A page has as many messages as there is room for in memory (`queries.holding`), however many are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from graphpost.errors import BadRequest
from graphpost.graph.attachments.attached import Stored
from graphpost.graph.call import LIGHT, Call
from graphpost.graph.keys import folder_at, folder_key
from graphpost.graph.queries.filtering import Filter, message_filter
from graphpost.graph.queries.holding import Held, read_page, size_of
from graphpost.graph.queries.paging import read_token, write_token
from graphpost.graph.queries.selection import message_order
from graphpost.mail.mailbox import NO_FOLDER, RECOVERABLE
from graphpost.mail.message import Item
from graphpost.odata.query import Options
from graphpost.store.blobs import Blobs
from graphpost.store.mailbox import messages
from graphpost.store.mailbox.pages import NEWEST, Key, Slot, place_of
from graphpost.store.mailbox.rows import sort_key
from graphpost.store.mailbox.where import key_type
from graphpost.store.store import Tx

CHUNK: Final = 200  # messages looked at in one transaction
_SORTED: Final = 20_000  # places kept in memory, about
_SPARE: Final = 5_000  # between two times that they are sorted

Keep = Callable[[Tx, Item, Blobs], Stored]
Found = list[tuple[Item, Stored]]
Last = tuple[int, Key]  # of a page behind which there is another: how many it goes over, and where it ends


@dataclass(frozen=True, slots=True)
class Listing:
    """Messages of a folder (None: of all), filtered and ordered; those in `slot` are asked for."""

    folder: int | None
    filter: Filter
    slot: Slot
    skipped: int  # as `$skip` counts them
    has_count: bool = False

    @property
    def is_by_time(self) -> bool:
        """Whether it is in an order that the store can walk along."""
        return [column for column, _ in self.slot.order] == ["received_at"]


@dataclass(frozen=True, slots=True)
class Page:
    """`shown`: messages and what they have stored; `more`: the options of the next page, None when there is none."""

    shown: Found
    more: dict[str, str] | None
    total: int | None
    held: Held | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """What a transaction read of a page: what is shown, and what comes behind; whether it was cut for its size."""

    found: Found
    last: Last | None
    is_cut: bool
    total: int | None = None

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        return size_of(item for item, _ in self.found) + sum(stored.held for _, stored in self.found)


def read_listing(call: Call, options: Options, top: int = 0) -> Listing:
    """What the call's options ask for; 400 when that cannot be had."""
    order = message_order(options, call)
    after = None
    if options.skip_token:
        after = read_token(options.skip_token, [*(key_type(column) for column, _ in order), int])
    slot = Slot(order, after, 0 if after else options.skip, top)
    return Listing(folder_key(call), message_filter(options.filter, call), slot, options.skip, options.count)


async def find_page(call: Call, listing: Listing, keep: Keep) -> Page:
    """The messages in the listing's slot, or as many of the first ones as there is room for."""
    if listing.filter.rest is None:
        page, held = await read_page(call, partial(_read, call=call, listing=listing, keep=keep))
        total = page.total
    else:
        total = await count_all(call, listing) if listing.has_count else None
        keys = await _walk(call, listing)
        fetch = partial(_fetch, call=call, listing=listing, keys=keys, keep=keep)
        page, held = await read_page(call, fetch)
    if page.last is None:
        return Page(page.found, None, total, held)
    number, place = page.last
    more = {"$skip": str(listing.skipped + number), "$skiptoken": write_token(place)}
    return Page(page.found, more, total, held)


def keep_all(tx: Tx, items: Sequence[Item], keep: Keep, blobs: Blobs, portion: int) -> Found:
    """The first messages with what they have stored, as far as that is within the portion; at least one."""
    found: Found = []
    held = 0
    for item in items:
        if held > portion:
            break
        found.append((item, keep(tx, item, blobs)))
        held += found[-1][1].held
    return found


async def count_all(call: Call, listing: Listing) -> int:
    """How many messages the listing has, wherever its slot is."""
    if listing.filter.rest is None:
        return await call.services.store.read(partial(_count, call=call, listing=listing))
    total, slot = 0, Slot(NEWEST, None, 0, CHUNK, LIGHT)
    while slot.top:
        call.check_client()
        keys, slot = await call.services.store.read(partial(_look, call=call, listing=listing, slot=slot))
        total += len(keys)
    return total


def _read(tx: Tx, portion: int, call: Call, listing: Listing, keep: Keep) -> Read:
    """The page by what the columns answer; and the number of all."""
    total = _count(tx, call, listing) if listing.has_count else None
    if listing.folder is not None:
        folder_at(tx, call.box, listing.folder)
    slot = listing.slot
    asked = replace(slot, top=slot.top + 1, portion=portion)
    flagged, is_cut = messages.find_flagged(
        tx, call.box.mailbox_id, (), asked, folder_id=listing.folder, where=listing.filter.where
    )
    items = [item for item, _ in flagged[: slot.top]]
    found = keep_all(tx, items, keep, call.services.blobs, portion)
    if not is_cut and len(found) == len(flagged):
        return Read(found, None, is_cut=False, total=total)
    last = (len(found), sort_key(found[-1][0], slot.order))
    return Read(found, last, len(found) < min(slot.top, len(items) + is_cut), total)


def _count(tx: Tx, call: Call, listing: Listing) -> int:
    where = listing.filter.where
    if listing.folder is None:
        return messages.count(tx, call.box.mailbox_id, None, where)
    found = folder_at(tx, call.box, listing.folder)
    return (
        found.total_count if where is None else messages.count(tx, found.mailbox_id, found.folder_id, where)
    )


async def _walk(call: Call, listing: Listing) -> list[Key]:
    """The places of the messages in the slot and of one more, found by looking at all that come before."""
    return await (_along if listing.is_by_time else _sorted)(call, listing)


async def _along(call: Call, listing: Listing) -> list[Key]:
    """In the order that the store walks along: until there are enough."""
    slot, skip = listing.slot, listing.slot.skip
    chunk = Slot(slot.order, slot.after, 0, CHUNK, LIGHT)
    found: list[Key] = []
    while chunk.top and len(found) <= slot.top:
        call.check_client()
        keys, chunk = await call.services.store.read(partial(_look, call=call, listing=listing, slot=chunk))
        found += keys[skip:]
        skip = max(0, skip - len(keys))
    return found[: slot.top + 1]


async def _sorted(call: Call, listing: Listing) -> list[Key]:
    """In any order: all have to be looked at."""
    slot = listing.slot
    wanted, place = slot.skip + slot.top + 1, place_of(slot.order)
    if wanted > _SORTED:
        raise BadRequest(
            "The restriction or sort order is too complex for this operation.", "InefficientFilter"
        )
    first = None if slot.after is None else place(slot.after)
    chunk = Slot(NEWEST, None, 0, CHUNK, LIGHT)
    found: list[Key] = []
    while chunk.top:
        call.check_client()
        keys, chunk = await call.services.store.read(partial(_look, call=call, listing=listing, slot=chunk))
        found += [key for key in keys if first is None or place(key) > first]
        if len(found) > wanted + _SPARE or not chunk.top:
            found = sorted(found, key=place)[:wanted]
    return found[slot.skip :]


def _look(tx: Tx, call: Call, listing: Listing, slot: Slot) -> tuple[list[Key], Slot]:
    """The places of those messages in a chunk that meet the filter; and the next chunk, without any when it is over."""
    if listing.folder is not None:
        folder_at(tx, call.box, listing.folder)
    asked = listing.filter
    found, is_cut = messages.find_flagged(
        tx, call.box.mailbox_id, asked.flags, slot, folder_id=listing.folder, where=asked.where
    )
    keys = [sort_key(item, listing.slot.order) for item, flags in found if asked.holds(item.message, flags)]
    if not is_cut and len(found) < slot.top:
        return keys, Slot(slot.order, None, 0, 0)
    return keys, Slot(slot.order, sort_key(found[-1][0], slot.order), 0, slot.top, slot.portion)


def _fetch(tx: Tx, portion: int, call: Call, listing: Listing, keys: list[Key], keep: Keep) -> Read:
    """The messages that are still at the first places of the slot; `keys` are these and one more."""
    asked = keys[: listing.slot.top]
    items, rest = messages.get_some(tx, call.box.mailbox_id, [key[-1] for key in asked], portion)
    places = {key[-1]: key for key in asked}
    there = [item for item in items if _is_at(listing, item, places[item.message_id])]
    found = keep_all(tx, there, keep, call.services.blobs, portion)
    number = len(asked) - len(rest)
    if len(found) < len(there):
        number = asked.index(places[found[-1][0].message_id]) + 1
    last = (number, asked[number - 1]) if number < len(keys) else None
    return Read(found, last, number < len(asked))


def _is_at(listing: Listing, item: Item, place: Key) -> bool:
    if sort_key(item, listing.slot.order) != place:
        return False
    if listing.folder is None:
        return item.folder_id not in (NO_FOLDER, RECOVERABLE)
    return item.folder_id == listing.folder
