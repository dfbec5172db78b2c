"""Changing mail folders: create, rename, delete, move, copy.

Folders that every mailbox has stay where they are and what they are called.  Whatever looks at the tree and then changes
it holds the tree in between.  Deleting and copying of what is large goes on in steps (`store.mailbox.trees`); the answer is
given after the last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from graphpost.errors import AccessDenied, BadRequest, Conflict, NotFound
from graphpost.graph import receipting
from graphpost.graph.bodies.payload import media_kind, read_json
from graphpost.graph.bodies.values import READ, clip, fold, read_boolean, read_line, read_string, type_name
from graphpost.graph.call import Call, Reply
from graphpost.graph.conditions import check_version
from graphpost.graph.envelope import context, user_context
from graphpost.graph.folders.properties import read_properties, set_properties
from graphpost.graph.folders.reading import folder_entity
from graphpost.graph.keys import folder_at, folder_key, folder_number
from graphpost.graph.render import folder_id
from graphpost.mail.mailbox import DELETED_ITEMS, ROOT, WELL_KNOWN, Folder
from graphpost.mail.message import Item
from graphpost.store.mailbox import deferrals, folders, trees
from graphpost.store.mailbox.trees import Copying
from graphpost.store.store import Tx

NAME_LENGTH: Final = 255  # characters, as in Exchange
DEPTH: Final = 300  # folders inside each other, as in Exchange
_NONE: Final[Mapping[str, str]] = {}
_BINS: Final = frozenset({DELETED_ITEMS, WELL_KNOWN["recoverableitemsdeletions"][0]})
_FIXED: Final = frozenset(number for number, _ in WELL_KNOWN.values())


async def create_folder(call: Call) -> Reply:
    """POST …/mailFolders: a folder of the top level."""
    return await _create(call, ROOT)


async def create_child_folder(call: Call) -> Reply:
    """POST …/mailFolders/{folder}/childFolders."""
    return await _create(call, _number(call))


async def rename_folder(call: Call) -> Reply:
    """PATCH …/mailFolders/{folder}: its name and its extended properties are all that can be changed."""
    number, members = _number(call), _members(call)
    given = read_properties(members)
    name = _name(members) if "displayname" in members else None
    if name is not None and number in _FIXED:
        raise AccessDenied("The default folders cannot be renamed.")

    def rename(tx: Tx) -> Folder:
        folder = _held(tx, call, number)
        if name is not None and name != folder.name:
            _check_free(tx, folder.mailbox_id, folder.parent_id, name, number)
        elif not given:
            return folder
        if given:
            set_properties(tx, folder, given)
        return folders.change(tx, folder, replace(folder, name=name or folder.name))

    return _shown(call, await call.services.store.write(rename))


async def delete_folder(call: Call) -> Reply:
    """DELETE …/mailFolders/{folder}: into Deleted Items with all that is in it; gone when it is below that already."""
    number = _erasable(call)

    unread = _told(call)

    def throw_away(tx: Tx) -> bool:
        folder = _held(tx, call, number)
        if _BINS.intersection(folders.ancestors(tx, folder.mailbox_id, number)):
            return trees.erase_step(tx, folder.mailbox_id, number, unread=unread)
        name = folders.free_name(tx, folder.mailbox_id, DELETED_ITEMS, folder.name, NAME_LENGTH)
        deferrals.remove_below(tx, folder.mailbox_id, number)
        folders.change(tx, folder, replace(folder, parent_id=DELETED_ITEMS, name=name))
        return True

    if not await call.services.store.write(throw_away):
        await _erase(call, number)
    return Reply(204)


async def delete_folder_for_good(call: Call) -> Reply:
    """POST …/mailFolders/{folder}/permanentDelete."""
    number, unread = _erasable(call), _told(call)

    def begin(tx: Tx) -> bool:
        return trees.erase_step(tx, _held(tx, call, number).mailbox_id, number, unread=unread)

    if not await call.services.store.write(begin):
        await _erase(call, number)
    return Reply(204)


async def move_folder(call: Call) -> Reply:
    """POST …/mailFolders/{folder}/move."""
    number, destination = _number(call), _destination(call, "move")
    if number in _FIXED:
        raise BadRequest("Cannot move distinguished folder.", "ErrorMoveDistinguishedFolder")

    def move(tx: Tx) -> Folder:
        folder = _held(tx, call, number)
        _check_destination(tx, call, number, destination)
        if folder.parent_id == destination:
            return folder
        _check_free(tx, folder.mailbox_id, destination, folder.name)
        if _BINS.intersection(folders.ancestors(tx, folder.mailbox_id, destination)):
            deferrals.remove_below(tx, folder.mailbox_id, number)
        return folders.change(tx, folder, replace(folder, parent_id=destination))

    return _shown(call, await call.services.store.write(move))


async def copy_folder(call: Call) -> Reply:
    """POST …/mailFolders/{folder}/copy: with all that is in it."""
    number, destination = _number(call), _destination(call, "copy")
    services, box = call.services, call.box.mailbox_id
    until, top, now = services.numbers.next(), services.numbers.next(), services.clock.now()
    numbers = _first(top, services.numbers.next)

    def begin(tx: Tx) -> Copying:
        folder = _held(tx, call, number)
        _check_destination(tx, call, number, destination)
        _check_free(tx, box, destination, folder.name)
        if services.quotas.bound(call.box):
            services.quotas.check_growth(tx, call.box, trees.size_of(tx, box, number))
        waiting = ((number, destination),)
        return trees.copy_step(tx, Copying(box, waiting, until), numbers(), now)

    copying = await services.store.write(begin)
    while not copying.is_done:
        copying = await services.store.write(_going_on(copying, services.numbers.next, now))
    return _shown(call, await services.store.read(lambda tx: folder_at(tx, call.box, top)))


def _first(number: int, others: Callable[[], int]) -> Callable[[], Callable[[], int]]:
    """Sources of numbers that each begin with the one given: a write may be run more than once."""

    def start() -> Callable[[], int]:
        given = [number]
        return lambda: given.pop() if given else others()

    return start


def _going_on(copying: Copying, number: Callable[[], int], now: int) -> Callable[[Tx], Copying]:
    return lambda tx: trees.copy_step(tx, copying, number, now)


async def _create(call: Call, parent: int) -> Reply:
    members = _members(call)
    if type_name(members) == "mailsearchfolder":
        raise BadRequest("Search folders are not supported by this server.", "NotSupported")
    name, is_hidden = _name(members), read_boolean(members.get("ishidden"), "isHidden") or False
    given = read_properties(members)
    folder = Folder(
        mailbox_id=call.box.mailbox_id,
        folder_id=call.services.numbers.next(),
        parent_id=parent,
        name=name,
        is_hidden=is_hidden,
    )

    def create(tx: Tx) -> None:
        folders.hold_tree(tx, folder.mailbox_id)
        folder_at(tx, call.box, parent)
        if len(folders.ancestors(tx, folder.mailbox_id, parent)) >= DEPTH:
            raise BadRequest("The folder would be nested too deeply.", "ErrorFolderSave")
        if not folders.add(tx, folder):
            raise _exists(f"., Could not create folder '{clip(name)}'.")
        if given:
            set_properties(tx, folder, given)

    await call.services.store.write(create)
    key = folder_id(call.box.object_id.lower(), folder.folder_id)
    return _shown(call, folder, 201, {"Location": f"{call.base}/{user_context(call)}/mailFolders('{key}')"})


async def _erase(call: Call, number: int) -> None:
    box, unread = call.box.mailbox_id, _told(call)
    while not await call.services.store.write(lambda tx: trees.erase_step(tx, box, number, unread=unread)):
        pass


def _told(call: Call) -> Callable[[Tx, Item], object]:
    """Tells of what goes unread who wanted to know."""
    now = call.services.clock.now()
    return lambda tx, item: receipting.unread(tx, call, item, now)


def _held(tx: Tx, call: Call, number: int) -> Folder:
    """The folder in the path, in a tree that holds still, when it is the version the client knows."""
    folders.hold_tree(tx, call.box.mailbox_id)
    folder = folder_at(tx, call.box, number)
    check_version(call, folder.folder_id, folder.version)
    return folder


def _check_destination(tx: Tx, call: Call, number: int, destination: int) -> None:
    folder_at(tx, call.box, destination)
    above = folders.ancestors(tx, call.box.mailbox_id, destination)
    if number in above or len(above) >= DEPTH:
        raise BadRequest("The move or copy operation failed.", "ErrorMoveCopyFailed")


def _check_free(tx: Tx, mailbox_id: int, parent: int, name: str, but: int = 0) -> None:
    """Refuse a name that the parent has a folder of (another one than `but`)."""
    there = folders.find(tx, mailbox_id, parent, name)
    if there is not None and there.folder_id != but:
        raise _exists(".")


def _exists(rest: str) -> Conflict:
    return Conflict(f"A folder with the specified name already exists{rest}")


def _number(call: Call) -> int:
    number = folder_key(call)
    assert number is not None
    return number


def _erasable(call: Call) -> int:
    number = _number(call)
    if number in _FIXED:
        raise BadRequest("Distinguished folders cannot be deleted.", "ErrorDeleteDistinguishedFolder")
    return number


def _members(call: Call) -> dict[str, Any]:
    """The JSON object in the body, its names in lower case."""
    if media_kind(call.headers.get("content-type"), call.body) != "json":
        raise BadRequest("were unable to deserialize ", "UnableToDeserializePostBody")
    return fold(read_json(call.body, call.services.limits.json_depth))


def _name(members: dict[str, Any]) -> str:
    name = read_line(members.get("displayname"), "displayName").strip()
    if not name:
        raise BadRequest("The folder needs a displayName.", "ErrorInvalidParameter")
    if len(name) > NAME_LENGTH:
        raise BadRequest(f"The displayName is longer than {NAME_LENGTH} characters.", "ErrorInvalidParameter")
    return name


def _destination(call: Call, operation: str) -> int:
    """The folder that the body names by id or well-known name."""
    text = read_string(_members(call).get("destinationid"), "DestinationId").strip()
    if not text:
        raise BadRequest(
            f"One or more parameters of the operation '{operation}' are missing from the request payload. "
            "The missing parameters are: DestinationId.",
            READ,
        )
    number = folder_number(call.box, text)
    if not number:
        raise NotFound
    return number


def _shown(call: Call, folder: Folder, status: int = 200, headers: Mapping[str, str] = _NONE) -> Reply:
    """The folder as an answer."""
    entity = folder_entity(folder, call.box.object_id.lower(), beta=call.version == "beta")
    where = context(call, user_context(call), "mailFolders", single=True)
    return Reply(
        status, body={"@odata.context": where, **entity}, headers={"ETag": entity["@odata.etag"], **headers}
    )
