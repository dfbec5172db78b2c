"""What a mailbox is, in plain Python: operations change it, or raise the refusal that a client shall get.

`seen` holds what a message must show.  What only the server can know (times, conversation) is learnt when the message
is first seen, and must then stay as it is until an operation changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

NAME_LENGTH = 255
DEFAULTS = {
    "msgfolderroot": "Top of Information Store",
    "archive": "Archive",
    "conversationhistory": "Conversation History",
    "deleteditems": "Deleted Items",
    "drafts": "Drafts",
    "inbox": "Inbox",
    "junkemail": "Junk Email",
    "outbox": "Outbox",
    "sentitems": "Sent Items",
    "clutter": "Clutter",
    "conflicts": "Conflicts",
    "localfailures": "Local Failures",
    "recoverableitemsdeletions": "Deletions",
    "scheduled": "Scheduled",
    "searchfolders": "Search Folders",
    "serverfailures": "Server Failures",
    "syncissues": "Sync Issues",
}
HIDDEN = {
    *("clutter", "conflicts", "localfailures", "recoverableitemsdeletions", "scheduled"),
    *("searchfolders", "serverfailures", "syncissues"),
}
PROTECTED = {
    *("subject", "body", "toRecipients", "ccRecipients", "bccRecipients", "replyTo", "internetMessageId"),
    "from",
}
WRITTEN = PROTECTED | {"importance", "isReadReceiptRequested", "isDeliveryReceiptRequested"}
"""What stands in a message's MIME: with another, it is composed anew."""


class Refused(Exception):
    """What a client is told."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code)
        self.error = status, code


def not_found() -> Refused:
    return Refused(404, "ErrorItemNotFound")


def nobody() -> Refused:
    return Refused(400, "ErrorInvalidRecipients")


@dataclass(eq=False)
class Folder:
    """`known` is the well-known name, '' of one that a client made; `key` '' until the server has told it."""

    name: str
    parent: Folder | None
    known: str = ""
    hidden: bool = False
    key: str = ""
    gone: bool = False


@dataclass(frozen=True)
class File:
    """An attachment; `digest` is its bytes' SHA-256, '' when only the server knows."""

    name: str
    content_type: str
    digest: str
    inline: bool = False
    content_id: str = ""
    kind: str = "file"


UNKNOWN = File("", "", "")
"""Among a message's: only the server knows them."""


@dataclass(eq=False)
class Kept:
    """A message in a folder.

    `key` is its immutable id, `bound` its present folder-bound one, `tag` its changeKey: '' until they are known.
    `moved` and `touched` say what was done to it since it was last looked at.
    """

    folder: Folder
    seen: dict[str, Any]
    files: tuple[File, ...] = ()
    key: str = ""
    bound: str = ""
    tag: str = ""
    modified: str = ""
    file_keys: tuple[str, ...] = ()
    gone: bool = False
    moved: bool = False
    touched: bool = False
    refiled: bool = True  # its attachments are to be looked at
    mime: bool = False  # it is the bytes it came as
    answers: tuple[Kept, str] | None = None  # what it answers, and how (the number of PidTagLastVerbExecuted)
    later: bool = False  # it asks for a later time
    waits: bool = False  # for that time
    answered: str = ""  # how it was answered last

    @property
    def is_draft(self) -> bool:
        return bool(self.seen["isDraft"])

    def show(self, **properties: Any) -> None:
        """It shows this from now on."""
        self.seen.update(properties)
        self.touched = True

    def forget(self, *names: str) -> None:
        """Only the server knows these."""
        for name in names:
            self.seen.pop(name, None)

    def leave(self) -> None:
        """It is sent: what it answers, if that is still there, is marked."""
        original, verb = self.answers or (self, "")
        if verb and not original.gone:
            original.answered, original.touched = verb, True

    def place(self, folder: Folder) -> None:
        if folder is not self.folder:
            self.folder, self.moved, self.touched = folder, True, True


@dataclass(eq=False)
class Box:
    """Folders and messages, in the order of their making."""

    address: str
    name: str
    aliases: tuple[str, ...]
    folders: list[Folder] = field(default_factory=list)
    messages: list[Kept] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        root = Folder(DEFAULTS["msgfolderroot"], None, "msgfolderroot")
        self.folders = [
            root,
            *(
                Folder(name, root, known, known in HIDDEN)
                for known, name in DEFAULTS.items()
                if known != "msgfolderroot"
            ),
        ]

    # Looking

    def folder(self, known: str) -> Folder:
        return next(each for each in self.folders if each.known == known)

    @property
    def own(self) -> dict[str, Any]:
        return recipient(self.address, self.name)

    def owns(self, address: str) -> bool:
        return address.lower() in {each.lower() for each in (self.address, *self.aliases)}

    def children(self, folder: Folder) -> list[Folder]:
        return [each for each in self.folders if each.parent is folder]

    def inside(self, folder: Folder) -> list[Kept]:
        return [each for each in self.messages if each.folder is folder]

    def listed(self) -> list[Kept]:
        """What a list of the whole mailbox shows."""
        return [each for each in self.messages if each.folder.known != "recoverableitemsdeletions"]

    def has(self, parent: Folder, name: str, but: Folder | None = None) -> bool:
        taken = {each.name.casefold() for each in self.children(parent) if each is not but}
        return name.casefold() in taken

    # Messages

    def keep(self, kept: Kept) -> Kept:
        check_there(kept.folder)
        self.messages.append(kept)
        return kept

    def patch(self, kept: Kept, fields: dict[str, Any]) -> None:
        if not kept.is_draft and not PROTECTED.isdisjoint(fields):
            raise (
                Refused(400, "ErrorInvalidPropertySet")
                if "from" in fields
                else Refused(403, "ErrorAccessDenied")
            )
        if "from" in fields:
            fields = {"sender": fields["from"], **fields}
        changed = {name for name, value in fields.items() if kept.seen[name] != value}
        if changed:
            kept.show(**fields)
            kept.mime = kept.mime and not (kept.is_draft and changed & WRITTEN)

    def move(self, kept: Kept, to: Folder) -> None:
        check_there(to)
        kept.place(to)
        self.cancel_deleted()

    def copy(self, kept: Kept, to: Folder) -> Kept:
        check_there(to)
        return self.keep(copied(kept, to))

    def delete(self, kept: Kept) -> None:
        if kept.folder.known == "recoverableitemsdeletions":
            self.erase(kept)
        elif any(each.known == "deleteditems" for each in above(kept.folder)):
            kept.place(self.folder("recoverableitemsdeletions"))
        else:
            kept.place(self.folder("deleteditems"))
        self.cancel_deleted()

    def cancel_deleted(self) -> None:
        """What is in Deleted Items, or was deleted with its folder, waits no more."""
        for kept in self.messages:
            kept.waits = kept.waits and not in_bin(kept.folder)

    def erase(self, kept: Kept) -> None:
        kept.gone = True
        self.messages.remove(kept)
        self.dead += [each for each in (kept.bound, kept.key) if each]

    def send(self, kept: Kept) -> None:
        """A draft goes to Sent Items; its new times are the server's."""
        if not kept.is_draft:
            raise not_found()
        if not any(recipients(kept.seen)):
            raise nobody()
        kept.place(self.folder("sentitems"))
        kept.moved = True
        kept.show(isDraft=False, isRead=True)
        kept.forget("receivedDateTime", "sentDateTime")

    # Folders

    def create(self, parent: Folder, name: str, hidden: bool) -> Folder:
        check_there(parent)
        self.check_free(parent, name)
        made = Folder(name, parent, hidden=hidden)
        self.folders.append(made)
        return made

    def rename(self, folder: Folder, name: str) -> None:
        if folder.known:
            raise Refused(403, "ErrorAccessDenied")
        check_there(folder)
        assert folder.parent is not None
        self.check_free(folder.parent, name, folder)
        folder.name = name

    def move_folder(self, folder: Folder, to: Folder) -> None:
        if folder.known:
            raise Refused(400, "ErrorMoveDistinguishedFolder")
        check_there(folder)
        check_there(to)
        if folder in above(to):
            raise Refused(400, "ErrorMoveCopyFailed")
        if folder.parent is not to:
            self.check_free(to, folder.name)
            folder.parent = to
            self.cancel_deleted()

    def copy_folder(self, folder: Folder, to: Folder) -> Folder:
        check_there(folder)
        check_there(to)
        if folder in above(to):
            raise Refused(400, "ErrorMoveCopyFailed")
        self.check_free(to, folder.name)
        return self._copied(folder, to)

    def delete_folder(self, folder: Folder) -> None:
        if folder.known:
            raise Refused(400, "ErrorDeleteDistinguishedFolder")
        check_there(folder)
        if in_bin(folder):
            self.erase_folder(folder)
            return
        bin_, count, free = self.folder("deleteditems"), 0, folder.name
        while self.has(bin_, free):
            count += 1
            free = folder.name[: NAME_LENGTH - len(str(count))] + str(count)
        folder.parent, folder.name = bin_, free
        self.cancel_deleted()

    def erase_folder(self, folder: Folder) -> None:
        if folder.known:
            raise Refused(400, "ErrorDeleteDistinguishedFolder")
        check_there(folder)
        for child in self.children(folder):
            self.erase_folder(child)
        for kept in self.inside(folder):
            self.erase(kept)
        folder.gone = True
        self.folders.remove(folder)

    def check_free(self, parent: Folder, name: str, but: Folder | None = None) -> None:
        if self.has(parent, name, but):
            raise Refused(409, "ErrorFolderExists")

    def _copied(self, folder: Folder, to: Folder) -> Folder:
        made = Folder(folder.name, to, hidden=folder.hidden)
        below, inside = self.children(folder), self.inside(folder)
        self.folders.append(made)
        self.messages += [copied(kept, made) for kept in inside]
        for child in below:
            self._copied(child, made)
        return made


def check_there(folder: Folder) -> None:
    if folder.gone:
        raise not_found()


def above(folder: Folder | None) -> Iterator[Folder]:
    """The folder itself, its parent, and so on."""
    while folder is not None:
        yield folder
        folder = folder.parent


def in_bin(folder: Folder) -> bool:
    return any(each.known in ("deleteditems", "recoverableitemsdeletions") for each in above(folder))


def copied(kept: Kept, to: Folder) -> Kept:
    made = Kept(to, dict(kept.seen), kept.files, mime=kept.mime, later=kept.later)
    made.answers, made.answered = kept.answers, kept.answered
    made.forget("createdDateTime")
    return made


def recipient(address: str, name: str = "") -> dict[str, Any]:
    return {"emailAddress": {"name": name or address, "address": address}}


def addresses(shown: Iterable[dict[str, Any]]) -> list[str]:
    return [each["emailAddress"]["address"] for each in shown]


def recipients(seen: dict[str, Any]) -> list[str]:
    """Everybody a message goes to."""
    return [
        address
        for name in ("toRecipients", "ccRecipients", "bccRecipients")
        for address in addresses(seen[name])
    ]


def arrived(kept: Kept, inbox: Folder) -> Kept:
    """What a recipient gets of a message that was sent."""
    names = ("subject", "body", "bodyPreview", "importance", "from", "sender", "toRecipients", "ccRecipients")
    more = ("replyTo", "internetMessageId", "isReadReceiptRequested", "hasAttachments")
    seen = {name: kept.seen[name] for name in (*names, *more) if name in kept.seen}
    seen |= {"bccRecipients": [], "isRead": False, "isDraft": False, "categories": [], "flag": UNFLAGGED}
    seen["subject"] = seen["subject"].rstrip()
    if (
        not kept.mime and "body" in seen
    ):  # a quote in a quote has lines that end with LF alone, and MIME has none
        text = seen["body"]["content"].replace("\r\n", "\n").replace("\n", "\r\n")
        seen["body"] = {**seen["body"], "content": text}
    if not kept.files and not kept.mime and seen.get("body", {}).get("contentType") == "text":
        text = seen["body"]["content"]  # what is nothing but a text ends with a line
        seen["body"] = {**seen["body"], "content": text if text.endswith("\r\n") else text + "\r\n"}
    files = kept.files
    if (
        not kept.mime and seen.get("body", {}).get("contentType") == "html"
    ):  # images stand beside the page they are in
        files = tuple(sorted(files, key=lambda each: not (each.inline and each.content_id)))
    return Kept(inbox, seen, tuple(_as_mailed(each) for each in files))


def _as_mailed(file: File) -> File:
    """An attachment goes as base64, which nothing of the type `message/…` may be in."""
    if file.kind == "file" and file.content_type.startswith("message/"):
        return replace(file, content_type="application/octet-stream")
    return file


def report(subject: str, inbox: Folder) -> Kept:
    """A report to the sender; who writes it, and how, is looked at elsewhere."""
    return Kept(inbox, {"subject": subject, "isRead": False, "isDraft": False}, (UNKNOWN,))


UNFLAGGED = {"flagStatus": "notFlagged"}


# Answers


def asking(seen: dict[str, Any]) -> list[dict[str, Any]]:
    """Who a reply goes to."""
    author = seen["from"] or seen["sender"]
    return seen["replyTo"] or ([author] if author else [])


def answer_recipients(
    box: Box, seen: dict[str, Any], everybody: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """To and Cc of a reply."""
    if not everybody:
        return once(asking(seen), set()), []
    met = {each.lower() for each in (box.address, *box.aliases)}
    to = once([*asking(seen), *seen["toRecipients"]], met)
    cc = once(seen["ccRecipients"], met)
    return (to, cc) if to or cc else (once(asking(seen), set()), [])


def once(found: Iterable[dict[str, Any]], met: set[str]) -> list[dict[str, Any]]:
    kept = []
    for each in found:
        key = each["emailAddress"]["address"].lower()
        if key not in met:
            met.add(key)
            kept.append(each)
    return kept


def prefixed(prefix: str, subject: str) -> str:
    return subject if subject.upper().startswith(prefix) else f"{prefix} {subject}"
