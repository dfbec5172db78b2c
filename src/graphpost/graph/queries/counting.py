"""How many there are in a collection, by what lists it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec.structs import replace

from graphpost.graph.call import Call, Reply

Listing = Callable[[Call], Awaitable[Reply]]

_OPTIONS: Final = {"$count": "true", "$top": "1", "$select": "id"}
_OF_A_PAGE: Final = frozenset({"$skip", "$skiptoken", "$orderby", "$expand"})


def count_of(list_all: Listing) -> Listing:
    """GET …/$count of what `list_all` answers with a collection in memory: the number as text, after any `$filter`."""

    async def count(call: Call) -> Reply:
        query = {name: value for name, value in call.query.items() if name not in _OF_A_PAGE}
        reply = await list_all(replace(call, query=query | _OPTIONS))
        assert isinstance(reply.body, dict)
        return Reply(body=str(reply.body["@odata.count"]).encode(), content_type="text/plain")

    return count
