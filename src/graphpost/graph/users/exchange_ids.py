"""Ids of items and folders from one of Exchange's formats to another.

Two things are told apart: an id that changes with the item's place and one that does not.  The other formats are spellings:
`ewsId` is in base64 as it usually is, the others in the form for URLs.
"""

from __future__ import annotations

from typing import Any, Final

from graphpost.errors import BadRequest, GraphError
from graphpost.graph.bodies.values import READ, read_array, read_string, read_word
from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import context
from graphpost.graph.keys import folder_at, folder_number, item_at, item_key
from graphpost.graph.model import ENUMS
from graphpost.graph.writing import json_members
from graphpost.ids import folder_id_text, message_id_text
from graphpost.store.store import Tx

MAX_IDS: Final = 1000
FORMATS: Final = ENUMS["exchangeIdFormat"]

_IMMUTABLE: Final = frozenset({"immutableEntryId", "restImmutableEntryId"})
_TO_URL: Final = str.maketrans("+/", "-_")
_FROM_URL: Final = str.maketrans("-_", "+/")


async def translate_ids(call: Call) -> Reply:
    """`POST …/translateExchangeIds`: each id in the wanted format, or why it has none."""
    members = json_members(call)
    ids = [read_string(each, "InputIds") for each in read_array(members.get("inputids"), "InputIds")]
    if len(ids) > MAX_IDS:
        raise BadRequest(f"The number of ids exceeds the maximum of {MAX_IDS}.", "ErrorInvalidParameter")
    source, target = (_format(members, name) for name in ("SourceIdType", "TargetIdType"))

    def translate(tx: Tx) -> list[dict[str, Any]]:
        return [_result(tx, call, each, source, target) for each in ids]

    found = await call.services.store.read(translate)
    where = context(call, "Collection(microsoft.graph.convertIdResult)")
    return Reply(body={"@odata.context": where, "value": found})


def _format(members: dict[str, Any], name: str) -> str:
    word = read_word(members.get(name.lower()), name, FORMATS, "microsoft.graph.exchangeIdFormat")
    if word is None:
        raise BadRequest(
            "One or more parameters of the operation 'translateExchangeIds' are missing from the request payload. "
            f"The missing parameters are: {name}.",
            READ,
        )
    return word


def _result(tx: Tx, call: Call, text: str, source: str, target: str) -> dict[str, Any]:
    spelt = text.translate(_TO_URL) if source == "ewsId" else text
    try:
        found = _translated(tx, call, spelt, immutable=target in _IMMUTABLE)
    except GraphError as error:
        return {"sourceId": text, "errorDetails": {"code": error.code, "message": error.message}}
    return {"sourceId": text, "targetId": found.translate(_FROM_URL) if target == "ewsId" else found}


def _translated(tx: Tx, call: Call, text: str, *, immutable: bool) -> str:
    box = call.box
    try:
        key = item_key(text, box)
    except BadRequest:  # a folder has one id for good
        number = folder_number(box, text)
        return folder_id_text(box.object_id, folder_at(tx, box, number).folder_id)
    item = item_at(tx, box, key)
    return message_id_text(box.object_id, item.message_id, item.moves, immutable=immutable)
