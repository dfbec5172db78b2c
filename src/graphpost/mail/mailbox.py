"""Mailboxes, folders, applications, and the directory that finds them.

The directory is an immutable snapshot: looking somebody up never waits.  The server swaps in a new one when an
account changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Literal

from msgspec import Struct

from graphpost.clock import Instant
from graphpost.mail.address import domain_of, to_wire
from graphpost.mail.rights import NO_RIGHTS, Given, Held, Right, held

# Folders every mailbox has, under fixed ids, so that filing needs no look-up.  Order is the order of listing.
WELL_KNOWN: Final[MappingProxyType[str, tuple[int, str]]] = MappingProxyType(
    {
        "msgfolderroot": (1, "Top of Information Store"),
        "archive": (2, "Archive"),
        "conversationhistory": (3, "Conversation History"),
        "deleteditems": (4, "Deleted Items"),
        "drafts": (5, "Drafts"),
        "inbox": (6, "Inbox"),
        "junkemail": (7, "Junk Email"),
        "outbox": (8, "Outbox"),
        "sentitems": (9, "Sent Items"),
        "clutter": (10, "Clutter"),
        "conflicts": (11, "Conflicts"),
        "localfailures": (12, "Local Failures"),
        "recoverableitemsdeletions": (13, "Deletions"),
        "scheduled": (14, "Scheduled"),
        "searchfolders": (15, "Search Folders"),
        "serverfailures": (16, "Server Failures"),
        "syncissues": (17, "Sync Issues"),
    }
)
ROOT: Final = WELL_KNOWN["msgfolderroot"][0]
DELETED_ITEMS: Final = WELL_KNOWN["deleteditems"][0]
DRAFTS: Final = WELL_KNOWN["drafts"][0]
INBOX: Final = WELL_KNOWN["inbox"][0]
JUNK: Final = WELL_KNOWN["junkemail"][0]
SENT_ITEMS: Final = WELL_KNOWN["sentitems"][0]
RECOVERABLE: Final = WELL_KNOWN["recoverableitemsdeletions"][0]  # what was deleted from Deleted Items
NO_FOLDER: Final = 0
Kind = Literal["person", "shared"]
Scopes = Mapping[str, frozenset[int] | None]  # numbers of mailboxes by a permission's name; None: all
USUAL_QUOTA: Final = -1


class Folder(Struct, frozen=True, kw_only=True):
    """`well_known` is the lower-case name of §4.4 or ''.  Counts are of messages, not of child folders' messages."""

    mailbox_id: int
    folder_id: int
    parent_id: int
    name: str
    well_known: str = ""
    is_hidden: bool = False
    child_count: int = 0
    total_count: int = 0
    unread_count: int = 0
    version: int = 1


class Mailbox(Struct, frozen=True, kw_only=True):
    """Somebody with a mailbox.  `object_id` is the directory's GUID; `address` is mail and userPrincipalName.

    `quota` is how many bytes it may have: 0 any number, USUAL_QUOTA what the settings say.
    """

    mailbox_id: int
    object_id: str
    address: str
    name: str = ""
    aliases: tuple[str, ...] = ()
    enabled: bool = True
    created_at: Instant = 0
    kind: Kind = "person"
    quota: int = USUAL_QUOTA

    @property
    def can_sign_in(self) -> bool:
        """Whether tokens may speak for it: a shared mailbox is nobody."""
        return self.enabled and self.kind == "person"

    def owns(self, address: str) -> bool:
        """Whether the address is this mailbox's own, primary or alias; letter case does not matter."""
        wanted = _key(address)
        return wanted == _key(self.address) or any(wanted == _key(alias) for alias in self.aliases)


class Application(Struct, frozen=True, kw_only=True):
    """A registered client.  Permissions are Graph names; `mailbox_scope` () means every mailbox.

    `spa_redirect_uris` are those of its pages (a single-page application), which redeem codes in the browser.
    `permission_scopes` has, by their names, the permissions with a scope of their own instead.
    """

    client_id: str
    object_id: str
    name: str = ""
    public: bool = False
    redirect_uris: tuple[str, ...] = ()
    spa_redirect_uris: tuple[str, ...] = ()
    application_permissions: tuple[str, ...] = ()
    delegated_permissions: tuple[str, ...] = ()
    mailbox_scope: tuple[str, ...] = ()
    permission_scopes: dict[str, tuple[str, ...]] = {}
    enabled: bool = True


class Group(Struct, frozen=True, kw_only=True):
    """Mailboxes that are named together.  `members` are addresses or object ids, in lower case; some may be nobody's."""

    name: str
    address: str = ""
    members: frozenset[str] = frozenset()


class Reception(Struct, frozen=True):
    """What an address may be beside a mailbox's own: `domains`, in lower-case A-labels, are those with a postmaster."""

    delimiter: str = "+"  # what separates a detail; '' for none
    postmaster: str = ""
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Directory:
    """Who there is.  Keys are lower-case, domains in them in A-labels."""

    by_id: dict[int, Mailbox]
    by_key: dict[str, Mailbox]  # object id, and primary address (the userPrincipalName)
    by_address: dict[str, Mailbox]  # primary addresses and aliases
    applications: dict[str, Application]
    groups: dict[str, Group] = field(default_factory=dict)  # by name, and by address
    reception: Reception = field(default_factory=lambda: Reception())
    rights: Held = field(default_factory=dict)
    scopes: Mapping[str, frozenset[int]] = field(
        default_factory=dict
    )  # by client id; only of those that have one
    permission_scopes: Mapping[str, Scopes] = field(default_factory=dict)  # likewise
    _members: dict[str, frozenset[int]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        mailboxes: Iterable[Mailbox],
        applications: Iterable[Application] = (),
        groups: Iterable[Group] = (),
        rights: Iterable[Given] = (),
    ) -> Directory:
        boxes = list(mailboxes)
        by_key: dict[str, Mailbox] = {}
        by_address: dict[str, Mailbox] = {}
        for box in boxes:
            by_key[box.object_id.casefold()] = box
            by_key[_key(box.address)] = box
            for address in (box.address, *box.aliases):
                by_address[_key(address)] = box
        named = {key: group for group in groups for key in (group.address, group.name) if key}
        people = {**by_key, **by_address}
        found = cls(
            {box.mailbox_id: box for box in boxes},
            by_key,
            by_address,
            {app.client_id.casefold(): app for app in applications},
            {_key(key): group for key, group in named.items()},
            _members={_key(key): _members_of(group, people) for key, group in named.items()},
        )
        apps = found.applications.items()
        scopes = {key: found._scope(app.mailbox_scope) for key, app in apps if app.mailbox_scope}
        by_permission = {
            key: {
                name: found._scope(scope) if scope else None for name, scope in app.permission_scopes.items()
            }
            for key, app in apps
            if app.permission_scopes
        }
        return replace(
            found, rights=held(rights, found.named), scopes=scopes, permission_scopes=by_permission
        )

    def find(self, key: str) -> Mailbox | None:
        """By object id or userPrincipalName: what a path may name.  An alias is not a user key."""
        return self.by_key.get(_key(key))

    def find_address(self, address: str) -> Mailbox | None:
        """By any address that is a mailbox's own."""
        return self.by_address.get(_key(address))

    def find_group(self, key: str) -> Group | None:
        """By name or address."""
        return self.groups.get(_key(key))

    def members_of(self, key: str) -> frozenset[int]:
        """The numbers of the mailboxes in a group, by its name or address; nobody's when there is no such group."""
        return self._members.get(_key(key), frozenset())

    def named(self, entry: str) -> frozenset[int]:
        """The numbers of the mailboxes that an entry stands for.

        It is an address (a group's too), an object id, `group:` and a name, or `domain:` and a domain.
        """
        kind, _, name = entry.partition(":")
        if kind.lower() == "group":
            return self.members_of(name)
        if kind.lower() == "domain":
            domain = domain_of(f"@{name}").lower()
            return frozenset(n for n, box in self.by_id.items() if domain_of(box.address).lower() == domain)
        box = self.find(entry) or self.find_address(entry)
        return self.members_of(entry) if box is None else frozenset({box.mailbox_id})

    def rights_of(self, holder: Mailbox, box: Mailbox) -> frozenset[Right]:
        """The rights that somebody has to a mailbox that is another's."""
        return self.rights.get((holder.mailbox_id, box.mailbox_id), NO_RIGHTS)

    def usable(self, application: Application, box: Mailbox, permissions: Collection[str]) -> frozenset[str]:
        """Those of the permissions that an application may use by itself in a mailbox."""
        key = application.client_id.casefold()
        usual, own = self.scopes.get(key), self.permission_scopes.get(key, {})
        scopes = {name: own.get(name, usual) for name in permissions}
        return frozenset(name for name, scope in scopes.items() if scope is None or box.mailbox_id in scope)

    def _scope(self, entries: Iterable[str]) -> frozenset[int]:
        return frozenset[int]().union(*map(self.named, entries))

    def find_recipient(self, address: str) -> Mailbox | None:
        """By any address that mail may be sent to: the mailboxes' own, those with a detail (RFC 5233), and postmaster."""
        key = _key(address)
        found = self.by_address.get(key)
        return found if found is not None else self._find_unlisted(key)

    def _find_unlisted(self, key: str) -> Mailbox | None:
        local, _, domain = key.rpartition("@")
        delimiter = self.reception.delimiter
        if delimiter and (at := local.find(delimiter)) > 0:
            return self.by_address.get(f"{local[:at]}@{domain}")
        return self.postmaster if local == "postmaster" and domain in self.reception.domains else None

    @property
    def postmaster(self) -> Mailbox | None:
        """Who gets what is for the postmaster: whom the settings name, else the mailbox that was made first."""
        return self.named_postmaster or min(self.by_id.values(), key=lambda box: box.mailbox_id, default=None)

    @property
    def named_postmaster(self) -> Mailbox | None:
        """Whom the settings name, when there is a mailbox with that address."""
        return self.find_address(self.reception.postmaster) if self.reception.postmaster else None

    def receiving(self, reception: Reception) -> Directory:
        """The same people, found by these habits."""
        return replace(self, reception=reception)


def _members_of(group: Group, people: Mapping[str, Mailbox]) -> frozenset[int]:
    found = (people.get(_key(member)) for member in group.members)
    return frozenset(box.mailbox_id for box in found if box is not None)


def _key(address: str) -> str:
    """What two spellings of one address share: letter case, and how an internationalised domain is written."""
    return to_wire(address).lower()  # casefolding would make one of straße and strasse
