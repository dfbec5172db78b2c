"""`$search` on messages: the last 250 of those meant, the latest sent first.

The first page decides which those are; the token of the next ones says between which ids they lie, and behind which
message the page begins.  So the pages of one search hold together whatever comes meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from graphpost.errors import AccessDenied, BadRequest
from graphpost.graph.call import Call
from graphpost.graph.keys import folder_at, folder_key
from graphpost.graph.messages.listing import Keep, Page, Read, keep_all
from graphpost.graph.queries.holding import read_page
from graphpost.graph.queries.paging import read_token, write_token
from graphpost.graph.queries.selection import is_basic
from graphpost.odata.errors import ODataError
from graphpost.odata.query import Options
from graphpost.odata.search import parse_search
from graphpost.odata.sought import Sought
from graphpost.store.search import searching
from graphpost.store.search.searching import Place, Search
from graphpost.store.search.words import HIGHEST
from graphpost.store.store import Tx

MOST: Final = 250
_EXCLUDED: Final = (
    ("$filter", "SearchWithFilter"),
    ("$orderBy", "SearchWithOrderBy"),
    ("$skip", "SearchWithSkip"),
)


@dataclass(frozen=True, slots=True)
class Window:
    """The ids between which the search's messages are, and the place (sentDateTime, id) behind which the page begins."""

    lowest: int = 0
    highest: int = HIGHEST
    after: Place | None = None


async def find_sought(call: Call, options: Options, top: int, keep: Keep) -> Page:
    """A page of what the search finds; 400 when it cannot be searched for."""
    sought, window, store = read_search(call, options), _window(options), call.services.store
    search = Search(call.box.mailbox_id, folder_key(call), sought, window.highest, window.lowest)
    search = await store.read(partial(_begin, call=call, search=search))
    found: list[Place] = []
    while len(found) < MOST and not search.is_over:
        call.check_client()
        look = partial(searching.look, search=search, wanted=MOST - len(found))
        more, search = await store.read(look)
        found += more
    call.services.searched(call.box.mailbox_id)
    found = found[:MOST]
    left = sorted((each for each in found if window.after is None or each < window.after), reverse=True)
    page, held = await read_page(
        call, partial(_keep, call=call, search=search, places=left, top=top, keep=keep)
    )
    if page.last is None:
        return Page(page.found, None, None, held)
    ids = (found[-1][1], found[0][1]) if window.after is None else (window.lowest, window.highest)
    return Page(page.found, {"$skiptoken": write_token((*ids, *page.last[1]))}, None, held)


def read_search(call: Call, options: Options) -> Sought:
    """What the call's `$search` looks for."""
    for name, code in _EXCLUDED:
        if name.lower() in call.query:
            raise BadRequest(f"The query parameter '{name}' is not supported with '$search'.", code)
    if is_basic(call):
        raise AccessDenied
    try:
        return parse_search(options.search or "", call.services.clock.now())
    except ODataError as error:
        raise BadRequest(error.message) from error


def _window(options: Options) -> Window:
    if not options.skip_token:
        return Window()
    lowest, highest, sent_at, number = read_token(options.skip_token, [int, int, int, int])
    return Window(lowest, highest, (sent_at, number))


def _begin(tx: Tx, call: Call, search: Search) -> Search:
    if search.folder_id is not None:
        folder_at(tx, call.box, search.folder_id)
    return searching.begin(tx, search)


def _keep(
    tx: Tx, portion: int, call: Call, search: Search, places: list[Place], top: int, keep: Keep
) -> Read:
    """The messages at the first of these places, with what they have stored."""
    items, number = searching.fetch(tx, search, places[:top], portion)
    found = keep_all(tx, items, keep, call.services.blobs, portion)
    if len(found) < len(items):
        ids = [place[1] for place in places]
        number = ids.index(found[-1][0].message_id) + 1
    last = (number, places[number - 1]) if number < len(places) else None
    return Read(found, last, number < len(places[:top]))
