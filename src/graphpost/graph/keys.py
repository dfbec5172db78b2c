"""The keys in a path as what they name: a message, an attachment, a folder.

A text that is no id of ours is 400 ErrorInvalidIdMalformed.  One that names something of another mailbox, something that
is gone, or a place where the message no longer is, is 404 ErrorItemNotFound: whoever asks learns nothing from it.
"""

from __future__ import annotations

from graphpost.errors import BadRequest, NotFound
from graphpost.graph.call import Call
from graphpost.ids import ItemId, parse_folder_id, parse_item_id
from graphpost.mail.mailbox import NO_FOLDER, WELL_KNOWN, Folder, Mailbox
from graphpost.mail.message import Attachment, Item
from graphpost.store.mailbox import folders, messages
from graphpost.store.store import Tx


def message_key(call: Call) -> ItemId:
    """What the path's `message` names."""
    return item_key(call.captures["message"], call.box)


def item_key(text: str, mailbox: Mailbox) -> ItemId:
    """The message of the mailbox that a text names."""
    key = _item_id(text)
    if key.attachment_id is not None:
        raise BadRequest("Id is malformed.", "ErrorInvalidIdMalformed")
    _check_mailbox(key.mailbox, mailbox)
    return key


def attachment_number(call: Call) -> int:
    """Which of its message's attachments the path's `attachment` names, wherever the message is by now."""
    key = _item_id(call.captures["attachment"])
    if key.attachment_id is None:
        raise BadRequest("Id is malformed.", "ErrorInvalidIdMalformed")
    _check_mailbox(key.mailbox, call.box)
    if key.message_id != message_key(call).message_id:
        raise NotFound
    return key.attachment_id


def folder_key(call: Call) -> int | None:
    """The number of the folder in the path; None when the path names none."""
    text = call.captures.get("folder")
    return None if text is None else folder_number(call.box, text)


def folder_number(mailbox: Mailbox, text: str) -> int:
    """The number of the folder with that id, or that well-known name in any case."""
    if known := WELL_KNOWN.get(text.lower()):
        return known[0]
    try:
        owner, number = parse_folder_id(text)
    except ValueError as error:
        raise BadRequest("Id is malformed.", "ErrorInvalidIdMalformed") from error
    _check_mailbox(owner, mailbox)
    return number


def item_at(tx: Tx, mailbox: Mailbox, key: ItemId, folder: int | None = None) -> Item:
    """The message, if it still is where the key (and the folder in the path) says."""
    item = messages.get(tx, mailbox.mailbox_id, key.message_id)
    if item is None or item.folder_id == NO_FOLDER or key.moves not in (None, item.moves):
        raise NotFound
    if folder is not None and item.folder_id != folder:
        raise NotFound
    return item


def folder_at(tx: Tx, mailbox: Mailbox, number: int) -> Folder:
    found = folders.get(tx, mailbox.mailbox_id, number) if number != NO_FOLDER else None
    if found is None:
        raise NotFound
    return found


def check_destination(tx: Tx, mailbox: Mailbox, number: int) -> None:
    """404 unless there is that folder; it stays until the end of this write."""
    if number == NO_FOLDER or folders.share(tx, mailbox.mailbox_id, number) is None:
        raise NotFound


def attachment_of(item: Item, number: int) -> Attachment:
    for attachment in item.message.attachments:
        if attachment.attachment_id == number:
            return attachment
    raise NotFound


def _item_id(text: str) -> ItemId:
    try:
        return parse_item_id(text)
    except ValueError as error:
        raise BadRequest("Id is malformed.", "ErrorInvalidIdMalformed") from error


def _check_mailbox(owner: str, mailbox: Mailbox) -> None:
    if owner != mailbox.object_id.lower():
        raise NotFound
